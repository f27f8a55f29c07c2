//! How often an Active Router advertises, in the wire's unit.

use std::fmt;
use std::time::Duration;

/// Advertisement interval as the wire carries it: 12 bits of centiseconds (RFC 9568 §5.2.7),
/// of which 0 is refused. VRRPv2's whole seconds are converted when the packet is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdverInterval(u16);

impl AdverInterval {
    /// 40.95 s, all that 12 bits can say.
    pub const LONGEST: Self = Self(4095);
    /// One second, the default.
    pub const ONE_SECOND: Self = Self(100);

    /// `None` for 0, and for v3 beyond 4095; v2's 255 s need more, up to 25500.
    pub const fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        if centiseconds == 0 || centiseconds > 25_500 { None } else { Some(Self(centiseconds)) }
    }

    /// Hundredths of a second, 1–25500.
    pub const fn centiseconds(self) -> u16 {
        self.0
    }

    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(10 * self.0 as u64)
    }
}

impl fmt::Display for AdverInterval {
    /// Seconds, with no more decimals than needed: `1 s`, `0.5 s`, `2.25 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole} s"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{} s", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02} s"),
        }
    }
}
