//! `drain_time`: servers that a reload has taken out, while their connections may still go on. Bookkeeping
//! only: time is a parameter.

use std::time::{Duration, Instant};

use crate::ipvs::{Destination, SocketKey};

/// Of one virtual server. They have weight 0: no new connections. Nobody checks them, and no quorum counts
/// them.
#[derive(Debug, Default)]
pub struct Draining(Vec<(Instant, Destination)>);

impl Draining {
    /// Takes one in for `span` from `now` on; without a span, not at all.
    pub fn add(&mut self, now: Instant, span: Duration, destination: &Destination) {
        let until = now.checked_add(span).filter(|until| *until > now);
        self.0.extend(until.map(|until| (until, Destination { weight: 0, ..destination.clone() })));
    }

    /// Takes over those of `before` that `stay`, none of them for longer than `span` from `now` on.
    pub fn take_over(
        &mut self,
        now: Instant,
        span: Duration,
        before: &Self,
        stay: impl Fn(&SocketKey) -> bool,
    ) {
        for (until, destination) in before.0.iter().filter(|(_, each)| stay(&each.address)) {
            self.add(now, span.min(until.saturating_duration_since(now)), destination);
        }
    }

    /// When [`Self::end`] is to be called.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(until, _)| *until).min()
    }

    /// Lets those go whose time is over at `now`, and gives their addresses.
    pub fn end(&mut self, now: Instant) -> Vec<SocketKey> {
        let over = self.0.extract_if(.., |(until, _)| *until <= now);
        over.map(|(_, destination)| destination.address).collect()
    }

    pub fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.0.iter().map(|(_, destination)| destination)
    }

    /// Address, and how long it still has.
    pub fn status(&self, now: Instant) -> Vec<(SocketKey, Duration)> {
        let left = |(until, each): &(Instant, Destination)| {
            (each.address, until.saturating_duration_since(now))
        };
        self.0.iter().map(left).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::clock;
    use crate::ipvs::Forward;

    fn server(n: u8) -> Destination {
        let address = SocketKey { ip: [192, 0, 2, n].into(), port: 80 };
        let (forward, weight) = (Forward::Nat, 5);
        Destination { address, forward, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    #[test]
    fn each_goes_when_its_time_is_over() {
        let (start, second) = (clock::now(), Duration::from_secs(1));
        let mut draining = Draining::default();
        draining.add(start, 3 * second, &server(1));
        draining.add(start, 2 * second, &server(2));
        draining.add(start, Duration::ZERO, &server(3));
        assert_eq!(draining.next(), Some(start + 2 * second));
        assert!(draining.destinations().all(|each| each.weight == 0));
        assert_eq!(draining.end(start + second), []);
        assert_eq!(draining.end(start + 2 * second), [server(2).address]);
        assert_eq!(draining.status(start + 2 * second), [(server(1).address, second)]);
        assert_eq!(draining.end(start + 9 * second), [server(1).address]);
        assert_eq!(draining.next(), None);
    }

    /// A further reload gives nobody more time, and may give less.
    #[test]
    fn a_further_reload_goes_on_with_them() {
        let (start, second) = (clock::now(), Duration::from_secs(1));
        let mut before = Draining::default();
        (1..4).for_each(|n| before.add(start, u32::from(n) * second, &server(n)));
        let back = server(2).address;
        let after = |span| {
            let mut after = Draining::default();
            after.take_over(start + second, span, &before, |address| *address != back);
            after.status(start + second)
        };
        assert_eq!(after(9 * second), [(server(3).address, 2 * second)]);
        assert_eq!(after(second), [(server(3).address, second)]);
        assert_eq!(after(Duration::ZERO), []);
    }
}
