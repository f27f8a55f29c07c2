//! The health of one virtual server: events in, actions out, time as a parameter.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use super::action::{Action, AttemptId, Cause, Event, Outcome};
use super::checker::{Checker, Passed, Phase, Wish};
use super::quorum::Thresholds;
use super::ramp::{Ramp, SlowStart};
use super::{MAX_WEIGHT, PoolSettings, ServerSettings, Sorry, Verdict};

/// Real servers of one virtual server, their checkers, and the quorum.
///
/// Costs: a result O(checkers of its server) and O(log checkers of the pool);
/// [`Pool::next_deadline`] O(1); [`Pool::wanted`] O(servers).
#[derive(Debug)]
pub struct Pool {
    pub(super) stage: Stage,
    pub(super) thresholds: Thresholds,
    pub(super) servers: Box<[Server]>,
    pub(super) sorry: Option<Sorry>,
    /// Whether the quorum is held.
    pub(super) held: bool,
    /// `ha_suspend`: nothing is tried.
    pub(super) suspended: bool,
    /// Effective weights of the servers that are up, added up.
    pub(super) sum: u64,
    pub(super) next_attempt: u64,
    /// Attempts under way: which server, which checker.
    pub(super) running: HashMap<AttemptId, (usize, usize)>,
    /// One entry for each checker that waits, pushed when the waiting begins. Others' results may let it begin
    /// anew: an entry that says otherwise than the checker does nothing.
    due: BinaryHeap<Reverse<(Instant, usize, usize)>>,
    /// Next steps of slow starts. One of a server that is on no ramp any more does nothing.
    steps: BinaryHeap<Reverse<(Instant, usize)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    New,
    Running,
    Stopped,
}

#[derive(Debug)]
pub(super) struct Server {
    pub weight: u32,
    pub inhibit_on_failure: bool,
    pub slow_start: Option<Box<SlowStart>>,
    pub checkers: Box<[Checker]>,
    /// Whether it takes part: no checker is down.
    pub alive: bool,
    /// The kernel would not take it.
    pub refused: bool,
    /// Whether scripts know its state. An alpha server's first verdict is news even if it is "down".
    pub announced: bool,
}

/// The destinations IPVS is to hold, by index of the server; the value is the weight
/// (0 keeps connections and takes no new ones), `None`: no destination at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub servers: Vec<Option<u32>>,
    pub sorry: Option<u32>,
}

/// What is compared to find out whether a result changed the table.
struct Shown {
    destination: Option<u32>,
    sorry: bool,
    weight: u32,
    share: u64,
}

impl Server {
    pub fn new(settings: ServerSettings) -> Self {
        let checkers: Box<[Checker]> = settings.checkers.into_iter().map(Checker::new).collect();
        let alive = checkers.iter().all(|checker| checker.up);
        Self {
            weight: settings.weight,
            inhibit_on_failure: settings.inhibit_on_failure,
            slow_start: SlowStart::new(settings.slow_start),
            checkers,
            alive,
            refused: false,
            announced: alive,
        }
    }

    /// Configured weight plus what the checkers add or take, within 0–2147483647.
    ///
    /// A checker that asks for weight w adds w − configured, so that one checker sets the weight
    /// and the wishes of several add up as they do in keepalived; FILE_CHECK adds what it says.
    pub fn effective_weight(&self) -> u32 {
        let configured = i64::from(self.weight);
        let wishes = self.checkers.iter().filter_map(|checker| checker.wish);
        let deltas = wishes.map(|wish| match wish {
            Wish::Weight(weight) => i64::from(weight) - configured,
            Wish::Delta(delta) => delta,
        });
        let effective =
            deltas.fold(configured, i64::saturating_add).clamp(0, i64::from(MAX_WEIGHT));
        u32::try_from(effective).unwrap_or(MAX_WEIGHT)
    }

    /// The weight that it has in the table, if it serves.
    pub fn weight_in_table(&self) -> u32 {
        let whole = self.effective_weight();
        self.ramp().map_or(whole, |ramp| ramp.weight(whole))
    }

    /// Where it is on its way to its whole weight, if it is on one.
    pub fn ramp(&self) -> Option<Ramp> {
        self.slow_start.as_ref()?.ramp
    }

