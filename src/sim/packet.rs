//! Adverts as octets on their way, and such as are spoilt.

use std::net::IpAddr;
use std::time::Duration;

use super::router::Router;
use crate::vrrp::{AdverInterval, Authentication, Heard, RouterSettings, VirtualRouter};
use crate::wire::ip::{HEADER_LEN_V6, HeaderV4, TTL};
use crate::wire::{ChecksumScope, Discard, IpMeta, Outgoing, Packet as Datagram};

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

impl Router {
    /// An advert of `priority` to `destination`, as [`Packet`].
    pub(super) fn advert(&self, priority: u8, destination: IpAddr, id: u16) -> Packet {
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
            seal: None,
        };
        let mut message = Vec::new();
        outgoing.emit(&mut message);
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = HeaderV4 { source, destination, ttl: TTL, id };
                let octets = [&header.octets(message.len())[..], &message].concat();
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
/// router to silence, were it believed.
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
}

impl Spoiler {
    pub const ALL: [Self; 6] =
        [Self::Ttl, Self::Password, Self::Checksum, Self::Truncated, Self::Version, Self::Interval];

    /// Whether a router like `victim` is to refuse it.
    pub fn concerns(self, victim: &Router) -> bool {
        let version_2 = victim.settings().version == crate::vrrp::Version::V2;
        match self {
            Self::Password => version_2 && victim.spec.authentication != Authentication::None,
            Self::Interval => version_2,
            Self::Ttl => victim.spec.is_multicast(),
            Self::Checksum | Self::Truncated | Self::Version => true,
        }
    }

    /// The spoilt advert, for a router like `victim`.
    pub fn packet(self, victim: &Router) -> Packet {
        let mut stranger = victim.stranger();
        if self == Self::Password {
            stranger.spec.authentication = Authentication::SimpleText(*b"Secret\0\0");
        }
        if self == Self::Interval {
            let other = AdverInterval::from_centiseconds(700).unwrap_or(AdverInterval::LONGEST);
            let settings = RouterSettings { adver_interval: other, ..stranger.settings().clone() };
            stranger.core = VirtualRouter::new(settings, Some(stranger.spec.source));
        }
        let mut packet = stranger.advert(255, victim.spec.listens_at(), 1);
        packet.spoilt = true;
        self.spoil(&mut packet);
        packet
    }

    fn spoil(self, packet: &mut Packet) {
        let vrrp = if packet.ipv6.is_some() { 0 } else { 20 };
        match (self, &mut packet.ipv6) {
            (Self::Ttl, Some(meta)) => meta.ttl = 254,
            (Self::Ttl, None) => packet.octets[8] = 254,
            (Self::Checksum, _) => packet.octets[vrrp + 6] ^= 0xff,
            (Self::Truncated, _) => packet.octets.truncate(packet.octets.len() - 5),
            (Self::Version, _) => packet.octets[vrrp] = 0x41,
            (Self::Password | Self::Interval, _) => {}
        }
    }
}
