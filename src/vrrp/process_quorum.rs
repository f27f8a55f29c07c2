//! How many processes run, and for how long: `vrrp_track_process` (keepalived.conf(5)).

use std::time::{Duration, Instant};

/// One tracked process's rule, and where it stands.
#[derive(Debug, Clone)]
pub struct ProcessQuorum {
    /// `quorum` and `quorum_max`.
    least: usize,
    most: usize,
    /// `fork_delay`, `terminate_delay`: what more and what fewer processes must last before they count.
    more_delay: Duration,
    fewer_delay: Duration,
    count: usize,
    /// As last said; `None` before the first count.
    good: Option<bool>,
    /// When the opposite will be said, unless the count changes again.
    turns_at: Option<Instant>,
}

impl ProcessQuorum {
    pub fn new(
        least: usize,
        most: Option<usize>,
        more_delay: Duration,
        fewer_delay: Duration,
    ) -> Self {
        let most = most.unwrap_or(usize::MAX);
        Self { least, most, more_delay, fewer_delay, count: 0, good: None, turns_at: None }
    }

    /// Takes the number of processes that run at `now`; gives what is to be said, if anything. The
    /// first count is believed at once.
    pub fn count(&mut self, now: Instant, count: usize) -> Option<bool> {
        let before = std::mem::replace(&mut self.count, count);
        let good = (self.least..=self.most).contains(&count);
        if self.good.is_none() {
            self.good = Some(good);
            return Some(good);
        }
        if self.good == Some(good) {
            self.turns_at = None;
            return None;
        }
        // A fork that makes too many waits like one that makes enough: it may soon be something else.
        let delay = if count > before { self.more_delay } else { self.fewer_delay };
        if count != before || self.turns_at.is_none() {
            self.turns_at.get_or_insert(now + delay);
        }
        self.due(now)
    }

    /// When to call [`due`](Self::due).
    pub fn next_deadline(&self) -> Option<Instant> {
        self.turns_at
    }

    /// What is to be said once the delay is over. An early or second call does no harm.
    pub fn due(&mut self, now: Instant) -> Option<bool> {
        self.turns_at.take_if(|at| *at <= now)?;
        let good = !self.good?;
        self.good = Some(good);
        Some(good)
    }

    /// The number that run.
    pub fn running(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now()
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn without_delays_every_change_is_told_at_once() {
        let now = start();
        let mut two = ProcessQuorum::new(2, Some(3), secs(0), secs(0));
        let told = [0, 1, 2, 3, 4, 3, 1].map(|count| two.count(now, count));
        let (good, bad) = (Some(true), Some(false));
        assert_eq!(told, [bad, None, good, None, bad, good, bad]);
    }

    /// keepalived.conf(5), terminate_delay: to avoid down/up bounce while a process is restarted.
    #[test]
    fn a_restart_within_terminate_delay_is_not_told() {
        let now = start();
        let mut one = ProcessQuorum::new(1, None, secs(0), secs(2));
        assert_eq!(one.count(now, 1), Some(true));
        assert_eq!(one.count(now + secs(1), 0), None);
        assert_eq!(one.next_deadline(), Some(now + secs(3)));
        assert_eq!(one.count(now + secs(2), 1), None);
        assert_eq!((one.next_deadline(), one.due(now + secs(9))), (None, None));
    }

    #[test]
    fn an_end_that_lasts_is_told_after_terminate_delay() {
        let now = start();
        let mut one = ProcessQuorum::new(1, None, secs(3), secs(2));
        assert_eq!(one.count(now, 1), Some(true));
        assert_eq!(one.count(now, 0), None);
        assert_eq!(one.due(now + secs(1)), None);
        assert_eq!(one.due(now + secs(2)), Some(false));
        assert_eq!(one.count(now + secs(4), 1), None);
        assert_eq!(one.due(now + secs(7)), Some(true));
    }

    /// keepalived.conf(5), quorum_max: "beware forks - see fork_delay".
    #[test]
    fn one_too_many_waits_for_fork_delay() {
        let now = start();
        let mut one = ProcessQuorum::new(1, Some(1), secs(1), secs(0));
        assert_eq!(one.count(now, 1), Some(true));
        assert_eq!(one.count(now, 2), None);
        assert_eq!(one.count(now, 1), None, "the child has become another program");
        assert_eq!(one.next_deadline(), None);
    }

    #[test]
    fn a_quorum_max_of_0_is_well_as_long_as_none_runs() {
        let now = start();
        let mut none = ProcessQuorum::new(0, Some(0), secs(0), secs(0));
        assert_eq!([none.count(now, 0), none.count(now, 1)], [Some(true), Some(false)]);
    }
}
