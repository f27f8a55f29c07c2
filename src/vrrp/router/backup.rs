//! Backup (RFC 9568 §6.4.2): what is heard, and the Active_Down_Timer.

use std::time::{Duration, Instant};

use super::super::{Heard, Version, active_down_interval, skew_time};
use super::{Action, AdverInterval, Backup, Cause, Note, State, VirtualRouter};

impl VirtualRouter {
    /// §6.4.2 (420)–(480).
    pub(super) fn backup_heard(
        &mut self,
        now: Instant,
        mut backup: Backup,
        heard: Heard,
        out: &mut Vec<Action>,
    ) {
        let (from, priority) = (heard.source, heard.priority);
        if self.outlasted_by.is_some_and(|rival| rival != from || priority < 255) {
            self.stand_by_ownership(&mut backup, out);
        }
        let ours = self.priority();
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
    pub(super) fn behind(&self, now: Instant, preempt_at: Option<Instant>, heard: Heard) -> State {
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

    /// §6.4.2 (365)–(410); in a sync group keepalived waits once more, until all members want it.
    pub(super) fn active_down(&mut self, now: Instant, mut backup: Backup, out: &mut Vec<Action>) {
        self.stand_by_ownership(&mut backup, out);
        if !self.settings.in_sync_group {
            return self.become_active(now, Cause::ActiveDownTimerExpired, out);
        }
        if !backup.wants_active {
            out.push(Action::Note(Note::WaitsForGroup));
        }
        let active_down_at = now + self.active_down_interval(backup.active_adver_interval);
        self.state = State::Backup(Backup { active_down_at, wants_active: true, ..backup });
    }

    /// A Backup whose priority drops must not overtake the others: the wait follows.
    pub(super) fn adjust_backup(
        &mut self,
        mut backup: Backup,
        adjustment: i32,
        out: &mut Vec<Action>,
    ) {
        self.shift_wait(&mut backup, |router| router.adjust(adjustment, out));
    }

    /// What is left of the wait grows or shrinks with the skew of a priority that `change`
    /// changes, as keepalived has it.
    fn shift_wait(&mut self, backup: &mut Backup, change: impl FnOnce(&mut Self)) {
        let interval = backup.active_adver_interval;
        let skew = |router: &Self| skew_time(router.settings.version, router.priority(), interval);
        let before = skew(self);
        change(self);
        // The old skew is part of the wait, so this never comes before the wait began.
        backup.active_down_at = backup.active_down_at + skew(self) - before;
        self.state = State::Backup(*backup);
    }

    pub(super) fn active_down_interval(&self, active: AdverInterval) -> Duration {
        active_down_interval(&self.settings, self.priority(), active)
    }

    /// The other owner is gone: our priority is 255 again.
    fn stand_by_ownership(&mut self, backup: &mut Backup, out: &mut Vec<Action>) {
        if self.outlasted_by.is_some() {
            self.shift_wait(backup, |router| router.outlasted_by = None);
            out.push(Action::Note(Note::PriorityChanged { from: 254, to: self.priority() }));
        }
    }
}
