//! The intervals of RFC 9568 §6.1 and RFC 3768 §6.1.

use std::time::{Duration, Instant};

use super::{AdverInterval, RouterSettings, Version};

/// Skew_Time: the lower the priority, the longer the wait. VRRPv2's is a fraction of one second
/// whatever the interval (RFC 3768 §6.1), VRRPv3's of the Active Router's interval
/// (RFC 9568 §6.1).
pub fn skew_time(version: Version, priority: u8, active: AdverInterval) -> Duration {
    let unit = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => active.as_duration(),
    };
    unit * (256 - u32::from(priority)) / 256
}

/// Active_Down_Interval (RFC 9568 §6.1): how long a Backup hears nothing before it takes over.
/// The RFC's three adverts are `down_timer_adverts` here, as in keepalived.
/// `priority` is the effective one.
pub fn active_down_interval(
    settings: &RouterSettings,
    priority: u8,
    active: AdverInterval,
) -> Duration {
    active.as_duration() * u32::from(settings.down_timer_adverts)
        + skew_time(settings.version, priority, active)
}

/// When something periodic that was due at `due` comes next. Counted from `due`, so that being
/// a little late does not add up; from `now` where a whole period was missed, so that there is
/// no burst to catch up.
pub(super) fn next_period(due: Instant, period: Duration, now: Instant) -> Instant {
    let next = due + period;
    if next > now { next } else { now + period }
}

#[cfg(test)]
mod tests;
