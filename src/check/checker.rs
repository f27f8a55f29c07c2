//! One checker: from the results of its attempts to its verdict, and when it tries next.

use std::time::{Duration, Instant};

use super::{AttemptId, CheckerSettings, Kind, Outcome, Verdict};

/// First attempts come this long after a start or after the checker appeared, plus the spread
/// over `warmup` (as keepalived does).
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// A pause that would leave the clock's range is cut to this: 49 days, the longest time that
/// keepalived.conf(5) takes.
const LONGEST_PAUSE: Duration = Duration::from_secs(4_294_967);

/// State of one checker. A server is up as long as none of its checkers is down.
#[derive(Debug, Clone)]
pub(super) struct Checker {
    settings: CheckerSettings,
    pub up: bool,
    /// Whether attempts have led to a verdict yet, rather than the configuration.
    pub judged: bool,
    /// Failures in a row that were forgiven. Begins at `retry`, so that right after a daemon
    /// start one failure is enough.
    pub failures: u32,
    pub progress: Progress,
    /// What the last success asked of the server's weight.
    pub wish: Option<Wish>,
    /// Why the last failed attempt failed; kept after recovery, for dumps.
    pub last_failure: Option<Box<str>>,
    /// Why the last attempt could not be made, if it could not.
    pub hindrance: Option<Box<str>>,
    pub phase: Phase,
}

/// What a success asks of a server's weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To be this (`misc_dynamic`).
    Weight(u32),
    /// To be the configured one and this (FILE_CHECK).
    Delta(i64),
}

impl Wish {
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::SuccessWithWeight(weight) => Some(Self::Weight(*weight)),
            Outcome::SuccessWithDelta(delta) => Some(Self::Delta(*delta)),
            Outcome::Success | Outcome::Failure(_) | Outcome::NotTried(_) => None,
        }
    }
}

/// Which target comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// All is well: one target after the other, round and round.
    InTurn { next: u32 },
    /// Down: only the target that failed.
    Stuck { failed: u32 },
    /// Down: the whole list has to pass, one after the other.
    ComingUp { next: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Waiting { until: Instant },
    Running { attempt: AttemptId, started: Instant },
}

/// What a success meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// Nothing new.
    StillUp,
    /// The first verdict, on a checker that counted as up already.
    FirstTime,
    /// From down to up.
    Recovered,
    /// Down, with more targets to pass.
    NotYet,
}

impl Checker {
    /// A checker at daemon start: up unless `alpha`, and one failure is enough.
    pub fn new(settings: CheckerSettings) -> Self {
        let up = !settings.timing.alpha;
        let failures = if settings.kind == Kind::Mail { 0 } else { settings.timing.retry };
        Self {
            up,
            judged: false,
            failures,
            progress: first_progress(up),
            wish: None,
            last_failure: None,
            hindrance: None,
            phase: Phase::Idle,
            settings,
        }
    }

    /// A checker that a reload added to a server: up whatever `alpha` says, with all of `retry`.
    /// One that is told how things are knows already.
    pub fn start_up(&mut self) {
        if self.settings.kind == Kind::Told {
            return;
        }
        self.up = true;
        self.failures = 0;
        self.progress = first_progress(true);
    }

    /// An alpha checker that a reload added to a server that is down: down, one failure is enough.
    pub fn set_down_if_alpha(&mut self) {
        if self.settings.timing.alpha && self.tries() {
            self.up = false;
            self.failures = self.settings.timing.retry;
            self.progress = first_progress(false);
        }
    }

    /// Whether it makes attempts of its own.
    pub fn tries(&self) -> bool {
        self.settings.kind != Kind::Told
    }

    /// Takes what is known without an attempt; gives whether that brings it up or down.
    pub fn told(&mut self, outcome: &Outcome) -> bool {
        let before = self.up;
        (self.up, self.wish) = match outcome {
            Outcome::Success | Outcome::SuccessWithWeight(_) | Outcome::SuccessWithDelta(_) => {
                (true, Wish::of(outcome))
            }
            Outcome::Failure(reason) => {
                self.last_failure = Some(reason.as_str().into());
                (false, None)
            }
            Outcome::NotTried(_) => return false,
        };
        self.judged = true;
        self.up != before
    }

    /// Continues `old`, the same checker before a reload; the new settings hold.
    ///
    /// Its next attempt stays when it was, but comes no later than the new timing would have it,
    /// so that reloads in quick succession cannot starve a checker.
    pub fn continue_from(&mut self, old: &Self, now: Instant) {
        let settings = self.settings.clone();
        *self = Self { settings, ..old.clone() };
        self.failures = self.failures.min(self.settings.timing.retry);
        if self.at() >= self.targets() {
            self.progress = first_progress(self.up);
        }
        if let Phase::Waiting { until } = self.phase {
            let longest = (FIRST_ATTEMPT + self.settings.timing.warmup.min(LONGEST_PAUSE))
                .max(self.down_pause());
            self.phase = Phase::Waiting { until: until.min(after(now, longest)) };
        }
    }

    /// When the first attempt is due; `fraction` in 0.0–1.0 places it within `warmup`.
    pub fn first_attempt(&self, now: Instant, fraction: f64) -> Instant {
        let warmup = self.settings.timing.warmup.min(LONGEST_PAUSE);
        after(now, FIRST_ATTEMPT + warmup.mul_f64(fraction.clamp(0.0, 1.0)))
    }

