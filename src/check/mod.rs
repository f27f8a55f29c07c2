//! Health of real servers: retries, thresholds, quorum, hysteresis; pure.

use std::time::Duration;

/// When one checker tries, and how often it tries again (keepalived.conf(5)).
#[derive(Debug, Clone, PartialEq)]
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
