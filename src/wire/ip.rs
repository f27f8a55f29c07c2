//! The IP header around a VRRP message, as raw sockets give and take it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Discard;

/// IP protocol number of VRRP (RFC 9568 §5.1.1.4).
pub const PROTOCOL_VRRP: u8 = 112;
/// TTL that adverts must have: any router on the way would have lowered it (RFC 9568 §5.1.1.3).
pub const TTL: u8 = 255;
/// Octets of an IPv4 header without options.
pub const HEADER_LEN: usize = 20;
/// Octets of an IPv6 header (RFC 8200 §3).
pub const HEADER_LEN_V6: usize = 40;

/// Type of service, or traffic class, of adverts: precedence Internetwork Control, as keepalived sends them.
const TOS: u8 = 0xc0;
/// Payload of the shortest Ethernet frame: what is shorter is padded to this.
pub(super) const ETHERNET_MINIMUM: usize = 46;

/// What the headers around a VRRP message said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpMeta {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Octets that the headers before the VRRP message took: 20 for IPv4 without options.
    pub header_len: usize,
}

/// Takes the IPv4 header off a datagram from a raw socket.
///
/// Octets beyond the header's total length are cut off where they can be Ethernet padding.
///
/// # Errors
/// [`Discard::NotIpv4`], [`Discard::IpLength`], [`Discard::Fragment`], [`Discard::Protocol`]: the
/// first that applies, in this order. The header checksum was the kernel's matter.
pub fn parse_ipv4(datagram: &[u8]) -> Result<(IpMeta, &[u8]), Discard> {
    match parse_header(datagram)? {
        (meta, PROTOCOL_VRRP, payload) => Ok((meta, payload)),
        (_, other, _) => Err(Discard::Protocol(other)),
    }
}

/// The same for any protocol, whose number it gives.
pub(super) fn parse_header(datagram: &[u8]) -> Result<(IpMeta, u8, &[u8]), Discard> {
    let not_ipv4 = Discard::NotIpv4 { octets: datagram.len() };
    let header: &[u8; HEADER_LEN] = datagram.first_chunk().ok_or(not_ipv4)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_len < HEADER_LEN {
        return Err(not_ipv4);
    }
    let stated = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let payload = within_total_length(datagram, header_len, stated)?;
    // More Fragments, or an offset: raw sockets see datagrams put together again, never parts.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(Discard::Fragment);
    }
    let address = |at: usize| {
        IpAddr::V4(Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]))
    };
    let meta = IpMeta { source: address(12), destination: address(16), ttl: header[8], header_len };
    Ok((meta, header[9], payload))
}

fn within_total_length(
    datagram: &[u8],
    header_len: usize,
    stated: usize,
) -> Result<&[u8], Discard> {
    let received = datagram.len();
    let padded = stated < received && received == ETHERNET_MINIMUM;
    match datagram.get(header_len..stated) {
        Some(payload) if stated == received || padded => Ok(payload),
        _ => Err(Discard::IpLength { stated, received }),
    }
}

/// The IPv4 header that we put before our own adverts (IP_HDRINCL).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderV4 {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    /// [`TTL`] for multicast.
    pub ttl: u8,
    pub id: u16,
}

impl HeaderV4 {
    /// The header before `payload_len` octets, without options and with Don't Fragment clear.
    /// The checksum is left zero: the kernel fills it in.
    pub fn octets(&self, payload_len: usize) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        // 255 IPv4 addresses make 1036 octets: far from what 16 bits hold.
        let total_len = (HEADER_LEN + payload_len) as u16;
        header[0] = 0x45;
        header[1] = TOS;
        header[2..4].copy_from_slice(&total_len.to_be_bytes());
        header[4..6].copy_from_slice(&self.id.to_be_bytes());
        header[8] = self.ttl;
        header[9] = PROTOCOL_VRRP;
        header[12..16].copy_from_slice(&self.source.octets());
        header[16..20].copy_from_slice(&self.destination.octets());
        header
    }
}

/// The IPv6 header that we put before our own adverts (RFC 8200 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderV6 {
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    /// [`TTL`] for multicast.
    pub hop_limit: u8,
}

impl HeaderV6 {
    /// The header before `payload_len` octets, with flow label 0.
    pub fn octets(&self, payload_len: usize) -> [u8; HEADER_LEN_V6] {
        let mut header = [0; HEADER_LEN_V6];
        // 255 IPv6 addresses make 4088 octets: far from what 16 bits hold.
        let payload_len = payload_len as u16;
        header[0] = 6 << 4 | TOS >> 4;
        header[1] = TOS << 4;
        header[4..6].copy_from_slice(&payload_len.to_be_bytes());
        header[6] = PROTOCOL_VRRP;
        header[7] = self.hop_limit;
        header[8..24].copy_from_slice(&self.source.octets());
        header[24..40].copy_from_slice(&self.destination.octets());
        header
    }
}

/// Identification numbers for one virtual router's datagrams: 1, 2, …, 65535, 1, …
///
/// Never 0, which asks the kernel to choose one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdCounter(u16);

impl IdCounter {
    /// The number for the next datagram.
    pub fn advance(&mut self) -> u16 {
        self.0 = self.0.checked_add(1).unwrap_or(1);
        self.0
    }
}

#[cfg(test)]
mod tests;
