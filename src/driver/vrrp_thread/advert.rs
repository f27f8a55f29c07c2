//! One advert on its way out: written once for each destination, since the checksum may cover it.

use std::net::IpAddr;

use super::instance::Instance;
use crate::config::plan::{Authentication, OldChecksum, Transport};
use crate::driver::clock;
use crate::wire::{ChecksumScope, Outgoing, Seal, ah, ip};

/// What is the same for every peer.
#[derive(Debug, Clone, Copy)]
pub struct Advert<'a> {
    source: IpAddr,
    /// IPv4 identification: one for all copies, as keepalived has it.
    id: u16,
    priority: u8,
    /// `auth_type AH`.
    ah: Option<(ah::Key, u32)>,
    /// `auth_hmac`.
    seal: Option<Seal<'a>>,
}

impl<'a> Advert<'a> {
    /// The next one of `instance` from `source`: draws the numbers it goes out under.
    pub fn next(instance: &'a mut Instance, source: IpAddr, priority: u8) -> (Self, &'a Instance) {
        let memory = &mut instance.memory;
        let ah = match instance.plan.authentication {
            Authentication::Header(key) => Some((key, memory.ah.advance())),
            Authentication::None | Authentication::SimpleText(_) => None,
        };
        let hmac = instance.admission.hmac.as_ref();
        let seal = hmac.and_then(|hmac| hmac.seal(&mut memory.hmac, clock::utc()));
        let id = instance.ip_id.advance();
        (Self { source, id, priority, ah, seal }, instance)
    }

    /// Gives `post` a datagram for the group, or one for every peer, each written in `datagram`.
    pub fn post(
        &self,
        instance: &Instance,
        datagram: &mut Vec<u8>,
        mut post: impl FnMut(IpAddr, &[u8]),
    ) {
        let mut post_to = |to, ttl| {
            self.write(to, ttl, instance, datagram);
            post(to, datagram);
        };
        match &instance.plan.transport {
            Transport::Multicast(group) => post_to(*group, ip::TTL),
            Transport::Unicast { peers, .. } => {
                peers.iter().for_each(|peer| post_to(peer.address, instance.plan.unicast_ttl));
            }
        }
    }

    /// The whole datagram, IP header included.
    fn write(&self, to: IpAddr, ttl: u8, instance: &Instance, datagram: &mut Vec<u8>) {
        let (settings, source) = (instance.router.settings(), self.source);
        let header_len = if source.is_ipv4() { ip::HEADER_LEN } else { ip::HEADER_LEN_V6 };
        let ah_len = if self.ah.is_some() { ah::HEADER_LEN } else { 0 };
        datagram.clear();
        datagram.resize(header_len + ah_len, 0);
        let outgoing = Outgoing {
            version: settings.version,
            vrid: settings.vrid,
            priority: self.priority,
            adver_interval: settings.adver_interval,
            authentication: instance.plan.authentication,
            checksum: checksum(instance, to),
            addresses: &instance.admission.addresses,
            source,
            destination: to,
            seal: self.seal,
        };
        let length = ah_len + outgoing.emit(datagram);
        match (source, to) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = ip::HeaderV4 { source, destination, ttl, id: self.id };
                datagram[..header_len].copy_from_slice(&header.octets(length));
                if let Some((key, sequence)) = self.ah {
                    ah::protect(datagram, destination, sequence, key);
                }
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = ip::HeaderV6 { source, destination, hop_limit: ttl };
                datagram[..header_len].copy_from_slice(&header.octets(length));
            }
            // The configuration keeps the families apart.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
        }
    }
}

/// What the checksum of an advert to `to` covers.
fn checksum(instance: &Instance, to: IpAddr) -> ChecksumScope {
    let old = match instance.plan.old_checksum {
        OldChecksum::Always => true,
        OldChecksum::AsPeers => instance.memory.old_checksum,
        OldChecksum::Never => false,
    };
    match instance.plan.old_group {
        IpAddr::V6(_) => ChecksumScope::PseudoHeader,
        IpAddr::V4(_) if instance.plan.message_checksum => ChecksumScope::Message,
        group @ IpAddr::V4(_) if old && !to.is_multicast() => ChecksumScope::OldUnicast(group),
        IpAddr::V4(_) => ChecksumScope::PseudoHeader,
    }
}
