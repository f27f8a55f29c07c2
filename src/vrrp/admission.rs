//! Which well-formed advertisements one virtual router listens to: the checks that need its
//! configuration (RFC 9568 §7.1, RFC 3768 §7.1, then keepalived's).
//!
//! What does not pass never reaches the state machine, so that it can move no timer.

use std::net::IpAddr;
use std::time::Duration;

use crate::wire::vrrp::{AuthFields, parse_as};
use crate::wire::{Advertisement, ChecksumScope, Discard, IpMeta, Packet, Protocol, Reading, ah};

use super::{AdverInterval, AhSequence, Authentication, Hmac, HmacMemory, Version};

/// What an advertisement must agree with to be heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    pub version: Version,
    pub adver_interval: AdverInterval,
    pub authentication: Authentication,
    pub transport: Transport,
    /// The addresses we advertise ourselves, in any order.
    pub addresses: Vec<IpAddr>,
    /// `skip_check_adv_addr`: the list of a sender that was accepted last time is not compared.
    pub skip_check_adv_addr: bool,
    /// `owner_ignore_adverts`, and priority 255: nobody is listened to (RFC 9568 §7.1).
    pub ignores_all: bool,
    /// `v3_checksum_as_v2`: VRRPv3 over IPv4 may leave the pseudo-header out of its checksum.
    pub message_checksum: bool,
    /// The group that old keepalived's unicast checksums are made with; `None`: they are refused
    /// (`old_unicast_checksum never`).
    pub old_group: Option<IpAddr>,
    /// `auth_hmac`.
    pub hmac: Option<Hmac>,
}

/// What one virtual router remembers of the adverts it accepted and sent. It outlives a reload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    pub ah: AhSequence,
    pub hmac: HmacMemory,
    /// A peer makes its checksums as keepalived 1.3.6 did: it wants ours made so.
    pub old_checksum: bool,
}

/// How adverts travel between the routers of one VRID.
#[derive(Debug, Clone, PartialEq)]
pub enum Transport {
    /// To the group of this address (RFC 9568 §5.1.1.2, §5.1.2.2).
    Multicast(IpAddr),
    /// To each peer by itself; keepalived's.
    Unicast {
        /// Never empty: no peers would mean a MASTER that nobody hears.
        peers: Vec<UnicastPeer>,
        /// `check_unicast_src`: only peers are listened to.
        check_source: bool,
    },
}

/// One line of `unicast_peer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnicastPeer {
    pub address: IpAddr,
    /// TTL or hop limit that its adverts must have, both ends included; 0 and 255: any.
    pub min_ttl: u8,
    pub max_ttl: u8,
}

impl UnicastPeer {
    fn any_ttl(&self) -> bool {
        (self.min_ttl, self.max_ttl) == (0, 255)
    }
}

impl Transport {
    /// Whether it can be one of us: with unicast, a peer.
    fn may_send(&self, source: IpAddr) -> bool {
        match self {
            Self::Multicast(_) => true,
            Self::Unicast { peers, .. } => peers.iter().any(|peer| peer.address == source),
        }
    }

    /// What a received packet's addresses must agree with.
    fn check(&self, ip: &IpMeta) -> Result<(), Discard> {
        match self {
            Self::Multicast(group) if ip.destination == *group => Ok(()),
            Self::Multicast(_) => Err(Discard::Destination(ip.destination)),
            Self::Unicast { .. } if ip.destination.is_multicast() => {
                Err(Discard::NotUnicast(ip.destination))
            }
            Self::Unicast { peers, check_source } => check_peer(peers, *check_source, ip),
        }
    }
}

/// As keepalived: one peer with a limit to its TTL makes it look at who sends, too.
fn check_peer(peers: &[UnicastPeer], check_source: bool, ip: &IpMeta) -> Result<(), Discard> {
    match peers.iter().find(|peer| peer.address == ip.source) {
        Some(peer) if (peer.min_ttl..=peer.max_ttl).contains(&ip.ttl) => Ok(()),
        Some(peer) => {
            Err(Discard::PeerTtl { ttl: ip.ttl, least: peer.min_ttl, most: peer.max_ttl })
        }
        None if check_source || !peers.iter().all(UnicastPeer::any_ttl) => {
            Err(Discard::NotAPeer(ip.source))
        }
        None => Ok(()),
    }
}

/// An advertisement that passed every check: all that the state machine needs of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    pub source: IpAddr,
    pub priority: u8,
    pub adver_interval: AdverInterval,
    /// It disagrees with our configuration in a way that is accepted: log it.
    pub warning: Option<Warning>,
}

/// A disagreement that is logged and counted, and does not hinder: discarding the advert would
/// make two Active Routers of a mistake in a list (keepalived 2.2.7 to 2.3.2 did; later ones do not).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    #[error("it advertises other addresses than ours ({theirs} of them, ours are {ours})")]
    AddressList { theirs: usize, ours: usize },
    #[error("its advertisement interval is {theirs}, ours is {ours}")]
    Interval { theirs: AdverInterval, ours: AdverInterval },
    #[error(
        "its clock is {ahead_s:+} s from ours: beyond time_window, {window_s} s, it will be refused"
    )]
    ClockSkew { ahead_s: i32, window_s: u32 },
}

