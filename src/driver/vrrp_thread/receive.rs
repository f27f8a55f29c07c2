//! From a socket's datagram to an event for one instance, or to a counted reason why not.

use std::collections::hash_map::Entry;
use std::io;
use std::task::{Context, Waker};

use super::instance::Instance;
use super::{SocketKey, VrrpThread, add_readable};
use crate::driver::clock;
use crate::kernel::{Received, VrrpSocket};
use crate::vrrp::{Event, Heard};
use crate::wire::{Discard, IpMeta, ip, vrrp};

/// Largest datagram there is; adverts are far smaller.
const DATAGRAM: usize = 65_535;

/// A way to take one packet from a socket.
type Take = fn(&VrrpSocket, &mut [u8]) -> io::Result<Option<Received>>;

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
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(DATAGRAM, 0);
        for _ in 0..most {
            let Some(socket) = self.sockets.get(&key) else { break };
            match take(socket, &mut buffer) {
                Ok(Some(Received { length, ipv6 })) => self.hear(key, &buffer[..length], ipv6),
                Ok(None) => break,
                // The interface went away or down: its link event says so, too.
                Err(_) => break,
            }
        }
        self.buffer = buffer;
    }

    fn hear(&mut self, key: SocketKey, datagram: &[u8], ipv6: Option<IpMeta>) {
        let parsed = match ipv6 {
            Some(meta) => Ok((meta, datagram)),
            None => ip::parse_ipv4(datagram),
        };
        // Of what cannot be parsed it cannot be known whose it was to be.
        let Ok((meta, payload)) = parsed else { return self.count_stray(key) };
        let number = vrrp::claimed_vrid(payload)
            .and_then(|vrid| self.by_router.get(&(key, vrid.get())).copied());
        match number {
            Some(number) => self.hear_for(number, payload, &meta),
            None => self.count_stray(key),
        }
    }

    fn hear_for(&mut self, number: usize, payload: &[u8], meta: &IpMeta) {
        let instance = &mut self.instances[number];
        if !instance.is_running() {
            return instance.counters.count_discard(Discard::NotRunning);
        }
        let known = instance.router.active_router();
        let judged = vrrp::parse(payload, meta)
            .and_then(|advert| instance.admission.admit(&advert, meta, known));
        match judged {
            Ok(heard) => {
                accepted(instance, &heard);
                self.handle(number, clock::now(), Event::Advertisement(heard));
            }
            Err(reason) => discarded(instance, reason, meta),
        }
    }

    /// A packet for a VRID that nobody here has.
    fn count_stray(&mut self, key: SocketKey) {
        match self.unknown_vrids.entry(key) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(none) => drop(none.insert(1)),
        }
    }
}

fn accepted(instance: &mut Instance, heard: &Heard) {
    instance.counters.count_heard(heard);
    if let Some(warning) = heard.warning
        && instance.said.first_warning(warning)
    {
        let (name, source) = (&instance.plan.name, heard.source);
        tracing::warn!("({name}) advert from {source} accepted, though {warning}");
    }
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
