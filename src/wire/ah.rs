//! The IP Authentication Header of `auth_type AH` (RFC 4302, RFC 2403; VRRPv2 as RFC 2338 had it).
//!
//! The header stands between IP header and VRRP message. What it vouches for begins with the IP
//! header, so that these functions see whole datagrams. Layout and coverage are keepalived's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::ip::{HEADER_LEN as IP_HEADER_LEN, PROTOCOL_VRRP};
use super::{Discard, IpMeta};

/// IP protocol number of AH.
pub const PROTOCOL_AH: u8 = 51;
/// Octets of the header with its 96-bit ICV.
pub const HEADER_LEN: usize = 24;
/// Octets of the ICV: HMAC-MD5-96 (RFC 2403).
const ICV_LEN: usize = 12;
/// Payload length field: 32-bit words of the header, less 2 (RFC 4302 §2.2).
const LENGTH_FIELD: u8 = (HEADER_LEN / 4 - 2) as u8;

/// A key: `auth_pass`, padded with NUL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub [u8; 8]);

impl fmt::Debug for Key {
    /// Never shows the key: dumps and logs travel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(********)")
    }
}

/// A header as received, not yet judged; borrows the datagram it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// keepalived's is the sender's address.
    pub spi: Ipv4Addr,
    pub sequence: u32,
    icv: [u8; ICV_LEN],
    /// The whole IP datagram.
    datagram: &'a [u8],
    /// Octets before this header.
    ip_header_len: usize,
    unicast: bool,
}

/// Takes the header off a datagram that ends where its IP total length says; `ip` is what its IP
/// header said. Gives what follows: the VRRP message.
///
/// # Errors
/// [`Discard::AhHeader`]: it is cut short, of another length, or not for VRRP.
pub fn parse<'a>(datagram: &'a [u8], ip: &IpMeta) -> Result<(Header<'a>, &'a [u8]), Discard> {
    let bad = Discard::AhHeader { octets: datagram.len().saturating_sub(ip.header_len) };
    let behind = datagram.get(ip.header_len..).ok_or(bad)?;
    let (fixed, payload) = behind.split_first_chunk::<HEADER_LEN>().ok_or(bad)?;
    let [next, length, _, _, s0, s1, s2, s3, n0, n1, n2, n3, icv @ ..] = *fixed;
    if (next, length) != (PROTOCOL_VRRP, LENGTH_FIELD) {
        return Err(bad);
    }
    let header = Header {
        spi: Ipv4Addr::new(s0, s1, s2, s3),
        sequence: u32::from_be_bytes([n0, n1, n2, n3]),
        icv,
        datagram,
        ip_header_len: ip.header_len,
        unicast: !ip.destination.is_multicast(),
    };
    Ok((header, payload))
}

impl Header<'_> {
    /// Whether the ICV is what `key` makes of the datagram. Takes the same time wherever the first
    /// difference is.
    pub fn verifies(&self, key: Key) -> bool {
        authenticator(self.datagram, self.ip_header_len, self.unicast, key)
            .verify_truncated_left(&self.icv)
            .is_ok()
    }

    /// Whether the SPI is the sender's address, as keepalived has it.
    pub fn names(&self, source: IpAddr) -> bool {
        IpAddr::V4(self.spi) == source
    }
}

/// Makes a datagram of IP header (without options), [`HEADER_LEN`] octets of any kind and VRRP
/// message into an authenticated one: fills those octets in, and sets the IP protocol. The rest
/// of the IP header must be final, but for its checksum.
pub fn protect(datagram: &mut [u8], destination: Ipv4Addr, sequence: u32, key: Key) {
    let Some((ip, behind)) = datagram.split_first_chunk_mut::<IP_HEADER_LEN>() else { return };
    let Some(ah) = behind.first_chunk_mut::<HEADER_LEN>() else { return };
    ip[9] = PROTOCOL_AH;
    *ah = [0; HEADER_LEN];
    (ah[0], ah[1]) = (PROTOCOL_VRRP, LENGTH_FIELD);
    ah[4..8].copy_from_slice(&ip[12..16]);
    ah[8..12].copy_from_slice(&sequence.to_be_bytes());
    let made = authenticator(datagram, IP_HEADER_LEN, !destination.is_multicast(), key);
    let icv = made.finalize().into_bytes();
    datagram[IP_HEADER_LEN + HEADER_LEN - ICV_LEN..][..ICV_LEN].copy_from_slice(&icv[..ICV_LEN]);
}

/// HMAC-MD5 over the datagram with all that may change on the way, and the ICV, taken as zero
/// (RFC 4302 §3.3.3.1.1). A multicast TTL is covered: no router may have lowered it.
fn authenticator(datagram: &[u8], ip_header_len: usize, unicast: bool, key: Key) -> Hmac<Md5> {
    let mut mac =
        Hmac::<Md5>::new_from_slice(&key.0).expect("HMAC takes keys of any length (RFC 2104 §2)");
    let (ip, behind) = datagram.split_at(ip_header_len.min(datagram.len()));
    let (ah, message) = behind.split_at(HEADER_LEN.min(behind.len()));
    if let Some((fixed, options)) = ip.split_first_chunk::<IP_HEADER_LEN>() {
        let mut immutable = *fixed;
        // Type of service, flags and fragment offset, header checksum.
        immutable[1] = 0;
        immutable[6..8].fill(0);
        immutable[10..12].fill(0);
        if unicast {
            immutable[8] = 0;
        }
        mac.update(&immutable);
        mac.update(options);
    }
    mac.update(&ah[..ah.len().saturating_sub(ICV_LEN)]);
    mac.update(&[0; ICV_LEN]);
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests;
