//! Starts the parts, hears signals, reloads as a transaction, stops in order.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::libc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::bfd_thread::BfdSide;
use super::director::{self, DirectorStatus};
use super::fifos::FifoSet;
use super::host::Host;
use super::mailer::Mailer;
use super::outlets::Outlets;
use super::process_files::{self, Dump, dump_file};
use super::record::{self, Record};
use super::reload_time::{self, ReloadTime};
use super::scripts::Scripts;
use super::sync_daemons::SyncSide;
use super::tracking::Trackers;
use super::{
    Failure, Options, announcer, log_findings, log_script_findings, restrict, scheduling, scripts,
    vrrp_thread,
};
use crate::config::plan::Plan;
use crate::config::{self, Loaded};
use crate::ipvs::{DataPlaneError, MemoryDataPlane, ServiceKey};
use crate::kernel::{KernelDataPlane, NftMonitor};
use crate::notify::mail::Postman;
use crate::status::{Status, counted, dump as render, json, statistics};

/// Threads of the work runtime: checks and scripts wait far more than they work.
const WORKERS: usize = 2;

/// How long a part may take to stop before the process ends without it, unless `child_wait_time`
/// says otherwise.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Runs the director until it is told to stop.
pub(super) fn run(options: Options, plan: Plan) -> Result<(), Failure> {
    let checks = plan.global.checker_scheduling.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("work")
        .on_thread_start(move || scheduling::apply("a work thread", &checks))
        .enable_all()
        .build()
        .map_err(|e| Failure::fatal("cannot start the work runtime", e))?;
    let outcome = runtime.block_on(async {
        match Supervisor::start(options, plan).await? {
            Some(supervisor) => supervisor.run().await,
            None => Ok(()),
        }
    });
    end(runtime);
    outcome
}

/// What has not ended by itself by now is left behind: nothing of it may hold up the exit.
fn end(runtime: Runtime) {
    runtime.shutdown_timeout(Duration::from_millis(100));
}

struct Supervisor {
    options: Options,
    plan: Arc<Plan>,
    /// Services that may be deleted from the kernel's table.
    ours: BTreeSet<ServiceKey>,
    record: PathBuf,
    host: Host,
    /// Somebody has done something to the firewall.
    firewall_changed: Arc<Notify>,
    /// Interfaces of our own have been made.
    links_changed: Arc<Notify>,
    outlets: Outlets,
    fifos: FifoSet,
    postman: Postman,
    vrrp: mpsc::Sender<vrrp_thread::Command>,
    vrrp_ended: oneshot::Receiver<()>,
    announcer: JoinHandle<()>,
    trackers: Trackers,
    bfd: BfdSide,
    sync: SyncSide,
    director: mpsc::Sender<director::Command>,
    director_ended: oneshot::Receiver<()>,
    signals: Signals,
    reload_time: ReloadTime,
}

/// Break: told to stop while it ran, when there was nothing to take back yet.
async fn run_startup_script(plan: &Plan, signals: &mut Signals) -> ControlFlow<()> {
    let Some(script) = &plan.global.startup_script else { return ControlFlow::Continue(()) };
    tokio::select! {
        () = scripts::run_once("startup_script", script, &plan.global) => ControlFlow::Continue(()),
        () = signals.stop() => {
            tracing::info!("stopped during startup_script");
            ControlFlow::Break(())
        }
    }
}

/// What a former run may have left in the kernel.
fn leftovers(owned: &Record) -> vrrp_thread::Leftovers {
    vrrp_thread::Leftovers {
        addresses: owned.addresses.iter().cloned().collect(),
        routes: owned.routes.clone(),
        rules: owned.rules.clone(),
    }
}

fn start_vrrp(
    plan: &Arc<Plan>,
    settings: vrrp_thread::Settings,
) -> Result<vrrp_thread::Handle, Failure> {
    scheduling::gather_memory(plan);
    vrrp_thread::spawn(plan, settings)
        .map_err(|e| Failure::fatal("cannot open the sockets VRRP needs (run as root?)", e))
}

