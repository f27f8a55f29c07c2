//! LANs, their clock, and the routers on them. Stands in for the driver and the kernel.

mod spoiler;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use mainstay::vrrp::{
    Action, Admission, AdverInterval, Authentication, Counters, Event, FaultCause, GarpSettings,
    GroupMove, PublicState, RouterSettings, SyncGroup, Transition, Transport, Version,
    VirtualRouter, Vrid,
};
use mainstay::wire::ip::{HeaderV4, IdCounter, TTL, parse_ipv4};
use mainstay::wire::{ChecksumScope, Outgoing, vrrp::parse};

use super::random::Random;
pub use spoiler::SPOILERS;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50));
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const PASSWORD: Authentication = Authentication::SimpleText(*b"secret\0\0");
/// Packets that a sleeping router's socket holds; what comes after is lost.
const SOCKET_PACKETS: usize = 64;

#[expect(clippy::disallowed_methods, reason = "an origin; nothing looks at the time that passes")]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

pub struct Lan {
    now: Instant,
    random: Random,
    nodes: Vec<Node>,
    flying: BinaryHeap<Reverse<Packet>>,
    /// Packets that ever were under way.
    flown: u64,
    weather: Weather,
    history: Vec<(Instant, usize, Transition)>,
}

/// A packet under way; ordered by arrival, then by `number`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    at: Instant,
    number: u64,
    to: usize,
    octets: Vec<u8>,
}

/// How badly the LAN carries packets.
struct Weather {
    loss_percent: u64,
    duplicate_percent: u64,
    longest_delay: Duration,
    /// Nodes below this index do not hear those at or above it, nor the other way round.
    split_before: usize,
}

const CALM: Weather = Weather {
    loss_percent: 0,
    duplicate_percent: 0,
    longest_delay: Duration::from_micros(200),
    split_before: 0,
};

/// One virtual router of a host on one segment.
pub struct Node {
    router: VirtualRouter,
    /// Which process it is in: those of one host fail, sleep and stop together.
    host: usize,
    /// Which LAN it is on: it hears nobody on another.
    segment: usize,
    admission: Admission,
    source: Ipv4Addr,
    ids: IdCounter,
    counters: Counters,
    holds: bool,
    /// The process is gone, and with it (the supervisor sees to that) the addresses.
    crashed: bool,
    link_up: bool,
    asleep_until: Option<Instant>,
    socket: VecDeque<Vec<u8>>,
}

/// One thing that goes wrong, or right again.
pub enum Trouble {
    Weather {
        loss_percent: u64,
        duplicate_percent: u64,
        longest_delay: Duration,
    },
    Split {
        before: usize,
    },
    Crash(usize),
    Restart(usize),
    Stop(usize),
    /// Host and segment.
    LinkDown(usize, usize),
    LinkUp(usize, usize),
    /// What a host's trackers make of its priority.
    Adjust(usize, i32),
    Sleep(usize, Duration),
}

impl Trouble {
    pub fn random(random: &mut Random, hosts: usize, segments: usize) -> Self {
        let node = random.below(hosts);
        match random.below(12) {
            0 | 1 => Self::Weather {
                loss_percent: random.between(0, 60),
                duplicate_percent: random.between(0, 30),
                longest_delay: Duration::from_millis(random.between(0, 1500)),
            },
            2 | 3 => Self::Split { before: random.below(hosts) },
            4 => Self::Crash(node),
            5 => Self::Restart(node),
            6 => Self::Stop(node),
            7 => Self::LinkDown(node, random.below(segments)),
            8 => Self::LinkUp(node, random.below(segments)),
            9 | 10 => Self::Adjust(node, [0, -60, -20, 30, 200][random.below(5)]),
            _ => Self::Sleep(node, Duration::from_millis(random.between(1, 8000))),
        }
    }
}

/// VRRPv2, one second, keepalived's defaults.
pub fn settings(priority: u8, preempt: bool) -> RouterSettings {
    RouterSettings {
        vrid: Vrid::new(77).unwrap(),
        version: Version::V2,
        priority,
        adver_interval: AdverInterval::ONE_SECOND,
        preempt,
        preempt_delay: Duration::ZERO,
        starts_active: true,
        down_timer_adverts: 3,
        higher_prio_send_advert: false,
        lower_prio_no_advert: false,
        late_behind: None,
        in_sync_group: false,
        garp: GarpSettings::default(),
    }
}

