//! The stage: LANs, hosts and their routers, and the one true clock.

mod process;
mod traffic;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::{Duration, Instant};

use self::traffic::Flight;
use super::Property;
use super::history::{History, What};
use super::host::{Host, HostSpec, Input, Process};
use super::router::Router;
use super::trouble::Trouble;
use super::watch::{self, Before};
use super::weather::{Partition, Weather};
use crate::random::Random;
use crate::vrrp::{Action, Event, Reading, RouterSettings, Tracked};

/// LANs with their hosts. Nothing happens but in [`run_for`](Self::run_for).
#[derive(Debug)]
pub struct Lan {
    origin: Instant,
    /// True time since the start.
    now: Duration,
    random: Random,
    hosts: Vec<Host>,
    routers: Vec<Router>,
    flying: BinaryHeap<Reverse<Flight>>,
    /// Packets that ever were under way.
    flown: u64,
    weather: Weather,
    partition: Partition,
    history: History,
    violation: Option<Violation>,
}

/// A property that did not hold, and what was seen. Nothing happens any more after it.
#[derive(Debug, Clone)]
pub struct Violation {
    pub property: Property,
    pub at: Duration,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:.6} s: {}", self.property, self.at.as_secs_f64(), self.what)
    }
}

impl Lan {
    /// Empty and calm. `origin` is what the clocks of all hosts begin with.
    pub fn new(origin: Instant, seed: u64) -> Self {
        Self {
            origin,
            now: Duration::ZERO,
            random: Random::new(seed),
            hosts: Vec::new(),
            routers: Vec::new(),
            flying: BinaryHeap::new(),
            flown: 0,
            weather: Weather::CALM,
            partition: Partition::default(),
            history: History::default(),
            violation: None,
        }
    }

    /// Adds a host and starts its process; tells its number.
    pub fn add_host(&mut self, spec: HostSpec) -> usize {
        let (host, first) = (self.hosts.len(), self.routers.len());
        let segments = spec.routers.iter().map(|router| router.segment + 1).max().unwrap_or(0);
        let numbers = (first..first + spec.routers.len()).collect();
        self.hosts.push(Host::new(&spec, segments, numbers));
        self.routers.extend(spec.routers.into_iter().map(|router| Router::new(router, host)));
        self.start(host);
        host
    }

    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub fn routers(&self) -> &[Router] {
        &self.routers
    }

    pub fn active(&self) -> impl Iterator<Item = &Router> {
        self.routers.iter().filter(|router| router.is_active())
    }

    pub fn adverts_sent(&self) -> u64 {
        self.routers.iter().map(|router| router.counters.advert_sent).sum()
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    /// True time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The first property that did not hold.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(super) fn fail(&mut self, property: Property, what: String) {
        let at = self.now;
        self.violation.get_or_insert(Violation { property, at, what });
    }

    pub(super) fn chapter(&mut self, name: &'static str) {
        self.history.add(self.now, What::Chapter(name));
    }

    /// Lets time pass: packets arrive, timers run out, sleepers wake up.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.next_at().filter(|at| *at <= end && self.violation.is_none()) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// One thing goes wrong, or right.
    pub fn make(&mut self, trouble: Trouble) {
        self.history.add(self.now, What::Trouble(trouble.clone()));
        match trouble {
            Trouble::Weather(weather) => self.weather = weather,
            Trouble::Split { before } => {
                self.partition = Partition::split(before, self.hosts.len());
            }
            Trouble::OneWay { from, to } => self.partition.cut(from, to),
            Trouble::Rejoin => self.partition = Partition::default(),
            Trouble::Crash(host) => self.crash(host),
            Trouble::Restart(host) => self.restart(host),
            Trouble::Stop(host) => self.input(host, Input::Stop),
            Trouble::Link { host, segment, up } => self.set_link(host, segment, up),
            Trouble::Reading { host, what, reading } => {
                self.input(host, Input::Reading(what, reading));
            }
            Trouble::Pause { host, duration } => self.sleep(host, duration, false),
            Trouble::Suspend { host, duration } => self.sleep(host, duration, true),
            Trouble::ClockStep { host, seconds } => {
                let now = self.hosts[host].clock.wall_step_s;
                self.set_wall_clock(host, now + seconds);
            }
            Trouble::RemoveAddresses(router) => self.remove_addresses(router),
            Trouble::Source { router, there } => self.set_source(router, there),
            Trouble::Reconfigure { router, priority } => self.reconfigure(router, priority),
            Trouble::Spoilt { router, spoiler } => self.inject(router, spoiler),
            Trouble::Replay { router, back } => self.replay(router, back),
        }
    }

