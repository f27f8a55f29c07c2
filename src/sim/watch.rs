//! What must hold at every moment, judged from outside: what a router was told, what it did, and
//! what an observer with a clock of its own makes of that.

use std::time::{Duration, Instant};

use super::Property;
use super::router::Router;
use crate::vrrp::{
    Action, AdverInterval, Cause, Event, FaultCause, Heard, PublicState, State, Transition,
    Version, active_down_interval, skew_time,
};

/// Longest start-up delay or rest that a timer may have to wait for.
pub(super) const REST: Duration = Duration::from_secs(60);

/// What an observer notes of one router, to know how long it must have waited.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Watch {
    /// Since when nobody that counts was heard, and at which interval that one advertised.
    silent_since: Option<(Instant, AdverInterval)>,
    /// The last one that counts has resigned: skew alone is enough.
    resigned: bool,
    /// `preempt_delay`: since when somebody lower is let carry on.
    lower_since: Option<Instant>,
    /// Addresses taken off lately, for a fight.
    pub removals: u32,
    pub quiet_until: Option<Instant>,
}

impl Watch {
    fn hear(&mut self, now: Instant, heard: &Heard, before: &Before) {
        if self.quiet_until.is_some_and(|until| now < until) {
            return;
        }
        let interval = match before.version {
            Version::V2 => before.adver_interval,
            Version::V3 => heard.adver_interval,
        };
        if heard.priority == 0 && before.has_waited {
            // A member of a group waits for the others: its own wait is over and stays so.
        } else if heard.priority == 0 {
            let learned = self.silent_since.map_or(before.adver_interval, |(_, learned)| learned);
            (self.silent_since, self.resigned) = (Some((now, learned)), true);
        } else if self.counts(now, heard, before) {
            (self.silent_since, self.resigned) = (Some((now, interval)), false);
        }
    }

    /// Whether it is to be accepted as the Active Router (§6.4.2 (450); `preempt_delay`).
    fn counts(&mut self, now: Instant, heard: &Heard, before: &Before) -> bool {
        if heard.priority >= before.priority || before.preempt_delay.is_none() {
            self.lower_since = None;
            return true;
        }
        let delay = before.preempt_delay.unwrap_or_default();
        now < *self.lower_since.get_or_insert(now) + delay
    }

    /// The least that a Backup must have waited by the rules of RFC 9568 §6.4.2.
    fn least_wait(&self, router: &Router) -> Option<(Instant, Duration)> {
        let (since, interval) = self.silent_since?;
        let settings = router.core.settings();
        let wait = if self.resigned {
            skew_time(settings.version, router.core.priority(), interval)
        } else {
            active_down_interval(settings, router.core.priority(), interval)
        };
        Some((since, wait))
    }
}

/// A router before an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    state: State,
    public: PublicState,
    priority: u8,
    version: Version,
    adver_interval: AdverInterval,
    /// `None`: it does not preempt.
    preempt_delay: Option<Duration>,
    unread: usize,
    /// All that it must wait for as a Backup lies behind it.
    has_waited: bool,
}

impl Before {
    pub fn of(router: &Router, now: Instant) -> Self {
        let settings = router.core.settings();
        let wait = router.watch.least_wait(router);
        Self {
            has_waited: wait.is_some_and(|(since, wait)| now >= since + wait),
            state: *router.core.state(),
            public: router.core.public_state(),
            priority: router.core.priority(),
            version: settings.version,
            adver_interval: settings.adver_interval,
            preempt_delay: settings.preempt.then_some(settings.preempt_delay),
            unread: router.socket.len(),
        }
    }
}

/// A rule that was broken, and how.
pub(super) type Verdict = Result<(), (Property, String)>;

/// Looks at what one event has done to a router; `now` by its own clock.
pub(super) fn judge(
    router: &mut Router,
    now: Instant,
    event: &Event,
    before: &Before,
    actions: &[Action],
) -> Verdict {
    note(router, now, event, before);
    for action in actions {
        if let Action::Transition(transition) = action {
            justified(router, now, event, before, transition)
                .map_err(|what| (Property::Caused, what))?;
        }
    }
    if before.public != router.core.public_state() && router.is_running() && !router.is_active() {
        begin_waiting(router, now, event);
    }
    bounded(router, now).map_err(|what| (Property::TimersBounded, what))?;
    if router.holds != router.is_active() {
        let what = format!("{} holds addresses: {}", router.core.public_state(), router.holds);
        return Err((Property::Released, what));
    }
    Ok(())
}

fn note(router: &mut Router, now: Instant, event: &Event, before: &Before) {
    match event {
        Event::Advertisement(heard) if matches!(before.state, State::Backup(_)) => {
            router.watch.hear(now, heard, before);
        }
        Event::QuietUntil(until) => router.watch.quiet_until = Some(*until),
        // As keepalived: the wait begins anew. Nothing else of it concerns the observer.
        Event::Reconfigured(_) if matches!(before.state, State::Backup(_)) => {
            router.watch.silent_since = Some((now, router.core.settings().adver_interval));
            (router.watch.resigned, router.watch.lower_since) = (false, None);
        }
        _ => {}
    }
}

