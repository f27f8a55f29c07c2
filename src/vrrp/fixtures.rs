//! What the tests of this module start from.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::{AdverInterval, Heard, RouterSettings, Vrid};

/// Our primary address; [`LOWER`] and [`HIGHER`] are peers below and above it.
pub(super) const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 5));
pub(super) const LOWER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
pub(super) const HIGHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

#[expect(clippy::disallowed_methods, reason = "an origin; no test looks at the time that passes")]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The moment `microseconds` after the origin of all tests.
pub(super) fn at_us(microseconds: u64) -> Instant {
    *ORIGIN + Duration::from_micros(microseconds)
}

pub(super) fn at_secs(seconds: u64) -> Instant {
    at_us(seconds * 1_000_000)
}

/// Of VRID 77, with keepalived's defaults.
pub(crate) fn settings(priority: u8) -> RouterSettings {
    RouterSettings::new(Vrid::new(77).unwrap(), priority)
}

/// An admitted advert of `priority` from [`LOWER`], at one second.
pub(super) fn heard(priority: u8) -> Heard {
    heard_from(LOWER, priority)
}

pub(super) fn heard_from(source: IpAddr, priority: u8) -> Heard {
    Heard { source, priority, adver_interval: AdverInterval::ONE_SECOND, warning: None }
}
