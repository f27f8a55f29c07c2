//! The quorum's arithmetic: thresholds, and what can never be reached.

use super::{PoolSettings, QuorumRule};

/// The two weight sums that decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    /// Gained when the sum reaches this.
    pub gain: u64,
    /// Lost when the sum falls below this, which is at least 1: a sum of 0 always loses.
    pub loss: u64,
}

impl Thresholds {
    /// Thresholds of `rule` over servers whose configured weights add up to `total`.
    ///
    /// As in keepalived a quorum above `total` is lowered to it, and then a hysteresis that is not
    /// below the quorum to one less. Unlike there, `gain` never exceeds `total`: when every server
    /// is healthy the quorum is there (keepalived serves the sorry server for ever).
    pub fn new(rule: QuorumRule, total: u64) -> Self {
        let quorum = u64::from(rule.quorum).min(total).max(1);
        let hysteresis = u64::from(rule.hysteresis).min(quorum - 1);
        Self { gain: (quorum + hysteresis).min(total.max(1)), loss: quorum - hysteresis }
    }

    /// Whether the quorum is held with `sum`, given whether it was `held` before.
    pub fn judge(self, held: bool, sum: u64) -> bool {
        if held { sum >= self.loss } else { sum >= self.gain }
    }
}

/// A quorum that the configured weights cannot reach; worded for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    #[error(
        "the weights of all real servers are 0, so the quorum is never held until a checker sets a weight"
    )]
    NoWeight,
    #[error("quorum {quorum} is above the sum of weights {total}: {total} is used")]
    Quorum { quorum: u32, total: u64 },
    #[error(
        "hysteresis {hysteresis} is not below the quorum {quorum}: {} is used",
        quorum.saturating_sub(1)
    )]
    Hysteresis { hysteresis: u32, quorum: u64 },
    #[error(
        "quorum {quorum} + hysteresis {hysteresis} is above the sum of weights {total}: \
         the quorum is gained at {total}, with every server up"
    )]
    Gain { quorum: u64, hysteresis: u64, total: u64 },
}

impl PoolSettings {
    /// What of the quorum's settings cannot work as written, to be reported once when they are loaded.
    pub fn unreachable(&self) -> Vec<Unreachable> {
        let (rule, total) = (self.quorum, self.total_weight());
        if total == 0 {
            return vec![Unreachable::NoWeight];
        }
        let mut found = Vec::new();
        if u64::from(rule.quorum) > total {
            found.push(Unreachable::Quorum { quorum: rule.quorum, total });
        }
        let quorum = u64::from(rule.quorum).min(total).max(1);
        if u64::from(rule.hysteresis) >= quorum && rule.hysteresis > 0 {
            found.push(Unreachable::Hysteresis { hysteresis: rule.hysteresis, quorum });
        }
        let hysteresis = u64::from(rule.hysteresis).min(quorum - 1);
        if quorum + hysteresis > total {
            found.push(Unreachable::Gain { quorum, hysteresis, total });
        }
        found
    }

    /// Sum of the configured weights.
    pub(super) fn total_weight(&self) -> u64 {
        self.servers.iter().map(|server| u64::from(server.weight.min(super::MAX_WEIGHT))).sum()
    }
}