impl Lan {
    pub fn new(seed: u64) -> Self {
        Self {
            now: *ORIGIN,
            random: Random::new(seed),
            nodes: Vec::new(),
            flying: BinaryHeap::new(),
            flown: 0,
            weather: CALM,
            history: Vec::new(),
        }
    }

    pub fn add(&mut self, priority: u8, preempt: bool) -> usize {
        self.add_with(settings(priority, preempt))
    }

    /// Adds a router and starts it; tells its index.
    pub fn add_with(&mut self, settings: RouterSettings) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node::new(settings, index, 0));
        self.tell(index, Event::Startup);
        index
    }

    /// Adds a host with one router on each of two segments, in one sync group.
    pub fn add_group(&mut self, settings: RouterSettings) {
        let host = self.hosts();
        let settings = RouterSettings { in_sync_group: true, starts_active: false, ..settings };
        for segment in 0..2 {
            self.nodes.push(Node::new(settings.clone(), host, segment));
        }
        self.each_of(host, |lan, node| lan.tell(node, Event::Startup));
    }

    pub fn hosts(&self) -> usize {
        self.nodes.iter().map(|node| node.host + 1).max().unwrap_or(0)
    }

    pub fn segments(&self) -> usize {
        self.nodes.iter().map(|node| node.segment + 1).max().unwrap_or(0)
    }

    fn each_of(&mut self, host: usize, mut act: impl FnMut(&mut Self, usize)) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].host == host {
                act(self, node);
            }
        }
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn active(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.holds())
    }

    pub fn transitions(&self) -> usize {
        self.history.len()
    }

    pub fn adverts_sent(&self) -> u64 {
        self.nodes.iter().map(|node| node.counters.advert_sent).sum()
    }

    /// Packets that a router threw away, whatever the reason.
    pub fn discarded(&self, node: usize) -> u64 {
        let reasons = self.nodes[node].counters.iter().filter(|(name, _)| {
            name.ends_with("_err") || name.contains("auth") || name.starts_with("invalid")
        });
        reasons.map(|(_, count)| count).sum()
    }

    /// Every transition so far, for a failure message.
    pub fn history(&self) -> String {
        let mut text = String::new();
        for (at, node, Transition { from, to, cause }) in &self.history {
            let seconds = at.duration_since(*ORIGIN).as_secs_f64();
            writeln!(text, "{seconds:10.6} node {node}: {from} -> {to}: {cause}").unwrap();
        }
        text
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    pub fn make(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Weather { loss_percent, duplicate_percent, longest_delay } => {
                let split_before = self.weather.split_before;
                self.weather =
                    Weather { loss_percent, duplicate_percent, longest_delay, split_before };
            }
            Trouble::Split { before } => self.weather.split_before = before,
            Trouble::Crash(host) => self.crash(host),
            Trouble::Restart(host) => self.restart(host),
            Trouble::Stop(host) => {
                self.each_of(host, |lan, node| lan.tell_awake(node, Event::Shutdown));
            }
            Trouble::LinkDown(host, segment) => self.link(host, segment, false),
            Trouble::LinkUp(host, segment) => self.link(host, segment, true),
            Trouble::Adjust(host, by) => {
                self.each_of(host, |lan, node| lan.tell_awake(node, Event::PriorityAdjusted(by)));
            }
            Trouble::Sleep(host, duration) => self.sleep(host, duration),
        }
    }

    /// Everything works again, and everybody runs. Packets under way still arrive late.
    pub fn heal(&mut self) {
        self.weather = CALM;
        for host in 0..self.hosts() {
            self.each_of(host, Self::wake);
            (0..self.segments()).for_each(|segment| self.link(host, segment, true));
            let gone = |node: &&Node| node.crashed || node.state() == PublicState::Stop;
            if self.nodes.iter().filter(|node| node.host == host).any(|node| gone(&node)) {
                self.restart(host);
            }
        }
    }

    pub fn stop_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.wake(node);
            self.tell_awake(node, Event::Shutdown);
        }
    }

    pub fn crash(&mut self, host: usize) {
        self.each_of(host, |lan, node| {
            let node = &mut lan.nodes[node];
            (node.crashed, node.holds, node.asleep_until) = (true, false, None);
            node.socket.clear();
        });
    }

    pub fn sleep(&mut self, host: usize, duration: Duration) {
        let until = self.now + duration;
        self.each_of(host, |lan, node| lan.nodes[node].asleep_until = Some(until));
    }

    /// A packet from nowhere reaches every router.
    pub fn inject(&mut self, octets: Vec<u8>) {
        for to in 0..self.nodes.len() {
            self.launch(to, Duration::ZERO, octets.clone());
        }
    }

    fn restart(&mut self, host: usize) {
        self.crash(host);
        self.each_of(host, |lan, index| {
            let node = &lan.nodes[index];
            let (settings, link_up) = (node.router.settings().clone(), node.link_up);
            lan.nodes[index] = Node { link_up, ..Node::new(settings, node.host, node.segment) };
        });
        self.each_of(host, |lan, index| {
            if !lan.nodes[index].link_up {
                lan.tell(index, Event::Fault(FaultCause::LinkDown));
            }
        });
        self.each_of(host, |lan, index| lan.tell(index, Event::Startup));
    }

    fn link(&mut self, host: usize, segment: usize, up: bool) {
        let cause = FaultCause::LinkDown;
        self.each_of(host, |lan, node| {
            if lan.nodes[node].segment == segment && lan.nodes[node].link_up != up {
                // Resigning goes nowhere: the link is down by then.
                lan.nodes[node].link_up = up;
                lan.tell_awake(
                    node,
                    if up { Event::Recovered(cause) } else { Event::Fault(cause) },
                );
            }
        });
    }

    /// The next packet, deadline or awakening.
    fn next_at(&self) -> Option<Instant> {
        let packet = self.flying.peek().map(|Reverse(packet)| packet.at);
        self.nodes.iter().filter_map(Node::next_at).chain(packet).min()
    }

    /// What is due at `now`: packets first, as the driver drains its socket first.
    fn step(&mut self) {
        while self.flying.peek().is_some_and(|Reverse(packet)| packet.at <= self.now) {
            if let Some(Reverse(packet)) = self.flying.pop() {
                self.deliver(packet.to, packet.octets);
            }
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].next_at().is_some_and(|at| at <= self.now) {
                self.wake(node);
                self.tell(node, Event::DeadlineReached);
            }
        }
    }

    fn deliver(&mut self, to: usize, octets: Vec<u8>) {
        let node = &mut self.nodes[to];
        if node.crashed || !node.link_up {
            return;
        }
        if node.asleep_until.is_none() {
            self.receive(to, &octets);
        } else if node.socket.len() < SOCKET_PACKETS {
            node.socket.push_back(octets);
        }
    }

    /// The whole process wakes up, and reads what its sockets hold before anything else.
    fn wake(&mut self, node: usize) {
        let host = self.nodes[node].host;
        self.each_of(host, |lan, node| lan.nodes[node].asleep_until = None);
        self.each_of(host, |lan, node| {
            while let Some(octets) = lan.nodes[node].socket.pop_front() {
                lan.receive(node, &octets);
            }
        });
    }

    fn receive(&mut self, to: usize, octets: &[u8]) {
        let node = &mut self.nodes[to];
        let active = node.router.active_router();
        let admitted = parse_ipv4(octets)
            .and_then(|(ip, payload)| node.admission.admit(&parse(payload, &ip)?, &ip, active));
        match admitted {
            Ok(heard) => {
                node.counters.count_heard(&heard);
                self.tell(to, Event::Advertisement(heard));
            }
            Err(reason) => node.counters.count_discard(reason),
        }
    }

    /// An event that needs the process to run: it wakes up for it.
    fn tell_awake(&mut self, node: usize, event: Event) {
        if !self.nodes[node].crashed {
            self.wake(node);
            self.tell(node, event);
        }
    }

    fn tell(&mut self, node: usize, event: Event) {
        self.tell_one(node, event);
        if self.nodes[node].router.settings().in_sync_group {
            self.settle(self.nodes[node].host);
        }
    }

    /// Brings the members of a host's sync group into step, as the driver does.
    fn settle(&mut self, host: usize) {
        for _ in 0..5 {
            let members = self.nodes.iter().filter(|node| node.host == host);
            let standings: Vec<_> = members.map(|node| node.router.standing()).collect();
            let Some(next) = SyncGroup::next_move(&standings) else { return };
            let event = match next {
                GroupMove::Fault => Event::Fault(FaultCause::SyncGroup),
                GroupMove::Recover => Event::Recovered(FaultCause::SyncGroup),
                GroupMove::Yield => Event::GroupYields,
                GroupMove::BecomeActive => Event::GroupBecomesActive,
            };
            self.each_of(host, |lan, node| lan.tell_one(node, event.clone()));
        }
        panic!("the group of host {host} does not come to rest\n{}", self.history());
    }

    fn tell_one(&mut self, node: usize, event: Event) {
        let mut out = Vec::new();
        self.nodes[node].router.handle(self.now, event, &mut out);
        for action in out {
            self.carry_out(node, action);
        }
        let Node { holds, router, .. } = &self.nodes[node];
        assert_eq!(*holds, router.public_state() == PublicState::Master, "{}", self.history());
    }

    fn carry_out(&mut self, index: usize, action: Action) {
        let node = &mut self.nodes[index];
        match action {
            Action::SendAdvertisement { priority } => {
                node.counters.count_sent(priority);
                let octets = node.advert(priority);
                self.broadcast(index, &octets);
            }
            Action::HoldAddresses => assert!(!std::mem::replace(&mut node.holds, true)),
            Action::ReleaseAddresses => assert!(std::mem::take(&mut node.holds)),
            Action::RestoreAddresses => assert!(node.holds),
            Action::Announce { rounds } => assert!(node.holds && rounds > 0),
            Action::Transition(transition) => self.history.push((self.now, index, transition)),
            Action::Note(_) => {}
        }
    }

    fn broadcast(&mut self, from: usize, octets: &[u8]) {
        if !self.nodes[from].link_up {
            return;
        }
        let split_before = self.weather.split_before;
        let side = |node: &Node| node.host < split_before;
        for to in 0..self.nodes.len() {
            let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
            if to == from || receiver.segment != sender.segment || side(receiver) != side(sender) {
                continue;
            }
            let copies = 1 + u64::from(self.random.chance(self.weather.duplicate_percent));
            for _ in 0..copies {
                self.carry(to, octets.to_vec());
            }
        }
    }

    /// Loses or delays a packet, as the weather is.
    fn carry(&mut self, to: usize, octets: Vec<u8>) {
        if !self.random.chance(self.weather.loss_percent) {
            let longest = self.weather.longest_delay.as_micros() as u64;
            let delay = Duration::from_micros(self.random.between(0, longest));
            self.launch(to, delay, octets);
        }
    }

    fn launch(&mut self, to: usize, delay: Duration, octets: Vec<u8>) {
        self.flown += 1;
        let (at, number) = (self.now + delay, self.flown);
        self.flying.push(Reverse(Packet { at, number, to, octets }));
    }
}

