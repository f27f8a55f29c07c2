//! When repairing addresses becomes a fight: somebody else removes them as fast as we put them back.

use std::time::{Duration, Instant};

/// Repairs within [`WINDOW`] after which the next removal is a fight lost.
const MOST: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
/// Removals closer together count as one: an interface is flushed address by address.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The last repairs of one Active Router's addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fights {
    /// In no order, at most [`MOST`].
    repairs: Vec<Instant>,
}

impl Fights {
    /// How long a router that has lost a fight leaves the addresses to others.
    pub const REST: Duration = Duration::from_secs(60);

    /// Whether what was removed at `now` is to be put back once more.
    pub fn repair(&mut self, now: Instant) -> bool {
        let age = |at: Instant| now.saturating_duration_since(at);
        if self.repairs.iter().any(|at| age(*at) < AT_ONCE) {
            return true;
        }
        self.repairs.retain(|at| age(*at) < WINDOW);
        let room = self.repairs.len() < MOST;
        if room {
            self.repairs.push(now);
        }
        room
    }
}

#[cfg(test)]
mod tests;
