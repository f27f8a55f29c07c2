//! The VRRP message: versions 2 and 3, over IPv4 and IPv6 (RFC 9568 §5.2, RFC 3768 §5.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::Sum;
use super::ip::{ETHERNET_MINIMUM, HEADER_LEN, HEADER_LEN_V6, PROTOCOL_VRRP, TTL};
use super::trailer::{self, Covered, Seal};
use super::{AdverInterval, Authentication, Discard, IpMeta, Protocol, Version, Vrid, ah};

/// Octets before the addresses.
const FIXED_LEN: usize = 8;
/// Octets of VRRPv2's Authentication Data, which is there whatever the type.
const AUTH_DATA_LEN: usize = 8;
/// The only packet type there is (RFC 9568 §5.2.2).
const TYPE_ADVERTISEMENT: u8 = 1;
/// Addresses that the 8-bit count can tell of.
pub const MOST_ADDRESSES: usize = 255;

/// A well-formed advertisement as received; borrows the packet it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertisement<'a> {
    pub version: Version,
    pub vrid: Vrid,
    /// 0: the sender resigns; 255: it owns the addresses.
    pub priority: u8,
    pub adver_interval: AdverInterval,
    /// VRRPv2's two authentication fields; `None` in VRRPv3, which has none.
    pub auth: Option<AuthFields>,
    pub checksum: ChecksumScope,
    pub addresses: Addresses<'a>,
    /// The octets of all that, checksum included.
    pub message: &'a [u8],
    /// What stands behind it for `auth_hmac`, not yet looked at.
    pub trailer: Option<&'a [u8; trailer::LEN]>,
}

impl<'a> Advertisement<'a> {
    /// What a trailer's MAC vouches for, if `source` sent it.
    pub fn covered(&self, source: IpAddr) -> Covered<'a> {
        Covered { version: self.version, vrid: self.vrid, source, message: self.message }
    }
}

/// How a message is to be read, where that is a matter of configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// A trailer of `auth_hmac` may follow.
    pub trailer: bool,
    /// The group that keepalived up to 1.3.6 puts into the checksum of unicast adverts too
    /// (VRRPv3 over IPv4); `None`: that is wrong (`old_unicast_checksum never`).
    pub old_group: Option<IpAddr>,
}

/// VRRPv2's authentication fields, not yet judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthFields {
    pub auth_type: u8,
    pub data: [u8; 8],
}

/// What a checksum covers besides the VRRP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumScope {
    /// Nothing: VRRPv2 always, and some makers' VRRPv3 over IPv4 (`v3_checksum_as_v2`).
    Message,
    /// The IP pseudo-header too: VRRPv3.
    PseudoHeader,
    /// A pseudo-header with this multicast group as destination, whatever the destination is:
    /// unicast VRRPv3 over IPv4 of keepalived up to 1.3.6 (`old_unicast_checksum`).
    OldUnicast(IpAddr),
}

/// The address list of a received advertisement, in the packet's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses<'a> {
    octets: &'a [u8],
    address_len: usize,
}

impl<'a> Addresses<'a> {
    pub fn len(&self) -> usize {
        self.octets.len() / self.address_len
    }

    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        self.octets.chunks_exact(self.address_len).map(|octets| match octets {
            [a, b, c, d] => IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)),
            _ => IpAddr::V6(Ipv6Addr::from(
                <[u8; 16]>::try_from(octets).expect("chunks are of 4 or of 16 octets"),
            )),
        })
    }
}

/// What the datagrams of one virtual router consist of, besides addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub version: Version,
    pub ipv6: bool,
    pub protocol: Protocol,
    /// `auth_hmac`.
    pub trailer: bool,
}

impl Layout {
    /// Octets of a datagram that lists so many addresses, IP header included.
    pub fn length(&self, addresses: usize) -> usize {
        let (ip, address) = if self.ipv6 { (HEADER_LEN_V6, 16) } else { (HEADER_LEN, 4) };
        let ah = if self.protocol == Protocol::Ah { ah::HEADER_LEN } else { 0 };
        let trailer = if self.trailer { trailer::LEN } else { 0 };
        ip + ah + message_len(self.version, addresses, address) + trailer
    }

    /// How many addresses a packet of `mtu` octets can list; 0: the MTU is unknown.
    pub fn most_addresses(&self, mtu: u32) -> usize {
        if mtu == 0 {
            return MOST_ADDRESSES;
        }
        let room = (mtu as usize).saturating_sub(self.length(0));
        (room / if self.ipv6 { 16 } else { 4 }).min(MOST_ADDRESSES)
    }
}

/// Parses the VRRP part of a received datagram (RFC 9568 §5.2, §7.1).
///
/// `payload` starts at the version octet: IP header, and AH for VRRPv2, already taken off.
/// `ip` is what those headers said: the TTL check and the checksum's pseudo-header need it.
///
/// # Errors
/// The first check that fails. Never panics, whatever the octets.
pub fn parse<'a>(payload: &'a [u8], ip: &IpMeta) -> Result<Advertisement<'a>, Discard> {
    parse_as(payload, ip, Reading::default())
}

