//! Initialize (RFC 9568 §6.4.1) and the ways out of it: start, and recovery from FAULT.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Action, Backup, Cause, FaultCause, Idle, State, VirtualRouter};

impl VirtualRouter {
    /// §6.4.1, Startup: FAULT while something is missing, else on to Backup or Active.
    pub(super) fn start_or_fault(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.faults.first().copied() {
            Some(cause) => self.enter(State::Initialize(Idle::Faulty), Cause::Fault(cause), out),
            None if self.starts_active() && !self.is_quiet(now) => {
                self.become_active(now, Cause::AddressOwner, out)
            }
            None => self.enter(self.fresh_backup(now), Cause::Startup, out),
        }
    }

    /// The owner does not wait (§6.4.1 (110)); with an explicit `state BACKUP` keepalived's does.
    fn starts_active(&self) -> bool {
        self.settings.priority == 255 && self.settings.starts_active
    }

    /// Whether a start-up delay runs.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.quiet_until.is_some_and(|until| now < until)
    }

    /// Waits a whole Active_Down_Interval at our own advertisement interval. A start-up delay
    /// comes before it; an owner waits for that alone.
    pub(super) fn fresh_backup(&self, now: Instant) -> State {
        let active_adver_interval = self.settings.adver_interval;
        let wait = if self.is_quiet(now) && self.starts_active() {
            Duration::ZERO
        } else {
            self.active_down_interval(active_adver_interval)
        };
        State::Backup(Backup {
            active_down_at: self.quiet_until.map_or(now, |until| until.max(now)) + wait,
            active_adver_interval,
            active: None,
            preempt_at: None,
            wants_active: false,
        })
    }

    /// One cause of FAULT is gone; with the last one it starts anew, an owner at once as Active.
    pub(super) fn recover(
        &mut self,
        now: Instant,
        idle: Idle,
        cause: FaultCause,
        out: &mut Vec<Action>,
    ) {
        if cause == FaultCause::NoSourceAddress && self.source.is_none() {
            return;
        }
        let last = self.faults.remove(&cause) && self.faults.is_empty();
        if last {
            // An empty set that was not always so keeps its memory.
            self.faults = BTreeSet::new();
        }
        match idle {
            Idle::Faulty if last && self.starts_active() && !self.is_quiet(now) => {
                self.become_active(now, Cause::Recovered(cause), out);
            }
            Idle::Faulty if last => {
                self.enter(self.fresh_backup(now), Cause::Recovered(cause), out);
            }
            Idle::Faulty | Idle::NotStarted | Idle::Stopped | Idle::Deleted => {}
        }
    }
}
