//! Adverts as octets on their way, and such as are spoilt.

use std::net::IpAddr;
use std::time::Duration;

use super::router::Router;
use crate::vrrp::{AdverInterval, Authentication, Heard, RouterSettings, VirtualRouter};
use crate::wire::ip::{HEADER_LEN, HEADER_LEN_V6, HeaderV4, TTL};
use crate::wire::{ChecksumScope, Discard, IpMeta, Outgoing, Packet as Datagram, Seal, ah};

/// One datagram as the socket of a router gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// IPv4 with its header; of IPv6 the payload.
    pub octets: Vec<u8>,
    /// What the kernel says of IPv6.
    pub ipv6: Option<IpMeta>,
    /// The simulation knows that nobody may believe it.
    pub spoilt: bool,
}

/// What all copies of one advert have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'a> {
    /// IPv4 identification.
    pub id: u16,
    /// With `auth_type AH`.
    pub ah: Option<(ah::Key, u32)>,
    /// With `auth_hmac`.
    pub seal: Option<Seal<'a>>,
}

impl Router {
    /// Draws the numbers of the next advert. `utc` is the wall clock.
    pub(super) fn numbers(&mut self, utc: Duration) -> (Numbers<'_>, &Self) {
        let id = self.ids.advance();
        let ah = match self.spec.authentication {
            Authentication::Header(key) => Some((key, self.memory.ah.advance())),
            Authentication::None | Authentication::SimpleText(_) => None,
        };
        let memory = &mut self.memory.hmac;
        let seal = self.admission.hmac.as_ref().and_then(|hmac| hmac.seal(memory, utc));
        (Numbers { id, ah, seal }, self)
    }

    /// An advert of `priority` to `destination`, as [`Packet`].
    pub(super) fn advert(&self, priority: u8, destination: IpAddr, numbers: Numbers<'_>) -> Packet {
        let settings = self.core.settings();
        let source = self.core.source().unwrap_or(self.spec.source);
        let outgoing = Outgoing {
            version: settings.version,
            vrid: settings.vrid,
            priority,
            adver_interval: settings.adver_interval,
            authentication: self.spec.authentication,
            checksum: ChecksumScope::PseudoHeader,
            addresses: &self.spec.addresses,
            source,
            destination,
            seal: numbers.seal,
        };
        let ah_len = if numbers.ah.is_some() { ah::HEADER_LEN } else { 0 };
        let mut message = vec![0; ah_len];
        outgoing.emit(&mut message);
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = HeaderV4 { source, destination, ttl: TTL, id: numbers.id };
                let mut octets = [&header.octets(message.len())[..], &message].concat();
                if let Some((key, sequence)) = numbers.ah {
                    ah::protect(&mut octets, destination, sequence, key);
                }
                Packet { octets, ipv6: None, spoilt: false }
            }
            _ => {
                let meta = IpMeta { source, destination, ttl: TTL, header_len: HEADER_LEN_V6 };
                Packet { octets: message, ipv6: Some(meta), spoilt: false }
            }
        }
    }

    /// What the driver makes of a datagram: an event, or the reason why not. `utc` is the wall
    /// clock.
    pub(super) fn judge(&mut self, packet: &Packet, utc: Duration) -> Result<Heard, Discard> {
        if !self.is_running() {
            return Err(Discard::NotRunning);
        }
        let datagram = match packet.ipv6 {
            Some(ip) => Datagram { ip, ah: None, payload: &packet.octets },
            None => Datagram::parse_ipv4(&packet.octets)?,
        };
        let active = self.core.active_router();
        self.admission.judge(&datagram, active, utc, &mut self.memory)
    }
}

/// One way of spoiling the advert of a stranger of priority 255, which would put every
/// router to silence, were it believed. The stranger knows passwords, but no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoiler {
    Ttl,
    /// Of VRRPv2 with a password only.
    Password,
    Checksum,
    Truncated,
    Version,
    /// Of VRRPv2 only: VRRPv3 learns intervals.
    Interval,
    /// Signed with another key, where adverts are signed.
    Signature,
    /// Not signed, where adverts are.
    Unsigned,
}

impl Spoiler {
    pub const ALL: [Self; 8] = [
        Self::Ttl,
        Self::Password,
        Self::Checksum,
        Self::Truncated,
        Self::Version,
        Self::Interval,
        Self::Signature,
        Self::Unsigned,
    ];

    /// Whether a router like `victim` is to refuse it.
    pub fn concerns(self, victim: &Router) -> bool {
        let version_2 = victim.settings().version == crate::vrrp::Version::V2;
        match self {
            Self::Password => matches!(victim.spec.authentication, Authentication::SimpleText(_)),
            Self::Interval => version_2,
            Self::Signature | Self::Unsigned => victim.spec.is_signed(),
            Self::Ttl => victim.spec.is_multicast(),
            Self::Checksum | Self::Truncated | Self::Version => true,
        }
    }

    /// The spoilt advert, for a router like `victim`, whose wall clock is `utc`.
    pub fn packet(self, victim: &Router, utc: Duration) -> Packet {
        let mut stranger = victim.stranger();
        if self == Self::Unsigned {
            (stranger.spec.authentication, stranger.admission.hmac) = (Authentication::None, None);
        }
        if self == Self::Password {
            stranger.spec.authentication = Authentication::SimpleText(*b"Secret\0\0");
        }
        if self == Self::Interval {
            let other = AdverInterval::from_centiseconds(700).unwrap_or(AdverInterval::LONGEST);
            let settings = RouterSettings { adver_interval: other, ..stranger.settings().clone() };
            stranger.core = VirtualRouter::new(settings, Some(stranger.spec.source));
        }
        let (numbers, stranger) = stranger.numbers(utc);
        let mut packet = stranger.advert(255, victim.spec.listens_at(), numbers);
        packet.spoilt = true;
        self.spoil(&mut packet);
        packet
    }

    fn spoil(self, packet: &mut Packet) {
        let vrrp = match packet.ipv6 {
            Some(_) => 0,
            None if packet.octets[9] == ah::PROTOCOL_AH => HEADER_LEN + ah::HEADER_LEN,
            None => HEADER_LEN,
        };
        match (self, &mut packet.ipv6) {
            (Self::Ttl, Some(meta)) => meta.ttl = 254,
            (Self::Ttl, None) => packet.octets[8] = 254,
            (Self::Checksum, _) => packet.octets[vrrp + 6] ^= 0xff,
            (Self::Truncated, _) => packet.octets.truncate(packet.octets.len() - 5),
            (Self::Version, _) => packet.octets[vrrp] = 0x41,
            (Self::Password | Self::Interval | Self::Signature | Self::Unsigned, _) => {}
        }
    }
}
