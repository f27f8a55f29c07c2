//! Scripts in order: for one key never two at once, and in the order they were asked for.
//!
//! A key is a virtual router, or a virtual server. Each key with something to run has one task on the
//! runtime the queue was made on; it ends when its line is empty. Dropping the queue kills what runs.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::script::{Exit, run_script};
use super::security::ScriptRules;
use crate::config::plan::Script;

/// Bounds of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A script that runs longer is killed with its process group, so that the line goes on. (keepalived
    /// has no limit, and no order either: there nothing waits for a script that hangs.)
    pub deadline: Duration,
    /// Scripts waiting for one key. When full, the oldest is dropped and counted: the newest
    /// state is what matters.
    pub waiting_per_key: usize,
    /// Scripts running at once, over all keys.
    pub running: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(60), waiting_per_key: 64, running: 64 }
    }
}

/// One script to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub script: Script,
    /// Words added after the configured ones, e.g. `INSTANCE VI_1 MASTER 100`.
    pub added: Vec<String>,
}

/// What became of a job, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    Ended {
        key: Arc<str>,
        job: Job,
        exit: Exit,
    },
    /// Never started.
    Dropped {
        key: Arc<str>,
        job: Job,
        /// The program stops; otherwise the line was full.
        stopping: bool,
    },
}

/// The queue; clones share it.
#[derive(Debug, Clone)]
pub struct NotifyQueue {
    shared: Arc<Shared>,
}

/// How long a stopping program waits for its last scripts (keepalived: 1 s).
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// Reports that nobody has fetched; above this they are lost.
const REPORTS: usize = 1024;

#[derive(Debug)]
struct Shared {
    limits: Limits,
    runtime: Handle,
    state: Mutex<State>,
    running: Semaphore,
    /// When the last script has to have ended; set when the program stops.
    end: watch::Sender<Option<Instant>>,
    reports: mpsc::Sender<Report>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    rules: ScriptRules,
    /// A key is here exactly as long as it has a task.
    lines: HashMap<Arc<str>, VecDeque<Waiting>>,
    tasks: JoinSet<()>,
    batches: u64,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    /// Jobs submitted together have the same number.
    batch: u64,
    job: Job,
}

impl NotifyQueue {
    /// A queue whose scripts run on the current runtime, and the reports of what it did.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn new(rules: ScriptRules, limits: Limits) -> (Self, mpsc::Receiver<Report>) {
        let (reports, receiver) = mpsc::channel(REPORTS);
        let shared = Shared {
            limits,
            runtime: Handle::current(),
            state: Mutex::new(State {
                rules,
                lines: HashMap::new(),
                tasks: JoinSet::new(),
                batches: 0,
                closed: false,
            }),
            running: Semaphore::new(limits.running.max(1)),
            end: watch::channel(None).0,
            reports,
            dropped: AtomicU64::new(0),
        };
        (Self { shared: Arc::new(shared) }, receiver)
    }

    /// Appends `jobs`, in order, to the line of `key`. Never waits; callable from any thread.
    /// After [`NotifyQueue::shutdown`] began, jobs are dropped.
    pub fn submit(&self, key: &str, jobs: impl IntoIterator<Item = Job>) {
        let key: Arc<str> = Arc::from(key);
        let mut state = self.shared.state();
        state.batches += 1;
        let batch = state.batches;
        for job in jobs {
            if state.closed {
                self.shared.drop_job(&key, job, true);
                continue;
            }
            let idle = !state.lines.contains_key(&key);
            let line = state.lines.entry(Arc::clone(&key)).or_default();
            if line.len() >= self.shared.limits.waiting_per_key.max(1)
                && let Some(oldest) = line.pop_front()
            {
                self.shared.drop_job(&key, oldest.job, false);
            }
            line.push_back(Waiting { batch, job });
            if idle {
                let task = work(Arc::clone(&self.shared), Arc::clone(&key));
                state.tasks.spawn_on(task, &self.shared.runtime);
            }
        }
        // What has ended since the last call.
        while state.tasks.try_join_next().is_some() {}
    }

    /// The rules of a new configuration; scripts that start from now on follow them.
    pub fn set_rules(&self, rules: ScriptRules) {
        self.shared.state().rules = rules;
    }

    /// Jobs that were never started, since the queue was made.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Lets the last scripts run, for at most `grace`, then kills what is left; usually [`STOP_GRACE`].
    ///
    /// Of each line only what was submitted last is kept (the `notify_stop` of an instance). A script
    /// with others behind it may take its equal share of what is left of `grace`, so that each gets
    /// its turn. Gives whether all ran to their end.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        let now = Instant::now();
        let mut tasks = {
            let mut state = self.shared.state();
            state.closed = true;
            for (key, line) in &mut state.lines {
                self.shared.keep_last_batch(key, line);
            }
            std::mem::take(&mut state.tasks)
        };
        self.shared.end.send_replace(Some(now + grace));
        let all = async { while tasks.join_next().await.is_some() {} };
        let done = timeout_at(now + grace, all).await.is_ok();
        // Aborted tasks drop their scripts' futures, which kills the groups.
        tasks.shutdown().await;
        let left: Vec<_> = self.shared.state().lines.drain().collect();
        for (key, line) in left {
            line.into_iter().for_each(|waiting| self.shared.drop_job(&key, waiting.job, true));
        }
        done
    }
}

