//! PING_CHECK: one echo request (RFC 792, RFC 4443 §4), and its reply.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::Connect;
use super::bounds::{deadline, far_away, step_until};
use super::connect::{ConnectError, Seconds, new_socket, sentence, talk_to};
use super::udp::default_payload;
use crate::check::Outcome;

/// Octets of data, as keepalived sends them.
const DATA: usize = 128;
const HEADER: usize = 8;

/// What a request has of its own, and its reply brings back. Neither a late reply to an attempt before nor one
/// to another checker of the same host has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The kernel puts in that of a ping socket.
    pub id: u16,
    pub sequence: u16,
}

impl Label {
    /// Another one each time, for four thousand million times; and another for each process, most likely.
    pub fn next() -> Self {
        static NEXT: LazyLock<AtomicU32> =
            LazyLock::new(|| AtomicU32::new(RandomState::new().build_hasher().finish() as u32));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id: (number >> 16) as u16, sequence: number as u16 }
    }
}

/// An echo request. The checksum is filled in for IPv4, where a raw socket needs it; the kernel does IPv6's.
pub fn request(target: IpAddr, label: Label) -> Vec<u8> {
    let kind = if target.is_ipv4() { 8 } else { 128 };
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend_from_slice(&label.id.to_be_bytes());
    packet.extend_from_slice(&label.sequence.to_be_bytes());
    packet.extend(default_payload(DATA));
    if target.is_ipv4() {
        let checksum = checksum(&packet);
        packet[2..4].copy_from_slice(&checksum.to_be_bytes());
    }
    packet
}

/// The Internet checksum (RFC 1071) of an even number of octets.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let sum: u32 = words.map(u32::from).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded + (folded >> 16)) as u16)
}

/// Whether `packet` (without IP header) is the reply to the request with `label`. `raw`: it came from a raw
/// socket, which hears everybody's replies; those of a ping socket the kernel has sorted by an id of its own.
pub fn is_reply(target: IpAddr, raw: bool, label: Label, packet: &[u8]) -> bool {
    let kind = if target.is_ipv4() { 0 } else { 129 };
    let Some((header, data)) = packet.split_at_checked(HEADER) else { return false };
    header[..2] == [kind, 0]
        && (!raw || header[4..6] == label.id.to_be_bytes())
        && header[6..8] == label.sequence.to_be_bytes()
        && data == default_payload(DATA)
}

pub(super) async fn attempt(connect: &Connect) -> Outcome {
    let silent = || Outcome::Failure(format!("no reply within {}", Seconds(connect.timeout)));
    // A time-out beyond the clock's range is one of years.
    let until = deadline(connect.timeout).unwrap_or_else(far_away);
    exchange(connect, until).await.unwrap_or_else(silent)
}

/// `None`: there was no reply until then.
async fn exchange(connect: &Connect, until: Instant) -> Option<Outcome> {
    let target = connect.target.ip();
    let (socket, raw) = match open(connect) {
        Ok(opened) => opened,
        Err(error) => return Some(error.into()),
    };
    let label = Label::next();
    if let Err(error) = step_until(until, socket.send(&request(target, label))).await? {
        return Some(Outcome::Failure(format!("cannot send: {}", sentence(&error))));
    }
    let mut buffer = [0; 512];
    loop {
        // A raw socket hears the replies to everybody's requests: any number is passed over.
        let packet = match step_until(until, socket.recv(&mut buffer)).await? {
            Ok(length) => &buffer[..length],
            Err(error) => return Some(Outcome::Failure(sentence(&error))),
        };
        let packet = if raw && target.is_ipv4() { without_header(packet) } else { packet };
        if is_reply(target, raw, label, packet) {
            return Some(Outcome::Success);
        }
    }
}

/// Takes the IPv4 header off, which raw sockets deliver.
pub fn without_header(packet: &[u8]) -> &[u8] {
    let words = packet.first().map_or(0, |first| usize::from(first & 0x0f));
    packet.get(4 * words..).unwrap_or_default()
}

/// A ping socket (icmp(7)); where `net.ipv4.ping_group_range` forbids it, a raw one, which is told beside it.
fn open(connect: &Connect) -> Result<(UdpSocket, bool), ConnectError> {
    // Neither has ports.
    let mut connect = connect.clone();
    connect.target.set_port(0);
    if let Some(origin) = &mut connect.origin {
        origin.port = None;
    }
    let protocol = if connect.target.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let of_kind =
        |kind: Type| -> Result<Socket, ConnectError> { new_socket(&connect, kind, protocol) };
    match of_kind(Type::DGRAM) {
        Ok(socket) => Ok((talk_to(socket, connect.target)?, false)),
        Err(refused) => {
            // The first refusal is the one to tell: CAP_NET_RAW is rarer than the sysctl.
            let socket = of_kind(Type::RAW).map_err(|_| refused)?;
            Ok((talk_to(socket, connect.target)?, true))
        }
    }
}

#[cfg(test)]
mod tests;
