//! The vrrp thread: owns the VRRP sockets, the timers and the address commands, and does
//! nothing that can wait: no file, no name look-up, no child process, no log sink.
//!
//! It ends when it is told to stop, or with the process: a panic here is one of the whole
//! program, because a director without its VRRP side must not look alive. Reports to the work
//! runtime go into a bounded channel; when that is full they are dropped and counted.

mod advert;
mod agenda;
mod drift;
mod effects;
mod frames;
mod groups;
mod instance;
mod interfaces;
mod links;
mod outbox;
mod pacing;
mod receive;
mod reload;
mod routing;
mod startup;
mod statics;
mod tracking;
mod wants;

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use self::agenda::Agenda;
use self::effects::Effects;
use self::groups::Group;
use self::instance::Instance;
use self::interfaces::Interfaces;
use self::links::Links;
use self::statics::Statics;
use self::tracking::Readings;
use self::wants::{Holders, Owner};
use super::bfd_thread::SessionStates;
use super::clock;
use super::quick_hash::QuickMap;
use super::scheduling::{be_on_time, gather_memory};
use super::sync_daemons::Followed;
use crate::config::plan::{NotifyScripts, Plan, SyncGroup, VrrpInstance};
use crate::kernel::{ArpSocket, DeadlineTimer, Inbox, KernelEvent, Rtnl, RtnlMonitor, VrrpSocket};
use crate::status::InstanceStatus;
use crate::vrrp::{Action, Counters, Event, PublicState, Reading, State, Tracked};
use crate::wire::Protocol;

/// Reports waiting for the work runtime: four transitions for each of 4,000 instances. When it
/// is full, reports are dropped, counted, and the loss is logged.
const REPORTS: usize = 16_384;

/// A deadline believed this late was kept from us by the machine (a suspend, a stopped process):
/// what has arrived meanwhile is heard before anything is sent.
const SUSPICIOUSLY_LATE: Duration = Duration::from_millis(100);

pub use self::statics::Leftovers;

/// What the work runtime asks of the vrrp thread.
#[derive(Debug)]
pub enum Command {
    /// Make this plan the running one.
    Reload(Arc<Plan>),
    Status(oneshot::Sender<Vec<InstanceStatus>>),
    /// Count from zero again.
    ClearCounters,
    /// A tracked script or file has this reading now.
    Tracked(Tracked, Reading),
    /// Resign everywhere and end.
    Stop,
}

/// What the outside is to hear of.
#[derive(Debug)]
pub struct Report {
    pub who: Who,
    pub news: News,
    /// Effective priority, 1–255; a group's is 0.
    pub priority: u8,
}

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Entered(PublicState),
    /// `fifo_write_vrrp_states_on_reload`.
    StillIn(PublicState),
    /// While MASTER, an advert of lower priority.
    HeardLowerPriority,
    /// In this state.
    PriorityChanged(PublicState),
}

/// Whose news it is.
#[derive(Debug, Clone)]
pub enum Who {
    Instance(Arc<VrrpInstance>),
    Group(Arc<SyncGroup>),
}

impl Who {
    pub fn name(&self) -> &str {
        match self {
            Self::Instance(instance) => &instance.name,
            Self::Group(group) => &group.name,
        }
    }

    /// INSTANCE or GROUP, as scripts are told it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Instance(_) => "INSTANCE",
            Self::Group(_) => "GROUP",
        }
    }

    pub fn is_group(&self) -> bool {
        matches!(self, Self::Group(_))
    }

    pub fn notify(&self) -> &NotifyScripts {
        match self {
            Self::Instance(instance) => &instance.notify,
            Self::Group(group) => &group.notify,
        }
    }
}

/// What is decided once, at start.
#[derive(Debug)]
pub struct Settings {
    /// On stop: priority-0 adverts, and our addresses off.
    pub release_addresses: bool,
    pub leftovers: Leftovers,
    /// Told when interfaces of our own have been made.
    pub links_changed: Arc<Notify>,
    /// Which BFD sessions are up.
    pub sessions: watch::Receiver<SessionStates>,
    /// Where is said how the instance stands that the sync daemons follow.
    pub followed: watch::Sender<Option<Followed>>,
}