impl Admission {
    /// Judges a packet for our VRID. `active` is the Active Router last accepted
    /// ([`VirtualRouter::active_router`](super::VirtualRouter::active_router)), `utc` the time
    /// since 1970.
    ///
    /// # Errors
    /// The first check that fails: those of [`parse_as`], then those below in their order.
    pub fn judge(
        &self,
        packet: &Packet<'_>,
        active: Option<IpAddr>,
        utc: Duration,
        memory: &mut Memory,
    ) -> Result<Heard, Discard> {
        self.check_protocol(packet.protocol())?;
        let ip = &packet.ip;
        let advert = parse_as(packet.payload, ip, self.reading())?;
        if advert.version != self.version {
            return Err(Discard::Version { received: advert.version, ours: self.version });
        }
        self.check_checksum_scope(&advert)?;
        if let Some(hmac) = &self.hmac {
            let is_peer = self.transport.may_send(ip.source);
            hmac.check(&advert, ip.source, is_peer, utc, &mut memory.hmac)?;
        }
        if let Some(fields) = &advert.auth {
            self.authenticate(fields)?;
            self.authenticate_header(packet.ah.as_ref(), ip, &mut memory.ah)?;
            self.check_interval(advert.adver_interval)?;
        }
        self.transport.check(ip)?;
        if self.ignores_all {
            return Err(Discard::OwnerIgnores);
        }
        memory.old_checksum |= matches!(advert.checksum, ChecksumScope::OldUnicast(_));
        Ok(Heard {
            source: ip.source,
            priority: advert.priority,
            adver_interval: advert.adver_interval,
            warning: self.disagreement(&advert, active == Some(ip.source)),
        })
    }

    /// What carries our adverts.
    pub fn protocol(&self) -> Protocol {
        match self.authentication {
            Authentication::Header(_) => Protocol::Ah,
            Authentication::None | Authentication::SimpleText(_) => Protocol::Vrrp,
        }
    }

    fn check_protocol(&self, received: Protocol) -> Result<(), Discard> {
        match (self.protocol(), received) {
            (Protocol::Ah, Protocol::Vrrp) => Err(Discard::AhMissing),
            (Protocol::Vrrp, Protocol::Ah) => Err(Discard::AhUnexpected),
            (Protocol::Vrrp, Protocol::Vrrp) | (Protocol::Ah, Protocol::Ah) => Ok(()),
        }
    }

    fn reading(&self) -> Reading {
        Reading { trailer: self.hmac.is_some(), old_group: self.old_group }
    }

    fn check_checksum_scope(&self, advert: &Advertisement<'_>) -> Result<(), Discard> {
        let pseudo_header_needed = self.version == Version::V3 && !self.message_checksum;
        if pseudo_header_needed && advert.checksum == ChecksumScope::Message {
            return Err(Discard::ChecksumScope);
        }
        Ok(())
    }

    /// keepalived's order: the ICV first, so that nobody without the key learns of the rest.
    fn authenticate_header(
        &self,
        header: Option<&ah::Header<'_>>,
        ip: &IpMeta,
        sequence: &mut AhSequence,
    ) -> Result<(), Discard> {
        let Authentication::Header(key) = self.authentication else { return Ok(()) };
        let header = header.ok_or(Discard::AhMissing)?;
        if !header.verifies(key) {
            return Err(Discard::AhIcv);
        }
        if !header.names(ip.source) {
            return Err(Discard::AhSpi(header.spi.into()));
        }
        sequence.take(header.sequence)
    }

    /// RFC 3768 §7.1: the authentication type is ours, and says what ours would.
    fn authenticate(&self, fields: &AuthFields) -> Result<(), Discard> {
        let ours = self.authentication.wire_type();
        match fields.auth_type {
            unknown if unknown > 2 => Err(Discard::UnknownAuthType(unknown)),
            received if received != ours => Err(Discard::AuthType { received, ours }),
            _ if !self.authentication.accepts(&fields.data) => Err(Discard::Password),
            _ => Ok(()),
        }
    }

    /// RFC 3768 §7.1: VRRPv2 intervals must be equal. VRRPv3's are learned instead.
    fn check_interval(&self, received: AdverInterval) -> Result<(), Discard> {
        if received == self.adver_interval {
            return Ok(());
        }
        Err(Discard::Interval { received, ours: self.adver_interval })
    }

    /// RFC 9568 §7.1: a differing list or interval is logged, and the advert processed.
    fn disagreement(&self, advert: &Advertisement<'_>, known: bool) -> Option<Warning> {
        let unchecked = known && self.skip_check_adv_addr;
        if !unchecked && !self.lists_our_addresses(advert) {
            let (theirs, ours) = (advert.addresses.len(), self.addresses.len());
            return Some(Warning::AddressList { theirs, ours });
        }
        let (theirs, ours) = (advert.adver_interval, self.adver_interval);
        (theirs != ours).then_some(Warning::Interval { theirs, ours })
    }

    fn lists_our_addresses(&self, advert: &Advertisement<'_>) -> bool {
        advert.addresses.len() == self.addresses.len()
            && advert.addresses.iter().all(|address| self.addresses.contains(&address))
    }
}

/// Remembers which reasons were logged already: each is said once, until the state changes or a
/// new sender is heard (RFC 9568 §7.1 asks for a limit to the rate).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SaidOnce(u32);

impl SaidOnce {
    /// Whether a discard of this kind was not logged since the last `forget`; it now is.
    pub fn first(&mut self, reason: Discard) -> bool {
        self.first_bit(reason.index())
    }

    /// The same for a warning.
    pub fn first_warning(&mut self, warning: Warning) -> bool {
        self.first_bit(match warning {
            Warning::ClockSkew { .. } => 29,
            Warning::AddressList { .. } => 30,
            Warning::Interval { .. } => 31,
        })
    }

    pub fn forget(&mut self) {
        self.0 = 0;
    }

    fn first_bit(&mut self, bit: usize) -> bool {
        let before = self.0;
        self.0 |= 1 << bit;
        self.0 != before
    }
}

#[cfg(test)]
mod tests;
