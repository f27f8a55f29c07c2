//! The bfd thread: owns the BFD sockets and their timers, and does nothing that can wait.
//!
//! Not the vrrp thread, whose work at a takeover or a reload may take longer than the 50 ms in which
//! a neighbour of ours takes us for dead. It begins with the first plan that has sessions, and ends
//! when it is told to stop. Which sessions are up is a `watch` each for VRRP and the checkers: the newest
//! states replace those before, so that nobody who is slow holds it up.

mod link;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use self::link::Link;
use super::clock;
use super::later_thread::LaterThread;
use super::schedule::Schedule;
use super::scheduling::be_on_time_for_bfd;
use crate::bfd::{
    Action, Arrival, ControlPacket, Discard, Endpoint, Event, MULTIHOP_PORT, SINGLE_HOP_PORT,
    Session, Sessions, Transition,
};
use crate::config::plan::{BfdInstance, Plan};
use crate::kernel::{BfdReceiver, DeadlineTimer, ReceivedBfd};
use crate::random::Random;
use crate::status::BfdStatus;

/// By name: whether it is up; `None` until it is for the first time, or has had its time to be.
pub type SessionStates = BTreeMap<Arc<str>, Option<bool>>;

/// Packets taken from one socket before timers are looked at again: a flood holds up none of them.
const AT_ONCE: usize = 256;
/// And before silence is believed.
const BEFORE_BELIEVING: usize = 1024;
/// How long until a port that could not be had is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(5);
/// Senders of packets that were told of; beyond it packets are only counted.
const MOST_TOLD: usize = 1024;
/// A BFD packet is 24 octets, with authentication up to 52; a longer one is cut off.
const LONGEST_PACKET: usize = 128;

/// Receive sockets, by family (true: IPv6) and way.
const WAYS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

/// One packet from a socket, if there is one.
type Take = fn(&BfdReceiver, &mut [u8]) -> io::Result<Option<ReceivedBfd>>;

enum Command {
    /// Make this plan's sessions the running ones; answered when they are.
    Reload(Arc<Plan>, oneshot::Sender<()>),
    Status(oneshot::Sender<BfdStatus>),
    Stop,
}

/// The work runtime's end of the thread, which there may not be.
pub struct BfdSide {
    vrrp: watch::Sender<SessionStates>,
    checkers: watch::Sender<SessionStates>,
    thread: LaterThread<Command>,
}

impl BfdSide {
    pub fn new() -> Self {
        let (vrrp, checkers) = (watch::Sender::default(), watch::Sender::default());
        Self { vrrp, checkers, thread: LaterThread::NONE }
    }

    pub fn for_vrrp(&self) -> watch::Receiver<SessionStates> {
        self.vrrp.subscribe()
    }

    pub fn for_checkers(&self) -> watch::Receiver<SessionStates> {
        self.checkers.subscribe()
    }

    /// Makes the plan's sessions the running ones. Once it returns, each of them has a state.
    ///
    /// # Errors
    /// When the thread is needed and cannot be had.
    pub async fn follow(&mut self, plan: &Arc<Plan>) -> io::Result<()> {
        if !self.thread.is_there() && !plan.bfd_instances.is_empty() {
            self.thread = start(plan, self.vrrp.clone(), self.checkers.clone())?;
        }
        let (reply, done) = oneshot::channel();
        self.thread.tell(Command::Reload(plan.clone(), reply)).await;
        let _ = done.await;
        Ok(())
    }

    pub async fn status(&self) -> BfdStatus {
        let (reply, status) = oneshot::channel();
        self.thread.tell(Command::Status(reply)).await;
        status.await.unwrap_or_default()
    }

    /// Resolves when the thread has ended, whatever the reason.
    pub async fn ended(&mut self) {
        self.thread.ended().await;
    }

    /// Tells each neighbour that we go.
    pub async fn stop(self) {
        self.thread.stop(Command::Stop).await;
    }
}

fn start(
    plan: &Arc<Plan>,
    vrrp: watch::Sender<SessionStates>,
    checkers: watch::Sender<SessionStates>,
) -> io::Result<LaterThread<Command>> {
    let (opened, wait_opened) = std::sync::mpsc::sync_channel(1);
    let plan = plan.clone();
    let thread = LaterThread::start("bfd", move |commands| {
        be_on_time_for_bfd(&plan.global);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let run = |runtime: tokio::runtime::Runtime| {
            runtime.block_on(async {
                let thread = BfdThread::new(vrrp, checkers)?;
                let _ = opened.send(Ok(()));
                thread.run(commands).await;
                Ok(())
            })
        };
        if let Err(error) = runtime.and_then(run) {
            let _ = opened.send(Err(error));
        }
    })?;
    wait_opened.recv().map_err(io::Error::other)??;
    Ok(thread)
}