fn start_director(
    plan: &Plan,
    options: &Options,
    outlets: Outlets,
    bfd: &BfdSide,
) -> Result<director::Handle, Failure> {
    let settings = director::Settings {
        open: data_plane(options),
        outlets,
        keep_on_stop: !options.release_ipvs,
        seed: seed(),
        sessions: bfd.for_checkers(),
    };
    director::spawn(settings, plan.global.checker_scheduling.clone())
        .map_err(|e| Failure::fatal("cannot start the director", e))
}

impl Supervisor {
    /// Starts the parts; `None`: told to stop before there were any.
    async fn start(options: Options, plan: Plan) -> Result<Option<Self>, Failure> {
        // Signals first: from here on a stop is always a clean one.
        let mut signals = Signals::new(options.ignore_interrupt)
            .map_err(|e| Failure::fatal("cannot listen for signals", e))?;
        if run_startup_script(&plan, &mut signals).await.is_break() {
            return Ok(None);
        }
        let plan = Arc::new(plan);
        let record = record::path(&options.runtime_directory);
        let (host, owned) = Host::take_possession(&plan, &record);
        let links_changed = Arc::new(Notify::new());
        let firewall_changed = Arc::new(Notify::new());
        tokio::spawn(watch_firewall(firewall_changed.clone()));
        let (mailer, postman) = Mailer::start();
        mailer.follow(&plan.global);
        let mut fifos = FifoSet::default();
        fifos.follow(&plan.global).await;
        let scripts = Scripts::new(&plan.global);
        let outlets = Outlets { scripts, fifos: fifos.fifos.clone(), mailer };
        let mut bfd = BfdSide::new();
        bfd.follow(&plan).await.map_err(|e| Failure::fatal("cannot start BFD", e))?;
        let sync = SyncSide::new(data_plane(&options), !options.release_ipvs);
        let settings = vrrp_thread::Settings {
            release_addresses: options.release_addresses,
            leftovers: leftovers(&owned),
            links_changed: links_changed.clone(),
            sessions: bfd.for_vrrp(),
            followed: sync.for_vrrp(),
        };
        let vrrp = start_vrrp(&plan, settings)?;
        let announcer = tokio::spawn(announcer::run(vrrp.reports, outlets.clone()));
        let mut trackers = Trackers::new(vrrp.commands.clone());
        trackers.follow(&plan);
        let director = start_director(&plan, &options, outlets.clone(), &bfd)?;
        Ok(Some(Self {
            ours: owned.services(),
            record,
            host,
            firewall_changed,
            links_changed,
            outlets,
            fifos,
            postman,
            vrrp: vrrp.commands,
            vrrp_ended: vrrp.ended,
            announcer,
            trackers,
            bfd,
            sync,
            director: director.commands,
            director_ended: director.ended,
            signals,
            reload_time: ReloadTime::default(),
            options,
            plan,
        }))
    }

    async fn run(mut self) -> Result<(), Failure> {
        self.put_into_effect().await;
        if self.options.dump_configuration {
            self.dump().await;
        }
        loop {
            tokio::select! {
                request = self.signals.next() => match request {
                    Request::Stop => break,
                    Request::Reload => if self.reload().await.is_break() { break },
                    Request::Dump => self.dump().await,
                    Request::Statistics { clear } => self.statistics(clear).await,
                    Request::Json => self.json().await,
                },
                () = tokio::time::sleep(reload_time::LOOK),
                    if self.plan.daemon.reload_time_file.is_some() =>
                {
                    if self.reload_is_due() && self.reload().await.is_break() { break }
                },
                () = self.links_changed.notified() => self.follow_links(),
                () = self.firewall_changed.notified() => {
                    let plan = &self.plan;
                    tokio::task::block_in_place(|| self.host.repair_rules(plan));
                }
                // Half a director must not look like a whole one: let the peer take over.
                _ = &mut self.vrrp_ended => return self.give_up("vrrp").await,
                _ = &mut self.director_ended => return self.give_up("director").await,
                () = self.bfd.ended() => return self.give_up("bfd").await,
                () = self.sync.ended() => return self.give_up("ipvs-sync").await,
            }
        }
        self.stop().await;
        Ok(())
    }

