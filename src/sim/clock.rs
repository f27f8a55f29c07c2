//! The clocks of one host, which are not those of another.

use std::time::Duration;

const MILLION: u128 = 1_000_000;

/// What one host's clocks make of the true time, which counts from the start of the simulation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// Parts per million by which the clock runs too fast.
    pub drift_ppm: i32,
    /// True time during which it stood still: the monotonic clock does not count a suspension.
    stood_still: Duration,
    /// Steps of the wall clock, all together, in seconds. Nothing may come of them; only
    /// signatures (`auth_hmac`) look at that clock at all.
    pub wall_step_s: i64,
}

impl Clock {
    pub fn with_drift(drift_ppm: i32) -> Self {
        Self { drift_ppm, ..Self::default() }
    }

    /// The monotonic clock at `truth`.
    pub fn at(&self, truth: Duration) -> Duration {
        scale(truth.saturating_sub(self.stood_still), self.rate(), MILLION)
    }

    /// The wall clock at `truth`, as time since 1970; every simulation begins in 2023.
    pub fn utc(&self, truth: Duration) -> Duration {
        let begin = 1_700_000_000_u64.saturating_add_signed(self.wall_step_s);
        Duration::from_secs(begin) + truth
    }

    /// The true time at which the monotonic clock will show `local`, at the earliest.
    pub fn truth_of(&self, local: Duration) -> Duration {
        let mut truth = scale(local, MILLION, self.rate()) + self.stood_still;
        while self.at(truth) < local {
            truth += Duration::from_nanos(1);
        }
        truth
    }

    /// The machine is suspended for so long.
    pub fn stand_still(&mut self, duration: Duration) {
        self.stood_still += duration;
    }

    fn rate(&self) -> u128 {
        // No clock that a computer has is wrong by more than this.
        (1_000_000 + i64::from(self.drift_ppm.clamp(-500_000, 500_000))).unsigned_abs().into()
    }
}

fn scale(duration: Duration, by: u128, over: u128) -> Duration {
    let nanos = duration.as_nanos() * by / over;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_of_a_wrong_clock_is_found_in_true_time() {
        for drift in [-1000, -1, 0, 1, 333, 1000] {
            let mut clock = Clock::with_drift(drift);
            clock.stand_still(Duration::from_secs(7));
            for nanos in [0, 1, 999_999_999, 3_609_375_000, 86_400_000_000_001] {
                let local = Duration::from_nanos(nanos);
                let truth = clock.truth_of(local);
                assert!(clock.at(truth) >= local);
                assert!(clock.at(truth) <= local + Duration::from_nanos(2), "{drift} {nanos}");
            }
        }
    }

    #[test]
    fn a_suspended_clock_stands_still() {
        let mut clock = Clock::default();
        clock.stand_still(Duration::from_secs(10));
        assert_eq!(clock.at(Duration::from_secs(15)), Duration::from_secs(5));
    }
}
