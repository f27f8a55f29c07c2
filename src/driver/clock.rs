//! The one place that asks what time it is; everything else is told.

use std::time::Instant;

/// The monotonic clock, as the cores are to see it.
#[expect(clippy::disallowed_methods, reason = "the driver owns the clock")]
pub fn now() -> Instant {
    Instant::now()
}