    /// A thread has ended that should not have: stop the other, and fail.
    async fn give_up(self, thread: &str) -> Result<(), Failure> {
        tracing::error!("the {thread} thread has ended: stopping");
        self.stop().await;
        Err(Failure::fatal(format!("the {thread} thread has ended"), "see the log"))
    }

    /// Hands the plan to the director. Once the kernel is as wanted, what an earlier plan or run
    /// left is dealt with, and only this plan's is ours.
    async fn put_into_effect(&mut self) {
        let plan = self.plan.clone();
        // What the table must not have beside sync daemons comes after they have stopped, and goes
        // before they start.
        let released = self.sync.release(&plan).await;
        self.tell_director().await;
        let followed = self.sync.follow(&plan).await;
        if let Err(error) = released.and(followed) {
            tracing::error!("cannot start the ipvs-sync thread: {error}; no sync daemon runs");
        }
    }

    async fn tell_director(&mut self) {
        let (reply, done) = oneshot::channel();
        let command = director::Command::Reload(self.plan.clone(), self.ours.clone(), reply);
        // The ends of both threads are noticed in `run`.
        let _ = self.director.send(command).await;
        let ipvs_done = done.await.unwrap_or(false);
        // An answer from the vrrp thread comes after all it was told before.
        let (reply, answered) = oneshot::channel();
        let _ = self.vrrp.send(vrrp_thread::Command::Status(reply)).await;
        if answered.await.is_err() {
            return;
        }
        let plan = &self.plan;
        tokio::task::block_in_place(|| self.host.settle(plan));
        if !ipvs_done {
            return;
        }
        self.write_record();
        self.ours = Record::of(&self.plan).services();
    }

    /// What of the host's settings concerns an interface that has just been made.
    fn follow_links(&mut self) {
        self.host.look(&self.plan);
        self.write_record();
        let plan = &self.plan;
        tokio::task::block_in_place(|| self.host.follow_links(plan));
    }

    /// The record of what the running plan has, and no more.
    fn write_record(&self) {
        let mut record = Record::of(&self.plan);
        self.host.enter(&mut record);
        record.keep(&self.record);
    }

    /// Reads the file again. `Break`: a stop was asked for meanwhile, which a file that does not
    /// come (a dead disk, a FIFO nobody writes to) must not hold up.
    async fn reload(&mut self) -> ControlFlow<()> {
        let file = self.options.configuration.clone();
        tracing::info!("reloading {}", file.display());
        let options = self.options.configuration_options.clone();
        let _marker = self.reload_marker();
        let running = self.plan.clone();
        let loading = tokio::task::spawn_blocking(move || config::reload(&file, &options, running));
        let loaded = tokio::select! {
            loaded = loading => loaded,
            () = self.signals.stop() => return ControlFlow::Break(()),
        };
        match loaded {
            Ok(loaded) => self.take_over(loaded).await,
            Err(_) => tracing::error!(
                "reload failed: the configuration could not be read; nothing has changed"
            ),
        }
        ControlFlow::Continue(())
    }

    /// The new file is understood completely, or nothing changes.
    async fn take_over(&mut self, mut loaded: Loaded) {
        log_findings(&loaded.diagnostics);
        if let Some(why) = self.objection(&loaded) {
            let file = self.options.configuration.display();
            return tracing::error!(
                "{file} {why}: nothing has changed, the director goes on as before"
            );
        }
        restrict(&mut loaded, &self.options);
        let plan = Arc::new(loaded.into_plan());
        let reloaded = plan.clone();
        tokio::task::spawn_blocking(move || log_script_findings(&reloaded));
        tracing::info!("reloaded: {}", counted(&plan));
        let mut owned = Record::of(&self.plan).union(Record::of(&plan));
        self.host.look(&plan);
        self.host.enter(&mut owned);
        owned.keep(&self.record);
        self.ours = owned.services();
        let before = self.plan.clone();
        tokio::task::block_in_place(|| self.host.prepare(&plan, Some(&before)));
        self.plan = plan;
        self.outlets.scripts.follow(&self.plan.global);
        self.outlets.mailer.follow(&self.plan.global);
        // Before anything is told of the new plan: their scripts are new, too.
        self.fifos.follow(&self.plan.global).await;
        // Whoever tracks a session finds its state there.
        if let Err(error) = self.bfd.follow(&self.plan).await {
            tracing::error!("cannot start BFD: {error}; its sessions stay down");
        }
        tokio::task::block_in_place(|| scheduling::gather_memory(&self.plan));
        let _ = self.vrrp.send(vrrp_thread::Command::Reload(self.plan.clone())).await;
        self.trackers.follow(&self.plan);
        self.put_into_effect().await;
    }

