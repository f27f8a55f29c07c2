//! Packets: sent, carried or lost, received, judged.

use std::cmp::{Ordering, Reverse};
use std::net::IpAddr;
use std::time::Duration;

use super::Lan;
use crate::sim::host::Process;
use crate::sim::packet::{Packet, Spoiler};
use crate::sim::{Property, Router};
use crate::vrrp::{Event, Transport};

/// Packets that the socket of a sleeping process holds; what comes after is lost.
const SOCKET_PACKETS: usize = 64;

/// A packet under way; ordered by arrival, then by `number`.
#[derive(Debug)]
pub(super) struct Flight {
    pub at: Duration,
    pub number: u64,
    pub to: usize,
    pub packet: Packet,
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Flight {}

impl Lan {
    /// One advert of a router, to its group or to each of its peers.
    pub(super) fn send(&mut self, from: usize, priority: u8) {
        let router = &mut self.routers[from];
        router.counters.count_sent(priority);
        let destinations: Vec<IpAddr> = match &router.spec.transport {
            Transport::Multicast(group) => vec![*group],
            Transport::Unicast { peers, .. } => peers.iter().map(|peer| peer.address).collect(),
        };
        let utc = self.hosts[router.host].clock.utc(self.now);
        let (numbers, router) = router.numbers(utc);
        let to = |destination| (destination, router.advert(priority, destination, numbers));
        for (destination, packet) in destinations.into_iter().map(to).collect::<Vec<_>>() {
            self.carry(from, destination, &packet);
        }
    }

    /// Carries a packet to whoever listens at `destination`, as the weather is.
    fn carry(&mut self, from: usize, destination: IpAddr, packet: &Packet) {
        let sender = &self.routers[from];
        if !self.link_is_up(sender) {
            return;
        }
        let listens = |router: &Router| {
            router.host != sender.host
                && router.spec.segment == sender.spec.segment
                && router.settings().vrid == sender.settings().vrid
                && router.spec.listens_at() == destination
                && self.partition.hears(router.host, sender.host)
        };
        let numbers = 0..self.routers.len();
        let receivers: Vec<usize> = numbers.filter(|to| listens(&self.routers[*to])).collect();
        for to in receivers {
            for delay in self.weather.copies(&mut self.random) {
                self.launch(to, delay, packet.clone());
            }
        }
    }

    /// A packet from nowhere reaches one router.
    pub fn inject(&mut self, router: usize, spoiler: Spoiler) {
        let victim = &self.routers[router];
        if spoiler.concerns(victim) {
            let utc = self.hosts.get(victim.host).map(|host| host.clock.utc(self.now));
            let packet = spoiler.packet(victim, utc.unwrap_or_default());
            self.launch(router, Duration::ZERO, packet);
        }
    }

    /// Somebody has recorded a signed advert that one router believed, and sends it again: the
    /// one that was believed `back` adverts before the last.
    pub(super) fn replay(&mut self, router: usize, back: usize) {
        let mut recorded = self.routers[router].believed.iter().rev();
        if let Some(packet) = recorded.nth(back).cloned() {
            self.launch(router, Duration::ZERO, packet);
        }
    }

    fn launch(&mut self, to: usize, delay: Duration, packet: Packet) {
        self.flown += 1;
        let flight = Flight { at: self.now + delay, number: self.flown, to, packet };
        self.flying.push(Reverse(flight));
    }

    fn link_is_up(&self, router: &Router) -> bool {
        self.hosts[router.host].links[router.spec.segment].up
    }

    /// A packet is there: read at once, kept for a sleeping process, or lost.
    pub(super) fn arrive(&mut self, to: usize, packet: Packet) {
        let router = &self.routers[to];
        let host = router.host;
        if !self.link_is_up(router) {
            return;
        }
        match self.hosts[host].process {
            Process::Running => {
                self.receive(to, &packet);
                self.settle(host);
            }
            Process::Asleep { suspended: false, .. } => {
                let socket = &mut self.routers[to].socket;
                if socket.len() < SOCKET_PACKETS {
                    socket.push_back(packet);
                }
            }
            Process::Asleep { suspended: true, .. } | Process::Gone => {}
        }
    }

    /// What the driver does with a datagram.
    pub(super) fn receive(&mut self, to: usize, packet: &Packet) {
        let router = &mut self.routers[to];
        let utc = self.hosts[router.host].clock.utc(self.now);
        match router.judge(packet, utc) {
            Ok(heard) => {
                if packet.spoilt {
                    let what = format!("{} believes a spoilt packet", self.routers[to].name());
                    self.fail(Property::RejectedMovesNothing, what);
                }
                if !self.routers[to].believe(packet) {
                    let what = format!("{} believes an advert twice", self.routers[to].name());
                    self.fail(Property::RejectedMovesNothing, what);
                }
                self.routers[to].counters.count_heard(&heard);
                self.tell(to, Event::Advertisement(heard));
            }
            Err(reason) => self.routers[to].counters.count_discard(reason),
        }
    }
}
