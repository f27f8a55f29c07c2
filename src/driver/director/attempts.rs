//! Attempts: tasks that bring back their results. Those that only wait for the network are the director's own:
//! to hand each to another thread and its result back costs as much as making it. Those that compute (TLS) or
//! have a child process are tasks of the work runtime.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

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
    /// The director's own runtime, and that of the others.
    own: runtime::Handle,
    work: runtime::Handle,
    places: Places,
    results: mpsc::Sender<Finished>,
    /// How MISC_CHECK scripts run.
    rules: Arc<ScriptRules>,
    sharing: Sharing,
}

impl Attempts {
    /// Results go to `results`; `descriptors`: how many the process may have; `own`: the caller's runtime to be.
    /// The current one is that for work.
    pub fn new(results: mpsc::Sender<Finished>, descriptors: u64, own: runtime::Handle) -> Self {
        Self {
            own,
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
    pub fn follow(&mut self, servers: &[Arc<VirtualServer>], share: bool, rules: ScriptRules) {
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
        let runtime = if probe.only_waits() { &self.own } else { &self.work };
        runtime.spawn(async move {
            let _place = queue.place().await;
            // Should it panic, the checker still gets its result.
            let outcome =
                caught(probe::run(&probe, target, &rules)).await.unwrap_or_else(|panic| {
                    Outcome::NotTried(format!("the attempt broke off: {}", words_of(&*panic)))
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

/// What `future` gives, or what it panicked with.
async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    let step = |context: &mut std::task::Context<'_>| {
        // It is not polled again after a panic.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    };
    poll_fn(step).await
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("a panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_outcome() {
        assert_eq!(caught(std::future::ready(7)).await.unwrap(), 7);
        let panic = caught(async {
            tokio::task::yield_now().await;
            assert_eq!(1 + 1, 3, "sum");
        });
        assert!(words_of(&*panic.await.unwrap_err()).contains("sum"));
    }
}
