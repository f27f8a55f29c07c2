//! One session: the state machine of RFC 5880 §6.2 and §6.8.6, its timers and Poll Sequences.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::timing::{as_micros, detection_time, jittered};
use super::{
    Action, ControlPacket, Diagnostic, Event, Expired, LEAST_IDLE_INTERVAL, SessionSettings, State,
    Transition,
};

/// One neighbour.
#[derive(Debug)]
pub struct Session {
    settings: SessionSettings,
    discriminator: NonZeroU32,
    state: State,
    diagnostic: Diagnostic,
    pub(super) remote: Remote,
    /// What our packets say.
    advertised: Intervals,
    /// What we act by: behind `advertised` while the neighbour has not confirmed to know of it.
    in_force: Intervals,
    poll: Poll,
    send: Sending,
    heard_at: Option<Instant>,
    /// When silence will have lasted for the Detection Time.
    silent_at: Option<Instant>,
}

/// What the neighbour's last packet said; at first, and after a Detection Time of silence, what
/// RFC 5880 §6.8.1 begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote {
    /// 0: none is known.
    pub discriminator: u32,
    pub state: State,
    pub diagnostic: Diagnostic,
    pub min_tx: Duration,
    /// Zero: it wants no periodic packets.
    pub min_rx: Duration,
    pub detect_mult: u8,
    pub demand: bool,
}

/// bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intervals {
    tx: Duration,
    rx: Duration,
}

/// A Poll Sequence (RFC 5880 §6.5, §6.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poll {
    None,
    Sending,
    /// Something changed again meanwhile: another one has to follow.
    SendingOutdated,
    /// Before that, a packet without Final must come, so that the next Final is surely the new one's.
    AwaitsClear,
}

/// When the next packet goes, and what that was worked out from.
#[derive(Debug, Default)]
struct Sending {
    last: Option<Instant>,
    next: Option<Instant>,
    /// Before jitter.
    interval: Duration,
}

impl Session {
    /// `discriminator` must differ from that of each other session here (RFC 5880 §6.8.1).
    pub fn new(settings: SessionSettings, discriminator: NonZeroU32) -> Self {
        let idle = Intervals { tx: idle_interval(&settings), rx: settings.min_rx };
        Self {
            settings,
            discriminator,
            state: State::AdminDown,
            diagnostic: Diagnostic::NONE,
            remote: Remote::unknown(),
            advertised: idle,
            in_force: idle,
            poll: Poll::None,
            send: Sending::default(),
            heard_at: None,
            silent_at: None,
        }
    }

    pub fn settings(&self) -> &SessionSettings {
        &self.settings
    }

    pub fn discriminator(&self) -> NonZeroU32 {
        self.discriminator
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// When to call again with [`Event::DeadlineReached`]; an early or a second call does no harm.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.send.next.into_iter().chain(self.silent_at).min()
    }

    /// Takes one event at `now`; appends to `out`, in order, what the driver must do. `random` is
    /// any number, another one each time: it makes the jitter.
    pub fn handle(&mut self, now: Instant, random: u32, event: Event, out: &mut Vec<Action>) {
        match (self.state, event) {
            (State::AdminDown, Event::Startup) => self.start(now, random, out),
            (State::Down | State::Init | State::Up, Event::Heard(packet)) => {
                self.hear(now, random, &packet, out);
            }
            (State::Down | State::Init | State::Up, Event::DeadlineReached) => {
                self.expire(now, random, out);
                self.send_if_due(now, random, out);
            }
            (State::Down | State::Init | State::Up, Event::Disabled) => {
                self.give_up(now, State::AdminDown, out);
            }
            (State::Down | State::Init | State::Up, Event::Shutdown) => {
                self.give_up(now, State::Down, out);
            }
            // Late or repeated, not wrong.
            (State::Down | State::Init | State::Up, Event::Startup)
            | (
                State::AdminDown,
                Event::Heard(_) | Event::DeadlineReached | Event::Disabled | Event::Shutdown,
            ) => {}
        }
    }

    /// A reload kept it, with these settings: the session goes on, and the neighbour is polled if
    /// its timing changed.
    pub fn reconfigure(
        &mut self,
        now: Instant,
        random: u32,
        settings: SessionSettings,
        out: &mut Vec<Action>,
    ) {
        let before = std::mem::replace(&mut self.settings, settings);
        if self.state == State::AdminDown || before == self.settings {
            return;
        }
        self.advertise_intervals();
        self.silent_at = self.silent_at.and(self.heard_at).map(|at| at + self.detection_time());
        if before.multiplier != self.settings.multiplier || self.poll != Poll::None {
            self.send_now(now, random, out);
        }
        self.plan_sending(now, random);
    }

