//! The one place that asks what time it is; everything else is told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock, as the cores are to see it.
#[expect(clippy::disallowed_methods, reason = "the driver owns the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, which may step: time since 1970, zero before it. For what hosts compare with
/// each other; nothing waits by it.
pub fn utc() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long the machine has been running, suspensions included; nothing is known: for ever.
pub fn since_boot() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map_or(Duration::MAX, Duration::from)
}
