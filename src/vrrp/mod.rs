//! VRRP's rules (RFC 9568, RFC 3768), pure: events in, actions out, time as a parameter.

mod admission;
mod ah_sequence;
mod announcements;
mod counters;
mod debounce;
mod event;
mod fights;
#[cfg(test)]
pub(crate) mod fixtures;
mod group;
mod hmac;
mod pacing;
mod process_quorum;
mod rise_fall;
mod rival;
mod router;
mod timing;
mod tracking;
mod transition;

use std::time::Duration;

pub use crate::wire::{AdverInterval, Authentication, Discard, Version, Vrid};
pub use admission::{Admission, Heard, Memory, SaidOnce, Transport, UnicastPeer, Warning};
pub use ah_sequence::AhSequence;
pub use announcements::Announcements;
pub use counters::Counters;
pub use debounce::{Debounce, LinkDelays};
pub use event::{Action, Event, Note};
pub use fights::Fights;
pub use group::{GroupMove, Standing, SyncGroup};
pub use hmac::{AntiReplay, Hmac, HmacMemory, HmacMode};
pub use pacing::Pacer;
pub use process_quorum::ProcessQuorum;
pub use rise_fall::RiseFall;
pub use rival::Rival;
pub use router::{Active, Backup, Idle, State, VirtualRouter};
pub use timing::{active_down_interval, skew_time};
pub use tracking::{Effect, Reading, Sum, Tracked, TrackedKind, Tracker, effective_priority};
pub use transition::{Cause, FaultCause, PublicState, Transition};

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
    /// `timer_expired_backup`: after a sleep in which a router of this priority would have taken
    /// over, an Active yields; only without preemption.
    pub late_behind: Option<u8>,
    /// In a `vrrp_sync_group`: it becomes Active only together with the others.
    pub in_sync_group: bool,
    pub garp: GarpSettings,
}

impl RouterSettings {
    /// VRRPv2, one second, keepalived's defaults, preempting.
    pub fn new(vrid: Vrid, priority: u8) -> Self {
        Self {
            vrid,
            version: Version::V2,
            priority,
            adver_interval: AdverInterval::ONE_SECOND,
            preempt: true,
            preempt_delay: Duration::ZERO,
            starts_active: true,
            down_timer_adverts: 3,
            higher_prio_send_advert: false,
            lower_prio_no_advert: false,
            late_behind: None,
            in_sync_group: false,
            garp: GarpSettings::default(),
        }
    }
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
    /// `garp_extra_if`: pause between single rounds on interfaces where no adverts go out, so that
    /// switches do not forget where they are; 0: none.
    pub extra: Duration,
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
            extra: Duration::ZERO,
        }
    }
}
