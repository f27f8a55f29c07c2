//! Active (RFC 9568 §6.4.3): becoming it, advertising, and who else claims to be.

use std::time::Instant;

use super::super::timing::next_period;
use super::super::{Heard, skew_time};
use super::{Action, Active, Announcements, Cause, Note, Rival, State, VirtualRouter, announce};

impl VirtualRouter {
    /// §6.4.2 (365)–(410). The advert comes first, so that an old Active yields before the LAN
    /// is told; addresses come before gratuitous ARP, so that we answer for what we announce.
    pub(super) fn become_active(&mut self, now: Instant, cause: Cause, out: &mut Vec<Action>) {
        let priority = self.priority();
        out.extend([Action::SendAdvertisement { priority }, Action::HoldAddresses]);
        announce(self.settings.garp.repeat, out);
        let active = Active {
            adver_at: now + self.settings.adver_interval.as_duration(),
            announcements: Announcements::after_becoming_active(now, &self.settings.garp),
            rival: None,
        };
        self.enter(State::Active(active), cause, out);
    }

    /// §6.4.3 (680)–(695), and the announcements that have come due.
    pub(super) fn active_deadline(
        &mut self,
        now: Instant,
        mut active: Active,
        out: &mut Vec<Action>,
    ) {
        if now >= active.adver_at {
            out.push(Action::SendAdvertisement { priority: self.priority() });
            let interval = self.settings.adver_interval.as_duration();
            active.adver_at = next_period(active.adver_at, interval, now);
        }
        announce(active.announcements.take_due(now, &self.settings.garp), out);
        if active.announcements.take_extra_due(now, &self.settings.garp) {
            out.push(Action::AnnounceElsewhere);
        }
        self.state = State::Active(active);
    }

    /// `timer_expired_backup`, keepalived's: asleep for so long that a router of the priority
    /// given has taken over by now, and `nopreempt` forbids to take that away from it.
    pub(super) fn woke_too_late(&self, now: Instant, active: Active) -> bool {
        self.settings.late_behind.is_some_and(|priority| {
            let interval = self.settings.adver_interval;
            let skew = skew_time(self.settings.version, priority, interval);
            now >= active.adver_at + 2 * interval.as_duration() + skew
        })
    }

    /// §6.4.3 (700)–(790).
    pub(super) fn active_heard(
        &mut self,
        now: Instant,
        mut active: Active,
        heard: Heard,
        out: &mut Vec<Action>,
    ) {
        let (from, priority) = (heard.source, heard.priority);
        if priority == 255 && self.priority() == 255 && self.source != Some(from) {
            self.heard_owner(now, &mut active, &heard, out);
        }
        let ours = self.priority();
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

    /// Another one claims priority 255. The lower address yields as to any other; if that one
    /// does not, we do, at 254, rather than leave two Active Routers on the LAN for ever
    /// (keepalived's rule; its countdown stops with each advert heard, ours does not).
    fn heard_owner(
        &mut self,
        now: Instant,
        active: &mut Active,
        heard: &Heard,
        out: &mut Vec<Action>,
    ) {
        let other = heard.source;
        let rival = Rival::heard(active.rival, now, heard, self.settings.adver_interval);
        if active.rival.map(|known| known.from) != Some(other) {
            out.push(Action::Note(Note::OwnerConflict { other }));
        }
        active.rival = Some(rival);
        self.state = State::Active(*active);
        if self.source > Some(other) && rival.outlasts(now) {
            self.outlasted_by = Some(other);
            out.push(Action::Note(Note::PriorityChanged { from: 255, to: 254 }));
        }
    }

    /// §6.4.3 (740)–(765). No priority 0: the other one is Active already.
    fn yield_to(&mut self, now: Instant, heard: Heard, cause: Cause, out: &mut Vec<Action>) {
        // With another interval it would teach that to the other Backups, which would then not
        // have the patience for the new Active Router's adverts.
        let alike = heard.adver_interval == self.settings.adver_interval;
        if self.settings.higher_prio_send_advert && alike {
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
    pub(super) fn send_advertisement(
        &self,
        now: Instant,
        active: Active,
        out: &mut Vec<Action>,
    ) -> Active {
        out.push(Action::SendAdvertisement { priority: self.priority() });
        Active { adver_at: now + self.settings.adver_interval.as_duration(), ..active }
    }
}
