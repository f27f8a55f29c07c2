//! What tests of several files begin with.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::{Action, ControlPacket, Event, Session, SessionSettings, State};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
/// Of the session under test, and of its neighbour.
pub const OURS: u32 = 0x0102_0304;
pub const THEIRS: u32 = 0xa1a2_a3a4;

/// 100 ms both ways, three packets.
pub fn settings() -> SessionSettings {
    SessionSettings {
        min_rx: 100 * MS,
        min_tx: 100 * MS,
        idle_tx: SECOND,
        multiplier: 3,
        passive: false,
        least_ttl: 255,
    }
}

/// A packet of the neighbour's, who knows us and has our own timing.
pub fn packet(state: State) -> ControlPacket {
    ControlPacket {
        diagnostic: super::Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        independent: false,
        demand: false,
        detect_mult: 3,
        my_discriminator: discriminator(THEIRS),
        your_discriminator: OURS,
        desired_min_tx: if state == State::Up { 100_000 } else { 1_000_000 },
        required_min_rx: 100_000,
        required_min_echo_rx: 0,
    }
}

pub fn discriminator(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// A session with its clock, without jitter.
pub struct Bench {
    pub session: Session,
    pub start: Instant,
    pub now: Instant,
    pub random: u32,
}

impl Bench {
    pub fn new(settings: SessionSettings) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let session = Session::new(settings, discriminator(OURS));
        Self { session, start, now: start, random: 0 }
    }

    /// Started, and brought to `state` by the neighbour.
    pub fn at(settings: SessionSettings, state: State) -> Self {
        let mut bench = Self::new(settings);
        bench.handle(Event::Startup);
        if matches!(state, State::Init | State::Up) {
            bench.hear(packet(State::Down));
        }
        if state == State::Up {
            bench.hear(packet(State::Init));
            bench.hear(ControlPacket { is_final: true, ..packet(State::Up) });
        }
        assert_eq!(bench.session.state(), state);
        bench
    }

    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.session.handle(self.now, self.random, event, &mut out);
        out
    }

    pub fn hear(&mut self, packet: ControlPacket) -> Vec<Action> {
        self.handle(Event::Heard(packet))
    }

    pub fn reconfigure(&mut self, settings: SessionSettings) -> Vec<Action> {
        let mut out = Vec::new();
        self.session.reconfigure(self.now, self.random, settings, &mut out);
        out
    }

    /// Lets `time` pass, calling the session when it wants to be.
    pub fn pass(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut all) = (self.now + time, Vec::new());
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            all.extend(self.handle(Event::DeadlineReached));
        }
        self.now = end;
        all
    }
}

/// The packets among `actions`.
pub fn sent(actions: &[Action]) -> Vec<ControlPacket> {
    let packet = |action: &Action| match action {
        Action::Send(packet) => Some(*packet),
        Action::Transition(_) => None,
    };
    actions.iter().filter_map(packet).collect()
}

/// The states entered.
pub fn entered(actions: &[Action]) -> Vec<State> {
    let state = |action: &Action| match action {
        Action::Transition(transition) => Some(transition.to),
        Action::Send(_) => None,
    };
    actions.iter().filter_map(state).collect()
}