    /// Goes on from there, if it starts slowly at all.
    pub fn set_ramp(&mut self, ramp: Option<Ramp>) {
        if let Some(slow) = &mut self.slow_start {
            slow.ramp = ramp;
        }
    }

    /// Draws the conclusion from its checkers; gives the notification that is due, if any.
    pub fn reconsider(&mut self, now: Instant, server: usize, cause: Cause) -> Option<Action> {
        let was = self.alive;
        self.alive = self.checkers.iter().all(|checker| checker.up);
        let first_verdict = !self.announced && matches!(cause, Cause::Failed { .. });
        if self.alive == was && !first_verdict {
            return None;
        }
        self.announced = true;
        if let Some(slow) = &mut self.slow_start {
            slow.ramp = Ramp::new(now, slow.span).filter(|_| self.alive);
        }
        Some(if self.alive {
            Action::ServerUp { server, cause }
        } else {
            Action::ServerDown { server, cause }
        })
    }

    /// New after a reload: a failure right away does not count as it does at daemon start.
    pub fn forgive(&mut self) {
        self.checkers.iter_mut().for_each(|checker| checker.failures = 0);
    }

    /// What it adds to the quorum's sum.
    pub fn share(&self) -> u64 {
        if self.alive && !self.refused { u64::from(self.effective_weight()) } else { 0 }
    }
}

impl Pool {
    /// A pool that has not begun: give it [`Event::Startup`], or let it [`Pool::adopt`] another.
    pub fn new(settings: PoolSettings) -> Self {
        let thresholds = Thresholds::new(settings.quorum, settings.total_weight());
        let servers = settings.servers.into_iter();
        Self {
            stage: Stage::New,
            thresholds,
            servers: servers.map(Server::new).collect(),
            sorry: settings.sorry,
            held: false,
            suspended: false,
            sum: 0,
            next_attempt: 0,
            running: HashMap::new(),
            due: BinaryHeap::new(),
            steps: BinaryHeap::new(),
        }
    }

