//! Health of real servers: retries, thresholds, quorum, hysteresis; pure.
//!
//! One [`Pool`] is the health of one virtual server: its real servers, their checkers, its quorum.
//! Attempts and results pass as values; [`Pool::wanted`] says which destinations IPVS is to hold.

mod action;
mod adopt;
mod checker;
mod pool;
mod quorum;
mod ramp;
mod status;

use std::sync::Arc;
use std::time::Duration;

pub use action::{Action, AttemptId, Cause, Event, Outcome, Verdict};
pub use adopt::{PairedServer, Pairing};
pub use pool::{Pool, Wanted};
pub use quorum::Unreachable;
pub use status::{CheckerStatus, PoolStatus, ServerStatus};

/// Highest weight the kernel takes (ipvsadm(8) says 65535; `ip_vs` takes any positive i32).
pub const MAX_WEIGHT: u32 = 2_147_483_647;

/// When one checker tries, and how often it tries again (keepalived.conf(5)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timing {
    /// `delay_loop`: from the end of one attempt to the next (MISC_CHECK: from start to start).
    pub delay_loop: Duration,
    /// `retry`: failures in a row that are forgiven.
    pub retry: u32,
    /// `delay_before_retry`: pause after a forgiven failure.
    pub delay_before_retry: Duration,
    /// `warmup`: first attempts are spread over this long, so that they do not come in a burst.
    pub warmup: Duration,
    /// `alpha`: down until the first success.
    pub alpha: bool,
}

/// When a virtual server has enough healthy servers: gained at a weight sum of at least
/// `quorum + hysteresis`, lost below `quorum - hysteresis` or at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumRule {
    pub quorum: u32,
    pub hysteresis: u32,
}

impl Default for QuorumRule {
    fn default() -> Self {
        Self { quorum: 1, hysteresis: 0 }
    }
}

/// What a pool is made of; the driver derives it from the plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolSettings {
    pub quorum: QuorumRule,
    /// In the order of the configuration; everything refers to them by index.
    pub servers: Vec<ServerSettings>,
    pub sorry: Option<Sorry>,
}

/// One real server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSettings {
    /// Configured weight, 0–2147483647.
    pub weight: u32,
    /// `inhibit_on_failure`: down means weight 0, not absence.
    pub inhibit_on_failure: bool,
    /// `slow_start`: the weight of a server that comes up grows over this long; 0: it is there at once. The
    /// quorum counts the whole weight from the start.
    pub slow_start: Duration,
    /// None at all: the server is always up.
    pub checkers: Vec<CheckerSettings>,
}

/// One checker of a real server.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckerSettings {
    /// Many checkers have the same.
    pub timing: Arc<Timing>,
    pub kind: Kind,
}

/// How attempts follow one another; not what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TCP_CHECK: one target; pauses run from the end of an attempt to the start of the next.
    Connect,
    /// HTTP_GET: one of `urls` (at least 1) at a time, in turn; recovery takes the url that failed and then the
    /// whole list. `fast_recovery`: no pause while coming up.
    Pages { urls: u32, fast_recovery: bool },
    /// SMTP_CHECK: as `Connect`, but failures right after a start are forgiven as well.
    Mail,
    /// MISC_CHECK: pauses run from start to start.
    Script,
    /// FILE_CHECK, BFD_CHECK: no attempts; [`Event::Told`] says at once how things are, from [`Pool::preset`] on.
    Told,
}

/// The sorry server; its weight is always 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sorry {
    /// `sorry_server_inhibit`: in the table with weight 0 while not needed.
    pub inhibit: bool,
}

#[cfg(test)]
mod tests;