/// As [`parse`], with what `reading` allows besides.
///
/// # Errors
/// The first check that fails.
pub fn parse_as<'a>(
    payload: &'a [u8],
    ip: &IpMeta,
    reading: Reading,
) -> Result<Advertisement<'a>, Discard> {
    // §7.1, in its order: TTL, version, type, complete packet, checksum, VRID.
    if ip.destination.is_multicast() && ip.ttl != TTL {
        return Err(Discard::Ttl(ip.ttl));
    }
    let too_short = Discard::Length { received: payload.len(), expected: FIXED_LEN };
    let fixed: &[u8; FIXED_LEN] = payload.first_chunk().ok_or(too_short)?;
    let version = version_of(fixed[0] >> 4, ip.source)?;
    if fixed[0] & 0x0f != TYPE_ADVERTISEMENT {
        return Err(Discard::PacketType(fixed[0] & 0x0f));
    }
    let (message, trailer) = message_and_trailer(payload, version, fixed[3], ip)?;
    if let Some(octets) = trailer.filter(|_| !reading.trailer) {
        let (received, expected) = (payload.len(), message.len());
        let wrong = Discard::Length { received, expected };
        return Err(trailer::parse(octets).map_or(wrong, |_| Discard::HmacUnexpected));
    }
    let checksum = verify(message, trailer, version, ip, reading.old_group)?;
    let vrid = Vrid::new(fixed[1]).ok_or(Discard::UnknownVrid(0))?;
    // VRRPv2 has no such rule, and keepalived accepts an empty list in it.
    if fixed[3] == 0 && version == Version::V3 {
        return Err(Discard::NoAddress);
    }
    let adver_interval = interval_of(fixed, version).ok_or(Discard::ZeroInterval)?;
    let address_len = address_len(ip.source);
    let (octets, auth_data) = message[FIXED_LEN..].split_at(usize::from(fixed[3]) * address_len);
    let auth = auth_data.first_chunk().map(|data| AuthFields { auth_type: fixed[4], data: *data });
    let addresses = Addresses { octets, address_len };
    Ok(Advertisement {
        version,
        vrid,
        priority: fixed[2],
        adver_interval,
        auth,
        checksum,
        addresses,
        message,
        trailer,
    })
}

/// The VRID octet of a packet that need not be well-formed: whose counters a failed parse
/// belongs to. `None` when the packet ends before it, or for 0.
pub fn claimed_vrid(payload: &[u8]) -> Option<Vrid> {
    payload.get(1).copied().and_then(Vrid::new)
}

fn version_of(number: u8, source: IpAddr) -> Result<Version, Discard> {
    match (number, source) {
        // GAP: VRRPv2 over IPv6, which no RFC describes and keepalived can be made to send.
        (2, IpAddr::V4(_)) => Ok(Version::V2),
        (3, _) => Ok(Version::V3),
        (unknown, _) => Err(Discard::UnknownVersion(unknown)),
    }
}

fn interval_of(fixed: &[u8; FIXED_LEN], version: Version) -> Option<AdverInterval> {
    AdverInterval::from_centiseconds(match version {
        Version::V2 => u16::from(fixed[5]) * 100,
        // The upper four bits are reserved, and ignored on reception (§5.2.6).
        Version::V3 => u16::from_be_bytes([fixed[4], fixed[5]]) & 0x0fff,
    })
}

fn address_len(family: IpAddr) -> usize {
    if family.is_ipv4() { 4 } else { 16 }
}

fn message_len(version: Version, count: usize, address_len: usize) -> usize {
    let auth = if version == Version::V2 { AUTH_DATA_LEN } else { 0 };
    FIXED_LEN + count * address_len + auth
}

/// The message that the address count makes, and the trailer behind it. Anything else there must
/// be padding of the shortest Ethernet frame, which some senders count into the IP length.
fn message_and_trailer<'a>(
    payload: &'a [u8],
    version: Version,
    count: u8,
    ip: &IpMeta,
) -> Result<(&'a [u8], Option<&'a [u8; trailer::LEN]>), Discard> {
    let expected = message_len(version, usize::from(count), address_len(ip.source));
    let received = payload.len();
    let wrong = Discard::Length { received, expected };
    let (message, behind) = payload.split_at_checked(expected).ok_or(wrong)?;
    // The shortest message with a trailer is longer than the shortest frame, so that these two
    // cannot be taken for each other.
    let padded = !behind.is_empty() && ip.header_len + received == ETHERNET_MINIMUM;
    match <&[u8; trailer::LEN]>::try_from(behind) {
        Ok(trailer) => Ok((message, Some(trailer))),
        Err(_) if behind.is_empty() || padded => Ok((message, None)),
        Err(_) => Err(wrong),
    }
}

