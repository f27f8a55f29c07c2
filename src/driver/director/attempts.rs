//! Attempts: tasks of the work runtime, which bring back their results.

use std::sync::Arc;

use tokio::runtime;
use tokio::sync::mpsc;

use super::places::Places;
use super::sharing::{AttemptKey, Begin, Member, Others, Sharing, Ticket};
use crate::check::Outcome;
use crate::config::plan::VirtualServer;
use crate::notify::ScriptRules;
use crate::probe::{self, Probe};
use crate::status::CheckStatus;

/// Result of one attempt.
#[derive(Debug)]
pub(super) struct Finished {
    pub key: AttemptKey,
    /// Others have the same result.
    pub shared: Option<Ticket>,
    pub outcome: Outcome,
}

pub(super) struct Attempts {
    /// Where they run.
    work: runtime::Handle,
    places: Places,
    results: mpsc::Sender<Finished>,
    /// How MISC_CHECK scripts run.
    rules: Arc<ScriptRules>,
    sharing: Sharing,
}

impl Attempts {
    /// Results go to `results`; `descriptors`: how many the process may have.
    pub fn new(results: mpsc::Sender<Finished>, descriptors: u64) -> Self {
        Self {
            work: runtime::Handle::current(),
            places: Places::new(descriptors),
            results,
            rules: Arc::default(),
            sharing: Sharing::default(),
        }
    }

    pub fn work(&self) -> &runtime::Handle {
        &self.work
    }

    /// Goes on with another plan; `share`: identical checkers have their attempts together.
    pub fn follow<'p>(
        &mut self,
        servers: impl Iterator<Item = &'p VirtualServer>,
        share: bool,
        rules: ScriptRules,
    ) {
        self.sharing.follow(servers, share);
        self.rules = Arc::new(rules);
    }

    /// Makes the attempt `key`, unless an identical one is under way whose result will do.
    pub fn begin(
        &mut self,
        member: Member,
        target: usize,
        key: AttemptKey,
        probe: impl FnOnce() -> Probe,
    ) {
        let shared = match self.sharing.begin(member, target, &key) {
            Begin::Joined => return,
            Begin::First(ticket) => Some(ticket),
            Begin::Alone => None,
        };
        let (probe, rules, reply) = (probe(), self.rules.clone(), self.results.clone());
        let queue = self.places.queue(&probe);
        self.work.spawn(async move {
            let _place = queue.place().await;
            // A task of its own: should it panic, the checker still gets its result.
            let trying = async move { probe::run(&probe, target, &rules).await };
            let outcome = tokio::spawn(trying).await.unwrap_or_else(|failure| {
                Outcome::NotTried(format!("the attempt broke off: {failure}"))
            });
            // Nobody listens any more: the director has ended.
            let _ = reply.send(Finished { key, shared, outcome }).await;
        });
    }

    /// Who else has this result.
    pub fn end(&mut self, finished: &Finished) -> Others {
        self.sharing.end(&finished.key, finished.shared)
    }

    pub fn status(&self) -> CheckStatus {
        CheckStatus { places: self.places.status(), shared: self.sharing.status() }
    }
}
