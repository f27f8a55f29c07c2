//! UDP_CHECK: one datagram, and what comes back, if anything must.

use tokio::time::timeout;

use super::UdpProbe;
use super::connect::{Seconds, open_udp, sentence};
use crate::check::Outcome;

/// What PING_CHECK and UDP_CHECK send where nothing else is said: this text again and again.
const TEXT: &[u8] = b"keepalived check - ";

/// Octets of it that UDP_CHECK sends.
pub const DEFAULT_LENGTH: usize = 32;

/// `max_reply_length` where none is given.
pub const MAX_REPLY_LENGTH: u16 = 255;

/// The first `length` octets of the text that is sent where nothing else is said.
pub fn default_payload(length: usize) -> Vec<u8> {
    TEXT.iter().copied().cycle().take(length).collect()
}

/// What a reply has to be like (`require_reply`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expectation {
    /// Octets and which of their bits count, from the first octet of the reply on. Empty: any reply.
    /// Of a reply that is shorter only what there is gets compared, as in keepalived.
    pub pattern: Vec<(u8, u8)>,
    /// `min_reply_length`. keepalived looks at lengths only where there is a pattern.
    pub min_length: u16,
    /// `max_reply_length`.
    pub max_length: u16,
}

/// Judges a reply: its length, then its first octets.
pub fn judge(expect: &Expectation, reply: &[u8]) -> Outcome {
    let length = reply.len();
    let (least, most) = (usize::from(expect.min_length), usize::from(expect.max_length));
    if !(least..=most).contains(&length) {
        let reason = format!("reply has {length} bytes, expected {least} to {most}");
        return Outcome::Failure(reason);
    }
    let differs = |(got, (wanted, mask)): (&u8, &(u8, u8))| got & mask != wanted & mask;
    match reply.iter().zip(&expect.pattern).position(differs) {
        Some(at) => {
            Outcome::Failure(format!("reply differs from what was expected in byte {}", at + 1))
        }
        None => Outcome::Success,
    }
}

pub(super) async fn attempt(probe: &UdpProbe) -> Outcome {
    let limit = probe.connect.timeout;
    match (timeout(limit, exchange(probe)).await, &probe.expect) {
        (Ok(outcome), _) => outcome,
        // Nobody said that the datagram could not be delivered.
        (Err(_), None) => Outcome::Success,
        (Err(_), Some(_)) => Outcome::Failure(format!("no reply within {}", Seconds(limit))),
    }
}

async fn exchange(probe: &UdpProbe) -> Outcome {
    let socket = match open_udp(&probe.connect) {
        Ok(socket) => socket,
        Err(error) => return error.into(),
    };
    if let Err(error) = socket.send(&probe.payload).await {
        return Outcome::Failure(format!("cannot send: {}", sentence(&error)));
    }
    // One more than the longest reply, so that a longer one is seen to be so.
    let most = probe.expect.as_ref().map_or(0, |expect| usize::from(expect.max_length));
    let mut buffer = vec![0; most + 1];
    match (socket.recv(&mut buffer).await, &probe.expect) {
        (Ok(_), None) => Outcome::Success,
        (Ok(length), Some(expect)) => judge(expect, &buffer[..length]),
        (Err(error), _) => Outcome::Failure(sentence(&error)),
    }
}

#[cfg(test)]
mod tests;