    /// An advert that another clock refuses as too old may be new to this one: what was believed
    /// before is no measure any more.
    fn set_wall_clock(&mut self, host: usize, step_s: i64) {
        if self.hosts[host].clock.wall_step_s != step_s {
            self.hosts[host].clock.wall_step_s = step_s;
            let routers = self.routers.iter_mut().filter(|router| router.host == host);
            routers.for_each(|router| router.believed.clear());
        }
    }

    /// What a tracked thing of a host says from now on.
    pub fn set_reading(&mut self, host: usize, what: Tracked, reading: Reading) {
        self.input(host, Input::Reading(what, reading));
    }

    /// Everything works again, everybody runs, and all clocks are right. Packets under way still
    /// arrive late.
    pub fn heal(&mut self) {
        self.chapter("all is well again");
        (self.weather, self.partition) = (Weather::CALM, Partition::default());
        for host in 0..self.hosts.len() {
            self.set_wall_clock(host, 0);
            // It may have been told to stop while it slept.
            self.wake(host);
            if self.hosts[host].process == Process::Gone {
                self.restart(host);
            }
            for what in self.hosts[host].readings.clone().into_keys() {
                self.input(host, Input::Reading(what, Reading::Good));
            }
            for segment in 0..self.hosts[host].links.len() {
                self.set_link(host, segment, true);
            }
        }
        (0..self.routers.len()).for_each(|router| self.set_source(router, true));
    }

    /// Every process that runs is told to stop, and does.
    pub fn stop_all(&mut self) {
        for host in 0..self.hosts.len() {
            self.wake(host);
            self.input(host, Input::Stop);
        }
    }

    /// The clock of one host.
    fn local(&self, host: usize) -> Instant {
        self.origin + self.hosts[host].clock.at(self.now)
    }

    /// The next packet, deadline or awakening, in true time.
    fn next_at(&self) -> Option<Duration> {
        let packet = self.flying.peek().map(|Reverse(flight)| flight.at);
        let hosts = (0..self.hosts.len()).filter_map(|host| self.next_of(host));
        hosts.chain(packet).min()
    }

    fn next_of(&self, number: usize) -> Option<Duration> {
        let host = &self.hosts[number];
        match host.process {
            Process::Gone => None,
            Process::Asleep { until, .. } => Some(until),
            Process::Running => {
                let links = host.links.iter().filter_map(|link| link.believed.next_deadline());
                let routers = host.routers.iter();
                let cores = routers.filter_map(|router| self.routers[*router].core.next_deadline());
                let local = links.chain(cores).min()?;
                Some(host.clock.truth_of(local.saturating_duration_since(self.origin)))
            }
        }
    }

    /// What is due at `now`: packets first, as the driver drains its sockets first.
    fn step(&mut self) {
        while self.flying.peek().is_some_and(|Reverse(flight)| flight.at <= self.now) {
            if let Some(Reverse(flight)) = self.flying.pop() {
                self.arrive(flight.to, flight.packet);
            }
        }
        for host in 0..self.hosts.len() {
            match self.hosts[host].process {
                Process::Asleep { until, .. } if until <= self.now => self.wake(host),
                Process::Running => self.fire(host),
                Process::Asleep { .. } | Process::Gone => {}
            }
        }
    }

