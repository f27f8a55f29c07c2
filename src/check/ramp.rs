//! Slow start: a server that comes up gets its weight step by step.

use std::time::{Duration, Instant};

/// Steps of a ramp, each a change of the table: few enough to be no burden, many enough to be gentle.
const STEPS: u32 = 10;

/// `slow_start` of a server.
#[derive(Debug, Clone)]
pub(super) struct SlowStart {
    pub span: Duration,
    /// It has come up a while ago, and its weight still grows.
    pub ramp: Option<Ramp>,
}

impl SlowStart {
    /// `None`: its server is there at once. Boxed, as few have it.
    pub fn new(span: Duration) -> Option<Box<Self>> {
        (span > Duration::ZERO).then(|| Box::new(Self { span, ramp: None }))
    }
}

/// A server on its way to its whole weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ramp {
    began: Instant,
    span: Duration,
    /// Tenths of the weight that it has now: 1 to 9.
    step: u32,
}

impl Ramp {
    /// `None`: there is no ramp.
    pub fn new(now: Instant, span: Duration) -> Option<Self> {
        (span > Duration::ZERO).then_some(Self { began: now, span, step: 1 })
    }

    /// The part of `full` that is its share now; never 0 unless `full` is.
    pub fn weight(&self, full: u32) -> u32 {
        let part = (u64::from(full) * u64::from(self.step)).div_ceil(STEPS.into());
        u32::try_from(part).unwrap_or(full)
    }

    /// When the next step is due. A span beyond the clock's range has no further ones.
    pub fn next(&self) -> Option<Instant> {
        self.began.checked_add(self.span / STEPS * (self.step + 1))
    }

    /// The ramp as it is at `now`; `None`: its end is reached.
    pub fn at(mut self, now: Instant) -> Option<Self> {
        while self.next().is_some_and(|next| next <= now) {
            self.step += 1;
            if self.step == STEPS {
                return None;
            }
        }
        Some(self)
    }
}
