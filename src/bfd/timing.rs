//! How long from packet to packet, and how long until silence means that the neighbour is gone.

use std::time::Duration;

/// The Detection Time in Asynchronous mode (RFC 5880 §6.8.4).
pub fn detection_time(
    remote_mult: u8,
    required_min_rx: Duration,
    remote_min_tx: Duration,
) -> Duration {
    required_min_rx.max(remote_min_tx) * u32::from(remote_mult)
}

/// `interval` less 0 to 25 %, or with a multiplier of 1 less 10 to 25 % (RFC 5880 §6.8.7): `random`
/// says how much.
pub fn jittered(interval: Duration, multiplier: u8, random: u32) -> Duration {
    let least_percent = if multiplier == 1 { 10 } else { 0 };
    let percent = Duration::from_nanos(nanos(interval) / 100);
    let share = f64::from(random) / f64::from(u32::MAX);
    interval - percent * least_percent - (percent * (25 - least_percent)).mul_f64(share)
}

/// At most 584 years.
fn nanos(interval: Duration) -> u64 {
    u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX)
}

/// For the wire, which has 32 bits of microseconds: 71 minutes.
pub fn as_micros(interval: Duration) -> u32 {
    u32::try_from(interval.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
