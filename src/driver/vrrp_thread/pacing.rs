//! Which announcements must wait for which: one [`Pacer`] for each interface, or each `garp_group`,
//! and family.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::effects::Effects;
use super::instance::Instance;
use super::interfaces::Interfaces;
use super::wants::Owner;
use crate::config::plan::{Gaps, Pacing, Transport};
use crate::vrrp::{Pacer, PublicState, Transition};

/// An address on an interface.
pub type Place = (u32, IpNet);

/// What announcements share a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Limit {
    Interface(u32),
    /// Number of a `garp_group`.
    Group(usize),
}

#[derive(Debug, Default)]
pub struct Announcer {
    pacing: Pacing,
    /// IPv6 or not.
    pacers: HashMap<(Limit, bool), Pacer<Place>>,
}

impl Announcer {
    /// What waits goes on waiting, by the pauses of the new plan.
    pub fn adopt(&mut self, pacing: &Pacing) {
        self.pacing = pacing.clone();
        for ((limit, ipv6), pacer) in &mut self.pacers {
            let gaps = match limit {
                Limit::Group(number) => self.pacing.groups.get(*number).map(|(_, gaps)| *gaps),
                Limit::Interface(_) => None,
            };
            pacer.set_gap(of_family(gaps.unwrap_or(self.pacing.gaps), *ipv6));
        }
    }

    /// Takes `rounds` announcements over, if they may not all go out at once.
    pub fn takes(&mut self, interfaces: &Interfaces, place: Place, rounds: u32) -> bool {
        let ipv6 = place.1.addr().is_ipv6();
        let Some((limit, gap)) = self.limit(interfaces, place.0, ipv6) else { return false };
        let pacer = self.pacers.entry((limit, ipv6)).or_insert_with(|| Pacer::new(gap));
        pacer.ask(place, rounds);
        true
    }

    fn limit(
        &self,
        interfaces: &Interfaces,
        ifindex: u32,
        ipv6: bool,
    ) -> Option<(Limit, Duration)> {
        if self.pacing == Pacing::default() {
            return None;
        }
        let name = &interfaces.by_index(ifindex)?.name;
        let group = self.pacing.groups.iter().position(|(names, _)| names.contains(name));
        let (limit, gaps) = match group {
            Some(number) => (Limit::Group(number), self.pacing.groups[number].1),
            None => (Limit::Interface(ifindex), self.pacing.gaps),
        };
        let gap = of_family(gaps, ipv6);
        (!gap.is_zero()).then_some((limit, gap))
    }

    /// One place to announce at `now`, until there is no more.
    pub fn take_due(&mut self, now: Instant) -> Option<Place> {
        self.pacers.values_mut().find_map(|pacer| pacer.take_due(now))
    }

    pub fn forget(&mut self, place: Place) {
        self.pacers.values_mut().for_each(|pacer| pacer.forget(place));
    }

    pub fn forget_all(&mut self) {
        self.pacers.clear();
    }

    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.pacers.values().filter_map(|pacer| pacer.next(now)).min()
    }
}

fn of_family(gaps: Gaps, ipv6: bool) -> Duration {
    if ipv6 { gaps.neighbour } else { gaps.arp }
}

impl Effects {
    /// A unicast instance that leaves FAULT tells the LAN where its own address is, as keepalived's
    /// does: its interface may have been away, and with unicast it is that address peers look for.
    pub(super) fn announce_source(
        &mut self,
        number: usize,
        instance: &Instance,
        interfaces: &Interfaces,
        transition: &Transition,
    ) {
        let recovered = transition.from == PublicState::Fault
            && matches!(transition.to, PublicState::Backup | PublicState::Master);
        let unicast = matches!(instance.plan.transport, Transport::Unicast { .. });
        let source = instance.last_source.filter(|_| recovered && unicast);
        let place = source.and_then(|source| Some((interfaces.holder_of(source)?, source.into())));
        if let Some(place) = place {
            self.frames.add(Some(Owner::Instance(number)), interfaces, place, 1);
        }
    }
}