    fn start(&mut self, now: Instant, random: u32, out: &mut Vec<Action>) {
        self.state = State::Down;
        self.diagnostic = Diagnostic::NONE;
        self.send_now(now, random, out);
    }

    /// RFC 5880 §6.8.16, with a last packet that says `state`; what the neighbour does not hear it
    /// finds out by our silence.
    fn give_up(&mut self, now: Instant, state: State, out: &mut Vec<Action>) {
        self.diagnostic = Diagnostic::ADMINISTRATIVELY_DOWN;
        self.enter(State::AdminDown, None, out);
        self.poll = Poll::None;
        if self.may_speak() {
            self.send.last = Some(now);
            out.push(Action::Send(ControlPacket { state, ..self.packet(false) }));
        }
        (self.send.next, self.silent_at) = (None, None);
    }

    /// RFC 5880 §6.8.6, from where the session is known.
    fn hear(&mut self, now: Instant, random: u32, packet: &ControlPacket, out: &mut Vec<Action>) {
        self.remote = Remote::said(packet);
        self.heard_at = Some(now);
        self.follow_poll(packet.is_final);
        let before = self.state;
        if let Some(next) = self.next_state(packet.state) {
            if next == State::Down {
                self.diagnostic = Diagnostic::NEIGHBOR_SIGNALED_DOWN;
            }
            self.enter(next, None, out);
        }
        self.silent_at = Some(now + self.detection_time());
        // The answer to a poll carries the new state as well as any packet would.
        if packet.poll {
            out.push(Action::Send(self.packet(true)));
        } else if self.state != before {
            self.send_now(now, random, out);
        }
        self.plan_sending(now, random);
    }

