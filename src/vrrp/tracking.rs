//! What an instance is tied to besides its own interface, and what each such thing does to its
//! priority or its state (keepalived.conf(5), `track_*`).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::FaultCause;

/// Largest weight that counts; 254 would reach from one end of the priorities to the other.
const MOST: i64 = 253;

/// Something that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tracked {
    /// Another interface, by name: up or down.
    Interface(Arc<str>),
    /// A `vrrp_script`, by name: succeeds or fails.
    Script(Arc<str>),
    /// A `track_file`, by name: the number in it.
    File(Arc<str>),
    /// A `vrrp_track_process`, by name: as many run as should, or not.
    Process(Arc<str>),
    /// A `bfd_instance`, by name: its session is up, or not.
    Bfd(Arc<str>),
}

/// One line of a `track_*` block, with what the definition says filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    pub what: Tracked,
    /// 0: all or nothing, FAULT or not. Else −253 to 253 (files and processes: −254 to 254).
    pub weight: i16,
    pub reverse: bool,
}

/// What is known of a tracked thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Not tried yet.
    Unknown,
    Good,
    Bad,
    Value(i64),
    /// It cannot be watched (a script that may not be run): as if it were not tracked.
    Untracked,
}

/// What one tracker does to its instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    /// Added to the priority.
    pub priority: i32,
    /// It keeps the instance in FAULT.
    pub fault: bool,
    /// A start waits for the first reading.
    pub pending: bool,
}

/// What all of an instance's trackers come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    pub priority: i32,
    pub faults: BTreeSet<FaultCause>,
    /// It cannot start before all of its unweighted scripts have run.
    pub pending: bool,
}

impl Sum {
    /// `reading` tells how each tracked thing is.
    pub fn of(trackers: &[Tracker], reading: impl Fn(&Tracked) -> Reading) -> Self {
        let mut sum = Self::default();
        for (place, tracker) in (0u16..).zip(trackers) {
            let effect = tracker.effect(reading(&tracker.what));
            sum.priority = sum.priority.saturating_add(effect.priority);
            sum.pending |= effect.pending;
            if effect.fault {
                sum.faults.insert(FaultCause::Tracked(tracker.what.kind(), place));
            }
        }
        sum
    }
}

/// What a tracked thing is, for causes that name no names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackedKind {
    Interface,
    Script,
    File,
    Process,
    Bfd,
}

impl Tracked {
    pub fn kind(&self) -> TrackedKind {
        match self {
            Self::Interface(_) => TrackedKind::Interface,
            Self::Script(_) => TrackedKind::Script,
            Self::File(_) => TrackedKind::File,
            Self::Process(_) => TrackedKind::Process,
            Self::Bfd(_) => TrackedKind::Bfd,
        }
    }
}

impl Tracker {
    /// A positive weight is added while all is well, a negative one is subtracted while it is
    /// not; `reverse` turns the sign of what that comes to. Without weight, failure is FAULT, and
    /// with `reverse` success is.
    pub fn effect(&self, reading: Reading) -> Effect {
        let weightless = self.weight == 0;
        match reading {
            Reading::Unknown => Effect {
                pending: weightless
                    && matches!(self.what, Tracked::Script(_) | Tracked::Process(_)),
                ..Effect::default()
            },
            Reading::Untracked => Effect::default(),
            Reading::Good | Reading::Bad if weightless => {
                Effect { fault: (reading == Reading::Good) == self.reverse, ..Effect::default() }
            }
            Reading::Good => self.adding(i64::from(self.weight.max(0))),
            Reading::Bad => self.adding(i64::from(self.weight.min(0))),
            Reading::Value(value) if weightless => {
                Effect { fault: (value == 0) == self.reverse, ..Effect::default() }
            }
            Reading::Value(value) => self.adding(value.saturating_mul(i64::from(self.weight))),
        }
    }

    /// Beyond what any priority can bear it is FAULT (files only can come to that).
    fn adding(&self, contribution: i64) -> Effect {
        let signed = if self.reverse { contribution.saturating_neg() } else { contribution };
        if signed < -MOST {
            return Effect { fault: true, ..Effect::default() };
        }
        // At most 253 either way.
        Effect { priority: signed.min(MOST) as i32, ..Effect::default() }
    }
}

/// 1 to 254 whatever trackers add up to; an owner's 255 is not theirs to change
/// (RFC 9568 §5.2.4).
pub fn effective_priority(base: u8, adjustment: i32) -> u8 {
    if base == 255 {
        return base;
    }
    // Clamped to what an octet holds.
    i32::from(base).saturating_add(adjustment).clamp(1, 254) as u8
}

impl fmt::Display for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => write!(f, "interface {name}"),
            Self::Script(name) => write!(f, "script {name}"),
            Self::File(name) => write!(f, "file {name}"),
            Self::Process(name) => write!(f, "process {name}"),
            Self::Bfd(name) => write!(f, "BFD session {name}"),
        }
    }
}

impl fmt::Display for TrackedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interface => "a tracked interface is down",
            Self::Script => "a tracked script fails",
            Self::File => "a tracked file says so",
            Self::Process => "a tracked process does not run as it should",
            Self::Bfd => "a tracked BFD session is down",
        })
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not known yet"),
            Self::Good => f.write_str("good"),
            Self::Bad => f.write_str("bad"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Untracked => f.write_str("not tracked"),
        }
    }
}

#[cfg(test)]
mod tests;