    /// Why the running configuration must stay, if so.
    fn objection(&self, loaded: &Loaded) -> Option<String> {
        let (old, new) = (&self.plan.daemon, &loaded.plan.daemon);
        if !loaded.can_replace_running() {
            return Some("has errors".to_owned());
        }
        // An option names the namespace for good.
        let mut new = new.clone();
        if self.options.net_namespace.is_some() {
            new.net_namespace.clone_from(&old.net_namespace);
        }
        if let Some(keyword) = process_files::fixed_at_start(old, &new) {
            return Some(format!("has another {keyword}, which holds until a restart"));
        }
        let check = old.reload_check.as_ref().filter(|_| loaded.test_status() != 0)?;
        if let Some(path) = &check.log {
            let lines = loaded.diagnostics.to_lines();
            if let Err(error) = std::fs::write(path, lines) {
                tracing::warn!("cannot write {}: {error}", path.display());
            }
        }
        Some("has complaints, and reload_check_config is set".to_owned())
    }

    /// `reload_file`: there for as long as the value lives.
    fn reload_marker(&self) -> Option<Marker> {
        let reload_file = self.plan.daemon.reload_file.as_ref()?;
        let beside_pid_file = || {
            let parent = self.options.pid_files.parent.as_ref().and_then(|path| path.parent());
            parent.unwrap_or(&self.options.runtime_directory).join("keepalived.reload")
        };
        let path = reload_file.path.clone().unwrap_or_else(beside_pid_file);
        match std::fs::write(&path, "") {
            Ok(()) => Some(Marker(path)),
            Err(error) => {
                tracing::warn!("cannot write {}: {error}", path.display());
                None
            }
        }
    }

    fn reload_is_due(&mut self) -> bool {
        let daemon = &self.plan.daemon;
        let Some(path) = &daemon.reload_time_file else { return false };
        self.reload_time.is_due(path, daemon.reload_repeat, SystemTime::now())
    }

    async fn dump(&self) {
        let text = render(&self.plan, &self.status().await);
        self.write("state", Dump::State, &text);
    }

    async fn statistics(&self, clear: bool) {
        let text = statistics(&self.status().await.instances);
        self.write("statistics", Dump::Statistics, &text);
        if clear {
            let _ = self.vrrp.send(vrrp_thread::Command::ClearCounters).await;
        }
    }

    async fn json(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let version = self.plan.daemon.json_version;
        let text = json(&self.status().await, version, now);
        self.write("state as JSON", Dump::Json, &text);
    }