    /// The state that a packet in state `heard` leads to, if another.
    fn next_state(&self, heard: State) -> Option<State> {
        match (self.state, heard) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                Some(State::Down)
            }
            (State::Down, State::Down) => Some(State::Init),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => Some(State::Up),
            (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up)
            | (State::AdminDown, _) => None,
        }
    }

    fn enter(&mut self, to: State, expired: Option<Expired>, out: &mut Vec<Action>) {
        let from = std::mem::replace(&mut self.state, to);
        if to == State::Up {
            self.diagnostic = Diagnostic::NONE;
        }
        let Remote { diagnostic: remote_diagnostic, state: remote_state, .. } = self.remote;
        let diagnostic = self.diagnostic;
        out.push(Action::Transition(Transition {
            from,
            to,
            diagnostic,
            remote_diagnostic,
            remote_state,
            expired,
        }));
        self.advertise_intervals();
    }

    /// Says what the state and the settings ask for, and acts by it as far as it may at once
    /// (RFC 5880 §6.8.3). Whoever knows us is polled.
    fn advertise_intervals(&mut self) {
        let up = self.state == State::Up;
        let tx = if up { self.settings.min_tx } else { idle_interval(&self.settings) };
        let wanted = Intervals { tx, rx: self.settings.min_rx };
        let changed = std::mem::replace(&mut self.advertised, wanted) != wanted;
        // The neighbour must first know that we send more rarely, or may be waited for longer.
        if !up || wanted.tx < self.in_force.tx {
            self.in_force.tx = wanted.tx;
        }
        if !up || wanted.rx > self.in_force.rx {
            self.in_force.rx = wanted.rx;
        }
        if changed && self.remote.discriminator != 0 {
            self.poll = match self.poll {
                Poll::None => Poll::Sending,
                Poll::Sending | Poll::SendingOutdated => Poll::SendingOutdated,
                Poll::AwaitsClear => Poll::AwaitsClear,
            };
        }
    }

    fn follow_poll(&mut self, is_final: bool) {
        self.poll = match (self.poll, is_final) {
            (Poll::Sending, true) => {
                self.in_force = self.advertised;
                Poll::None
            }
            (Poll::SendingOutdated, true) => Poll::AwaitsClear,
            (Poll::AwaitsClear, false) => Poll::Sending,
            (unchanged, _) => unchanged,
        };
    }

    /// Silence for a Detection Time: the neighbour is gone, and what it said no longer holds.
    fn expire(&mut self, now: Instant, random: u32, out: &mut Vec<Action>) {
        let Some(silent_at) = self.silent_at.filter(|at| *at <= now) else { return };
        let expired = Expired { detection_time: self.detection_time(), overdue: now - silent_at };
        let said = std::mem::replace(&mut self.remote, Remote::unknown());
        (self.silent_at, self.poll) = (None, Poll::None);
        match self.state {
            State::Init | State::Up => {
                self.diagnostic = Diagnostic::DETECTION_TIME_EXPIRED;
                self.remote.diagnostic = said.diagnostic;
                self.enter(State::Down, Some(expired), out);
                self.send_now(now, random, out);
            }
            State::Down | State::AdminDown => self.plan_sending(now, random),
        }
    }

    fn send_if_due(&mut self, now: Instant, random: u32, out: &mut Vec<Action>) {
        if self.send.next.is_some_and(|at| at <= now) {
            self.send_now(now, random, out);
        }
    }

    /// A packet, whenever the next one was due, and the next one an interval later.
    fn send_now(&mut self, now: Instant, random: u32, out: &mut Vec<Action>) {
        if self.sends_periodically() || (self.may_speak() && self.remote.discriminator != 0) {
            self.send.last = Some(now);
            self.send.next = None;
            out.push(Action::Send(self.packet(false)));
        }
        self.plan_sending(now, random);
    }

    /// Sets the time of the next periodic packet, if there is to be one. What stands is left alone
    /// unless the interval is another one.
    fn plan_sending(&mut self, now: Instant, random: u32) {
        let interval = self.transmit_interval();
        let same = std::mem::replace(&mut self.send.interval, interval) == interval;
        if !self.sends_periodically() {
            self.send.next = None;
        } else if self.send.next.is_none() || !same {
            let pause = jittered(interval, self.settings.multiplier, random);
            self.send.next = Some(self.send.last.map_or(now, |last| (last + pause).max(now)));
        }
    }

    /// A passive side is silent until it knows the other (RFC 5880 §6.8.7).
    fn may_speak(&self) -> bool {
        !self.settings.passive || self.remote.discriminator != 0
    }

    fn sends_periodically(&self) -> bool {
        let remote = &self.remote;
        let demanded = remote.demand && self.state == State::Up && remote.state == State::Up;
        self.state != State::AdminDown
            && self.may_speak()
            && remote.min_rx != Duration::ZERO
            && (!demanded || self.is_polling())
    }

    fn is_polling(&self) -> bool {
        matches!(self.poll, Poll::Sending | Poll::SendingOutdated)
    }

    /// Before jitter: the slower of the two sides has its way.
    pub fn transmit_interval(&self) -> Duration {
        self.in_force.tx.max(self.remote.min_rx)
    }

    /// How long the neighbour may be silent; zero while it is unknown.
    pub fn detection_time(&self) -> Duration {
        detection_time(self.remote.detect_mult, self.in_force.rx, self.remote.min_tx)
    }

    /// RFC 5880 §6.8.7.
    fn packet(&self, is_final: bool) -> ControlPacket {
        ControlPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: !is_final && self.is_polling(),
            is_final,
            independent: false,
            demand: false,
            detect_mult: self.settings.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: as_micros(self.advertised.tx),
            required_min_rx: as_micros(self.advertised.rx),
            required_min_echo_rx: 0,
        }
    }

    /// When the last packet came that was not discarded.
    pub fn heard_at(&self) -> Option<Instant> {
        self.heard_at
    }

    /// Whether the neighbour has still to confirm our intervals.
    pub fn awaits_final(&self) -> bool {
        self.poll != Poll::None
    }
}

impl Remote {
    fn unknown() -> Self {
        Self {
            discriminator: 0,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            min_tx: Duration::ZERO,
            min_rx: Duration::from_micros(1),
            detect_mult: 0,
            demand: false,
        }
    }

    fn said(packet: &ControlPacket) -> Self {
        Self {
            discriminator: packet.my_discriminator.get(),
            state: packet.state,
            diagnostic: packet.diagnostic,
            min_tx: Duration::from_micros(packet.desired_min_tx.into()),
            min_rx: Duration::from_micros(packet.required_min_rx.into()),
            detect_mult: packet.detect_mult,
            demand: packet.demand,
        }
    }
}

fn idle_interval(settings: &SessionSettings) -> Duration {
    settings.idle_tx.max(LEAST_IDLE_INTERVAL)
}

#[cfg(test)]
mod tests;