/// Runs the line of `key` until it is empty.
async fn work(shared: Arc<Shared>, key: Arc<str>) {
    // The semaphore is never closed, so this ends when the line does.
    while let Ok(_permit) = shared.running.acquire().await {
        let Some((job, rules)) = shared.next(&key) else { return };
        let (begun, deadline) = (Instant::now(), shared.limits.deadline);
        let exit = tokio::select! {
            exit = run_script(&job.script, &job.added, &rules, Some(deadline)) => exit,
            () = shared.overdue(&key) => Exit::TimedOut(begun.elapsed()),
        };
        let _ = shared.reports.try_send(Report::Ended { key: Arc::clone(&key), job, exit });
    }
}

impl Shared {
    /// A panic elsewhere leaves the state usable: no change to it is made in steps.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next job of a line; with none left the line goes, in the same breath.
    fn next(&self, key: &Arc<str>) -> Option<(Job, ScriptRules)> {
        let mut state = self.state();
        let rules = state.rules.clone();
        match state.lines.get_mut(key).and_then(VecDeque::pop_front) {
            Some(waiting) => Some((waiting.job, rules)),
            None => {
                state.lines.remove(key);
                None
            }
        }
    }

    /// Returns when the program stops and the running script of the line has used up its share of
    /// the time that is left; the last of a line may use all of it.
    async fn overdue(&self, key: &Arc<str>) {
        let mut end = self.end.subscribe();
        let end = match end.wait_for(Option::is_some).await {
            Ok(end) => *end,
            Err(_) => None,
        };
        // Nothing is added to a line any more, so one look is enough.
        let waiting = self.state().lines.get(key).map_or(0, VecDeque::len);
        if let (Some(end), 1..) = (end, waiting) {
            let left = end.saturating_duration_since(Instant::now());
            let sharers = u32::try_from(waiting + 1).unwrap_or(u32::MAX);
            return sleep(left / sharers).await;
        }
        std::future::pending().await
    }

    fn keep_last_batch(&self, key: &Arc<str>, line: &mut VecDeque<Waiting>) {
        let last = line.back().map(|waiting| waiting.batch);
        while line.front().is_some_and(|waiting| Some(waiting.batch) != last) {
            if let Some(waiting) = line.pop_front() {
                self.drop_job(key, waiting.job, true);
            }
        }
    }

    fn drop_job(&self, key: &Arc<str>, job: Job, stopping: bool) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let _ = self.reports.try_send(Report::Dropped { key: Arc::clone(key), job, stopping });
    }
}

#[cfg(test)]
mod tests;