/// The work runtime's end of the vrrp thread.
pub struct Handle {
    pub commands: mpsc::Sender<Command>,
    pub reports: mpsc::Receiver<Report>,
    /// Resolves when the thread has ended, whatever the reason.
    pub ended: oneshot::Receiver<()>,
}

/// Opens what VRRP needs and starts the thread.
///
/// # Errors
/// When a socket cannot be had: no CAP_NET_ADMIN or CAP_NET_RAW, or no netlink.
pub fn spawn(plan: &Arc<Plan>, settings: Settings) -> io::Result<Handle> {
    let (commands, receive_commands) = mpsc::channel(16);
    let (reports, receive_reports) = mpsc::channel(REPORTS);
    let (opened, wait_opened) = std::sync::mpsc::sync_channel(1);
    let (ending, ended) = oneshot::channel();
    let plan = plan.clone();
    std::thread::Builder::new().name("vrrp".into()).spawn(move || {
        // Dropped, and so resolved, also when a panic unwinds this thread.
        let _ending = ending;
        be_on_time(&plan.global);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                match VrrpThread::open(settings, reports) {
                    Ok(mut thread) => {
                        let _ = opened.send(Ok(()));
                        thread.start(&plan);
                        gather_memory(&plan);
                        thread.run(receive_commands).await;
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            }),
            Err(error) => drop(opened.send(Err(error))),
        }
    })?;
    wait_opened.recv().map_err(io::Error::other)??;
    Ok(Handle { commands, reports: receive_reports, ended })
}

/// What a socket listens on: a multicast group on an interface, or our own unicast address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct SocketKey {
    ifindex: u32,
    local: IpAddr,
    protocol: Protocol,
}

/// The sockets that instances share, each a pair of one to receive and one to send.
type Sockets = QuickMap<SocketKey, VrrpSocket>;

struct VrrpThread {
    settings: Settings,
    started_at: Instant,
    /// A start-up delay runs until then.
    quiet_until: Option<Instant>,
    rtnl: Rtnl,
    monitor: RtnlMonitor,
    arp: ArpSocket,
    timer: DeadlineTimer,
    interfaces: Interfaces,
    links: Links,
    sockets: Sockets,
    instances: Vec<Instance>,
    /// Instance by socket and VRID.
    by_router: QuickMap<(SocketKey, u8), usize>,
    /// Of those that share socket and VRID with others: by the peer's address, too.
    by_peer: HashMap<(SocketKey, u8, IpAddr), usize>,
    groups: Vec<Group>,
    /// Something has happened to a member of one.
    groups_touched: bool,
    /// Readings of tracked scripts and files.
    readings: Readings,
    sessions: watch::Receiver<SessionStates>,
    schedule: Agenda,
    effects: Effects,
    plan: Arc<Plan>,
    /// Every instance's virtual addresses with their interface: none of them is a source.
    virtual_addresses: HashSet<(u32, IpAddr)>,
    /// Who is asked when something is gone from the kernel.
    holders: Holders,
    /// Whether the kernel tells of routes and rules.
    follows_routing: bool,
    statics: Statics,
    /// Names of instances whose track group lacks something.
    bereaved: HashSet<String>,
    /// Interfaces on which we have set `promote_secondaries`.
    promoted: HashSet<u32>,
    /// Reused, so that the advert path allocates nothing.
    inbox: Inbox,
    readable: Vec<SocketKey>,
    due: Vec<(Instant, usize)>,
    actions: Vec<Action>,
    events: Vec<KernelEvent>,
    /// Adverts for a VRID nobody here has, by socket.
    unknown_vrids: HashMap<SocketKey, u64>,
    /// Those of them that were logged.
    vrids_told: HashSet<(SocketKey, u8)>,
}

