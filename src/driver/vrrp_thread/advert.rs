//! One advert on its way out: written once for each destination, since the checksum may cover it.

use std::net::IpAddr;

use super::instance::Instance;
use crate::config::plan::Transport;
use crate::wire::{ChecksumScope, Outgoing, ip};

/// What is the same for every peer.
#[derive(Debug, Clone, Copy)]
pub struct Advert {
    pub source: IpAddr,
    /// IPv4 identification: one for all copies, as keepalived has it.
    pub id: u16,
    pub priority: u8,
}

impl Advert {
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
        datagram.clear();
        datagram.resize(header_len, 0);
        let message_only = instance.plan.message_checksum && source.is_ipv4();
        let outgoing = Outgoing {
            version: settings.version,
            vrid: settings.vrid,
            priority: self.priority,
            adver_interval: settings.adver_interval,
            authentication: instance.plan.authentication,
            checksum: if message_only {
                ChecksumScope::Message
            } else {
                ChecksumScope::PseudoHeader
            },
            addresses: &instance.admission.addresses,
            source,
            destination: to,
        };
        let length = outgoing.emit(datagram);
        match (source, to) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = ip::HeaderV4 { source, destination, ttl, id: self.id };
                datagram[..header_len].copy_from_slice(&header.octets(length));
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