    /// Whoever reads the file finds the whole of the old or of the new one.
    fn write(&self, what: &str, kind: Dump, text: &str) {
        let path = dump_file(kind, &self.plan.daemon, &self.options.runtime_directory);
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let directory = path.parent().unwrap_or(&self.options.runtime_directory);
        let written = std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(&new, text))
            .and_then(|()| std::fs::rename(&new, &path));
        match written {
            Ok(()) => tracing::info!("{what} written to {}", path.display()),
            Err(error) => tracing::error!("cannot write {}: {error}", path.display()),
        }
    }

    async fn status(&self) -> Status {
        let (reply, instances) = oneshot::channel();
        let _ = self.vrrp.send(vrrp_thread::Command::Status(reply)).await;
        let instances = instances.await.unwrap_or_default();
        let (reply, servers) = oneshot::channel();
        let _ = self.director.send(director::Command::Status(reply)).await;
        let DirectorStatus { servers, ipvs_trouble, checks } = servers.await.unwrap_or_default();
        let (bfd, sync) = (self.bfd.status().await, self.sync.status());
        Status { instances, servers, ipvs_trouble, checks, bfd, sync }
    }

    /// VRRP and IPVS side by side, then the scripts that both have caused.
    async fn stop(mut self) {
        tracing::info!("stopping");
        // Tracked scripts end first: nothing of what they say matters any more.
        drop(self.trackers);
        let _ = self.vrrp.send(vrrp_thread::Command::Stop).await;
        let _ = self.director.send(director::Command::Stop).await;
        let vrrp_and_director = async {
            // Already resolved when it is its end that we stop for.
            if !self.vrrp.is_closed() {
                let _ = self.vrrp_ended.await;
            }
            let _ = self.announcer.await;
            if !self.director.is_closed() {
                let _ = self.director_ended.await;
            }
        };
        let parts = async {
            tokio::join!(vrrp_and_director, self.sync.stop());
            // Last: a session that ends is no reason for a transition of ours any more.
            self.bfd.stop().await;
        };
        let limit = self.plan.global.stop_limit.unwrap_or(STOP_LIMIT);
        if tokio::time::timeout(limit, parts).await.is_err() {
            tracing::error!("not everything has stopped within {limit:?}: ending anyway");
        }
        tokio::join!(
            self.outlets.scripts.finish(),
            self.outlets.mailer.finish(self.postman),
            self.fifos.finish(),
        );
        if self.options.release_addresses {
            tokio::task::block_in_place(|| self.host.restore());
        }
        if self.options.release_addresses && self.options.release_ipvs {
            let _ = std::fs::remove_file(&self.record);
        }
        if let Some(script) = &self.plan.global.shutdown_script {
            scripts::run_once("shutdown_script", script, &self.plan.global).await;
        }
        tracing::info!("stopped");
    }
}

/// Tells `changed` when somebody, perhaps we, has changed the firewall: at once, and then once a
/// second at most. Ends with the runtime.
async fn watch_firewall(changed: Arc<Notify>) {
    // Without nf_tables there is nothing to watch, which setting the rules has told of.
    let Ok(monitor) = NftMonitor::open() else { return };
    while monitor.changed().await.is_ok() {
        changed.notify_one();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn data_plane(options: &Options) -> director::Open {
    if options.ipvs_in_memory {
        return Box::new(|| Ok(Box::new(MemoryDataPlane::default())));
    }
    match options.ipvs_namespace.clone() {
        None => Box::new(|| Ok(Box::new(KernelDataPlane::open()?))),
        Some(elsewhere) => Box::new(move || {
            let opened = elsewhere.run(KernelDataPlane::open).map_err(DataPlaneError::Io)??;
            Ok(Box::new(opened))
        }),
    }
}

/// Different at each start: two directors that start together must not check together.
fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().rotate_left(32)
        ^ u64::from(since.subsec_nanos())
        ^ u64::from(std::process::id())
}

/// A file that goes away with the value.
struct Marker(PathBuf);

impl Drop for Marker {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

enum Request {
    Stop,
    Reload,
    Dump,
    Statistics { clear: bool },
    Json,
}

/// keepalived(8)'s signals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    ignore_interrupt: bool,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
    json: Signal,
    clear: Signal,
    /// keepalived's thread dump, which has no use here, and whose default would end the process.
    threads: Signal,
}

impl Signals {
    fn new(ignore_interrupt: bool) -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            ignore_interrupt,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            json: signal(SignalKind::from_raw(libc::SIGRTMIN() + 2))?,
            clear: signal(SignalKind::from_raw(libc::SIGRTMAX() - 1))?,
            threads: signal(SignalKind::from_raw(libc::SIGRTMAX()))?,
        })
    }

    /// Waits for a stop signal; the others wait for [`next`](Self::next).
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => if !self.ignore_interrupt { return },
            }
        }
    }

    async fn next(&mut self) -> Request {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Request::Stop,
                _ = self.interrupt.recv() => if !self.ignore_interrupt { return Request::Stop },
                _ = self.hangup.recv() => return Request::Reload,
                _ = self.user1.recv() => return Request::Dump,
                _ = self.user2.recv() => return Request::Statistics { clear: false },
                _ = self.clear.recv() => return Request::Statistics { clear: true },
                _ = self.json.recv() => return Request::Json,
                _ = self.threads.recv() => tracing::info!(
                    "the signal of keepalived's thread dump has no use here; SIGUSR1 writes the state"
                ),
            }
        }
    }
}