impl VrrpThread {
    fn open(settings: Settings, reports: mpsc::Sender<Report>) -> io::Result<Self> {
        // The monitor first: what happens while we dump is then seen as an event.
        let monitor = RtnlMonitor::open()?;
        let mut rtnl = Rtnl::open()?;
        let interfaces = Interfaces::new(rtnl.links()?, rtnl.addresses()?);
        let followed = settings.followed.clone();
        Ok(Self {
            sessions: settings.sessions.clone(),
            settings,
            started_at: clock::now(),
            quiet_until: None,
            rtnl,
            monitor,
            arp: ArpSocket::open()?,
            timer: DeadlineTimer::new()?,
            interfaces,
            links: Links::default(),
            sockets: Sockets::default(),
            instances: Vec::new(),
            by_router: QuickMap::default(),
            by_peer: HashMap::new(),
            groups: Vec::new(),
            groups_touched: false,
            readings: Readings::new(),
            schedule: Agenda::default(),
            effects: Effects::new(reports, followed),
            plan: Arc::default(),
            virtual_addresses: HashSet::new(),
            holders: Holders::default(),
            follows_routing: false,
            statics: Statics::default(),
            bereaved: HashSet::new(),
            promoted: HashSet::new(),
            inbox: Inbox::default(),
            readable: Vec::new(),
            due: Vec::new(),
            actions: Vec::new(),
            events: Vec::new(),
            unknown_vrids: HashMap::new(),
            vrids_told: HashSet::new(),
        })
    }

    /// Clears what a former run left, then starts every instance.
    fn start(&mut self, plan: &Arc<Plan>) {
        let leftovers = std::mem::take(&mut self.settings.leftovers);
        self.follow_routing(plan);
        if !(self.follows_routing || leftovers.routes.is_empty() && leftovers.rules.is_empty()) {
            self.look_at_routing();
        }
        self.remove_leftovers(leftovers, plan);
        self.carry_out();
        self.adopt(plan.clone());
    }