/// Tells which reading of the checksum rule the sender followed.
fn verify(
    message: &[u8],
    trailer: Option<&[u8; trailer::LEN]>,
    version: Version,
    ip: &IpMeta,
    old_group: Option<IpAddr>,
) -> Result<ChecksumScope, Discard> {
    let sum = Sum::default().add(message);
    if ip.source.is_ipv6() {
        // IPv6 knows one reading only: the kernel's, over all that the IP header counts.
        let behind = trailer.map_or(&[][..], |octets| octets);
        let length = message.len() + behind.len();
        let sum =
            sum.add(behind).add_pseudo_header(ip.source, ip.destination, PROTOCOL_VRRP, length);
        return sum.verifies().then_some(ChecksumScope::PseudoHeader).ok_or(Discard::Checksum);
    }
    let towards = |destination| {
        sum.add_pseudo_header(ip.source, destination, PROTOCOL_VRRP, message.len()).verifies()
    };
    if version == Version::V3 && towards(ip.destination) {
        return Ok(ChecksumScope::PseudoHeader);
    }
    if sum.verifies() {
        return Ok(ChecksumScope::Message);
    }
    let old = old_group.filter(|group| {
        version == Version::V3 && !ip.destination.is_multicast() && towards(*group)
    });
    old.map(ChecksumScope::OldUnicast).ok_or(Discard::Checksum)
}

/// An advertisement of ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outgoing<'a> {
    pub version: Version,
    pub vrid: Vrid,
    /// 0: we resign.
    pub priority: u8,
    /// Whole seconds in VRRPv2 (a fraction is cut off, 1–255); at most 40.95 s in VRRPv3.
    pub adver_interval: AdverInterval,
    /// VRRPv3 has no field for it.
    pub authentication: Authentication,
    /// VRRPv2: always [`ChecksumScope::Message`], whatever is said here.
    pub checksum: ChecksumScope,
    /// In configuration order. Those of another family than `source`, and those after the
    /// 255th, are left out.
    pub addresses: &'a [IpAddr],
    pub source: IpAddr,
    pub destination: IpAddr,
    /// `auth_hmac`: what the trailer is made with.
    pub seal: Option<Seal<'a>>,
}

impl Outgoing<'_> {
    /// Appends the message to `out`, with its trailer, and tells the length of both in octets.
    pub fn emit(&self, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        out.extend([self.version.number() << 4 | TYPE_ADVERTISEMENT, self.vrid.get()]);
        out.extend([self.priority, self.listed().count() as u8]);
        out.extend(self.auth_type_and_interval());
        out.extend([0, 0]);
        for address in self.listed() {
            match address {
                IpAddr::V4(v4) => out.extend(v4.octets()),
                IpAddr::V6(v6) => out.extend(v6.octets()),
            }
        }
        if self.version == Version::V2 {
            out.extend(self.authentication.wire_data());
        }
        let message_len = out.len() - start;
        if let Some(seal) = &self.seal {
            let (version, vrid, source) = (self.version, self.vrid, self.source);
            let message = &out[start..];
            let trailer = seal.octets(&Covered { version, vrid, source, message });
            out.extend(trailer);
        }
        // Over IPv4 the trailer is outside of the checksum, over IPv6 it is inside.
        let summed = if self.source.is_ipv6() { out.len() - start } else { message_len };
        let checksum = self.checksum_of(&out[start..start + summed]);
        out[start + 6..start + 8].copy_from_slice(&checksum.to_be_bytes());
        out.len() - start
    }

    fn listed(&self) -> impl Iterator<Item = &IpAddr> {
        let ours = |address: &&IpAddr| address.is_ipv4() == self.source.is_ipv4();
        self.addresses.iter().filter(ours).take(MOST_ADDRESSES)
    }

    fn auth_type_and_interval(&self) -> [u8; 2] {
        let centiseconds = self.adver_interval.centiseconds();
        match self.version {
            Version::V2 => {
                [self.authentication.wire_type(), (centiseconds / 100).clamp(1, 255) as u8]
            }
            Version::V3 => centiseconds.min(AdverInterval::LONGEST.centiseconds()).to_be_bytes(),
        }
    }

    fn checksum_of(&self, message: &[u8]) -> u16 {
        let sum = Sum::default().add(message);
        let towards = |destination| {
            let length = message.len();
            sum.add_pseudo_header(self.source, destination, PROTOCOL_VRRP, length).checksum()
        };
        match (self.version, self.checksum) {
            (Version::V3, ChecksumScope::PseudoHeader) => towards(self.destination),
            (Version::V3, ChecksumScope::OldUnicast(group)) => towards(group),
            (Version::V2, _) | (Version::V3, ChecksumScope::Message) => sum.checksum(),
        }
    }
}

#[cfg(test)]
mod tests;
