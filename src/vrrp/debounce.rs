//! What is believed of a link that goes up and down (keepalived.conf(5),
//! `interface_up_down_delays`).

use std::time::{Duration, Instant};

/// How long a link must stay as it is before that is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkDelays {
    pub down: Duration,
    pub up: Duration,
}

/// One link, as it is and as it is believed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    believed_up: bool,
    /// It is otherwise, and will be believed then.
    change_at: Option<Instant>,
}

impl Debounce {
    /// At start what is seen is believed.
    pub fn new(up: bool) -> Self {
        Self { believed_up: up, change_at: None }
    }

    pub fn is_up(&self) -> bool {
        self.believed_up
    }

    /// Takes in that the link is `up` at `now`; [`is_up`](Self::is_up) says what to believe.
    pub fn see(&mut self, now: Instant, up: bool, delays: LinkDelays) {
        let delay = if up { delays.up } else { delays.down };
        if up == self.believed_up {
            self.change_at = None;
        } else if delay.is_zero() {
            *self = Self::new(up);
        } else {
            // The delay counts from the first sight of it.
            self.change_at.get_or_insert(now + delay);
        }
    }

    /// Whether it was seen otherwise than it is believed to be, and waits to be believed.
    pub fn is_pending(&self) -> bool {
        self.change_at.is_some()
    }

    /// When to call [`settle`](Self::settle).
    pub fn next_deadline(&self) -> Option<Instant> {
        self.change_at
    }

    /// Believes what has been so for long enough; whether anything changed.
    pub fn settle(&mut self, now: Instant) -> bool {
        let due = self.change_at.take_if(|at| *at <= now).is_some();
        self.believed_up ^= due;
        due
    }
}

#[cfg(test)]
mod tests;
