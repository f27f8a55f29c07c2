//! One advert on its way out: written once for each destination, since the checksum may cover it.

use std::io;
use std::net::IpAddr;

use super::instance::Instance;
use crate::config::plan::Transport;
use crate::kernel::VrrpSocket;
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
    /// Sends it to the group or to every peer, whichever of them fail.
    ///
    /// # Errors
    /// The first failure, when none could be sent.
    pub fn send(
        &self,
        instance: &Instance,
        socket: &VrrpSocket,
        datagram: &mut Vec<u8>,
    ) -> Result<(), (IpAddr, io::Error)> {
        match &instance.plan.transport {
            Transport::Multicast(group) => {
                self.send_to(*group, ip::TTL, instance, socket, datagram)
            }
            Transport::Unicast { peers, .. } => {
                let ttl = instance.plan.unicast_ttl;
                let (mut sent, mut failure) = (false, None);
                for peer in peers {
                    match self.send_to(peer.address, ttl, instance, socket, datagram) {
                        Ok(()) => sent = true,
                        Err(error) => drop(failure.get_or_insert(error)),
                    }
                }
                if sent { Ok(()) } else { failure.map_or(Ok(()), Err) }
            }
        }
    }

    fn send_to(
        &self,
        to: IpAddr,
        ttl: u8,
        instance: &Instance,
        socket: &VrrpSocket,
        datagram: &mut Vec<u8>,
    ) -> Result<(), (IpAddr, io::Error)> {
        self.write(to, ttl, instance, datagram);
        socket.send(datagram, to).map_err(|error| (to, error))
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
