//! When an Active Router's addresses are announced again by gratuitous ARP
//! (keepalived.conf(5), `garp_master_*`, `garp_lower_prio_*`).

use std::time::{Duration, Instant};

use super::GarpSettings;

/// The blocks of gratuitous ARPs still to come; the first one goes out with the transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcements {
    second_block_at: Option<Instant>,
    refresh_at: Option<Instant>,
    lower_prio_block_at: Option<Instant>,
    extra_at: Option<Instant>,
}

impl Announcements {
    /// From becoming Active at `now`: a second block after `delay`, then a refresh every
    /// `refresh`, the first one `delay` + `refresh` from now.
    pub(super) fn after_becoming_active(now: Instant, garp: &GarpSettings) -> Self {
        Self {
            second_block_at: later(now, garp.delay, garp.repeat),
            refresh_at: later(now + garp.delay, garp.refresh, garp.refresh_repeat),
            lower_prio_block_at: None,
            extra_at: later(now + garp.delay, garp.extra, 1),
        }
    }

    /// Something was announced afresh: the second block follows `delay` from now.
    pub(super) fn again(&mut self, now: Instant, garp: &GarpSettings) {
        self.second_block_at = later(now, garp.delay, garp.repeat);
    }

    /// A lower priority was heard. A block already on its way stays where it is, or a sender
    /// that goes on would put it off for ever.
    pub(super) fn heard_lower_priority(&mut self, now: Instant, garp: &GarpSettings) {
        let block = later(now, garp.lower_prio_delay, garp.lower_prio_repeat);
        self.lower_prio_block_at = self.lower_prio_block_at.or(block);
    }

    /// Keeps what is under way, and follows a refresh that was turned on, off, or made shorter.
    pub(super) fn reconfigured(&mut self, now: Instant, garp: &GarpSettings) {
        let anew = later(now, garp.refresh, garp.refresh_repeat);
        self.refresh_at = anew.map(|anew| self.refresh_at.map_or(anew, |at| at.min(anew)));
        let extra = later(now, garp.extra, 1);
        self.extra_at = extra.map(|anew| self.extra_at.map_or(anew, |at| at.min(anew)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [self.second_block_at, self.refresh_at, self.lower_prio_block_at, self.extra_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Rounds due at `now`, 0 for none; blocks that fall together are sent as the longest one.
    pub(super) fn take_due(&mut self, now: Instant, garp: &GarpSettings) -> u32 {
        let mut rounds = 0;
        if take(&mut self.second_block_at, now).is_some() {
            rounds = garp.repeat;
        }
        if take(&mut self.lower_prio_block_at, now).is_some() {
            rounds = rounds.max(garp.lower_prio_repeat);
        }
        if let Some(at) = take(&mut self.refresh_at, now) {
            rounds = rounds.max(garp.refresh_repeat);
            self.refresh_at = Some(super::timing::next_period(at, garp.refresh, now));
        }
        rounds
    }
}

impl Announcements {
    /// Whether interfaces without adverts are due at `now`.
    pub(super) fn take_extra_due(&mut self, now: Instant, garp: &GarpSettings) -> bool {
        let due = take(&mut self.extra_at, now);
        if let Some(at) = due {
            self.extra_at = Some(super::timing::next_period(at, garp.extra, now));
        }
        due.is_some()
    }
}

/// `pause` after `now`; `None` where the pause is 0, which turns a block off, or nothing is sent.
fn later(now: Instant, pause: Duration, rounds: u32) -> Option<Instant> {
    (!pause.is_zero() && rounds > 0).then(|| now + pause)
}

fn take(timer: &mut Option<Instant>, now: Instant) -> Option<Instant> {
    timer.take_if(|at| *at <= now)
}

#[cfg(test)]
mod tests;
