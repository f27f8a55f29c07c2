//! VRRP's rules (RFC 9568, RFC 3768), pure: events in, actions out, time as a parameter.

use std::num::NonZeroU8;
use std::time::Duration;

/// Virtual router identifier, 1–255 (RFC 9568 §5.2.3).
pub type Vrid = NonZeroU8;

/// Advertisement interval as the wire carries it: 12 bits of centiseconds (RFC 9568 §5.2.7),
/// of which 0 is refused. VRRPv2's whole seconds are converted when the packet is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdverInterval(u16);

/// Protocol version of the adverts sent and accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768: IPv4 only, whole seconds.
    #[default]
    V2,
    /// RFC 9568.
    V3,
}

/// What the configuration says of one virtual router: the protocol's part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterSettings {
    pub vrid: Vrid,
    pub version: Version,
    /// 1–254, or 255 for the address owner (RFC 9568 §5.2.4).
    pub priority: u8,
    pub adver_interval: AdverInterval,
    /// Whether a Backup takes over from an Active of lower priority (RFC 9568 §6.1 Preempt_Mode).
    pub preempt: bool,
    /// `preempt_delay`: how long a Backup that could preempt lets the other carry on; 0: not at all.
    pub preempt_delay: Duration,
    /// An owner that goes to Active without waiting; false with an explicit `state BACKUP`.
    pub starts_active: bool,
    /// `down_timer_adverts`: missed adverts until the Active counts as down; 3 in the RFC.
    pub down_timer_adverts: u8,
    /// `higher_prio_send_advert`: a last advert before yielding to a higher priority.
    pub higher_prio_send_advert: bool,
    /// `lower_prio_no_advert`: an Active does not answer an advert of lower priority.
    pub lower_prio_no_advert: bool,
    pub garp: GarpSettings,
}

/// When gratuitous ARPs are sent (keepalived.conf(5), `garp_master_*`).
#[derive(Debug, Clone, PartialEq)]
pub struct GarpSettings {
    /// `garp_master_repeat`: rounds sent on becoming Active, and again after `delay`.
    pub repeat: u32,
    /// `garp_master_delay`: pause before the second block; 0: no second block.
    pub delay: Duration,
    /// `garp_master_refresh`: pause between periodic blocks; 0: none.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`.
    pub refresh_repeat: u32,
    /// `garp_lower_prio_repeat`: rounds after hearing a lower priority while Active.
    pub lower_prio_repeat: u32,
    /// `garp_lower_prio_delay`.
    pub lower_prio_delay: Duration,
}

impl Default for GarpSettings {
    /// keepalived.conf(5)'s defaults.
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_repeat: 5,
            lower_prio_delay: Duration::from_secs(5),
        }
    }
}

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