impl Node {
    fn new(settings: RouterSettings, host: usize, segment: usize) -> Self {
        let source = Ipv4Addr::new(192, 0, 2, host as u8 + 1);
        let admission = Admission {
            version: settings.version,
            adver_interval: settings.adver_interval,
            authentication: PASSWORD,
            transport: Transport::Multicast(GROUP.into()),
            addresses: vec![VIP],
            skip_check_adv_addr: false,
            ignores_all: false,
            message_checksum: false,
        };
        Self {
            router: VirtualRouter::new(settings, Some(source.into())),
            host,
            segment,
            admission,
            source,
            ids: IdCounter::default(),
            counters: Counters::default(),
            holds: false,
            crashed: false,
            link_up: true,
            asleep_until: None,
            socket: VecDeque::new(),
        }
    }

    pub fn priority(&self) -> u8 {
        self.router.priority()
    }

    pub fn preempts(&self) -> bool {
        self.router.settings().preempt
    }

    pub fn host(&self) -> usize {
        self.host
    }

    pub fn segment(&self) -> usize {
        self.segment
    }

    pub fn adver_interval(&self) -> Duration {
        self.router.settings().adver_interval.as_duration()
    }

    pub fn holds(&self) -> bool {
        self.holds
    }

    pub fn state(&self) -> PublicState {
        self.router.public_state()
    }

    fn next_at(&self) -> Option<Instant> {
        if self.crashed {
            return None;
        }
        self.asleep_until.or_else(|| self.router.next_deadline())
    }

    fn advert(&mut self, priority: u8) -> Vec<u8> {
        let mut message = Vec::new();
        let settings = self.router.settings();
        let outgoing = Outgoing {
            version: settings.version,
            vrid: settings.vrid,
            priority,
            adver_interval: settings.adver_interval,
            authentication: self.admission.authentication,
            checksum: ChecksumScope::PseudoHeader,
            addresses: &self.admission.addresses,
            source: self.source.into(),
            destination: GROUP.into(),
        };
        outgoing.emit(&mut message);
        let id = self.ids.advance();
        let header = HeaderV4 { source: self.source, destination: GROUP, ttl: TTL, id };
        [&header.octets(message.len())[..], &message].concat()
    }
}
