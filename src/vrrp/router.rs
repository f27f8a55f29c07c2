//! The state machine of one virtual router: RFC 9568 §6.4, and RFC 3768 §6.4 for VRRPv2.
//!
//! One function for each state answers every event, in the order of [`Event`]. Where keepalived
//! goes beyond the RFC or departs from it, the line says so.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use super::announcements::Announcements;
use super::fights::Fights;
use super::timing::next_period;
use super::{
    Action, AdverInterval, Cause, Event, FaultCause, Heard, Note, PublicState, RouterSettings,
    Standing, Transition, Version, active_down_interval, effective_priority, skew_time,
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
            faults: faults.into_iter().collect(),
            state,
        }
    }

    /// Takes one event at `now`; appends to `out`, in order, what the driver must do.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Vec<Action>) {
        match self.state {
            State::Initialize(idle) => self.initialize(now, idle, event, out),
            State::Backup(backup) => self.backup(now, backup, event, out),
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
            Event::Reconfigured(settings) => self.settings = settings,
        }
    }

    /// RFC 9568 §6.4.2.
    fn backup(&mut self, now: Instant, backup: Backup, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Startup | Event::AddressesAdded | Event::Recovered(_) => {}
            // Not ours to hold: late, not wrong.
            Event::AddressesRemoved => {}
            Event::Shutdown => self.enter(State::Initialize(Idle::Stopped), Cause::Shutdown, out),
            Event::Deleted => self.enter(State::Initialize(Idle::Deleted), Cause::Deleted, out),
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
            Event::Startup | Event::Recovered(_) => {}
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

    /// What is left of the wait grows or shrinks with the skew, as keepalived has it: a Backup
    /// whose priority drops must not overtake the others.
    fn adjust_backup(&mut self, backup: Backup, adjustment: i32, out: &mut Vec<Action>) {
        let skew = |router: &Self| {
            skew_time(router.settings.version, router.priority(), backup.active_adver_interval)
        };
        let before = skew(self);
        self.adjust(adjustment, out);
        // The old skew is part of the wait, so this never comes before the wait began.
        let active_down_at = backup.active_down_at + skew(self) - before;
        self.state = State::Backup(Backup { active_down_at, ..backup });
    }

    fn active_down_interval(&self, active: AdverInterval) -> std::time::Duration {
        active_down_interval(&self.settings, self.priority(), active)
    }

    /// §6.4.1, Startup: FAULT while something is missing, else on to Backup or Active.
    fn start_or_fault(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.faults.first().copied() {
            Some(cause) => self.enter(State::Initialize(Idle::Faulty), Cause::Fault(cause), out),
            None if self.starts_active() => self.become_active(now, Cause::AddressOwner, out),
            None => self.enter(self.fresh_backup(now), Cause::Startup, out),
        }
    }

    /// The owner does not wait (§6.4.1 (110)); with an explicit `state BACKUP` keepalived's does.
    fn starts_active(&self) -> bool {
        self.settings.priority == 255 && self.settings.starts_active
    }

    /// Waits a whole Active_Down_Interval at our own advertisement interval.
    fn fresh_backup(&self, now: Instant) -> State {
        let active_adver_interval = self.settings.adver_interval;
        State::Backup(Backup {
            active_down_at: now + self.active_down_interval(active_adver_interval),
            active_adver_interval,
            active: None,
            preempt_at: None,
            wants_active: false,
        })
    }

    /// §6.4.2 (365)–(410); in a sync group keepalived waits once more, until all members want it.
    fn active_down(&mut self, now: Instant, backup: Backup, out: &mut Vec<Action>) {
        if !self.settings.in_sync_group {
            return self.become_active(now, Cause::ActiveDownTimerExpired, out);
        }
        if !backup.wants_active {
            out.push(Action::Note(Note::WaitsForGroup));
        }
        let active_down_at = now + self.active_down_interval(backup.active_adver_interval);
        self.state = State::Backup(Backup { active_down_at, wants_active: true, ..backup });
    }

    /// §6.4.2 (420)–(480).
    fn backup_heard(&mut self, now: Instant, backup: Backup, heard: Heard, out: &mut Vec<Action>) {
        let (from, priority, ours) = (heard.source, heard.priority, self.priority());
        if priority == 0 {
            let skew = skew_time(self.settings.version, ours, backup.active_adver_interval);
            self.state = State::Backup(Backup { active_down_at: now + skew, ..backup });
            out.push(Action::Note(Note::HeardPriorityZero { from }));
        } else if !self.settings.preempt || priority >= ours {
            // Equal priority is accepted whatever the address: only an Active compares those.
            self.accept(now, Backup { preempt_at: None, ..backup }, heard, out);
        } else if self.settings.preempt_delay.is_zero() {
            out.push(Action::Note(Note::DiscardedLowerPriority { priority, ours, from }));
        } else {
            self.delay_preemption(now, backup, heard, out);
        }
    }

    /// `preempt_delay`, keepalived's: counts from the first advert of lower priority. Until it is
    /// over that Active Router is accepted; afterwards its adverts are discarded, and the
    /// Active_Down_Timer still has to run out.
    fn delay_preemption(
        &mut self,
        now: Instant,
        backup: Backup,
        heard: Heard,
        out: &mut Vec<Action>,
    ) {
        let (from, priority, ours) = (heard.source, heard.priority, self.priority());
        let preempt_at = backup.preempt_at.unwrap_or(now + self.settings.preempt_delay);
        if backup.preempt_at.is_none() {
            out.push(Action::Note(Note::PreemptDelayStarted { lower: from, priority }));
        }
        if now < preempt_at {
            self.accept(now, Backup { preempt_at: Some(preempt_at), ..backup }, heard, out);
        } else {
            out.push(Action::Note(Note::DiscardedLowerPriority { priority, ours, from }));
        }
    }

    /// §6.4.2 (450)–(460): this is the Active Router, and it lives.
    fn accept(&mut self, now: Instant, backup: Backup, heard: Heard, out: &mut Vec<Action>) {
        if backup.active != Some(heard.source) {
            let (address, priority) = (heard.source, heard.priority);
            out.push(Action::Note(Note::NewActive { address, priority }));
        }
        self.state = self.behind(now, backup.preempt_at, heard);
    }

    /// Backup behind the router that was heard, for a whole Active_Down_Interval.
    fn behind(&self, now: Instant, preempt_at: Option<Instant>, heard: Heard) -> State {
        let active_adver_interval = match self.settings.version {
            // RFC 3768 §6.1: our own; another one's advert would not have been admitted.
            Version::V2 => self.settings.adver_interval,
            Version::V3 => heard.adver_interval,
        };
        State::Backup(Backup {
            active_down_at: now + self.active_down_interval(active_adver_interval),
            active_adver_interval,
            active: Some(heard.source),
            preempt_at,
            wants_active: false,
        })
    }

    /// §6.4.2 (365)–(410). The advert comes first, so that an old Active yields before the LAN
    /// is told; addresses come before gratuitous ARP, so that we answer for what we announce.
    fn become_active(&mut self, now: Instant, cause: Cause, out: &mut Vec<Action>) {
        let priority = self.priority();
        out.extend([Action::SendAdvertisement { priority }, Action::HoldAddresses]);
        announce(self.settings.garp.repeat, out);
        let active = Active {
            adver_at: now + self.settings.adver_interval.as_duration(),
            announcements: Announcements::after_becoming_active(now, &self.settings.garp),
        };
        self.enter(State::Active(active), cause, out);
    }

    /// §6.4.3 (680)–(695), and the announcements that have come due.
    fn active_deadline(&mut self, now: Instant, mut active: Active, out: &mut Vec<Action>) {
        if now >= active.adver_at {
            out.push(Action::SendAdvertisement { priority: self.priority() });
            let interval = self.settings.adver_interval.as_duration();
            active.adver_at = next_period(active.adver_at, interval, now);
        }
        announce(active.announcements.take_due(now, &self.settings.garp), out);
        self.state = State::Active(active);
    }

    /// §6.4.3 (700)–(790).
    fn active_heard(&mut self, now: Instant, active: Active, heard: Heard, out: &mut Vec<Action>) {
        let (from, priority, ours) = (heard.source, heard.priority, self.priority());
        if priority == 255 && ours == 255 && self.source != Some(from) {
            out.push(Action::Note(Note::OwnerConflict { other: from }));
        }
        if priority == 0 {
            out.push(Action::Note(Note::HeardPriorityZero { from }));
            self.state = State::Active(self.send_advertisement(now, active, out));
        } else if priority > ours {
            self.yield_to(now, heard, Cause::HigherPriority { priority, ours, from }, out);
        } else if priority < ours {
            out.push(Action::Note(Note::HeardLowerPriority { priority, ours, from }));
            self.assert_active(now, active, out);
        } else if self.source < Some(from) {
            self.yield_to(now, heard, Cause::HigherAddress { priority, from }, out);
        } else if self.source > Some(from) {
            out.push(Action::Note(Note::HeardLowerAddress { priority, from }));
            self.assert_active(now, active, out);
        } else {
            out.push(Action::Note(Note::HeardOurselves { priority, from }));
        }
    }

    /// §6.4.3 (740)–(765). No priority 0: the other one is Active already.
    fn yield_to(&mut self, now: Instant, heard: Heard, cause: Cause, out: &mut Vec<Action>) {
        if self.settings.higher_prio_send_advert {
            out.push(Action::SendAdvertisement { priority: self.priority() });
        }
        out.push(Action::ReleaseAddresses);
        self.enter(self.behind(now, None, heard), cause, out);
    }

    /// Stays Active, and says so: RFC 9568 §6.4.3, which RFC 5798 did not ask for, and the
    /// gratuitous ARPs are keepalived's. `lower_prio_no_advert` keeps to the older RFC.
    fn assert_active(&mut self, now: Instant, mut active: Active, out: &mut Vec<Action>) {
        if !self.settings.lower_prio_no_advert {
            active = self.send_advertisement(now, active, out);
        }
        announce(self.settings.garp.lower_prio_repeat, out);
        active.announcements.heard_lower_priority(now, &self.settings.garp);
        self.state = State::Active(active);
    }

    /// Sends out of turn; the next advert follows a whole interval later.
    fn send_advertisement(&self, now: Instant, active: Active, out: &mut Vec<Action>) -> Active {
        out.push(Action::SendAdvertisement { priority: self.priority() });
        Active { adver_at: now + self.settings.adver_interval.as_duration(), ..active }
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

    /// One cause of FAULT is gone; with the last one it starts anew, an owner at once as Active.
    fn recover(&mut self, now: Instant, idle: Idle, cause: FaultCause, out: &mut Vec<Action>) {
        if cause == FaultCause::NoSourceAddress && self.source.is_none() {
            return;
        }
        let last = self.faults.remove(&cause) && self.faults.is_empty();
        match idle {
            Idle::Faulty if last && self.starts_active() => {
                self.become_active(now, Cause::Recovered(cause), out);
            }
            Idle::Faulty if last => {
                self.enter(self.fresh_backup(now), Cause::Recovered(cause), out);
            }
            Idle::Faulty | Idle::NotStarted | Idle::Stopped | Idle::Deleted => {}
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
