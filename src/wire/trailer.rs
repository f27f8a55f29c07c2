//! The 28 octets of `auth_hmac` behind a VRRP message: a sequence number and an HMAC-SHA256
//! (keepalived 2.4.2 and later). Every input gives a value or a reason.
//!
//! The MAC covers family, version, VRID, source address, the message but for its checksum, and
//! the trailer; not the destination, and no other part of the IP header.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU8;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Discard, Version, Vrid};

/// Octets of a trailer.
pub const LEN: usize = 28;
/// Octets of the MAC, its last part.
const MAC_LEN: usize = 16;
/// The only type there is.
const EXT_TYPE: u8 = 1;
/// Where a VRRP message has its checksum, which is taken as zero.
const CHECKSUM: std::ops::Range<usize> = 6..8;

/// When a packet was sent, and which one of that moment it was: seconds of UTC, 1/65536 s, and a
/// counter, as one number of 32, 16 and 16 bits.
///
/// They compare as serial numbers do (RFC 1982), so that they survive the year 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The first one of the moment `since_epoch` after 1970.
    pub fn at(since_epoch: std::time::Duration) -> Self {
        let seconds = since_epoch.as_secs() & 0xffff_ffff;
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 16) / 1_000_000_000;
        Self(seconds << 32 | fraction << 16)
    }

    pub fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub fn is_after(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i64) > 0
    }

    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Seconds from `other` to this one, negative if it is the earlier one.
    pub fn seconds_after(self, other: Self) -> i32 {
        self.seconds().wrapping_sub(other.seconds()) as i32
    }
}

/// One `key`: signs and verifies.
#[derive(Clone)]
pub struct HmacKey {
    pub id: NonZeroU8,
    secret: Box<[u8]>,
    /// With the key already in it.
    mac: Hmac<Sha256>,
}

impl HmacKey {
    pub fn new(id: NonZeroU8, secret: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Self { id, secret: secret.into(), mac }
    }

    fn over(&self, covered: &Covered<'_>, head: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&covered.prefix());
        mac.update(covered.message.get(..CHECKSUM.start).unwrap_or(covered.message));
        mac.update(&[0; 2]);
        mac.update(covered.message.get(CHECKSUM.end..).unwrap_or_default());
        mac.update(head);
        mac.update(&[0; MAC_LEN]);
        mac
    }
}

impl PartialEq for HmacKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && bool::from(self.secret.ct_eq(&other.secret))
    }
}

impl fmt::Debug for HmacKey {
    /// Never shows the key: dumps and logs travel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({}, ********)", self.id)
    }
}

/// What a MAC covers besides the trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered<'a> {
    pub version: Version,
    pub vrid: Vrid,
    pub source: IpAddr,
    /// The VRRP message, VRRPv2's authentication data included.
    pub message: &'a [u8],
}

impl Covered<'_> {
    fn prefix(&self) -> [u8; 20] {
        let mut prefix = [0; 20];
        (prefix[1], prefix[2]) = (self.version.number(), self.vrid.get());
        match self.source {
            IpAddr::V4(source) => {
                prefix[0] = 4;
                prefix[4..8].copy_from_slice(&source.octets());
            }
            IpAddr::V6(source) => {
                prefix[0] = 6;
                prefix[4..].copy_from_slice(&source.octets());
            }
        }
        prefix
    }
}

/// A trailer as received, not yet verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer<'a> {
    pub key_id: u8,
    pub sequence: Sequence,
    octets: &'a [u8; LEN],
}

/// Reads a trailer.
///
/// # Errors
/// [`Discard::HmacMalformed`]: of another type, or with something in the reserved octets.
pub fn parse(octets: &[u8; LEN]) -> Result<Trailer<'_>, Discard> {
    let [ext_type, key_id, r0, r1, sequence @ ..] = octets;
    if (*ext_type, *r0, *r1) != (EXT_TYPE, 0, 0) {
        return Err(Discard::HmacMalformed);
    }
    let sequence = sequence.first_chunk().expect("24 octets are left");
    Ok(Trailer { key_id: *key_id, sequence: Sequence(u64::from_be_bytes(*sequence)), octets })
}

impl Trailer<'_> {
    /// Whether the MAC is what `key` makes. Takes the same time wherever the first difference is.
    pub fn verifies(&self, key: &HmacKey, covered: &Covered<'_>) -> bool {
        let (head, mac) = self.octets.split_at(LEN - MAC_LEN);
        key.over(covered, head).verify_truncated_left(mac).is_ok()
    }
}

/// How an advert of ours is signed: the same for all its copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seal<'a> {
    pub key: &'a HmacKey,
    pub sequence: Sequence,
}

impl Seal<'_> {
    /// The trailer for `covered`, whose checksum may be any.
    pub fn octets(&self, covered: &Covered<'_>) -> [u8; LEN] {
        let mut octets = [0; LEN];
        (octets[0], octets[1]) = (EXT_TYPE, self.key.id.get());
        octets[4..12].copy_from_slice(&self.sequence.0.to_be_bytes());
        let mac = self.key.over(covered, &octets[..LEN - MAC_LEN]).finalize().into_bytes();
        octets[LEN - MAC_LEN..].copy_from_slice(&mac[..MAC_LEN]);
        octets
    }
}

#[cfg(test)]
mod tests;