struct BfdThread {
    vrrp: watch::Sender<SessionStates>,
    checkers: watch::Sender<SessionStates>,
    timer: DeadlineTimer,
    random: Random,
    /// In the order of the plan, as `links`.
    sessions: Sessions,
    links: Vec<Link>,
    /// Of this plan.
    names: HashSet<Arc<str>>,
    schedule: Schedule,
    /// By family and way, as far as sessions need them.
    receivers: HashMap<(bool, bool), BfdReceiver>,
    /// When to try again to open those that are missing.
    open_at: Option<Instant>,
    /// When the next session that has never been up will have had time enough.
    judge_at: Option<Instant>,
    /// Packets that went no further, by reason.
    discards: BTreeMap<Discard, u64>,
    told: HashSet<(IpAddr, Discard)>,
    /// Reused.
    actions: Vec<Action>,
    due: Vec<(Instant, usize)>,
}

impl BfdThread {
    fn new(
        vrrp: watch::Sender<SessionStates>,
        checkers: watch::Sender<SessionStates>,
    ) -> io::Result<Self> {
        Ok(Self {
            vrrp,
            checkers,
            timer: DeadlineTimer::new()?,
            random: Random::new(super::random_seed()),
            sessions: Sessions::default(),
            links: Vec::new(),
            names: HashSet::new(),
            schedule: Schedule::default(),
            receivers: HashMap::new(),
            open_at: None,
            judge_at: None,
            discards: BTreeMap::new(),
            told: HashSet::new(),
            actions: Vec::new(),
            due: Vec::new(),
        })
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let deadlines = [self.schedule.next(), self.open_at, self.judge_at];
            self.wait_until(deadlines.into_iter().flatten().min());
            tokio::select! {
                // The deadline comes first: no flood of packets may hold up our own.
                biased;
                _ = self.timer.reached() => {}
                command = commands.recv() => {
                    if self.obey(command).is_break() {
                        return;
                    }
                }
                () = any_readable(&self.receivers) => {}
            }
            self.open_missing();
            self.receive(AT_ONCE, BfdReceiver::receive_if_ready);
            self.fire_due();
            self.judge_late_ones();
        }
    }

    fn wait_until(&mut self, deadline: Option<Instant>) {
        // One that goes off early does no harm, so it is not moved to a later time.
        if deadline.is_some_and(|at| self.timer.is_set_by(at)) {
            return;
        }
        if let Err(error) = self.timer.set(deadline) {
            tracing::error!("BFD: cannot set the timer: {error}");
        }
    }

    fn obey(&mut self, command: Option<Command>) -> ControlFlow<()> {
        match command {
            Some(Command::Reload(plan, reply)) => {
                self.adopt(&plan.bfd_instances);
                let _ = reply.send(());
            }
            Some(Command::Status(reply)) => drop(reply.send(self.status())),
            // The work runtime is gone: as good as an order to stop.
            Some(Command::Stop) | None => {
                let now = clock::now();
                (0..self.links.len()).for_each(|number| self.handle(number, now, Event::Shutdown));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Sessions of both plans go on, with their new settings; who else was there is told that we go.
    fn adopt(&mut self, wanted: &[BfdInstance]) {
        let now = clock::now();
        let sessions = std::mem::take(&mut self.sessions).into_all();
        let links = std::mem::take(&mut self.links);
        self.schedule.clear();
        let mut before: HashMap<Endpoint, (Session, Link)> = sessions
            .into_iter()
            .zip(links)
            .map(|((endpoint, session), link)| (endpoint, (session, link)))
            .collect();
        let mut kept = Vec::with_capacity(wanted.len());
        for plan in wanted {
            kept.push(before.remove(&plan.endpoint));
        }
        self.give_up(before, now);
        let mut all = Vec::with_capacity(wanted.len());
        let mut taken: HashSet<NonZeroU32> =
            kept.iter().flatten().map(|(session, _)| session.discriminator()).collect();
        let mut changed = Vec::new();
        for (plan, kept) in wanted.iter().zip(kept) {
            let (session, mut link) = kept.unwrap_or_else(|| {
                let number = self.new_discriminator(&mut taken);
                (Session::new(plan.settings.clone(), number), Link::new(plan, now))
            });
            if link.replan(plan) || *session.settings() != plan.settings {
                changed.push((all.len(), plan.settings.clone()));
            }
            all.push((plan.endpoint, session));
            self.links.push(link);
        }
        self.sessions = Sessions::new(all);
        self.publish_all(wanted);
        self.open_receivers();
        for (number, settings) in changed {
            self.reconfigure(number, now, settings);
        }
        (0..self.links.len()).for_each(|number| self.handle(number, now, Event::Startup));
        self.judge_at = self.links.iter().filter_map(Link::judge_at).min();
    }

    /// Whoever has not come up in the time that takes is down.
    fn judge_late_ones(&mut self) {
        let now = clock::now();
        if self.judge_at.is_none_or(|at| at > now) {
            return;
        }
        for number in 0..self.links.len() {
            if self.links[number].judge(now) {
                let plan = self.links[number].plan.clone();
                self.publish(&plan, self.links[number].up);
            }
        }
        self.judge_at = self.links.iter().filter_map(Link::judge_at).min();
    }

    fn give_up(&mut self, gone: HashMap<Endpoint, (Session, Link)>, now: Instant) {
        for (mut session, mut link) in gone.into_values() {
            session.handle(now, 0, Event::Disabled, &mut self.actions);
            for action in self.actions.drain(..) {
                if let Action::Send(packet) = action {
                    link.send(&packet, &mut self.random);
                }
            }
            tracing::info!(
                "({}) BFD session with {} ended",
                link.plan.name,
                link.plan.endpoint.neighbor
            );
        }
    }

    fn new_discriminator(&mut self, taken: &mut HashSet<NonZeroU32>) -> NonZeroU32 {
        loop {
            // The upper half of the number.
            let number = NonZeroU32::new((self.random.number() >> 32) as u32);
            if let Some(number) = number.filter(|number| taken.insert(*number)) {
                return number;
            }
        }
    }

    fn reconfigure(&mut self, number: usize, now: Instant, settings: crate::bfd::SessionSettings) {
        let random = self.random.number() as u32;
        let Some(session) = self.sessions.get_mut(number) else { return };
        session.reconfigure(now, random, settings, &mut self.actions);
        self.carry_out(number);
    }

    fn handle(&mut self, number: usize, now: Instant, event: Event) {
        let random = self.random.number() as u32;
        let Some(session) = self.sessions.get_mut(number) else { return };
        session.handle(now, random, event, &mut self.actions);
        self.carry_out(number);
    }

    fn carry_out(&mut self, number: usize) {
        let deadline = self.sessions.get_mut(number).and_then(|session| session.next_deadline());
        self.schedule.set(number, deadline);
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Send(packet) => self.links[number].send(&packet, &mut self.random),
                Action::Transition(transition) => self.entered(number, &transition),
            }
        }
        self.actions = actions;
    }

    fn entered(&mut self, number: usize, transition: &Transition) {
        let link = &mut self.links[number];
        if link.entered(transition) {
            let (plan, up) = (link.plan.clone(), link.up);
            self.publish(&plan, up);
        }
    }

    fn publish(&self, plan: &BfdInstance, up: Option<bool>) {
        let enter = |states: &mut SessionStates| {
            states.insert(plan.name.clone(), up);
        };
        if plan.for_vrrp {
            self.vrrp.send_modify(enter);
        }
        if plan.for_checkers {
            self.checkers.send_modify(enter);
        }
    }

    /// Before anybody else knows of the plan. Names that it no longer has stay for those who do not
    /// know it yet, and go with the next one.
    fn publish_all(&mut self, wanted: &[BfdInstance]) {
        let names = wanted.iter().map(|plan| plan.name.clone()).collect();
        let before = std::mem::replace(&mut self.names, names);
        let all: SessionStates = wanted
            .iter()
            .zip(&self.links)
            .map(|(plan, link)| (plan.name.clone(), link.up))
            .collect();
        let of = |concerned: fn(&BfdInstance) -> bool| {
            let concerned: HashSet<&str> =
                wanted.iter().filter(|plan| concerned(plan)).map(|plan| &*plan.name).collect();
            all.iter().filter(move |(name, _)| concerned.contains(&***name))
        };
        let replace = |states: &mut SessionStates, new: SessionStates| {
            let old = std::mem::replace(states, new);
            for (name, up) in old.into_iter().filter(|(name, _)| before.contains(name)) {
                states.entry(name).or_insert(up);
            }
        };
        let vrrp = of(|plan| plan.for_vrrp).map(|(name, up)| (name.clone(), *up)).collect();
        let checkers = of(|plan| plan.for_checkers).map(|(name, up)| (name.clone(), *up)).collect();
        self.vrrp.send_modify(|states| replace(states, vrrp));
        self.checkers.send_modify(|states| replace(states, checkers));
    }

    /// Opens the ports that sessions need, and closes those that none does.
    fn open_receivers(&mut self) {
        let way = |link: &Link| {
            let endpoint = &link.plan.endpoint;
            (endpoint.neighbor.is_ipv6(), endpoint.multihop)
        };
        let wanted: HashSet<_> = self.links.iter().map(way).collect();
        self.receivers.retain(|way, _| wanted.contains(way));
        self.open_at = None;
        for (ipv6, multihop) in WAYS.into_iter().filter(|way| wanted.contains(way)) {
            if self.receivers.contains_key(&(ipv6, multihop)) {
                continue;
            }
            let port = port(multihop);
            match BfdReceiver::open(ipv6, port) {
                Ok(receiver) => drop(self.receivers.insert((ipv6, multihop), receiver)),
                Err(error) => {
                    let family = if ipv6 { "IPv6" } else { "IPv4" };
                    tracing::error!(
                        "BFD: cannot listen on UDP port {port} ({family}): {error}; its sessions \
                         stay down, trying again every {OPEN_AGAIN:?}"
                    );
                    self.open_at = Some(clock::now() + OPEN_AGAIN);
                }
            }
        }
    }

    fn open_missing(&mut self) {
        if self.open_at.is_some_and(|at| at <= clock::now()) {
            self.open_receivers();
        }
    }

    /// Takes packets, up to `most` from each socket.
    fn receive(&mut self, most: usize, take: Take) {
        let receivers = std::mem::take(&mut self.receivers);
        for ((_, multihop), receiver) in &receivers {
            let mut buf = [0; LONGEST_PACKET];
            for _ in 0..most {
                match take(receiver, &mut buf) {
                    Ok(Some(got)) => {
                        let arrival = Arrival {
                            source: got.source,
                            destination: got.destination,
                            ttl: got.ttl,
                            multihop: *multihop,
                        };
                        self.hear(&buf[..got.length], &arrival);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!("BFD: cannot receive: {error}");
                        break;
                    }
                }
            }
        }
        self.receivers = receivers;
    }

    fn hear(&mut self, octets: &[u8], arrival: &Arrival) {
        let found = ControlPacket::parse(octets)
            .and_then(|packet| Ok((self.sessions.select(&packet, arrival)?, packet)));
        match found {
            Ok((number, packet)) => {
                self.links[number].counters.received += 1;
                self.handle(number, clock::now(), Event::Heard(packet));
            }
            Err(reason) => self.discard(reason, arrival),
        }
    }

    /// Counted, and told once for each sender.
    fn discard(&mut self, reason: Discard, arrival: &Arrival) {
        *self.discards.entry(reason).or_default() += 1;
        let Arrival { source, destination, ttl, .. } = arrival;
        if self.told.len() < MOST_TOLD && self.told.insert((*source, reason)) {
            let advice = match reason {
                Discard::Ttl => format!(" ({ttl}: see max_hops)"),
                _ => String::new(),
            };
            tracing::warn!(
                "BFD: packets from {source} to {destination} are ignored: {reason}{advice}"
            );
        }
    }

    /// Calls the sessions whose time has come. Before silence is believed, what waits in the
    /// sockets is heard: it may be we who did not listen.
    fn fire_due(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.schedule.due(clock::now(), usize::MAX, &mut due);
        if !due.is_empty() {
            self.receive(BEFORE_BELIEVING, BfdReceiver::receive);
        }
        let now = clock::now();
        for (_, number) in due.drain(..) {
            // What was heard just now may have moved the deadline.
            let deadline = self.sessions.get_mut(number).and_then(|each| each.next_deadline());
            if let Some(at) = deadline.filter(|at| *at <= now) {
                self.links[number].note_lateness(now - at);
                self.handle(number, now, Event::DeadlineReached);
            }
        }
        self.due = due;
    }

    fn status(&self) -> BfdStatus {
        let now = clock::now();
        let sessions = self.sessions.iter().zip(&self.links);
        BfdStatus {
            sessions: sessions.map(|(session, link)| link.status(session, now)).collect(),
            discards: self.discards.clone(),
        }
    }
}

fn port(multihop: bool) -> u16 {
    if multihop { MULTIHOP_PORT } else { SINGLE_HOP_PORT }
}

async fn any_readable(receivers: &HashMap<(bool, bool), BfdReceiver>) {
    poll_fn(|context| {
        // All are asked, so that each wakes us.
        let ready = receivers.values().filter(|each| each.poll_readable(context).is_ready());
        if ready.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
