//! A LAN, its clock, and the routers on it. Stands in for the driver and the kernel.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use mainstay::vrrp::{
    Action, Admission, AdverInterval, Authentication, Counters, Event, FaultCause, GarpSettings,
    PublicState, RouterSettings, Transition, Transport, Version, VirtualRouter, Vrid,
};
use mainstay::wire::ip::{HeaderV4, IdCounter, TTL, parse_ipv4};
use mainstay::wire::{ChecksumScope, Outgoing, vrrp::parse};

use super::random::Random;

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

pub struct Node {
    router: VirtualRouter,
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
    Weather { loss_percent: u64, duplicate_percent: u64, longest_delay: Duration },
    Split { before: usize },
    Crash(usize),
    Restart(usize),
    Stop(usize),
    LinkDown(usize),
    LinkUp(usize),
    Sleep(usize, Duration),
}

impl Trouble {
    pub fn random(random: &mut Random, nodes: usize) -> Self {
        let node = random.below(nodes);
        match random.below(10) {
            0 | 1 => Self::Weather {
                loss_percent: random.between(0, 60),
                duplicate_percent: random.between(0, 30),
                longest_delay: Duration::from_millis(random.between(0, 1500)),
            },
            2 | 3 => Self::Split { before: random.below(nodes) },
            4 => Self::Crash(node),
            5 => Self::Restart(node),
            6 => Self::Stop(node),
            7 => Self::LinkDown(node),
            8 => Self::LinkUp(node),
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
        self.nodes.push(Node::new(settings, Ipv4Addr::new(192, 0, 2, index as u8 + 1)));
        self.tell(index, Event::Startup);
        index
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
            Trouble::Crash(node) => self.crash(node),
            Trouble::Restart(node) => self.restart(node),
            Trouble::Stop(node) => self.tell_awake(node, Event::Shutdown),
            Trouble::LinkDown(node) => self.link(node, false),
            Trouble::LinkUp(node) => self.link(node, true),
            Trouble::Sleep(node, duration) => self.sleep(node, duration),
        }
    }

    /// Everything works again, and everybody runs. Packets under way still arrive late.
    pub fn heal(&mut self) {
        self.weather = CALM;
        for node in 0..self.nodes.len() {
            self.wake(node);
            self.link(node, true);
            if self.nodes[node].crashed || self.nodes[node].state() == PublicState::Stop {
                self.restart(node);
            }
        }
    }

    pub fn stop_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.wake(node);
            self.tell_awake(node, Event::Shutdown);
        }
    }

    pub fn crash(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        (node.crashed, node.holds, node.asleep_until) = (true, false, None);
        node.socket.clear();
    }

    pub fn sleep(&mut self, node: usize, duration: Duration) {
        self.nodes[node].asleep_until = Some(self.now + duration);
    }

    /// A packet from nowhere reaches every router.
    pub fn inject(&mut self, octets: Vec<u8>) {
        for to in 0..self.nodes.len() {
            self.launch(to, Duration::ZERO, octets.clone());
        }
    }

    fn restart(&mut self, index: usize) {
        self.crash(index);
        let node = &self.nodes[index];
        let (settings, source, link_up) =
            (node.router.settings().clone(), node.source, node.link_up);
        self.nodes[index] = Node { link_up, ..Node::new(settings, source) };
        if !link_up {
            self.tell(index, Event::Fault(FaultCause::LinkDown));
        }
        self.tell(index, Event::Startup);
    }

    fn link(&mut self, node: usize, up: bool) {
        if self.nodes[node].link_up == up {
            return;
        }
        let cause = FaultCause::LinkDown;
        // Resigning goes nowhere: the link is down by then.
        self.nodes[node].link_up = up;
        self.tell_awake(node, if up { Event::Recovered(cause) } else { Event::Fault(cause) });
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

    fn wake(&mut self, node: usize) {
        self.nodes[node].asleep_until = None;
        while let Some(octets) = self.nodes[node].socket.pop_front() {
            self.receive(node, &octets);
        }
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
        let side = |node| node < split_before;
        for to in 0..self.nodes.len() {
            if to == from || side(to) != side(from) {
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
    fn new(settings: RouterSettings, source: Ipv4Addr) -> Self {
        let admission = Admission {
            version: settings.version,
            adver_interval: settings.adver_interval,
            authentication: PASSWORD,
            transport: Transport::Multicast(GROUP.into()),
            addresses: vec![VIP],
            skip_check_adv_addr: false,
            message_checksum: false,
        };
        Self {
            router: VirtualRouter::new(settings, Some(source.into())),
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

/// One way of spoiling a packet that would else put every router to silence.
#[derive(Debug, Clone, Copy)]
pub enum Spoiler {
    Ttl,
    Password,
    Checksum,
    Truncated,
    Version,
    Interval,
}

pub const SPOILERS: [Spoiler; 6] = [
    Spoiler::Ttl,
    Spoiler::Password,
    Spoiler::Checksum,
    Spoiler::Truncated,
    Spoiler::Version,
    Spoiler::Interval,
];

impl Spoiler {
    /// The advert of a stranger of priority 255, spoilt.
    pub fn octets(self, lan: &Lan) -> Vec<u8> {
        let mut stranger =
            Node::new(lan.nodes[0].router.settings().clone(), Ipv4Addr::new(192, 0, 2, 200));
        match self {
            Self::Password => {
                stranger.admission.authentication = Authentication::SimpleText(*b"Secret\0\0");
            }
            Self::Interval => {
                let two_seconds = AdverInterval::from_centiseconds(200).unwrap();
                let settings =
                    RouterSettings { adver_interval: two_seconds, ..settings(255, true) };
                stranger.router = VirtualRouter::new(settings, Some(stranger.source.into()));
            }
            Self::Ttl | Self::Checksum | Self::Truncated | Self::Version => {}
        }
        let mut octets = stranger.advert(255);
        match self {
            Self::Ttl => octets[8] = 254,
            Self::Checksum => octets[26] ^= 0xff,
            Self::Truncated => octets.truncate(35),
            Self::Version => octets[20] = 0x41,
            Self::Password | Self::Interval => {}
        }
        octets
    }
}
