//! The director: which servers are healthy, and so what IPVS is to hold.
//!
//! A thread of its own, because talking to the kernel's table can take its time. It owns that
//! table and the health of every virtual server ([`crate::check::Pool`]). Attempts are tasks of
//! the work runtime, which report back over a bounded channel: a hanging attempt holds up nobody,
//! and one whose report finds no room waits with it. When it ends, attempts are abandoned.

mod attempts;
mod files;
mod host_addresses;
mod managed;
mod names;
mod news;
mod places;
mod sessions;
mod sharing;
mod table;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use self::attempts::{Attempts, Finished};
use self::files::{Changed, Files, User};
use self::host_addresses::HostAddresses;
use self::managed::Managed;
use self::names::{Answer, Names};
use self::news::News;
use self::sessions::Followed;
use self::sharing::{AttemptKey, Member};
use self::table::KernelTable;
pub use self::table::Open;
use super::bfd_thread::SessionStates;
use super::clock;
use super::outlets::Outlets;
use super::schedule::Schedule;
use super::{scheduling, scripts};
use crate::check::{Action, Event};
use crate::config::plan::{FlushOnStop, Plan, Scheduling, ServerIdentity};
use crate::ipvs::ServiceKey;
use crate::kernel;
use crate::status::{CheckStatus, ServerStatus};

/// Results waiting to be taken in; attempts beyond it wait with theirs.
const RESULTS: usize = 1_024;

/// What the supervisor asks of the director.
#[derive(Debug)]
pub enum Command {
    /// Make this plan the running one; services in the set are ours to delete. The answer is
    /// whether the table is as wanted.
    Reload(Arc<Plan>, BTreeSet<ServiceKey>, oneshot::Sender<bool>),
    Status(oneshot::Sender<DirectorStatus>),
    /// Take our services out of the table (unless they are to stay) and end.
    Stop,
}

/// What there is to know.
#[derive(Debug, Default)]
pub struct DirectorStatus {
    pub servers: Vec<ServerStatus>,
    /// Why the IPVS table is not as wanted, when it is not.
    pub ipvs_trouble: Option<String>,
    pub checks: CheckStatus,
}

/// The supervisor's end of the director.
pub struct Handle {
    pub commands: mpsc::Sender<Command>,
    /// Resolves when the thread has ended.
    pub ended: oneshot::Receiver<()>,
}

/// Commands waiting: the supervisor sends one at a time and waits when there is no room.
const COMMANDS: usize = 4;

