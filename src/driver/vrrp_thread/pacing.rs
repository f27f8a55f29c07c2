//! Which announcements must wait for which: one [`Pacer`] for each interface, or each `garp_group`,
//! and family.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::interfaces::Interfaces;
use crate::config::plan::{Gaps, Pacing};
use crate::vrrp::Pacer;

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
