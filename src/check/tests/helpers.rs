//! A pool on a clock that counts milliseconds, and short words for what goes in and comes out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::*;

/// A pool, its clock, and the attempts it has under way.
pub struct Lab {
    pub pool: Pool,
    pub now_ms: u64,
    begin: Instant,
    pub running: HashMap<(usize, usize), (usize, AttemptId)>,
}

impl Lab {
    /// A pool that started at 0; first attempts are due at 1000 (no warmup).
    pub fn start(settings: PoolSettings) -> Self {
        Self::start_seen(settings).0
    }

    pub fn start_seen(settings: PoolSettings) -> (Self, Vec<Action>) {
        let mut lab = Self::new(settings);
        let out = lab.handle(Event::Startup { seed: 1 });
        (lab, out)
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
    pub fn new(settings: PoolSettings) -> Self {
        let begin = Instant::now();
        Self { pool: Pool::new(settings), now_ms: 0, begin, running: HashMap::new() }
    }

    pub fn at(&self, ms: u64) -> Instant {
        self.begin + Duration::from_millis(ms)
    }

    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let (now, mut out) = (self.at(self.now_ms), Vec::new());
        self.pool.handle(now, event, &mut out);
        for action in &out {
            if let Action::Attempt { server, checker, target, attempt } = *action {
                let before = self.running.insert((server, checker), (target, attempt));
                assert_eq!(before, None, "an attempt overlaps itself");
            }
        }
        out
    }

    /// Puts the clock to `ms` and begins what is due.
    pub fn attempt(&mut self, ms: u64) -> Vec<Action> {
        self.now_ms = ms;
        self.handle(Event::DeadlineReached)
    }

    pub fn result(&mut self, server: usize, checker: usize, outcome: Outcome) -> Vec<Action> {
        let (_, attempt) = self.running.remove(&(server, checker)).expect("an attempt under way");
        self.handle(Event::Result { attempt, outcome })
    }

    /// Waits for the next attempt of `server`'s first checker, which takes no time and ends as
    /// `outcome`; other servers' attempts stay under way.
    pub fn next(&mut self, server: usize, outcome: Outcome) -> Vec<Action> {
        self.next_target(server, outcome).1
    }

    pub fn next_target(&mut self, server: usize, outcome: Outcome) -> (usize, Vec<Action>) {
        while !self.running.contains_key(&(server, 0)) {
            let deadline = self.deadline_ms();
            self.attempt(deadline);
        }
        let (target, _) = self.running[&(server, 0)];
        (target, self.result(server, 0, outcome))
    }

    /// Rounded up: at that millisecond it has come.
    pub fn deadline_ms(&self) -> u64 {
        let deadline = self.pool.next_deadline().expect("a deadline");
        let ms = deadline.duration_since(self.begin).as_nanos().div_ceil(1_000_000);
        u64::try_from(ms).unwrap()
    }

    pub fn wanted(&self) -> Vec<Option<u32>> {
        self.pool.wanted().servers
    }

    pub fn table(&self) -> (Vec<Option<u32>>, Option<u32>) {
        let wanted = self.pool.wanted();
        (wanted.servers, wanted.sorry)
    }

    /// Reloads: a new pool takes the place of this one.
    pub fn reload(&mut self, settings: PoolSettings, pairing: &Pairing) -> Vec<Action> {
        let (mut out, now) = (Vec::new(), self.at(self.now_ms));
        let mut pool = Pool::new(settings);
        pool.adopt(now, &self.pool, pairing, 2, &mut out);
        self.pool = pool;
        out
    }
}

/// delay_loop 10 s, delay_before_retry 3 s, no warmup.
pub fn timing(retry: u32, alpha: bool) -> Timing {
    Timing {
        delay_loop: Duration::from_secs(10),
        retry,
        delay_before_retry: Duration::from_secs(3),
        warmup: Duration::ZERO,
        alpha,
    }
}

pub fn connect(timing: Timing) -> CheckerSettings {
    CheckerSettings { timing: timing.into(), kind: Kind::Connect }
}

pub fn server(weight: u32, checkers: Vec<CheckerSettings>) -> ServerSettings {
    ServerSettings { weight, inhibit_on_failure: false, slow_start: Duration::ZERO, checkers }
}

pub fn pool(servers: Vec<ServerSettings>) -> PoolSettings {
    PoolSettings { servers, ..PoolSettings::default() }
}

pub fn one_server(timing: Timing) -> PoolSettings {
    pool(vec![server(1, vec![connect(timing)])])
}

pub fn two_servers(first: u32, second: u32) -> PoolSettings {
    let checker = || vec![connect(timing(1, false))];
    pool(vec![server(first, checker()), server(second, checker())])
}

pub fn failure() -> Outcome {
    Outcome::Failure("no".into())
}

pub fn failed(server: usize, verdict: Verdict) -> Action {
    Action::AttemptFailed { server, checker: 0, target: 0, reason: "no".into(), verdict }
}

pub fn passed(server: usize, checker: usize) -> Action {
    Action::CheckerPassed { server, checker, first: false }
}

pub fn says_down(out: &[Action]) -> bool {
    out.iter().any(|action| matches!(action, Action::ServerDown { .. }))
}

pub fn says_up(out: &[Action]) -> bool {
    out.iter().any(|action| matches!(action, Action::ServerUp { .. }))
}
