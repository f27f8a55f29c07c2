//! A pool's state as values, for dumps and status.

use std::time::Instant;

use super::checker::Phase;
use super::pool::Pool;

/// State of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    pub quorum_held: bool,
    /// Effective weights of the servers that are up, added up.
    pub sum: u64,
    /// The quorum is gained when the sum reaches this.
    pub gain: u64,
    /// The quorum is lost when the sum falls below this.
    pub loss: u64,
    /// Whether the sorry server serves.
    pub sorry_serves: bool,
    /// Nothing is tried, for want of its address on this host.
    pub suspended: bool,
    pub servers: Vec<ServerStatus>,
}

/// State of one real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStatus {
    pub alive: bool,
    /// The kernel would not take it.
    pub refused: bool,
    /// Effective weight, whether or not it is in the table.
    pub weight: u32,
    /// The weight it has in the table: less than its own while it starts slowly. `None`: it is not there.
    pub in_table: Option<u32>,
    pub checkers: Vec<CheckerStatus>,
}

/// State of one checker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckerStatus {
    pub up: bool,
    /// Whether attempts led to a verdict yet.
    pub judged: bool,
    /// Failures in a row that were forgiven so far. Begins at `retry` after a daemon start.
    pub failures: u32,
    /// Target of the next attempt, or of the one under way.
    pub target: usize,
    /// Reason of the last failed attempt, kept after recovery.
    pub last_failure: Option<String>,
    /// Why the last attempt could not be made, if it could not.
    pub hindrance: Option<String>,
    /// When the next attempt is due; `None` while one is under way.
    pub next_attempt: Option<Instant>,
    /// When the attempt that is under way began.
    pub running_since: Option<Instant>,
}

impl Pool {
    /// Whether the quorum is held.
    pub fn quorum_held(&self) -> bool {
        self.held
    }

    /// Whether nothing is tried (`ha_suspend`).
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Whether `server` is up; `false` for an index out of range.
    pub fn is_alive(&self, server: usize) -> bool {
        self.servers.get(server).is_some_and(|server| server.alive)
    }

    /// Everything there is to know, copied.
    pub fn status(&self) -> PoolStatus {
        let servers = self.servers.iter().enumerate().map(|(index, server)| ServerStatus {
            alive: server.alive,
            refused: server.refused,
            weight: server.effective_weight(),
            in_table: self.destination(index),
            checkers: server.checkers.iter().map(super::checker::Checker::status).collect(),
        });
        PoolStatus {
            quorum_held: self.held,
            sum: self.sum,
            gain: self.thresholds.gain,
            loss: self.thresholds.loss,
            sorry_serves: self.sorry_serves(),
            suspended: self.suspended,
            servers: servers.collect(),
        }
    }
}

impl super::checker::Checker {
    fn status(&self) -> CheckerStatus {
        let (next_attempt, running_since) = match self.phase {
            Phase::Idle => (None, None),
            Phase::Waiting { until } => (Some(until), None),
            Phase::Running { started, .. } => (None, Some(started)),
        };
        CheckerStatus {
            up: self.up,
            judged: self.judged,
            failures: self.failures,
            target: self.target(),
            last_failure: self.last_failure.as_deref().map(str::to_owned),
            hindrance: self.hindrance.as_deref().map(str::to_owned),
            next_attempt,
            running_since,
        }
    }
}