    async fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            self.wait_until(self.next_deadline());
            tokio::select! {
                // The deadline comes first: no flood of packets may hold up our own adverts.
                biased;
                _ = self.timer.reached() => {}
                command = commands.recv() => {
                    if self.obey(command).is_break() {
                        return;
                    }
                }
                // Without a thread that could tell of sessions there is nothing to wait for.
                Ok(()) = self.sessions.changed() => self.hear_sessions(),
                _ = self.monitor.ready() => self.hear_kernel(),
                () = any_readable(&self.sockets, &mut self.readable) => {}
            }
            self.settle_links();
            self.end_startup_delay();
            self.receive_some();
            self.fire_due();
            self.settle_groups();
            self.carry_out();
            self.follow_track_groups();
        }
    }

    fn obey(&mut self, command: Option<Command>) -> ControlFlow<()> {
        match command {
            Some(Command::Reload(plan)) => {
                self.adopt(plan);
                if self.plan.global.fifos.states_on_reload {
                    self.repeat_states();
                }
            }
            Some(Command::Tracked(what, reading)) => self.take_reading(what, reading),
            Some(Command::ClearCounters) => {
                self.instances.iter_mut().for_each(|each| each.counters = Counters::default());
            }
            Some(Command::Status(reply)) => drop(reply.send(self.status())),
            // The work runtime is gone: as good as an order to stop.
            Some(Command::Stop) | None => {
                self.stop();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// The earliest of all that is to happen by itself; at once, while work is left over that is done
    /// in pieces.
    fn next_deadline(&self) -> Option<Instant> {
        if self.effects.has_more() {
            return Some(clock::now());
        }
        let announcement = self.effects.announcer.next(self.started_at);
        let links = self.interfaces.next_change();
        let statics = self.statics.next_deadline();
        [self.schedule.next(), self.quiet_until, links, announcement, statics]
            .into_iter()
            .flatten()
            .min()
    }

    /// Links that have been up or down for as long as they must.
    fn settle_links(&mut self) {
        if self.interfaces.next_change().is_some() && self.interfaces.settle_links(clock::now()) {
            self.reassess_all();
        }
    }

    /// A timer that goes off early does no harm, so it is not moved to a later time: each advert that a
    /// Backup hears would move it.
    fn wait_until(&mut self, deadline: Option<Instant>) {
        if deadline.is_some_and(|at| self.timer.is_set_by(at)) {
            return;
        }
        if let Err(error) = self.timer.set(deadline) {
            tracing::error!("cannot set the timer: {error}");
        }
    }

    /// Gives one instance an event, and gathers what it wants done.
    fn handle(&mut self, number: usize, now: Instant, event: Event) {
        let instance = &mut self.instances[number];
        self.groups_touched |= instance.router.settings().in_sync_group;
        instance.router.handle(now, event, &mut self.actions);
        self.schedule.set(number, &instance.router);
        for action in self.actions.drain(..) {
            instance.repairs += u64::from(action == Action::RestoreAddresses);
            self.effects.gather(number, instance, &self.interfaces, action);
        }
    }

    /// Calls the instances whose time has come, or as many of them as can be served at once.
    fn fire_due(&mut self) {
        let now = clock::now();
        self.rested(now);
        let mut due = std::mem::take(&mut self.due);
        self.schedule.due(now, &mut due, self.effects.is_behind());
        self.hear_before_believing(now, &due);
        for (_, number) in due.drain(..) {
            // What was heard just now may have moved the deadline.
            let instance = &mut self.instances[number];
            if let Some(at) = instance.router.next_deadline().filter(|at| *at <= now) {
                instance.note_lateness(now - at);
                self.handle(number, now, Event::DeadlineReached);
            }
        }
        self.due = due;
    }

    /// A silent peer is only believed to be silent once the receive queue is empty: it may be
    /// we who did not listen.
    fn hear_before_believing(&mut self, now: Instant, due: &[(Instant, usize)]) {
        let mut listen = std::mem::take(&mut self.readable);
        let doubted = due.iter().filter(|&&(at, number)| {
            matches!(self.instances[number].router.state(), State::Backup(_))
                || now - at > SUSPICIOUSLY_LATE
        });
        listen.extend(doubted.filter_map(|&(_, number)| self.instances[number].socket));
        listen.sort_unstable();
        listen.dedup();
        for key in listen.drain(..) {
            self.receive_all(key);
        }
        self.readable = listen;
    }

    fn carry_out(&mut self) {
        self.effects.carry_out(
            &mut self.instances,
            &self.sockets,
            &mut self.rtnl,
            &self.arp,
            &mut self.interfaces,
        );
    }

    fn list_virtual_addresses(&self) -> HashSet<(u32, IpAddr)> {
        let all = self.instances.iter().flat_map(|each| each.assignments(&self.interfaces));
        all.map(|each| (each.ifindex, each.address.addr())).collect()
    }

    /// Resigns everywhere: priority 0 and addresses off, unless they are to stay.
    fn stop(&mut self) {
        let now = clock::now();
        for number in 0..self.instances.len() {
            self.handle(number, now, Event::Shutdown);
        }
        (0..self.groups.len()).for_each(|group| self.report_group(group));
        let statics = self.objects_of(Owner::Static).into_iter().map(|wanted| wanted.object);
        self.effects.release(Owner::Static, statics.collect());
        if !self.settings.release_addresses {
            self.effects.keep_only_transitions();
        }
        self.carry_out();
        while self.effects.is_behind() {
            self.carry_out();
        }
        if self.settings.release_addresses {
            self.restore_promotions();
        }
    }

    fn status(&self) -> Vec<InstanceStatus> {
        let now = clock::now();
        let unknown = |instance: &Instance| {
            instance.socket.and_then(|key| self.unknown_vrids.get(&key)).copied().unwrap_or(0)
        };
        let all = self.instances.iter();
        let status = |each: &Instance| {
            let socket = each.socket.and_then(|key| self.sockets.get(&key));
            let receive_queue = socket.and_then(|socket| socket.receive_queue().ok());
            let status = each.status(now, unknown(each), self.describe_tracked(each));
            InstanceStatus { receive_queue, ..status }
        };
        all.map(status).collect()
    }
}

/// Resolves when VRRP sockets have something to read, and says which ones.
async fn any_readable(sockets: &Sockets, readable: &mut Vec<SocketKey>) {
    poll_fn(|context| {
        add_readable(sockets, readable, context);
        if readable.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

fn add_readable(sockets: &Sockets, readable: &mut Vec<SocketKey>, context: &mut Context<'_>) {
    let ready = sockets.iter().filter(|(_, socket)| socket.poll_readable(context).is_ready());
    readable.extend(ready.map(|(key, _)| *key));
}
