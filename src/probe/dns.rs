//! DNS_CHECK: one question by UDP, of which only the reply's header is judged (RFC 1035 §4.1.1).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use tokio::time::timeout;

use super::DnsProbe;
use super::connect::{Seconds, open_udp, sentence};
use crate::check::Outcome;

/// Longest name on the wire (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;
const MAX_LABEL: usize = 63;

/// Octets of a reply that are looked at; longer ones are cut.
const HEADER: usize = 12;

/// Datagrams that are no reply to our question and are passed over; one more is a flood.
const STRANGE: usize = 1_000;

/// A domain name as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Vec<u8>);

/// Why a text is no domain name. Worded for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("it has an empty label")]
    EmptyLabel,
    #[error("a label has more than 63 octets")]
    LongLabel,
    #[error("it has more than 255 octets")]
    TooLong,
}

impl Name {
    /// `.`
    pub fn root() -> Self {
        Self(vec![0])
    }

    /// `www.example.com`, with or without a dot at the end.
    ///
    /// # Errors
    /// See [`BadName`].
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if text == "." {
            return Ok(Self::root());
        }
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.strip_suffix('.').unwrap_or(text).split('.') {
            match label.len() {
                0 => return Err(BadName::EmptyLabel),
                length @ 1..=MAX_LABEL => wire.push(length as u8),
                _ => return Err(BadName::LongLabel),
            }
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        if wire.len() > MAX_NAME { Err(BadName::TooLong) } else { Ok(Self(wire)) }
    }
}

/// What is asked for (RFC 1035 §3.2.2, RFC 3596, RFC 4034).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Record {
    A = 1,
    Ns = 2,
    Cname = 5,
    #[default]
    Soa = 6,
    Mx = 15,
    Txt = 16,
    Aaaa = 28,
    Rrsig = 46,
    Dnskey = 48,
}

impl Record {
    /// By its name, in whatever case.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "A" => Self::A,
            "NS" => Self::Ns,
            "CNAME" => Self::Cname,
            "SOA" => Self::Soa,
            "MX" => Self::Mx,
            "TXT" => Self::Txt,
            "AAAA" => Self::Aaaa,
            "RRSIG" => Self::Rrsig,
            "DNSKEY" => Self::Dnskey,
            _ => return None,
        })
    }
}

/// The question, recursion desired, class IN. 17 octets for the root.
pub fn query(id: u16, name: &Name, record: Record) -> Vec<u8> {
    let mut query = Vec::with_capacity(HEADER + name.0.len() + 4);
    query.extend_from_slice(&id.to_be_bytes());
    // RD; one question, nothing else.
    query.extend_from_slice(&[0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    query.extend_from_slice(&name.0);
    query.extend_from_slice(&(record as u16).to_be_bytes());
    query.extend_from_slice(&[0, 1]);
    query
}

/// Judges a datagram: `None` if it is no reply to the question `id`, and waiting goes on; else its response
/// code is the verdict.
pub fn judge(id: u16, datagram: &[u8]) -> Option<Outcome> {
    let header = datagram.get(..HEADER)?;
    let is_reply = header[..2] == id.to_be_bytes() && header[2] & 0x80 != 0;
    match header[3] & 0x0f {
        _ if !is_reply => None,
        0 => Some(Outcome::Success),
        code => Some(Outcome::Failure(format!("reply has code {code} ({})", code_name(code)))),
    }
}

/// IANA, DNS RCODEs.
fn code_name(code: u8) -> &'static str {
    const NAMES: [&str; 6] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    NAMES.get(usize::from(code)).copied().unwrap_or("an error")
}

pub(super) async fn attempt(probe: &DnsProbe) -> Outcome {
    let limit = probe.connect.timeout;
    match timeout(limit, ask(probe)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failure(format!("no reply within {}", Seconds(limit))),
    }
}

async fn ask(probe: &DnsProbe) -> Outcome {
    let socket = match open_udp(&probe.connect) {
        Ok(socket) => socket,
        Err(error) => return error.into(),
    };
    let id = random_id();
    if let Err(error) = socket.send(&query(id, &probe.name, probe.record)).await {
        return Outcome::Failure(format!("cannot send the query: {}", sentence(&error)));
    }
    let mut buffer = [0; HEADER];
    for _ in 0..=STRANGE {
        // What is longer than the buffer is cut: the header is all there is to see.
        match socket.recv(&mut buffer).await {
            Ok(length) => {
                if let Some(outcome) = judge(id, &buffer[..length]) {
                    return outcome;
                }
            }
            Err(error) => return Outcome::Failure(sentence(&error)),
        }
    }
    Outcome::Failure(format!("more than {STRANGE} datagrams came that are no reply to the query"))
}

/// Not to be foreseen by somebody who cannot see the query; the port is random as well.
fn random_id() -> u16 {
    RandomState::new().build_hasher().finish() as u16
}

#[cfg(test)]
mod tests;
