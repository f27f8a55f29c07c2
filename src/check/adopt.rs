//! Reload: what a new pool takes over from the one it replaces.

use std::time::Instant;

use super::action::{Action, Cause};
use super::checker::{Checker, Phase};
use super::pool::{Pool, Server, Stage};

/// Which of the old servers and checkers live on. The driver pairs servers by address and port,
/// checkers by type and parameters (timing is no parameter).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairing {
    /// One entry for each new server; `None`: it is new. No old one may occur twice.
    pub servers: Vec<Option<PairedServer>>,
}

/// A server that lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedServer {
    /// Its index in the old settings.
    pub old: usize,
    /// For each new checker the index of the old one it continues; `None`: it is new.
    pub checkers: Vec<Option<usize>>,
}

impl Pool {
    /// Begins in the place of `old` (instead of [`super::Event::Startup`]); `old` is to be dropped.
    ///
    /// - Paired checkers keep their state and deadline; attempts under way go on, and their
    ///   results are taken under their old numbers. Nothing is lost however often one reloads.
    /// - A new server is up at once, unless alpha, and has all of `retry`.
    /// - A new checker of a server that lives on counts as up; an alpha one, if the server was down
    ///   and still is or nothing of it had been tried, counts as down.
    /// - With no failed checker left a server comes up at once.
    pub fn adopt(
        &mut self,
        now: Instant,
        old: &Pool,
        pairing: &Pairing,
        seed: u64,
        out: &mut Vec<Action>,
    ) {
        if self.stage != Stage::New || old.stage != Stage::Running {
            return self.handle(now, super::Event::Startup { seed }, out);
        }
        self.stage = Stage::Running;
        self.next_attempt = old.next_attempt;
        self.held = old.held;
        out.push(Action::TableChanged);
        self.report_removed(old, pairing, out);
        for server in 0..self.servers.len() {
            let paired = pairing.servers.get(server).and_then(Option::as_ref);
            let paired = paired.and_then(|paired| Some((paired, old.servers.get(paired.old)?)));
            match paired {
                Some((paired, before)) => self.carry_over(now, server, paired, before, out),
                None => self.servers[server].forgive(),
            }
        }
        self.sum = self.servers.iter().map(Server::share).sum();
        if self.suspended {
            self.suspend();
        }
        self.schedule_idle(now, seed);
        self.judge_quorum(out);
    }

    fn report_removed(&self, old: &Pool, pairing: &Pairing, out: &mut Vec<Action>) {
        let mut kept = vec![false; old.servers.len()];
        for paired in pairing.servers.iter().take(self.servers.len()).flatten() {
            if let Some(kept) = kept.get_mut(paired.old) {
                *kept = true;
            }
        }
        let gone = old.servers.iter().enumerate().filter(|(index, _)| !kept[*index]);
        out.extend(
            gone.filter(|(_, server)| server.alive).map(|(old, _)| Action::ServerRemoved { old }),
        );
    }

    fn carry_over(
        &mut self,
        now: Instant,
        server: usize,
        paired: &PairedServer,
        before: &Server,
        out: &mut Vec<Action>,
    ) {
        let state = &mut self.servers[server];
        let mut added = Vec::new();
        for (index, checker) in state.checkers.iter_mut().enumerate() {
            let old = paired.checkers.get(index).copied().flatten();
            match old.and_then(|old| before.checkers.get(old)) {
                Some(old) => checker.continue_from(old, now),
                None => {
                    checker.start_up();
                    added.push(index);
                }
            }
        }
        let failed = state.checkers.iter().any(|checker| !checker.up);
        if failed || (!before.alive && before.checkers.iter().all(|checker| !checker.judged)) {
            for index in added {
                state.checkers[index].set_down_if_alpha();
            }
        }
        (state.announced, state.refused) = (before.announced, before.refused);
        let weight = state.effective_weight();
        state.alive = before.alive;
        state.set_ramp(before.ramp().and_then(|ramp| ramp.at(now)));
        let change = state.reconsider(now, server, Cause::Reload);
        if weight != before.effective_weight() {
            out.push(Action::WeightChanged { server, weight });
        }
        out.extend(change);
        self.enlist_step(server, now);
        for checker in 0..self.servers[server].checkers.len() {
            self.resume(server, checker);
        }
    }

    /// Takes the timing of a carried-over checker into the pool's books.
    fn resume(&mut self, server: usize, checker: usize) {
        let state: &mut Checker = &mut self.servers[server].checkers[checker];
        match state.phase {
            Phase::Idle => {}
            Phase::Waiting { .. } => self.enlist(server, checker),
            Phase::Running { attempt, .. } if self.running.contains_key(&attempt) => {
                // Paired twice, against the rules: only one of them can have the result.
                state.phase = Phase::Idle;
            }
            Phase::Running { attempt, .. } => {
                self.running.insert(attempt, (server, checker));
            }
        }
    }
}
