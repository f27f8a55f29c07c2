//! Announcements one after the other, with a pause between them (keepalived.conf(5),
//! `garp_interval`, `gna_interval`, `garp_group`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What waits to be announced on one interface, or on several that share a limit. `K` is an
/// address where it is announced.
#[derive(Debug)]
pub struct Pacer<K> {
    gap: Duration,
    /// When the next one may go out; `None`: at once.
    free_at: Option<Instant>,
    /// With the rounds that each still has before it.
    waiting: VecDeque<(K, u32)>,
}

impl<K: PartialEq + Copy> Pacer<K> {
    pub fn new(gap: Duration) -> Self {
        Self { gap, free_at: None, waiting: VecDeque::new() }
    }

    /// Asks for `rounds` announcements of `what`. Those it still has before it are not added: it
    /// never waits for more than the most that were asked for at a time.
    pub fn ask(&mut self, what: K, rounds: u32) {
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == what) {
            Some((_, left)) => *left = rounds.max(*left),
            None if rounds > 0 => self.waiting.push_back((what, rounds)),
            None => {}
        }
    }

    /// What may be announced at `now`, if anything; each in turn, round by round.
    pub fn take_due(&mut self, now: Instant) -> Option<K> {
        if self.free_at.is_some_and(|at| now < at) {
            return None;
        }
        let (what, left) = self.waiting.pop_front()?;
        if left > 1 {
            self.waiting.push_back((what, left - 1));
        }
        self.free_at = Some(now + self.gap);
        Some(what)
    }

    /// It is no longer ours to announce.
    pub fn forget(&mut self, what: K) {
        self.waiting.retain(|(waiting, _)| *waiting != what);
    }

    /// When [`take_due`](Self::take_due) has something; `now` when it has already.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.free_at.unwrap_or(now))
    }

    /// A reload may change the pause; what waits goes on waiting.
    pub fn set_gap(&mut self, gap: Duration) {
        self.gap = gap;
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::at_us;
    use super::*;

    const GAP: Duration = Duration::from_millis(10);

    #[test]
    fn announcements_go_out_in_turn_with_a_pause_between_them() {
        let mut pacer = Pacer::new(GAP);
        pacer.ask('a', 2);
        pacer.ask('b', 2);
        assert_eq!(pacer.take_due(at_us(7)), Some('a'), "the first one at once");
        assert_eq!(pacer.next(at_us(8)), Some(at_us(10_007)));
        assert_eq!(pacer.take_due(at_us(10_006)), None);
        assert_eq!(pacer.take_due(at_us(10_007)), Some('b'));
        assert_eq!(pacer.take_due(at_us(20_007)), Some('a'));
        assert_eq!(pacer.take_due(at_us(30_007)), Some('b'));
        assert_eq!(pacer.next(at_us(40_007)), None);
    }

    #[test]
    fn what_is_asked_for_again_is_not_sent_more_often() {
        let mut pacer = Pacer::new(GAP);
        pacer.ask('a', 2);
        assert_eq!(pacer.take_due(at_us(0)), Some('a'));
        pacer.ask('a', 3);
        let sent = (1..10).filter_map(|step| pacer.take_due(at_us(step * 10_000))).count();
        assert_eq!(sent, 3);
        pacer.ask('b', 0);
        assert_eq!(pacer.next(at_us(0)), None);
    }

    #[test]
    fn what_is_no_longer_held_is_no_longer_announced() {
        let mut pacer = Pacer::new(GAP);
        pacer.ask('a', 5);
        pacer.ask('b', 1);
        pacer.forget('a');
        assert_eq!(pacer.take_due(at_us(0)), Some('b'));
        assert_eq!(pacer.next(at_us(0)), None);
    }
}
