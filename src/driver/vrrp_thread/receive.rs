//! From a socket's datagram to an event for one instance, or to a counted reason why not.

use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::task::{Context, Waker};

use super::instance::Instance;
use super::{SocketKey, VrrpThread, add_readable};
use crate::driver::clock;
use crate::kernel::{Inbox, VrrpSocket};
use crate::vrrp::{Event, Heard};
use crate::wire::{Discard, IpMeta, Packet, vrrp};

/// A way to take packets from a socket.
type Take = fn(&VrrpSocket, &mut Inbox) -> io::Result<usize>;

/// Packets taken from one socket before the deadlines are looked at again.
const SOME: usize = 256;

/// Packets taken from one socket before a peer's silence is believed: more than a receive
/// buffer holds, so that the queue is empty afterwards unless packets come as fast as we read.
const ALL: usize = 8_192;

impl VrrpThread {
    /// Takes a bounded number of packets from each socket that is known to have some.
    pub(super) fn receive_some(&mut self) {
        let mut readable = std::mem::take(&mut self.readable);
        // Something else woke us, and these are only looked at.
        if readable.is_empty() {
            add_readable(&self.sockets, &mut readable, &mut Context::from_waker(Waker::noop()));
        }
        for key in readable.drain(..) {
            self.receive(key, SOME, VrrpSocket::try_recv_ready);
        }
        self.readable = readable;
    }

    /// Empties the queue of one socket, whatever is known of it.
    pub(super) fn receive_all(&mut self, key: SocketKey) {
        self.receive(key, ALL, VrrpSocket::try_recv);
    }

    fn receive(&mut self, key: SocketKey, most: usize, take: Take) {
        let mut inbox = std::mem::take(&mut self.inbox);
        for _ in 0..most.div_ceil(Inbox::ROOM) {
            let Some(socket) = self.sockets.get(&key) else { break };
            // The interface went away or down: its link event says so, too.
            let Ok(count) = take(socket, &mut inbox) else { break };
            for (datagram, ipv6) in inbox.datagrams().take(count) {
                self.hear(key, datagram, ipv6);
            }
            if count < Inbox::ROOM {
                break;
            }
        }
        self.inbox = inbox;
    }

    fn hear(&mut self, key: SocketKey, datagram: &[u8], ipv6: Option<IpMeta>) {
        let parsed = match ipv6 {
            Some(ip) => Ok(Packet { ip, ah: None, payload: datagram }),
            None => Packet::parse_ipv4(datagram),
        };
        // Of what cannot be parsed it cannot be known whose it was to be.
        let Ok(packet) = parsed else { return self.count_stray(key) };
        let Some(vrid) = vrrp::claimed_vrid(packet.payload) else { return self.count_stray(key) };
        match self.whose(key, vrid.get(), packet.ip.source) {
            Some(number) => self.hear_for(number, &packet),
            None => self.unknown_vrid(key, vrid.get(), packet.ip.source),
        }
    }

    /// The instance that a packet for `vrid` is for.
    fn whose(&self, key: SocketKey, vrid: u8, source: IpAddr) -> Option<usize> {
        // One that has `auth_type AH` where the other has not is told so.
        let other = SocketKey { protocol: key.protocol.other(), ..key };
        let find = |key| {
            self.by_router.get(&(key, vrid)).or_else(|| {
                // Instances of one VRID and source are told apart by their peers.
                let shared =
                    (!self.by_peer.is_empty()).then(|| self.by_peer.get(&(key, vrid, source)));
                shared.flatten()
            })
        };
        find(key).or_else(|| find(other)).copied()
    }

    fn hear_for(&mut self, number: usize, packet: &Packet<'_>) {
        let instance = &mut self.instances[number];
        if !instance.is_running() {
            return instance.counters.count_discard(Discard::NotRunning);
        }
        let known = instance.router.active_router();
        let (utc, memory) = (clock::utc(), &mut instance.memory);
        let old_checksum = memory.old_checksum;
        match instance.admission.judge(packet, known, utc, memory) {
            Ok(heard) => {
                if instance.memory.old_checksum != old_checksum {
                    switched_checksum(instance, heard.source);
                }
                accepted(instance, &heard);
                self.handle(number, clock::now(), Event::Advertisement(heard));
            }
            Err(reason) => discarded(instance, reason, &packet.ip),
        }
    }

    /// A packet for a VRID that nobody here has: `log_unknown_vrids` says so once for each.
    fn unknown_vrid(&mut self, key: SocketKey, vrid: u8, source: IpAddr) {
        self.count_stray(key);
        if self.plan.global.log_unknown_vrids && self.vrids_told.insert((key, vrid)) {
            let link = self.interfaces.by_index(key.ifindex);
            let interface = link.map_or("a lost interface", |link| &link.name);
            tracing::info!(
                "{interface}: advert from {source} for virtual_router_id {vrid}, which no \
                 vrrp_instance has there (said once)"
            );
        }
    }

    /// A packet that is nobody's here.
    fn count_stray(&mut self, key: SocketKey) {
        match self.unknown_vrids.entry(key) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(none) => drop(none.insert(1)),
        }
    }
}

fn accepted(instance: &mut Instance, heard: &Heard) {
    instance.counters.count_heard(heard);
    let skew = instance.memory.hmac.skew();
    for warning in heard.warning.into_iter().chain(skew) {
        if instance.said.first_warning(warning) {
            let (name, source) = (&instance.plan.name, heard.source);
            tracing::warn!("({name}) advert from {source} accepted, though {warning}");
        }
    }
}

/// The peer cannot verify any other; newer keepalived accepts both.
fn switched_checksum(instance: &Instance, source: IpAddr) {
    let name = &instance.plan.name;
    tracing::warn!(
        "({name}) {source} makes its checksums as keepalived 1.3.6 and older did: ours are made so \
         too from now on (old_unicast_checksum never forbids it)"
    );
}

fn discarded(instance: &mut Instance, reason: Discard, meta: &IpMeta) {
    instance.counters.count_discard(reason);
    if instance.said.first(reason) {
        let (name, source) = (&instance.plan.name, meta.source);
        tracing::warn!(
            "({name}) advert from {source} discarded: {reason} (said once, then counted as {})",
            reason.name()
        );
    }
}
