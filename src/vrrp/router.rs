//! The state machine of one virtual router: RFC 9568 §6.4, and RFC 3768 §6.4 for VRRPv2.
//!
//! One function for each state answers every event, in the order of [`Event`]. Where keepalived
//! goes beyond the RFC or departs from it, the line says so.

mod active;
mod backup;
mod idle;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use super::announcements::Announcements;
use super::fights::Fights;
use super::rival::Rival;
use super::{
    Action, AdverInterval, Cause, Event, FaultCause, Note, PublicState, RouterSettings, Standing,
    Transition, effective_priority,
};

/// One VRID on one interface, in one address family.
#[derive(Debug)]
pub struct VirtualRouter {
    settings: RouterSettings,
    /// Our primary address: adverts come from it, and equal priorities are told apart by it.
    source: Option<IpAddr>,
    /// What trackers add to the configured priority.
    adjustment: i32,
    /// How often its addresses were put back lately.
    fights: Fights,
    /// After a lost fight: when it may run again.
    rest_until: Option<Instant>,
    /// Start-up delay: until then it listens to nobody, and every wait begins only then.
    quiet_until: Option<Instant>,
    /// The other owner, which we have given way to: until it is gone our priority is 254.
    outlasted_by: Option<IpAddr>,
    /// What keeps it from running; empty in Backup and Active.
    faults: BTreeSet<FaultCause>,
    state: State,
}

/// Where one virtual router stands (RFC 9568 §6.4). Each state owns its timers, so a timer that
/// the state has no use for cannot be left running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Initialize(Idle),
    Backup(Backup),
    Active(Active),
}

/// Why a virtual router is in Initialize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    NotStarted,
    /// Started, and kept from running by what [`VirtualRouter::faults`] lists.
    Faulty,
    Stopped,
    /// Its configuration is gone: nothing starts it again.
    Deleted,
}

/// RFC 9568 §6.4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Active_Down_Timer.
    pub active_down_at: Instant,
    /// Active_Adver_Interval: learned in VRRPv3, our own in VRRPv2.
    pub active_adver_interval: AdverInterval,
    /// Who advertised last, of those that were accepted.
    pub active: Option<IpAddr>,
    /// `preempt_delay`: until then a lower priority is accepted; `None`: none was heard yet.
    pub preempt_at: Option<Instant>,
    /// In a sync group: its timer has expired, and nobody better was heard since.
    pub wants_active: bool,
}

/// RFC 9568 §6.4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    /// Adver_Timer. Restarted when we send, and by nothing else: what we hear must not be able
    /// to silence us (keepalived 2.4's Active restarts it for each packet, rejected ones too).
    pub adver_at: Instant,
    pub announcements: Announcements,
    /// As the owner: another one, of a lower address, that does not give way to us.
    pub rival: Option<Rival>,
}

impl VirtualRouter {
    /// Not started; `source` as in [`Event::SourceChanged`].
    pub fn new(settings: RouterSettings, source: Option<IpAddr>) -> Self {
        let faults = source.is_none().then_some(FaultCause::NoSourceAddress);
        let state = State::Initialize(Idle::NotStarted);
        Self {
            settings,
            source,
            adjustment: 0,
            fights: Fights::default(),
            rest_until: None,
            quiet_until: None,
            outlasted_by: None,
            faults: faults.into_iter().collect(),
            state,
        }
    }