    /// Takes one event at `now`; appends to `out`, in order, what the driver must do.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Vec<Action>) {
        match (self.stage, event) {
            (Stage::New, Event::Startup { seed }) => self.start(now, seed, out),
            (Stage::Running, Event::DeadlineReached) => {
                self.begin_due_attempts(now, out);
                self.climb(now, out);
            }
            (Stage::Running, Event::Result { attempt, outcome }) => {
                self.take_result(now, attempt, outcome, out);
            }
            (Stage::Running, Event::Told { server, checker, outcome }) => {
                self.take_word(now, server, checker, outcome, out);
            }
            (Stage::Running, Event::Shared { server, checker, target, outcome }) => {
                self.take_shared(now, (server, checker), target, outcome, out);
            }
            (Stage::Running, Event::Refused { servers }) => self.take_refusals(&servers, out),
            (Stage::New, Event::Suspended) => self.suspended = true,
            (Stage::New, Event::Resumed { .. }) => self.suspended = false,
            (Stage::Running, Event::Suspended) => self.suspend(),
            (Stage::Running, Event::Resumed { seed }) => {
                self.suspended = false;
                self.schedule_idle(now, seed);
            }
            (Stage::New, Event::Shutdown) => self.stage = Stage::Stopped,
            (Stage::Running, Event::Shutdown) => self.stop(out),
            // Late or repeated.
            (Stage::Running, Event::Startup { .. })
            | (
                Stage::New,
                Event::DeadlineReached
                | Event::Result { .. }
                | Event::Shared { .. }
                | Event::Told { .. }
                | Event::Refused { .. },
            )
            | (
                Stage::Stopped,
                Event::Startup { .. }
                | Event::DeadlineReached
                | Event::Result { .. }
                | Event::Shared { .. }
                | Event::Told { .. }
                | Event::Refused { .. }
                | Event::Suspended
                | Event::Resumed { .. }
                | Event::Shutdown,
            ) => {}
        }
    }

    /// When to call again with [`Event::DeadlineReached`], at the latest; `None`: not before a result comes.
    pub fn next_deadline(&self) -> Option<Instant> {
        let attempt = self.due.peek().map(|Reverse((instant, _, _))| *instant);
        let step = self.steps.peek().map(|Reverse((instant, _))| *instant);
        attempt.into_iter().chain(step).min()
    }

    /// Which destinations the table is to hold now. Nothing before the start and after the stop.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            servers: (0..self.servers.len()).map(|server| self.destination(server)).collect(),
            sorry: self.sorry_destination(),
        }
    }

    fn start(&mut self, now: Instant, seed: u64, out: &mut Vec<Action>) {
        self.stage = Stage::Running;
        out.push(Action::TableChanged);
        self.sum = self.servers.iter().map(Server::share).sum();
        self.schedule_idle(now, seed);
        if self.thresholds.judge(false, self.sum) {
            self.gain_quorum(true, out);
        } else if self.sorry.is_some() {
            // The sorry server serves from the first moment: quorum_down tells so.
            out.push(self.quorum_lost(true));
        }
    }

    /// Gives every checker that neither waits nor runs its first attempt.
    pub(super) fn schedule_idle(&mut self, now: Instant, seed: u64) {
        if self.suspended {
            return;
        }
        let mut random = SplitMix(seed);
        // Once, and no more than is needed.
        let checkers = self.servers.iter().map(|server| server.checkers.len()).sum::<usize>();
        self.due.reserve_exact(checkers.saturating_sub(self.due.len()));
        for (server, state) in self.servers.iter_mut().enumerate() {
            for (checker, state) in state.checkers.iter_mut().enumerate() {
                let fraction = random.fraction();
                if state.phase == Phase::Idle && state.tries() {
                    let until = state.first_attempt(now, fraction);
                    state.phase = Phase::Waiting { until };
                    self.due.push(Reverse((until, server, checker)));
                }
            }
        }
    }

    /// Whoever waits for its next attempt waits no more. What is under way is owed its result, which
    /// will say nothing.
    pub(super) fn suspend(&mut self) {
        self.suspended = true;
        self.due.clear();
        for state in self.servers.iter_mut().flat_map(|server| &mut server.checkers) {
            if matches!(state.phase, Phase::Waiting { .. }) {
                state.phase = Phase::Idle;
            }
        }
    }

    /// Enters a checker that waits into the list of deadlines.
    pub(super) fn enlist(&mut self, server: usize, checker: usize) {
        if let Phase::Waiting { until } = self.servers[server].checkers[checker].phase {
            self.due.push(Reverse((until, server, checker)));
        }
    }

    fn begin_due_attempts(&mut self, now: Instant, out: &mut Vec<Action>) {
        while let Some(&Reverse((until, server, checker))) = self.due.peek()
            && until <= now
        {
            self.due.pop();
            if self.servers[server].checkers[checker].phase != (Phase::Waiting { until }) {
                continue;
            }
            let attempt = AttemptId(self.next_attempt);
            self.next_attempt += 1;
            self.running.insert(attempt, (server, checker));
            let state = &mut self.servers[server].checkers[checker];
            state.phase = Phase::Running { attempt, started: now };
            out.push(Action::Attempt { server, checker, target: state.target(), attempt });
        }
    }

    /// Takes the steps of slow starts that are due.
    fn climb(&mut self, now: Instant, out: &mut Vec<Action>) {
        while let Some(&Reverse((at, server))) = self.steps.peek()
            && at <= now
        {
            self.steps.pop();
            let before = self.destination(server);
            let state = &mut self.servers[server];
            state.set_ramp(state.ramp().and_then(|ramp| ramp.at(now)));
            self.enlist_step(server, now);
            if self.destination(server) != before {
                out.push(Action::DestinationChanged { server });
            }
        }
    }

    /// Enters the next step of a server on a ramp into the list of deadlines.
    pub(super) fn enlist_step(&mut self, server: usize, now: Instant) {
        let next = self.servers[server].ramp().and_then(|ramp| ramp.next());
        self.steps.extend(next.filter(|next| *next > now).map(|next| Reverse((next, server))));
    }

    fn take_result(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        outcome: Outcome,
        out: &mut Vec<Action>,
    ) {
        let Some(place) = self.running.remove(&attempt) else { return };
        let (server, checker) = place;
        let Phase::Running { started, .. } = self.servers[server].checkers[checker].phase else {
            return;
        };
        if self.suspended {
            self.servers[server].checkers[checker].phase = Phase::Idle;
            return;
        }
        self.judge(now, started, place, outcome, out);
    }

    /// Takes a result of an attempt that an identical checker made, as if it had been its own.
    fn take_shared(
        &mut self,
        now: Instant,
        place: (usize, usize),
        target: usize,
        outcome: Outcome,
        out: &mut Vec<Action>,
    ) {
        if self.suspended {
            return;
        }
        let (server, checker) = place;
        let known =
            self.servers.get_mut(server).and_then(|server| server.checkers.get_mut(checker));
        if known.is_some_and(|state| state.tries() && state.would_take(target)) {
            self.judge(now, now, place, outcome, out);
        }
    }

    /// What `outcome` means for a checker, its server and the quorum.
    fn judge(
        &mut self,
        now: Instant,
        started: Instant,
        (server, checker): (usize, usize),
        outcome: Outcome,
        out: &mut Vec<Action>,
    ) {
        let before = self.shown(server);
        let state = &mut self.servers[server].checkers[checker];
        if !matches!(outcome, Outcome::NotTried(_)) && state.tried() {
            out.push(Action::AttemptMadeAgain { server, checker });
        }
        let cause = match outcome {
            Outcome::Success | Outcome::SuccessWithWeight(_) | Outcome::SuccessWithDelta(_) => {
                passed(state.passed(now, started, Wish::of(&outcome)), server, checker, out)
            }
            Outcome::Failure(reason) => {
                let target = state.target();
                let verdict = state.failed(now, started, &reason);
                let cause = Cause::Failed { checker, reason: reason.clone() };
                out.push(Action::AttemptFailed { server, checker, target, reason, verdict });
                (verdict == Verdict::Down).then_some(cause)
            }
            Outcome::NotTried(reason) => {
                if state.not_tried(now, started, &reason) {
                    out.push(Action::AttemptNotTried { server, checker, reason });
                }
                None
            }
        };
        self.enlist(server, checker);
        self.settle(now, server, &before, cause, out);
    }

    /// Takes what a checker that is told rather than tried has to say before the start, so that the
    /// server begins as it is to be. Without effect after it, and for other checkers.
    pub fn preset(&mut self, server: usize, checker: usize, outcome: &Outcome) {
        let Some(state) = self.servers.get_mut(server).filter(|_| self.stage == Stage::New) else {
            return;
        };
        let Some(told) = state.checkers.get_mut(checker).filter(|each| !each.tries()) else {
            return;
        };
        told.told(outcome);
        state.alive = state.checkers.iter().all(|checker| checker.up);
        state.announced = state.alive;
    }

    fn take_word(
        &mut self,
        now: Instant,
        server: usize,
        checker: usize,
        outcome: Outcome,
        out: &mut Vec<Action>,
    ) {
        let known = self.servers.get(server).and_then(|server| server.checkers.get(checker));
        if self.stage != Stage::Running || known.is_none_or(Checker::tries) {
            return;
        }
        let before = self.shown(server);
        let state = &mut self.servers[server].checkers[checker];
        let cause = match (state.told(&outcome), outcome) {
            (false, _) => None,
            (true, Outcome::Failure(reason)) => {
                let verdict = Verdict::Down;
                let cause = Cause::Failed { checker, reason: reason.clone() };
                out.push(Action::AttemptFailed { server, checker, target: 0, reason, verdict });
                Some(cause)
            }
            (true, _) => passed(Passed::Recovered, server, checker, out),
        };
        self.settle(now, server, &before, cause, out);
    }

    /// Draws the consequences of a change to `server`: alive, sum, quorum, and what to tell.
    fn settle(
        &mut self,
        now: Instant,
        server: usize,
        before: &Shown,
        cause: Option<Cause>,
        out: &mut Vec<Action>,
    ) {
        let mut told = Vec::new();
        if let Some(cause) = cause {
            told.extend(self.servers[server].reconsider(now, server, cause));
            self.enlist_step(server, now);
        }
        let state = &self.servers[server];
        self.sum = self.sum - before.share + state.share();
        let weight = state.effective_weight();
        if weight != before.weight {
            told.push(Action::WeightChanged { server, weight });
        }
        self.judge_quorum(&mut told);
        if self.sorry_serves() != before.sorry {
            out.push(Action::TableChanged);
        } else if self.destination(server) != before.destination {
            out.push(Action::DestinationChanged { server });
        }
        out.append(&mut told);
    }

    /// Notes which servers the kernel would not take.
    fn take_refusals(&mut self, servers: &[usize], out: &mut Vec<Action>) {
        let before = self.sorry_serves();
        for (index, server) in self.servers.iter_mut().enumerate() {
            server.refused = servers.binary_search(&index).is_ok();
        }
        self.sum = self.servers.iter().map(Server::share).sum();
        let mut told = Vec::new();
        self.judge_quorum(&mut told);
        if self.sorry_serves() != before {
            out.push(Action::TableChanged);
        }
        out.append(&mut told);
    }

    /// Compares the sum with the thresholds.
    pub(super) fn judge_quorum(&mut self, out: &mut Vec<Action>) {
        match (self.held, self.thresholds.judge(self.held, self.sum)) {
            (false, true) => self.gain_quorum(false, out),
            (true, false) => {
                self.held = false;
                out.push(self.quorum_lost(false));
            }
            (true, true) | (false, false) => {}
        }
    }

    fn gain_quorum(&mut self, initial: bool, out: &mut Vec<Action>) {
        self.held = true;
        out.push(Action::QuorumGained { initial, sum: self.sum, needed: self.thresholds.gain });
    }

    fn quorum_lost(&self, initial: bool) -> Action {
        let Thresholds { gain, loss } = self.thresholds;
        Action::QuorumLost { initial, sum: self.sum, needed: if initial { gain } else { loss } }
    }

    fn stop(&mut self, out: &mut Vec<Action>) {
        self.stage = Stage::Stopped;
        self.due.clear();
        self.steps.clear();
        self.running.clear();
        out.push(Action::TableChanged);
        for (server, state) in self.servers.iter_mut().enumerate() {
            if std::mem::take(&mut state.alive) {
                out.push(Action::ServerDown { server, cause: Cause::Stopped });
            }
        }
        self.sum = 0;
        self.judge_quorum(out);
    }

    fn shown(&self, server: usize) -> Shown {
        Shown {
            destination: self.destination(server),
            sorry: self.sorry_serves(),
            weight: self.servers[server].effective_weight(),
            share: self.servers[server].share(),
        }
    }

    /// Without a sorry server, those that are up go on serving when the quorum is lost.
    pub(super) fn sorry_serves(&self) -> bool {
        self.stage == Stage::Running && self.sorry.is_some() && !self.held
    }

    /// The part of [`Self::wanted`] that is about one server: O(1).
    pub fn destination(&self, server: usize) -> Option<u32> {
        if self.stage != Stage::Running {
            return None;
        }
        let state = &self.servers[server];
        match state.alive && !self.sorry_serves() {
            true => Some(state.weight_in_table()),
            // Whether the kernel takes it now shows only if it is asked to.
            false if state.alive && state.refused => Some(0),
            false => state.inhibit_on_failure.then_some(0),
        }
    }

    fn sorry_destination(&self) -> Option<u32> {
        if self.stage != Stage::Running {
            return None;
        }
        let sorry = self.sorry?;
        if self.held { sorry.inhibit.then_some(0) } else { Some(1) }
    }
}

/// Words a success for the log; gives the cause of a server coming up.
fn passed(passed: Passed, server: usize, checker: usize, out: &mut Vec<Action>) -> Option<Cause> {
    match passed {
        Passed::StillUp | Passed::NotYet => None,
        Passed::FirstTime => {
            out.push(Action::CheckerPassed { server, checker, first: true });
            None
        }
        Passed::Recovered => {
            out.push(Action::CheckerPassed { server, checker, first: false });
            Some(Cause::Recovered { checker })
        }
    }
}

/// Spreads first attempts: SplitMix64 (Steele, Lea, Flood 2014), seeded by the driver.
struct SplitMix(u64);

impl SplitMix {
    /// Uniform in 0.0–1.0, excluding 1.0.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits: all that an f64 holds exactly.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}
