//! The director: which servers are healthy, and so what IPVS is to hold.
//!
//! A thread of its own, which owns the health of every virtual server ([`crate::check::Pool`]) and waits
//! for nobody. Attempts are tasks, of its own runtime or of the work runtime, which report back over a
//! bounded channel: a hanging attempt holds up nobody, and one whose report finds no room waits with it.
//! The kernel's table can take its time, and has a keeper ([`table::Keeper`]), a thread that is given one
//! order after the other; what changes meanwhile goes into the next, and what is told waits until the
//! kernel has it. When the director ends, attempts are abandoned.

mod alarm;
mod attempts;
mod draining;
mod files;
mod host_addresses;
mod joint;
mod managed;
mod names;
mod news;
mod places;
mod sessions;
mod sharing;
mod table;
mod writing;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};

use self::alarm::Alarm;
use self::attempts::{Attempts, Finished};
use self::files::{Changed, Files, User};
use self::host_addresses::HostAddresses;
use self::managed::Managed;
use self::names::Names;
use self::news::{EventNews, News};
use self::sessions::Followed;
use self::sharing::{AttemptKey, Member};
pub use self::table::Open;
use self::table::{Answer, Farewell, Keeper, Wanted};
use self::writing::{Settled, Writing};
use super::bfd_thread::SessionStates;
use super::clock;
use super::outlets::Outlets;
use super::schedule::Schedule;
use super::{scheduling, scripts};
use crate::check::{Action, Event};
use crate::config::plan::{FlushOnStop, Plan, Scheduling, ServerIdentity, VirtualServer};
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

/// What a director is made of.
pub struct Settings {
    pub open: Open,
    pub outlets: Outlets,
    /// Leave the table as it is on stop.
    pub keep_on_stop: bool,
    /// Spreads first attempts; changes from start to start, so that two directors differ.
    pub seed: u64,
    /// Servers come and go with these BFD sessions.
    pub sessions: watch::Receiver<SessionStates>,
}

/// The supervisor's end of the director.
pub struct Handle {
    pub commands: mpsc::Sender<Command>,
    /// Resolves when the thread has ended.
    pub ended: oneshot::Receiver<()>,
}

/// Commands waiting: the supervisor sends one at a time and waits when there is no room.
const COMMANDS: usize = 4;

