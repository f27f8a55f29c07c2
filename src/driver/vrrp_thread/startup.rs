//! `vrrp_startup_delay` and `vrrp_delay_after_boot`: for a while after the start nothing is heard,
//! and nobody becomes MASTER.

use std::time::{Duration, Instant};

use super::VrrpThread;
use crate::config::plan::Global;
use crate::driver::clock;
use crate::vrrp::Event;

impl VrrpThread {
    /// Until when the instances of a new plan wait; those that run already do not.
    pub(super) fn begin_startup_delay(&mut self, now: Instant) {
        let since_start = now.saturating_duration_since(self.started_at);
        let left = left(&self.plan.global, since_start, clock::since_boot());
        if left > Duration::ZERO && self.quiet_until.is_none() {
            let seconds = left.as_secs_f64();
            tracing::info!("start-up delay: no instance becomes MASTER for another {seconds:.1} s");
        }
        self.quiet_until = (left > Duration::ZERO).then(|| now + left);
    }

    /// Tells a new instance, before its start.
    pub(super) fn delay_start(&mut self, number: usize, now: Instant) {
        if let Some(until) = self.quiet_until {
            self.handle(number, now, Event::QuietUntil(until));
        }
    }

    pub(super) fn end_startup_delay(&mut self) {
        if self.quiet_until.take_if(|until| *until <= clock::now()).is_some() {
            tracing::info!("the start-up delay is over: adverts are heard");
        }
    }
}

/// The longer of what is left of both delays.
fn left(global: &Global, since_start: Duration, since_boot: Duration) -> Duration {
    let after_start = global.startup_delay.saturating_sub(since_start);
    after_start.max(global.delay_after_boot.saturating_sub(since_boot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_of_both_delays_counts() {
        let seconds = Duration::from_secs;
        let global = Global {
            startup_delay: seconds(10),
            delay_after_boot: seconds(60),
            ..Global::default()
        };
        assert_eq!(left(&global, seconds(0), seconds(20)), seconds(40), "boot is more recent");
        assert_eq!(left(&global, seconds(3), seconds(55)), seconds(7));
        assert_eq!(left(&global, seconds(10), seconds(3600)), seconds(0));
    }
}