    /// Gives one core an event, does what it wants done, and has the whole judged.
    fn tell(&mut self, number: usize, event: Event) {
        if self.violation.is_some() {
            return;
        }
        let now = self.local(self.routers[number].host);
        let before = Before::of(&self.routers[number], now);
        let mut actions = Vec::new();
        self.routers[number].core.handle(now, event.clone(), &mut actions);
        for action in &actions {
            self.carry_out(number, *action);
        }
        let router = &mut self.routers[number];
        if let Err((property, what)) = watch::judge(router, now, &event, &before, &actions) {
            let name = router.name();
            self.fail(property, format!("{name}: {what}"));
        }
    }

    fn carry_out(&mut self, number: usize, action: Action) {
        let router = &mut self.routers[number];
        let mut twice = false;
        match action {
            Action::SendAdvertisement { priority } => self.send(number, priority),
            Action::HoldAddresses => {
                router.present = true;
                twice = std::mem::replace(&mut router.holds, true);
            }
            Action::ReleaseAddresses => {
                router.present = false;
                twice = !std::mem::take(&mut router.holds);
            }
            Action::RestoreAddresses => {
                router.present = true;
                twice = !router.holds;
            }
            Action::Announce { .. } | Action::AnnounceElsewhere => twice = !router.holds,
            Action::Transition(transition) => {
                let name = router.name();
                self.history.add(self.now, What::Transition(name, transition));
            }
            Action::Note(_) => {}
        }
        if twice {
            let what = format!("{}: {action:?} at the wrong time", self.routers[number].name());
            self.fail(Property::Released, what);
        }
    }

    fn reconfigure(&mut self, number: usize, priority: u8) {
        let settings = self.routers[number].settings().clone();
        // An owner stays one: it may be told to ignore all adverts, which no other may be.
        if settings.priority < 255 && settings.priority != priority {
            let host = self.routers[number].host;
            let settings = RouterSettings { priority, ..settings };
            self.input(host, Input::Reconfigure(number, settings));
        }
    }

    fn remove_addresses(&mut self, number: usize) {
        let router = &mut self.routers[number];
        if std::mem::take(&mut router.present) && router.holds {
            router.watch.removals += 1;
            let host = router.host;
            self.input(host, Input::AddressesRemoved(number));
        }
    }

    fn set_source(&mut self, number: usize, there: bool) {
        self.routers[number].source_there = there;
        self.input(self.routers[number].host, Input::Source(number));
    }

    fn set_link(&mut self, host: usize, segment: usize, up: bool) {
        if let Some(link) = self.hosts[host].links.get_mut(segment) {
            link.up = up;
            self.input(host, Input::Link(segment));
        }
    }

    /// Of each virtual router, exactly one Active among those that hear each other and can run.
    pub fn check_one_active(&mut self) {
        for number in 0..self.routers.len() {
            let one = &self.routers[number];
            let same = |other: &&Router| {
                other.spec.segment == one.spec.segment
                    && other.settings().vrid == one.settings().vrid
                    && self.partition.hears(other.host, one.host)
            };
            let together: Vec<&Router> = self.routers.iter().filter(same).collect();
            let active = together.iter().filter(|router| router.is_active()).count();
            if one.is_running() && active != 1 {
                let states = together.iter().map(|each| {
                    format!("{}: {} at {}", each.name(), each.state(), each.priority())
                });
                let states = states.collect::<Vec<_>>().join("; ");
                return self.fail(Property::OneActive, format!("{active} are Active: {states}"));
            }
        }
    }

    /// Whoever does not run has no addresses.
    pub(super) fn check_released(&mut self) {
        let left = self.routers.iter().find(|router| router.present && !router.is_active());
        if let Some(router) = left {
            let what = format!("{} left its addresses behind", router.name());
            self.fail(Property::Released, what);
        }
    }
}
