//! Two owners on one LAN: how long the one with the higher address insists (keepalived's rule).

use std::net::IpAddr;
use std::time::Instant;

use super::{AdverInterval, Heard};

/// Another router that advertises priority 255, while we do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rival {
    pub from: IpAddr,
    last_heard: Instant,
    /// Heard still then, it has not yielded to us and never will.
    outlasts_at: Instant,
}

impl Rival {
    /// What is known of it after `heard`. Its time is up after two more of our adverts and 1.2
    /// times the longer of both intervals; it begins anew when the rival has been silent, or
    /// is another one.
    pub(super) fn heard(
        known: Option<Self>,
        now: Instant,
        heard: &Heard,
        ours: AdverInterval,
    ) -> Self {
        let (ours, theirs) = (ours.as_duration(), heard.adver_interval.as_duration());
        let longer = ours.max(theirs);
        let goes_on = |known: &Self| {
            let silence = now.saturating_duration_since(known.last_heard);
            known.from == heard.source && silence <= 3 * longer
        };
        let outlasts_at = match known.filter(goes_on) {
            Some(known) => known.outlasts_at,
            None => now + 2 * ours + longer + longer / 5,
        };
        Self { from: heard.source, last_heard: now, outlasts_at }
    }

    /// Whether it advertises in spite of all that we have sent.
    pub(super) fn outlasts(&self, now: Instant) -> bool {
        now >= self.outlasts_at
    }
}
