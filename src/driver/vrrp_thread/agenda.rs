//! When each virtual router wants to be called again, and who comes first when many do at once.

use std::time::Instant;

use crate::driver::schedule::Schedule;
use crate::vrrp::{State, VirtualRouter};

/// Backups that take over in one go: some milliseconds of work for the kernel.
const SLICE: usize = 64;

#[derive(Debug, Default)]
pub struct Agenda {
    /// When an Active has something to send: its adverts and announcements.
    adverts: Schedule,
    /// When a Backup believes to be alone, and other waits.
    waits: Schedule,
}

impl Agenda {
    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Instant> {
        self.adverts.next().into_iter().chain(self.waits.next()).min()
    }

    /// Takes down what the router of instance `number` waits for now.
    pub fn set(&mut self, number: usize, router: &VirtualRouter) {
        let (its, other) = match router.state() {
            State::Active(_) => (&mut self.adverts, &mut self.waits),
            State::Initialize(_) | State::Backup(_) => (&mut self.waits, &mut self.adverts),
        };
        its.set(number, router.next_deadline());
        other.set(number, None);
    }

    /// Forgets all deadlines.
    pub fn clear(&mut self) {
        self.adverts.clear();
        self.waits.clear();
    }

    /// Adds those due at `now`: of the Active ones all, then a slice of the others, the most overdue
    /// first; none of these while what others asked for is `behind`. A thousand that take over together then do not hold up anybody's adverts, and their own
    /// adverts go out as far apart from each other as their takeovers were.
    pub fn due(&self, now: Instant, due: &mut Vec<(Instant, usize)>, behind: bool) {
        self.adverts.due(now, usize::MAX, due);
        self.waits.due(now, if behind { 0 } else { SLICE }, due);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;
    use crate::driver::clock;
    use crate::vrrp::Event;
    use crate::vrrp::fixtures::settings;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// Master-down at priority 100: 3.609 s.
    #[test]
    fn adverts_go_before_a_thousand_takeovers_and_these_in_slices() {
        let start = clock::now();
        let mut out = Vec::new();
        let started = |out: &mut Vec<_>| {
            let mut router = VirtualRouter::new(settings(100), Some(SOURCE));
            router.handle(start, Event::Startup, out);
            router
        };
        let mut agenda = Agenda::default();
        let later = start + Duration::from_secs(4);
        for number in 0..1000 {
            agenda.set(number, &started(&mut out));
        }
        let mut active = started(&mut out);
        active.handle(later, Event::DeadlineReached, &mut out);
        agenda.set(7, &active);

        let (mut due, now) = (Vec::new(), later + Duration::from_secs(1));
        agenda.due(now, &mut due, false);
        let numbers: Vec<usize> = due.iter().map(|&(_, number)| number).collect();
        assert_eq!(numbers.len(), 1 + SLICE);
        assert_eq!(numbers[..3], [7, 0, 1], "the advert, though it is due last");
        assert!(!numbers[1..].contains(&7), "an Active does not wait for its own takeover");

        due.clear();
        agenda.due(now, &mut due, true);
        assert_eq!(due.len(), 1, "nobody takes over while others are still at it");
    }
}