/// Starts the director's thread and the keeper's. The current runtime is that for work: scripts, and attempts
/// that do more than wait for the network.
///
/// # Errors
/// When a thread or its runtime cannot be had.
pub fn spawn(settings: Settings, scheduling: Scheduling) -> io::Result<Handle> {
    let (commands, receive_commands) = mpsc::channel(COMMANDS);
    let (ending, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let director = Director::new(settings, &scheduling, runtime.handle().clone())?;
    std::thread::Builder::new().name("director".into()).spawn(move || {
        // Dropped, and so resolved, also when a panic unwinds this thread.
        let _ending: oneshot::Sender<()> = ending;
        scheduling::apply("the director", &scheduling);
        runtime.block_on(director.run(receive_commands));
    })?;
    Ok(Handle { commands, ended })
}

struct Director {
    plan: Arc<Plan>,
    managed: Vec<Managed>,
    by_identity: HashMap<ServerIdentity, usize>,
    /// By each of their services; of a joint one it is the last.
    by_key: HashMap<ServiceKey, usize>,
    schedule: Schedule,
    alarm: Alarm,
    table: Writing,
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
    keep_on_stop: bool,
    seed: u64,
    /// Reused for each event.
    actions: Vec<Action>,
    /// What is told once the kernel has what it follows from, in order.
    news: Vec<News>,
    due: Vec<(Instant, usize)>,
}

impl Director {
    fn new(settings: Settings, scheduling: &Scheduling, own: runtime::Handle) -> io::Result<Self> {
        let (results, finished) = mpsc::channel(RESULTS);
        let (files, changed_files) = Files::new();
        Ok(Self {
            plan: Arc::default(),
            managed: Vec::new(),
            by_identity: HashMap::new(),
            by_key: HashMap::new(),
            schedule: Schedule::default(),
            alarm: Alarm::default(),
            table: Writing::new(Keeper::spawn(settings.open, scheduling)?),
            outlets: settings.outlets,
            files,
            changed_files,
            followed: Followed::new(settings.sessions),
            names: Names::default(),
            addresses: HostAddresses::default(),
            attempts: Attempts::new(results, kernel::process::descriptor_limit(), own),
            finished,
            started: false,
            keep_on_stop: settings.keep_on_stop,
            seed: settings.seed,
            actions: Vec::new(),
            news: Vec::new(),
            due: Vec::new(),
        })
    }

    /// Runs until told to stop, or until the keeper has ended, which it never should.
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Reload(plan, ours, reply)) => {
                        self.finish_writing().await;
                        let work = self.attempts.work();
                        let plan = match self.started {
                            true => self.names.follow(plan, &ours, work),
                            false => self.names.begin(plan, &ours, work).await,
                        };
                        self.adopt(plan, ours, reply);
                    }
                    Some(Command::Status(reply)) => drop(reply.send(self.status())),
                    Some(Command::Stop) | None => {
                        self.finish_writing().await;
                        return self.stop();
                    }
                },
                answer = self.table.answer() => match answer {
                    Some(answer) => self.settle(answer),
                    None => return,
                },
                Some(finished) = self.finished.recv() => self.take_in(finished),
                Some(change) = self.changed_files.recv() => self.file_changed(&change),
                Some(()) = self.followed.changed() => self.sessions_changed(),
                Some(()) = self.addresses.changed() => self.addresses_changed(),
                Some(answer) = self.names.answered() => self.name_answered(answer).await,
                () = self.alarm.at(self.schedule.next()) => self.fire_due(),
            }
        }
    }

    /// Makes `plan` the running one: virtual servers that are the very same go on as they are, the servers
    /// of others keep their health, and unchanged services are not touched.
    fn adopt(&mut self, plan: Arc<Plan>, ours: BTreeSet<ServiceKey>, done: oneshot::Sender<bool>) {
        self.files.follow(&plan, self.attempts.work());
        let rules = scripts::rules(&plan.global);
        self.attempts.follow(&plan.virtual_servers, plan.global.share_checks, rules);
        self.followed.follow(&plan);
        self.addresses.follow(&plan);
        let now = clock::now();
        let mut old: Vec<_> = std::mem::take(&mut self.managed).into_iter().map(Some).collect();
        let count = plan.virtual_servers.len();
        let numbers = std::mem::replace(&mut self.by_identity, HashMap::with_capacity(count));
        self.managed.reserve_exact(count);
        self.schedule.clear();
        self.by_key.clear();
        self.by_key.reserve(count);
        for server in &plan.virtual_servers {
            let (number, identity) = (self.managed.len(), server.identity());
            self.seed = self.seed.wrapping_add(1);
            let before = numbers.get(&identity).and_then(|&number| old[number].take());
            let managed = match before {
                Some(same) if Arc::ptr_eq(&same.server, server) => self.keep(now, same),
                Some(before) => self.succeed(now, server.clone(), before),
                None => self.begin(now, server.clone(), plan.global.tell_initial_servers),
            };
            self.by_identity.insert(identity, number);
            self.by_key.extend(server.keys().map(|key| (key, number)));
            self.managed.push(managed);
            self.act(number);
        }
        self.remove(old.into_iter().flatten(), now);
        for user in self.files.all_users().into_iter().chain(self.followed.all_users()) {
            self.tell(user);
        }
        let wanted = Wanted {
            ours,
            timeouts: plan.global.lvs_timeouts,
            flush: !std::mem::replace(&mut self.started, true) && plan.global.lvs_flush,
            ..Wanted::default()
        };
        self.table.adopt(&self.managed, wanted, self.news.len(), done);
        self.plan = plan;
    }

    /// It has not changed; its address may have come or gone.
    fn keep(&mut self, now: Instant, mut same: Managed) -> Managed {
        if let Some(event) = same.follow_address(&self.addresses, self.seed) {
            same.pool.handle(now, event, &mut self.actions);
        }
        same
    }

    /// The virtual server continues with other settings, as far as they allow.
    fn succeed(&mut self, now: Instant, server: Arc<VirtualServer>, before: Managed) -> Managed {
        let mut managed = self.prepared(server.clone());
        managed.adopt(now, &before, self.seed, &mut self.actions);
        let servers: Vec<_> = self.actions.iter().filter_map(Action::removed_server).collect();
        if !servers.is_empty() {
            self.news.push(News::Removed { before, servers, now: server });
        }
        managed
    }

    /// The virtual server is new; `tell`: as keepalived tells of new servers.
    fn begin(&mut self, now: Instant, server: Arc<VirtualServer>, tell: bool) -> Managed {
        let mut managed = self.prepared(server);
        managed.start(now, self.seed, &mut self.actions);
        if tell {
            self.news.push(News::initial(self.managed.len(), &managed));
        }
        managed
    }

    fn prepared(&self, server: Arc<VirtualServer>) -> Managed {
        let mut managed = Managed::new(server);
        managed.preset(&self.files, &self.followed);
        managed.begin_suspended(&self.addresses);
        managed
    }

    /// Virtual servers that are no longer configured: their scripts hear of it.
    fn remove(&mut self, gone: impl Iterator<Item = Managed>, now: Instant) {
        for mut managed in gone {
            managed.pool.handle(now, Event::Shutdown, &mut self.actions);
            let actions = self.actions.drain(..).collect();
            self.news.push(News::Gone { managed, actions });
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
    async fn name_answered(&mut self, answer: names::Answer) {
        if let Some((plan, ours)) = self.names.take_in(answer) {
            self.finish_writing().await;
            // Nobody waits for it.
            let (done, _) = oneshot::channel();
            self.adopt(plan, ours, done);
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
            if self.managed[number].end_draining(now) {
                self.table.mark(number);
            }
            self.handle(number, Event::DeadlineReached);
        }
        self.due = due;
        self.write();
    }

    /// Brings the kernel's table in line with what has changed, and then tells of it.
    fn write(&mut self) {
        if self.table.write(&self.managed, self.news.len()) {
            self.tell_news(self.news.len());
        }
    }

    /// Before anything is numbered anew: what is being written, and what waits for that.
    async fn finish_writing(&mut self) {
        self.write();
        while self.table.is_busy()
            && let Some(answer) = self.table.answer().await
        {
            self.settle(answer);
        }
    }

    /// The kernel has what was ordered, but for what it would not take. That does not serve; a sorry server
    /// may come in for it, which is written next.
    fn settle(&mut self, answer: Answer) {
        let Settled { refusals, news } = self.table.settle(answer);
        let users = |key| self.by_key.get(key).into_iter().chain(self.table.users(key));
        let numbers: BTreeSet<usize> = refusals.iter().flat_map(users).copied().collect();
        for number in numbers {
            let servers = self.managed[number].refused_by(&self.table);
            self.handle(number, Event::Refused { servers });
            news::retract_start(&mut self.news, number, &self.managed[number]);
        }
        self.tell_news(news);
        self.write();
    }

    /// Tells the first `count` of the news.
    fn tell_news(&mut self, count: usize) {
        for news in self.news.drain(..count) {
            news.tell(&self.outlets, &self.managed);
        }
    }

    fn handle(&mut self, number: usize, event: Event) {
        self.managed[number].pool.handle(clock::now(), event, &mut self.actions);
        self.act(number);
    }

    /// Carries out what the pool of `number` asked for.
    fn act(&mut self, number: usize) {
        let managed = &self.managed[number];
        self.schedule.set(number, managed.next_deadline());
        let mut news = EventNews::of(number, &self.actions);
        for action in self.actions.drain(..) {
            match action {
                Action::Attempt { server, checker, target, attempt } => {
                    let member = Member { service: number, server, checker };
                    let key = AttemptKey { service: managed.identity(), attempt };
                    self.attempts.begin(member, target, key, || managed.probe(server, checker));
                }
                Action::TableChanged => self.table.mark(number),
                Action::DestinationChanged { server } => self.table.mark_server(number, server),
                announced => news.actions.push(announced),
            }
        }
        if !news.actions.is_empty() {
            self.news.push(News::Event(news));
        }
    }

    fn status(&self) -> DirectorStatus {
        let servers = self.managed.iter().enumerate().map(|(number, managed)| ServerStatus {
            server: managed.server.clone(),
            pool: managed.pool.status(),
            names: self.names.status(number),
            draining: managed.draining.status(clock::now()),
        });
        DirectorStatus {
            servers: servers.collect(),
            ipvs_trouble: self.table.trouble.clone(),
            checks: self.attempts.status(),
        }
    }

    fn stop(mut self) {
        let now = clock::now();
        for managed in &mut self.managed {
            managed.pool.handle(now, Event::Shutdown, &mut self.actions);
            if managed.server.omega {
                managed.announce(&self.outlets, &self.actions, &[]);
            }
            self.actions.clear();
        }
        self.table.end(match self.plan.global.lvs_flush_on_stop {
            _ if self.keep_on_stop => Farewell::Keep,
            FlushOnStop::Everything => Farewell::Flush,
            FlushOnStop::Off | FlushOnStop::VirtualServers => Farewell::RemoveOurs,
        });
    }
}