/// Starts the director's thread; attempts and scripts run on the current runtime.
///
/// # Errors
/// When the thread or its runtime cannot be had.
pub fn spawn(director: Director, scheduling: Scheduling) -> io::Result<Handle> {
    let (commands, receive_commands) = mpsc::channel(COMMANDS);
    let (ending, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("director".into()).spawn(move || {
        // Dropped, and so resolved, also when a panic unwinds this thread.
        let _ending: oneshot::Sender<()> = ending;
        scheduling::apply("the director", &scheduling);
        runtime.block_on(director.run(receive_commands));
    })?;
    Ok(Handle { commands, ended })
}

pub struct Director {
    plan: Arc<Plan>,
    managed: Vec<Managed>,
    by_identity: HashMap<ServerIdentity, usize>,
    /// By each of their services.
    by_key: HashMap<ServiceKey, usize>,
    schedule: Schedule,
    table: KernelTable,
    outlets: Outlets,
    files: Files,
    changed_files: mpsc::Receiver<Changed>,
    /// BFD sessions that checkers follow.
    followed: Followed,
    /// Of real servers, and the plan that has them.
    names: Names,
    attempts: Attempts,
    /// Addresses that `ha_suspend` asks about.
    addresses: HostAddresses,
    finished: mpsc::Receiver<Finished>,
    /// Whether a plan runs: `lvs_flush` is for the start only.
    started: bool,
    /// Leave the table as it is on stop.
    keep_on_stop: bool,
    /// Spreads first attempts; changes from start to start, so that two directors differ.
    seed: u64,
    /// Reused for each event.
    actions: Vec<Action>,
    /// What is told once the kernel has what it follows from.
    news: Vec<News>,
    due: Vec<(Instant, usize)>,
}

impl Director {
    pub fn new(open: Open, outlets: Outlets, keep_on_stop: bool, seed: u64) -> Self {
        let (results, finished) = mpsc::channel(RESULTS);
        let (files, changed_files) = Files::new();
        Self {
            plan: Arc::default(),
            managed: Vec::new(),
            by_identity: HashMap::new(),
            by_key: HashMap::new(),
            schedule: Schedule::default(),
            table: KernelTable::new(open),
            outlets,
            files,
            changed_files,
            followed: Followed::default(),
            names: Names::default(),
            addresses: HostAddresses::default(),
            attempts: Attempts::new(results, kernel::process::descriptor_limit()),
            finished,
            started: false,
            keep_on_stop,
            seed,
            actions: Vec::new(),
            news: Vec::new(),
            due: Vec::new(),
        }
    }

    /// Whose servers come and go with BFD sessions.
    pub fn with_sessions(self, states: watch::Receiver<SessionStates>) -> Self {
        Self { followed: Followed::new(states), ..self }
    }

    /// Runs until told to stop.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let deadline = earliest(self.schedule.next(), self.table.compare_at());
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Reload(plan, ours, reply)) => {
                        let plan = self.names.follow(plan, &ours, self.attempts.work());
                        self.adopt(plan, ours);
                        let _ = reply.send(self.table.trouble().is_none());
                    }
                    Some(Command::Status(reply)) => drop(reply.send(self.status())),
                    Some(Command::Stop) | None => return self.stop(),
                },
                Some(finished) = self.finished.recv() => self.take_in(finished),
                Some(change) = self.changed_files.recv() => self.file_changed(&change),
                Some(()) = self.followed.changed() => self.sessions_changed(),
                Some(()) = self.addresses.changed() => self.addresses_changed(),
                Some(answer) = self.names.answered() => self.name_answered(answer),
                () = sleep_until(deadline) => self.fire_due(),
            }
        }
    }

    /// Makes `plan` the running one: surviving servers keep their health, unchanged services are
    /// not touched, everything else is brought in line with one comparison.
    fn adopt(&mut self, plan: Arc<Plan>, ours: BTreeSet<ServiceKey>) {
        if !self.started && plan.global.lvs_flush {
            self.table.flush();
        }
        self.started = true;
        self.files.follow(&plan, self.attempts.work());
        let rules = scripts::rules(&plan.global);
        self.attempts.follow(plan.virtual_servers.iter(), plan.global.share_checks, rules);
        self.followed.follow(&plan);
        self.addresses.follow(&plan);
        let now = clock::now();
        let mut old: HashMap<ServerIdentity, Managed> =
            self.managed.drain(..).map(|each| (each.identity(), each)).collect();
        self.schedule.clear();
        self.by_identity.clear();
        self.by_key.clear();
        for server in &plan.virtual_servers {
            let mut managed = Managed::new(Arc::new(server.clone()));
            managed.preset(&self.files, &self.followed);
            managed.begin_suspended(&self.addresses);
            let number = self.managed.len();
            self.seed = self.seed.wrapping_add(1);
            match old.remove(&managed.identity()) {
                Some(before) => {
                    managed.adopt(now, &before, self.seed, &mut self.actions);
                    let removed = self.actions.iter().filter_map(Action::removed_server);
                    removed.for_each(|server| {
                        before.announce_removed(&self.outlets, server, &managed.server)
                    });
                }
                None => {
                    managed.start(now, self.seed, &mut self.actions);
                    if plan.global.tell_initial_servers {
                        managed.announce_initial(&self.outlets);
                    }
                }
            }
            self.by_identity.insert(managed.identity(), number);
            self.by_key.extend(managed.server.keys().map(|key| (key, number)));
            self.managed.push(managed);
            self.act(number);
        }
        self.remove(old.into_values(), now);
        for user in self.files.all_users().into_iter().chain(self.followed.all_users()) {
            self.tell(user);
        }
        self.plan = plan;
        self.table.set_timeouts(self.plan.global.lvs_timeouts);
        self.table.set_ours(ours);
        self.synchronise();
    }

    /// Virtual servers that are no longer configured: their scripts hear of it.
    fn remove(&mut self, gone: impl Iterator<Item = Managed>, now: Instant) {
        for mut managed in gone {
            managed.pool.handle(now, Event::Shutdown, &mut self.actions);
            for action in self.actions.drain(..) {
                managed.announce(&self.outlets, &action, &[]);
            }
        }
    }

    /// The result is for the checker that asked, for those that waited for it, and for those that would have
    /// asked next.
    fn take_in(&mut self, finished: Finished) {
        let others = self.attempts.end(&finished);
        let Finished { key, shared, outcome } = finished;
        for AttemptKey { service, attempt } in others.joined {
            if let Some(&number) = self.by_identity.get(&service) {
                self.handle(number, Event::Result { attempt, outcome: outcome.clone() });
            }
        }
        for Member { service, server, checker } in others.idle {
            let target = shared.map_or(0, |ticket| ticket.target);
            let outcome = outcome.clone();
            self.handle(service, Event::Shared { server, checker, target, outcome });
        }
        if let Some(&number) = self.by_identity.get(&key.service) {
            self.handle(number, Event::Result { attempt: key.attempt, outcome });
        }
        self.write();
    }

    /// A track_file has another number: its checkers know at once.
    fn file_changed(&mut self, change: &Changed) {
        for user in self.files.take_in(change) {
            self.tell(user);
        }
        self.write();
    }

    /// Sessions have come up or gone down: their servers follow at once.
    fn sessions_changed(&mut self) {
        for user in self.followed.take_in() {
            self.tell(user);
        }
        self.write();
    }

    /// Services have come to this host, or gone elsewhere (`ha_suspend`).
    fn addresses_changed(&mut self) {
        for identity in self.addresses.take_in() {
            let Some(&number) = self.by_identity.get(&identity) else { continue };
            self.seed = self.seed.wrapping_add(1);
            if let Some(event) = self.managed[number].follow_address(&self.addresses, self.seed) {
                self.handle(number, event);
            }
        }
    }

    /// A name has been answered: with other addresses than before, it is as after a reload.
    fn name_answered(&mut self, answer: Answer) {
        if let Some((plan, ours)) = self.names.take_in(answer) {
            self.adopt(plan, ours);
        }
    }

    /// Tells a FILE_CHECK what its file says, a BFD_CHECK how its session is.
    fn tell(&mut self, user: User) {
        let User { service, server, checker } = user;
        let Some(&number) = self.by_identity.get(&service) else { return };
        if let Some(outcome) =
            self.managed[number].told(&self.files, &self.followed, server, checker)
        {
            self.handle(number, Event::Told { server, checker, outcome });
        }
    }

    fn fire_due(&mut self) {
        let now = clock::now();
        let mut due = std::mem::take(&mut self.due);
        self.schedule.due(now, usize::MAX, &mut due);
        for (_, number) in due.drain(..) {
            self.handle(number, Event::DeadlineReached);
        }
        self.due = due;
        self.table.write_dirty(&self.managed);
        self.table.compare(&self.managed);
        self.settle_refusals();
        self.tell_news();
    }

    /// Brings the kernel's table in line with what has changed, and then tells of it.
    fn write(&mut self) {
        self.table.write_dirty(&self.managed);
        self.settle_refusals();
        self.tell_news();
    }

    /// What the kernel would not take does not serve. That may bring a sorry server in, which is written
    /// then, and may be refused itself.
    fn settle_refusals(&mut self) {
        for _ in 0..2 {
            let changed = self.table.take_changed_refusals();
            let numbers = changed.iter().filter_map(|key| self.by_key.get(key).copied());
            for number in numbers.collect::<BTreeSet<usize>>() {
                let servers = self.managed[number].refused_by(&self.table);
                self.handle(number, Event::Refused { servers });
                news::retract_start(&mut self.news, number, &self.managed[number]);
            }
            self.table.write_dirty(&self.managed);
        }
    }

    fn tell_news(&mut self) {
        for News { number, actions, changed } in self.news.drain(..) {
            let managed = &self.managed[number];
            actions.iter().for_each(|action| managed.announce(&self.outlets, action, &changed));
        }
    }

    fn handle(&mut self, number: usize, event: Event) {
        self.managed[number].pool.handle(clock::now(), event, &mut self.actions);
        self.act(number);
    }

    /// Carries out what the pool of `number` asked for.
    fn act(&mut self, number: usize) {
        let managed = &self.managed[number];
        self.schedule.set(number, managed.pool.next_deadline());
        let mut news = News::of(number, &self.actions);
        for action in self.actions.drain(..) {
            match action {
                Action::Attempt { server, checker, target, attempt } => {
                    let member = Member { service: number, server, checker };
                    let key = AttemptKey { service: managed.identity(), attempt };
                    self.attempts.begin(member, target, key, || managed.probe(server, checker));
                }
                Action::TableChanged => self.table.mark(number),
                announced => news.actions.push(announced),
            }
        }
        if !news.actions.is_empty() {
            self.news.push(news);
        }
    }

    /// Compares the kernel's whole table with what is wanted, and makes it so.
    fn synchronise(&mut self) {
        self.table.synchronise(&self.managed);
        self.settle_refusals();
        self.tell_news();
    }

    fn status(&self) -> DirectorStatus {
        let servers = self.managed.iter().enumerate().map(|(number, managed)| ServerStatus {
            server: managed.server.clone(),
            pool: managed.pool.status(),
            names: self.names.status(number),
        });
        DirectorStatus {
            servers: servers.collect(),
            ipvs_trouble: self.table.trouble(),
            checks: self.attempts.status(),
        }
    }

    fn stop(mut self) {
        let now = clock::now();
        for managed in &mut self.managed {
            managed.pool.handle(now, Event::Shutdown, &mut self.actions);
            for action in self.actions.drain(..) {
                if managed.server.omega {
                    managed.announce(&self.outlets, &action, &[]);
                }
            }
        }
        if !self.keep_on_stop {
            self.table.restore_timeouts();
        }
        match self.plan.global.lvs_flush_on_stop {
            _ if self.keep_on_stop => {}
            FlushOnStop::Everything => self.table.flush(),
            FlushOnStop::Off | FlushOnStop::VirtualServers => self.table.remove_ours(),
        }
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// Health checks need no better than tokio's timer, which is a millisecond or two late.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
