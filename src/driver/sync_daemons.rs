//! The ipvs-sync thread: keeps the kernel's sync daemons as `lvs_sync_daemon` and the state of its
//! instance ask for.
//!
//! A thread of its own, because the kernel keeps the caller waiting for 0.3 s and more while it
//! stops a daemon: that may hold up neither adverts nor checks. It begins with the first plan that
//! wants daemons, and ends when it is told to stop. What the instance's state is comes by a `watch`: of
//! several changes during one such wait the newest counts. When the thread ends without being told,
//! the daemons go on as they are.

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use super::clock;
use super::director::Open;
use super::later_thread::LaterThread;
use crate::config::plan::{Plan, SyncDaemons};
use crate::ipvs::{DataPlane, DataPlaneError, SyncChange, SyncDaemon, sync_difference};
use crate::status::SyncStatus;

/// Pause before something that was refused is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Pause between two looks at what others have done to the daemons.
const INSPECTION: Duration = Duration::from_secs(5);

/// How the instance stands that the daemons follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    pub instance: String,
    pub active: bool,
}

enum Command {
    /// These are wanted from now on; answered when it was tried.
    Follow(Option<SyncDaemons>, oneshot::Sender<()>),
    Stop,
}

/// The work runtime's end of the thread, which there may not be.
pub struct SyncSide {
    /// For the thread, until there is one.
    open: Option<Open>,
    /// They are to go on after a stop.
    keep_on_stop: bool,
    followed: watch::Sender<Option<Followed>>,
    status: watch::Sender<SyncStatus>,
    thread: LaterThread<Command>,
}

impl SyncSide {
    pub fn new(open: Open, keep_on_stop: bool) -> Self {
        let (followed, status) = (watch::Sender::default(), watch::Sender::default());
        Self { open: Some(open), keep_on_stop, followed, status, thread: LaterThread::NONE }
    }

    /// Where the vrrp thread says how the instance stands.
    pub fn for_vrrp(&self) -> watch::Sender<Option<Followed>> {
        self.followed.clone()
    }

    /// Stops the daemons that `plan` does not want. To be called before the table gets what the kernel
    /// refuses beside one.
    ///
    /// # Errors
    /// When the thread is needed and cannot be had.
    pub async fn release(&mut self, plan: &Plan) -> io::Result<()> {
        if plan.global.sync_daemons.is_none()
            && let Some(done) = self.tell(plan).await?
        {
            let _ = done.await;
        }
        Ok(())
    }

    /// Has the daemons become what `plan` wants, without waiting for it.
    ///
    /// # Errors
    /// When the thread is needed and cannot be had.
    pub async fn follow(&mut self, plan: &Plan) -> io::Result<()> {
        self.tell(plan).await.map(drop)
    }

    /// Gives what resolves once it was tried; `None`: there is nothing to do.
    async fn tell(&mut self, plan: &Plan) -> io::Result<Option<oneshot::Receiver<()>>> {
        let wanted = &plan.global.sync_daemons;
        if wanted.is_some()
            && !self.thread.is_there()
            && let Some(open) = self.open.take()
        {
            self.thread = self.start(open)?;
        }
        if !self.thread.is_there() {
            return Ok(None);
        }
        let (reply, done) = oneshot::channel();
        self.thread.tell(Command::Follow(wanted.clone(), reply)).await;
        Ok(Some(done))
    }

    /// As it was when something was last done: nobody waits for the kernel here.
    pub fn status(&self) -> SyncStatus {
        self.status.borrow().clone()
    }

    /// Resolves when the thread has ended, whatever the reason.
    pub async fn ended(&mut self) {
        self.thread.ended().await;
    }

    pub async fn stop(self) {
        self.thread.stop(Command::Stop).await;
    }