/// It has just become a Backup.
fn begin_waiting(router: &mut Router, now: Instant, event: &Event) {
    let settings = router.core.settings();
    let interval = match event {
        // As long as it hears of nobody but one that resigns, its own interval holds.
        Event::Advertisement(heard) if settings.version == Version::V3 && heard.priority > 0 => {
            heard.adver_interval
        }
        _ => settings.adver_interval,
    };
    let from = router.watch.quiet_until.map_or(now, |until| until.max(now));
    router.watch.silent_since = Some((from, interval));
    router.watch.resigned = matches!(event, Event::Advertisement(Heard { priority: 0, .. }));
    router.watch.lower_since = None;
}

/// Whether what the router was told is what it says it did this for.
fn justified(
    router: &Router,
    now: Instant,
    event: &Event,
    before: &Before,
    transition: &Transition,
) -> Result<(), String> {
    let because = |holds: bool| {
        let Transition { from, to, cause } = transition;
        let lie = || format!("{from} -> {to}, \"{cause}\": but it was told {event:?}");
        if holds { Ok(()) } else { Err(lie()) }
    };
    match transition.cause {
        Cause::Startup | Cause::AddressOwner => because(*event == Event::Startup),
        Cause::Shutdown => because(*event == Event::Shutdown),
        Cause::Deleted => because(*event == Event::Deleted),
        Cause::ActiveDownTimerExpired => {
            because(*event == Event::DeadlineReached)?;
            waited(router, now, before)
        }
        Cause::SyncGroup => match event {
            Event::GroupBecomesActive => waited(router, now, before),
            Event::GroupYields => Ok(()),
            _ => because(false),
        },
        Cause::HigherPriority { priority, ours, from } => because(
            matches!(event, Event::Advertisement(heard) if heard.source == from
                && heard.priority == priority && priority > ours)
                && (ours == before.priority || (before.priority, ours) == (255, 254)),
        ),
        Cause::HigherAddress { priority, from } => because(
            matches!(event, Event::Advertisement(heard) if heard.source == from
                && heard.priority == priority && priority == before.priority)
                && Some(from) > router.core.source(),
        ),
        Cause::Fault(FaultCause::AddressFight) => {
            because(*event == Event::AddressesRemoved && router.watch.removals > 5)
        }
        Cause::Fault(FaultCause::NoSourceAddress) => {
            because(matches!(event, Event::SourceChanged(None) | Event::Startup))
        }
        Cause::Fault(cause) => because(*event == Event::Fault(cause) || *event == Event::Startup),
        Cause::Recovered(FaultCause::AddressFight) => because(*event == Event::DeadlineReached),
        Cause::Recovered(FaultCause::NoSourceAddress) => {
            because(matches!(event, Event::SourceChanged(Some(_))))
        }
        Cause::Recovered(cause) => because(*event == Event::Recovered(cause)),
        Cause::WokeTooLate => match before.state {
            State::Active(active) => {
                because(now >= active.adver_at + 2 * before.adver_interval.as_duration())
            }
            State::Backup(_) | State::Initialize(_) => because(false),
        },
    }
}

/// RFC 9568 §6.4.2: silence for Active_Down_Interval, or for Skew_Time after a priority 0; and
/// nothing that would break it may wait unread.
fn waited(router: &Router, now: Instant, before: &Before) -> Result<(), String> {
    if before.unread > 0 {
        return Err(format!("it believes in silence with {} packets unread", before.unread));
    }
    // An owner whose start was put off waits for nothing else.
    if before.priority == 255 && router.core.settings().starts_active {
        return Ok(());
    }
    match router.watch.least_wait(router) {
        // Rounding of a drifting clock.
        Some((since, wait)) if now + Duration::from_micros(1) < since + wait => Err(format!(
            "it took over after {:?} of silence, the rule says {wait:?}",
            now.saturating_duration_since(since)
        )),
        Some(_) => Ok(()),
        None => Err("it took over without ever having waited".to_owned()),
    }
}

/// Every deadline is within what its state may wait.
fn bounded(router: &Router, now: Instant) -> Result<(), String> {
    let settings = router.core.settings();
    let start = router.watch.quiet_until.map_or(now, |until| until.max(now));
    let latest = match router.core.state() {
        State::Initialize(_) => now + REST,
        State::Backup(backup) => {
            let interval = backup.active_adver_interval;
            start + active_down_interval(settings, router.core.priority(), interval)
        }
        State::Active(_) => now + settings.adver_interval.as_duration(),
    };
    match router.core.next_deadline() {
        None if router.is_running() => Err("it runs and waits for nothing".to_owned()),
        Some(at) if at > latest => {
            Err(format!("its deadline is {:?} too far", at.saturating_duration_since(latest)))
        }
        Some(_) | None => Ok(()),
    }
}
