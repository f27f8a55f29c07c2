//! A sync group: virtual routers that are Active together or not at all (keepalived.conf(5),
//! `vrrp_sync_group`).
//!
//! The members' own state machines stay as they are. After anything has happened to one of
//! them the group looks at where all stand, and says what must happen to the others.

use super::PublicState;

/// Where one member stands, as far as its group is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Stopped, or removed from the configuration.
    Gone,
    /// Not started yet, or in FAULT.
    Idle {
        /// It is in FAULT, not before its start.
        started: bool,
        /// Something else than the group keeps it from running.
        own_fault: bool,
        /// It was told of [`FaultCause::SyncGroup`](super::FaultCause::SyncGroup).
        group_fault: bool,
    },
    Backup {
        /// Its Active_Down_Timer has expired.
        wants_active: bool,
    },
    Active,
}

/// What the driver tells the members, each that it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupMove {
    /// `Fault(SyncGroup)` to all that have not got it, the failed ones included: they are not to
    /// recover alone.
    Fault,
    /// `Recovered(SyncGroup)` to all.
    Recover,
    /// `GroupYields` to all.
    Yield,
    /// `GroupBecomesActive` to all.
    BecomeActive,
}

/// One group, as it was last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncGroup {
    state: PublicState,
}

impl Default for SyncGroup {
    fn default() -> Self {
        Self { state: PublicState::Init }
    }
}

impl SyncGroup {
    /// As last reported.
    pub fn state(&self) -> PublicState {
        self.state
    }

    /// What must happen next, so that the members stand alike; to be asked again after it has.
    pub fn next_move(members: &[Standing]) -> Option<GroupMove> {
        let faults = |member: &Standing| match *member {
            Standing::Idle { own_fault, group_fault, .. } => (own_fault, group_fault),
            Standing::Gone | Standing::Backup { .. } | Standing::Active => (false, false),
        };
        let staying = || members.iter().filter(|member| **member != Standing::Gone);
        if staying().any(|member| faults(member).0) {
            return (!staying().all(|member| faults(member).1)).then_some(GroupMove::Fault);
        }
        if staying().any(|member| faults(member).1) {
            return Some(GroupMove::Recover);
        }
        let active = staying().filter(|member| **member == Standing::Active).count();
        if active > 0 {
            return (active < staying().count()).then_some(GroupMove::Yield);
        }
        let wants = |member: &Standing| *member == Standing::Backup { wants_active: true };
        (staying().next().is_some() && staying().all(wants)).then_some(GroupMove::BecomeActive)
    }

    /// The state that all members are in, where it differs from what was reported last. While
    /// they are on their way there is none.
    pub fn report(&mut self, members: &[Standing]) -> Option<(PublicState, PublicState)> {
        let states = members.iter().map(|member| match member {
            Standing::Gone => PublicState::Stop,
            Standing::Idle { started: true, .. } => PublicState::Fault,
            Standing::Idle { started: false, .. } => PublicState::Init,
            Standing::Backup { .. } => PublicState::Backup,
            Standing::Active => PublicState::Master,
        });
        let mut states = states.collect::<Vec<_>>().into_iter();
        let first = states.next()?;
        if first == self.state || states.any(|state| state != first) {
            return None;
        }
        Some((std::mem::replace(&mut self.state, first), first))
    }
}

#[cfg(test)]
mod tests;