    fn start(&self, open: Open) -> io::Result<LaterThread<Command>> {
        let worker = Worker {
            open,
            plane: None,
            plan: None,
            running: Vec::new(),
            keep_on_stop: self.keep_on_stop,
            followed: self.followed.subscribe(),
            status: self.status.clone(),
            again_at: None,
            trouble: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        LaterThread::start("ipvs-sync", move |commands| runtime.block_on(worker.run(commands)))
    }
}

struct Worker {
    open: Open,
    /// `None` until it could be opened: IPVS may be loaded later.
    plane: Option<Box<dyn DataPlane>>,
    plan: Option<SyncDaemons>,
    /// Those of ours that run, as they were asked for.
    running: Vec<SyncDaemon>,
    keep_on_stop: bool,
    followed: watch::Receiver<Option<Followed>>,
    status: watch::Sender<SyncStatus>,
    /// When the daemons are looked at again.
    again_at: Option<Instant>,
    /// Why they are not as wanted; said once, until it changes.
    trouble: Option<String>,
}

impl Worker {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let again_at = self.again_at;
            let mut asked = None;
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Follow(plan, reply)) => {
                        self.plan = plan;
                        asked = Some(reply);
                    }
                    // The work runtime is gone: as good as an order to stop.
                    Some(Command::Stop) | None => return self.stop(),
                },
                Ok(()) = self.followed.changed() => {}
                () = sleep_until(again_at) => {}
            }
            self.reconcile();
            self.publish();
            if let Some(reply) = asked {
                // Whoever asked may have gone on.
                let _ = reply.send(());
            }
        }
    }

    /// What is to run now; `None`: not known yet.
    fn wanted(&mut self) -> Option<Vec<SyncDaemon>> {
        let followed = self.followed.borrow_and_update().clone();
        let Some(plan) = &self.plan else { return Some(Vec::new()) };
        let state = followed.filter(|followed| plan.instance.as_ref() == Some(&followed.instance));
        plan.wanted(state.map(|followed| followed.active))
    }

    /// Compares the kernel's daemons with what is wanted, and makes them so.
    fn reconcile(&mut self) {
        self.again_at = None;
        let Some(wanted) = self.wanted() else { return };
        if wanted.is_empty() && self.running.is_empty() {
            return;
        }
        let found = match self.found() {
            Ok(found) => found,
            Err(error) => {
                let what = format!("cannot read the sync daemons: {error}");
                return self.failed(what);
            }
        };
        let changes = self.changes(&found, &wanted);
        self.tell_of_others(&found, &changes);
        let mut failure = None;
        for change in &changes {
            if let Err(error) = self.carry_out(change) {
                failure.get_or_insert(error);
            }
        }
        match failure {
            Some(failure) => self.failed(failure),
            None => {
                self.trouble = None;
                self.running = wanted;
                let inspected = !self.running.is_empty();
                self.again_at = inspected.then(|| clock::now() + INSPECTION);
            }
        }
    }

    /// What others started is theirs, unless we want daemons. One that was asked for in another way
    /// starts anew, though the kernel need not show the difference.
    fn changes(&self, found: &[SyncDaemon], wanted: &[SyncDaemon]) -> Vec<SyncChange> {
        let asked = |role| self.running.iter().find(|each| each.role == role);
        let considered =
            found.iter().filter(|found| self.plan.is_some() || asked(found.role).is_some());
        let (stale, others): (Vec<_>, Vec<_>) = considered.cloned().partition(|found| {
            let new = wanted.iter().find(|wanted| wanted.role == found.role);
            matches!((asked(found.role), new), (Some(before), Some(new)) if before != new)
        });
        let stops = stale.iter().map(|found| SyncChange::Stop(found.role));
        stops.chain(sync_difference(&others, wanted)).collect()
    }

    /// One of ours that is gone, and is to be started again.
    fn tell_of_others(&self, found: &[SyncDaemon], changes: &[SyncChange]) {
        for change in changes {
            let SyncChange::Start(daemon) = change else { continue };
            let gone = found.iter().all(|found| found.role != daemon.role);
            if gone && self.running.contains(daemon) {
                tracing::warn!("somebody else stopped the sync daemon {daemon}: starting it again");
            }
        }
    }

    fn found(&mut self) -> Result<Vec<SyncDaemon>, DataPlaneError> {
        let plane = match self.plane.take() {
            Some(plane) => plane,
            None => (self.open)()?,
        };
        self.plane.insert(plane).daemons()
    }

    /// What was attempted, with the reason, when it fails.
    fn carry_out(&mut self, change: &SyncChange) -> Result<(), String> {
        let Some(plane) = &mut self.plane else { return Ok(()) };
        match change {
            SyncChange::Start(daemon) => {
                let started = plane.start_daemon(daemon);
                started
                    .map_err(|error| format!("cannot start the sync daemon {daemon}: {error}"))?;
                tracing::info!("sync daemon {daemon} started");
                self.running.retain(|each| each.role != daemon.role);
                self.running.push(daemon.clone());
            }
            SyncChange::Stop(role) => {
                let stopped = plane.stop_daemon(*role);
                stopped.map_err(|error| format!("cannot stop the {role} sync daemon: {error}"))?;
                tracing::info!("{role} sync daemon stopped");
                self.running.retain(|each| each.role != *role);
            }
        }
        Ok(())
    }

    fn failed(&mut self, what: String) {
        if self.trouble.as_ref() != Some(&what) {
            tracing::error!("{what}; trying again every {RETRY:?}");
            self.trouble = Some(what);
        }
        self.again_at = Some(clock::now() + RETRY);
    }

    fn publish(&self) {
        self.status.send_replace(SyncStatus {
            wanted: self.plan.is_some(),
            instance: self.plan.as_ref().and_then(|plan| plan.instance.clone()),
            running: self.running.clone(),
            trouble: self.trouble.clone(),
        });
    }

    fn stop(mut self) {
        if self.keep_on_stop {
            return;
        }
        for role in self.running.iter().map(|each| each.role).collect::<Vec<_>>() {
            if let Err(failure) = self.carry_out(&SyncChange::Stop(role)) {
                tracing::error!("{failure}");
            }
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