    /// The target of the next attempt, or of the one under way.
    pub fn target(&self) -> usize {
        self.at() as usize
    }

    fn at(&self) -> u32 {
        match self.progress {
            Progress::InTurn { next } | Progress::ComingUp { next } => next,
            Progress::Stuck { failed } => failed,
        }
    }

    /// Whether a result about `target` is of use to it now: all is well, or it was waiting for just that one.
    pub fn would_take(&mut self, target: usize) -> bool {
        let Ok(target) = u32::try_from(target) else { return false };
        if !matches!(self.phase, Phase::Waiting { .. }) || target >= self.targets() {
            return false;
        }
        if let Progress::InTurn { next } = &mut self.progress {
            // One is as good as another; the turn goes on from there. A forgiven one is tried again itself.
            if self.failures == 0 || !self.judged {
                *next = target;
            }
        }
        self.at() == target
    }

    fn targets(&self) -> u32 {
        match self.settings.kind {
            Kind::Pages { urls, .. } => urls.max(1),
            Kind::Connect | Kind::Mail | Kind::Script | Kind::Told => 1,
        }
    }

    /// Takes a success of the attempt begun at `started`; leaves the checker waiting.
    pub fn passed(&mut self, now: Instant, started: Instant, wish: Option<Wish>) -> Passed {
        let pause = self.advance();
        self.failures = 0;
        self.wish = wish;
        self.wait(now, started, pause);
        match self.progress {
            Progress::InTurn { .. } if !self.up => {
                (self.up, self.judged) = (true, true);
                Passed::Recovered
            }
            Progress::InTurn { .. } if !self.judged => {
                self.judged = true;
                Passed::FirstTime
            }
            Progress::InTurn { .. } => Passed::StillUp,
            Progress::Stuck { .. } | Progress::ComingUp { .. } => Passed::NotYet,
        }
    }

    /// Moves on to the next target and says how long to pause before it.
    fn advance(&mut self) -> Duration {
        let targets = self.targets();
        self.progress = match (self.settings.kind, self.progress) {
            // Without a list of pages one success is enough.
            (Kind::Connect | Kind::Mail | Kind::Script | Kind::Told, _) => {
                Progress::InTurn { next: 0 }
            }
            (_, Progress::InTurn { next }) => Progress::InTurn { next: (next + 1) % targets },
            (_, Progress::Stuck { .. }) => Progress::ComingUp { next: 0 },
            (_, Progress::ComingUp { next }) if next + 1 < targets => {
                Progress::ComingUp { next: next + 1 }
            }
            (_, Progress::ComingUp { .. }) => Progress::InTurn { next: 0 },
        };
        let coming_up = matches!(self.progress, Progress::ComingUp { .. });
        match self.settings.kind {
            Kind::Pages { fast_recovery: true, .. } if coming_up => Duration::ZERO,
            _ => self.settings.timing.delay_loop,
        }
    }

    /// Takes a failure of the attempt begun at `started`; leaves the checker waiting.
    pub fn failed(&mut self, now: Instant, started: Instant, reason: &str) -> Verdict {
        self.last_failure = Some(reason.into());
        let retry = self.settings.timing.retry;
        if self.up && self.failures < retry {
            self.failures += 1;
            self.wait(now, started, self.settings.timing.delay_before_retry);
            return Verdict::Forgiven { left: retry - self.failures };
        }
        let news = self.up || !self.judged;
        (self.up, self.judged) = (false, true);
        self.wish = None;
        self.progress = Progress::Stuck { failed: self.at() };
        self.wait(now, started, self.down_pause());
        if news { Verdict::Down } else { Verdict::StillDown }
    }

    /// The attempt could not be made: that is no failure, and the target stays the next one. Gives whether
    /// this reason is news.
    pub fn not_tried(&mut self, now: Instant, started: Instant, reason: &str) -> bool {
        self.wait(now, started, self.settings.timing.delay_loop);
        let news = self.hindrance.as_deref() != Some(reason);
        if news {
            self.hindrance = Some(reason.into());
        }
        news
    }

    /// An attempt was made, whatever it found. Gives whether the one before could not be.
    pub fn tried(&mut self) -> bool {
        self.hindrance.take().is_some()
    }

    /// Pause between attempts while down.
    fn down_pause(&self) -> Duration {
        let timing = &self.settings.timing;
        match self.settings.kind {
            Kind::Pages { .. } => timing.delay_before_retry.max(timing.delay_loop),
            Kind::Connect | Kind::Mail | Kind::Script | Kind::Told => timing.delay_loop,
        }
    }

    /// Scripts run at fixed distances from start to start, never overlapping; the others pause
    /// after the end.
    fn wait(&mut self, now: Instant, started: Instant, pause: Duration) {
        let until = match self.settings.kind {
            Kind::Script => after(started, pause).max(now),
            Kind::Connect | Kind::Mail | Kind::Pages { .. } | Kind::Told => after(now, pause),
        };
        self.phase = Phase::Waiting { until };
    }
}

/// Where a checker begins that is `up`, or is not.
fn first_progress(up: bool) -> Progress {
    if up { Progress::InTurn { next: 0 } } else { Progress::ComingUp { next: 0 } }
}

fn after(instant: Instant, pause: Duration) -> Instant {
    instant.checked_add(pause.min(LONGEST_PAUSE)).unwrap_or(instant)
}