    /// Takes one event at `now`; appends to `out`, in order, what the driver must do.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Vec<Action>) {
        match self.state {
            State::Initialize(idle) => self.initialize(now, idle, event, out),
            State::Backup(backup) => self.backup(now, backup, event, out),
            State::Active(active) if self.woke_too_late(now, active) => {
                out.push(Action::ReleaseAddresses);
                self.enter(self.fresh_backup(now), Cause::WokeTooLate, out);
                self.handle(now, event, out);
            }
            State::Active(active) => self.active(now, active, event, out),
        }
    }

    /// When to call again with `DeadlineReached`; an early or a second call does no harm.
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Initialize(_) => self.rest_until,
            State::Backup(backup) => Some(backup.active_down_at),
            State::Active(active) => {
                let announce_at = active.announcements.next().unwrap_or(active.adver_at);
                Some(active.adver_at.min(announce_at))
            }
        }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn settings(&self) -> &RouterSettings {
        &self.settings
    }

    /// Our primary address, as last told.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// What keeps it from running, in a fixed order.
    pub fn faults(&self) -> impl Iterator<Item = FaultCause> {
        self.faults.iter().copied()
    }

    /// Priority that we advertise and compare with.
    pub fn priority(&self) -> u8 {
        if self.outlasted_by.is_some() {
            return 254;
        }
        effective_priority(self.settings.priority, self.adjustment)
    }

    /// What its sync group needs to know.
    pub fn standing(&self) -> Standing {
        match self.state {
            State::Initialize(Idle::Stopped | Idle::Deleted) => Standing::Gone,
            State::Initialize(idle @ (Idle::NotStarted | Idle::Faulty)) => Standing::Idle {
                started: idle == Idle::Faulty,
                own_fault: self.faults().any(|cause| cause != FaultCause::SyncGroup),
                group_fault: self.faults.contains(&FaultCause::SyncGroup),
            },
            State::Backup(backup) => Standing::Backup { wants_active: backup.wants_active },
            State::Active(_) => Standing::Active,
        }
    }

    /// The Active Router as far as a Backup has heard it; `None` in the other states.
    pub fn active_router(&self) -> Option<IpAddr> {
        match &self.state {
            State::Backup(backup) => backup.active,
            State::Initialize(_) | State::Active(_) => None,
        }
    }

    pub fn public_state(&self) -> PublicState {
        match self.state {
            State::Initialize(Idle::NotStarted) => PublicState::Init,
            State::Initialize(Idle::Faulty) => PublicState::Fault,
            State::Initialize(Idle::Stopped) => PublicState::Stop,
            State::Initialize(Idle::Deleted) => PublicState::Deleted,
            State::Backup(_) => PublicState::Backup,
            State::Active(_) => PublicState::Master,
        }
    }

    /// RFC 9568 §6.4.1.
    fn initialize(&mut self, now: Instant, idle: Idle, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Startup => match idle {
                Idle::NotStarted | Idle::Stopped => self.start_or_fault(now, out),
                Idle::Faulty | Idle::Deleted => {}
            },
            Event::Shutdown => match idle {
                Idle::Faulty => self.enter(State::Initialize(Idle::Stopped), Cause::Shutdown, out),
                // Nobody was told that it ran, so nobody is told that it stops.
                Idle::NotStarted => self.state = State::Initialize(Idle::Stopped),
                Idle::Stopped | Idle::Deleted => {}
            },
            Event::Deleted => self.enter(State::Initialize(Idle::Deleted), Cause::Deleted, out),
            // Queued before the router stopped: late, not wrong.
            Event::Advertisement(_) | Event::AddressesAdded | Event::AddressesRemoved => {}
            Event::DeadlineReached => {
                if self.rest_until.take_if(|at| *at <= now).is_some() {
                    self.recover(now, idle, FaultCause::AddressFight, out);
                }
            }
            Event::Fault(cause) => self.add_fault(cause),
            Event::Recovered(cause) => self.recover(now, idle, cause, out),
            Event::SourceChanged(source) => {
                self.source = source;
                match source {
                    None => self.add_fault(FaultCause::NoSourceAddress),
                    Some(_) => self.recover(now, idle, FaultCause::NoSourceAddress, out),
                }
            }
            Event::PriorityAdjusted(adjustment) => self.adjust(adjustment, out),
            Event::GroupBecomesActive | Event::GroupYields => {}
            Event::QuietUntil(until) => self.quiet_until = Some(until),
            Event::Reconfigured(settings) => self.settings = settings,
        }
    }

    /// RFC 9568 §6.4.2.
    fn backup(&mut self, now: Instant, backup: Backup, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Startup | Event::AddressesAdded | Event::Recovered(_) => {}
            // Not ours to hold, not ours to delay any more: late, not wrong.
            Event::AddressesRemoved | Event::QuietUntil(_) => {}
            Event::Shutdown => self.enter(State::Initialize(Idle::Stopped), Cause::Shutdown, out),
            Event::Deleted => self.enter(State::Initialize(Idle::Deleted), Cause::Deleted, out),
            Event::Advertisement(_) if self.is_quiet(now) => {}
            Event::Advertisement(heard) => self.backup_heard(now, backup, heard, out),
            Event::DeadlineReached => {
                if now >= backup.active_down_at {
                    self.active_down(now, backup, out);
                }
            }
            Event::Fault(cause) => self.fault(cause, out),
            Event::SourceChanged(Some(source)) => self.source = Some(source),
            Event::SourceChanged(None) => self.fault(FaultCause::NoSourceAddress, out),
            Event::PriorityAdjusted(adjustment) => self.adjust_backup(backup, adjustment, out),
            Event::GroupBecomesActive => self.become_active(now, Cause::SyncGroup, out),
            Event::GroupYields => {}
            Event::Reconfigured(settings) => {
                // As keepalived: the wait begins again, and nothing learned is kept.
                if settings != self.settings {
                    self.settings = settings;
                    self.state = self.fresh_backup(now);
                }
            }
        }
    }

    /// RFC 9568 §6.4.3.
    fn active(&mut self, now: Instant, active: Active, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Startup | Event::Recovered(_) | Event::QuietUntil(_) => {}
            Event::Shutdown => self.resign(Idle::Stopped, Cause::Shutdown, out),
            Event::Deleted => self.resign(Idle::Deleted, Cause::Deleted, out),
            Event::Advertisement(heard) => self.active_heard(now, active, heard, out),
            Event::DeadlineReached => self.active_deadline(now, active, out),
            Event::Fault(cause) => self.fault(cause, out),
            Event::SourceChanged(Some(source)) => self.source = Some(source),
            Event::SourceChanged(None) => self.fault(FaultCause::NoSourceAddress, out),
            Event::GroupBecomesActive => {}
            Event::GroupYields => {
                out.push(Action::ReleaseAddresses);
                self.enter(self.fresh_backup(now), Cause::SyncGroup, out);
            }
            // §6.4.3 goes on: the advert due next carries it, and a higher Backup preempts.
            Event::PriorityAdjusted(adjustment) => self.adjust(adjustment, out),
            Event::Reconfigured(settings) => {
                if settings != self.settings {
                    self.settings = settings;
                    let mut active = self.send_advertisement(now, active, out);
                    active.announcements.reconfigured(now, &self.settings.garp);
                    self.state = State::Active(active);
                }
            }
            Event::AddressesRemoved => {
                if self.fights.repair(now) {
                    out.push(Action::RestoreAddresses);
                } else {
                    self.rest_until = Some(now + Fights::REST);
                    self.fault(FaultCause::AddressFight, out);
                }
            }
            Event::AddressesAdded => {
                announce(self.settings.garp.repeat, out);
                let mut active = active;
                active.announcements.again(now, &self.settings.garp);
                self.state = State::Active(active);
            }
        }
    }

    fn adjust(&mut self, adjustment: i32, out: &mut Vec<Action>) {
        let from = self.priority();
        self.adjustment = adjustment;
        let to = self.priority();
        if from != to {
            out.push(Action::Note(Note::PriorityChanged { from, to }));
        }
    }

    /// Something it needs is gone while it ran.
    fn fault(&mut self, cause: FaultCause, out: &mut Vec<Action>) {
        self.add_fault(cause);
        match self.state {
            State::Active(_) => self.resign(Idle::Faulty, Cause::Fault(cause), out),
            State::Backup(_) | State::Initialize(_) => {
                self.enter(State::Initialize(Idle::Faulty), Cause::Fault(cause), out);
            }
        }
    }

    fn add_fault(&mut self, cause: FaultCause) {
        self.faults.insert(cause);
        if cause == FaultCause::NoSourceAddress {
            self.source = None;
        }
    }

    /// §6.4.3 (655)–(675): leaves Active without a successor. One priority 0, whatever the cause
    /// (keepalived sends two on a fault).
    fn resign(&mut self, idle: Idle, cause: Cause, out: &mut Vec<Action>) {
        out.extend([Action::SendAdvertisement { priority: 0 }, Action::ReleaseAddresses]);
        self.enter(State::Initialize(idle), cause, out);
    }

    /// Changes the state, and reports it where operators can see the difference.
    fn enter(&mut self, state: State, cause: Cause, out: &mut Vec<Action>) {
        let from = self.public_state();
        self.state = state;
        if !matches!(self.state, State::Backup(_)) {
            self.outlasted_by = None;
        }
        let to = self.public_state();
        if from != to {
            out.push(Action::Transition(Transition { from, to, cause }));
        }
    }
}

fn announce(rounds: u32, out: &mut Vec<Action>) {
    if rounds > 0 {
        out.push(Action::Announce { rounds });
    }
}

#[cfg(test)]
mod tests;
