//! The processes: they start, hear of the kernel's news, sleep, wake up, die.

use std::time::Duration;

use super::Lan;
use crate::sim::Property;
use crate::sim::host::{Input, Process};
use crate::vrrp::{
    Event, FaultCause, GroupMove, PublicState, Reading, Standing, Sum, SyncGroup, VirtualRouter,
};

/// Each move of a sync group makes its members more alike; see the driver's.
const MOST_MOVES: usize = 5;

impl Lan {
    /// As the driver adopts a plan: what keeps one member from starting keeps all.
    pub(super) fn start(&mut self, host: usize) {
        self.hosts[host].process = Process::Running;
        let delay = self.hosts[host].startup_delay;
        let now = self.local(host);
        for link in &mut self.hosts[host].links {
            link.believed = crate::vrrp::Debounce::new(link.up);
        }
        for number in self.hosts[host].routers.clone() {
            // What a former run left is taken off.
            self.routers[number].present = false;
            if !delay.is_zero() {
                self.tell(number, Event::QuietUntil(now + delay));
            }
            self.reassess(number);
        }
        self.settle(host);
        for number in self.hosts[host].routers.clone() {
            self.start_if_ready(number);
        }
        self.settle(host);
    }

    fn start_if_ready(&mut self, number: usize) {
        let waits = self.tracked(number).pending;
        if self.routers[number].state() == PublicState::Init && !waits {
            self.tell(number, Event::Startup);
        }
    }

    /// The process is killed.
    pub(super) fn crash(&mut self, host: usize) {
        self.hosts[host].process = Process::Gone;
        self.hosts[host].inbox.clear();
        for number in self.hosts[host].routers.clone() {
            self.routers[number].begin_anew();
        }
    }

    pub(super) fn restart(&mut self, host: usize) {
        self.crash(host);
        for reading in self.hosts[host].readings.values_mut() {
            // Scripts have not run yet.
            *reading = Reading::Unknown;
        }
        self.start(host);
        for what in self.hosts[host].readings.clone().into_keys() {
            self.input(host, Input::Reading(what, Reading::Good));
        }
    }

    pub(super) fn sleep(&mut self, host: usize, duration: Duration, suspended: bool) {
        if self.hosts[host].is_awake() {
            let (since, until) = (self.now, self.now + duration);
            self.hosts[host].process = Process::Asleep { since, until, suspended };
        }
    }

    /// Wakes up a process that sleeps. It reads its sockets before it believes its deadlines,
    /// and then hears what the kernel has to say.
    pub(super) fn wake(&mut self, host: usize) {
        let Process::Asleep { since, suspended, .. } = self.hosts[host].process else { return };
        if suspended {
            self.hosts[host].clock.stand_still(self.now - since);
        }
        self.hosts[host].process = Process::Running;
        for number in self.hosts[host].routers.clone() {
            while let Some(packet) = self.routers[number].socket.pop_front() {
                self.receive(number, &packet);
            }
        }
        self.fire(host);
        while let Some(input) = self.hosts[host].inbox.pop_front() {
            self.obey(host, input);
        }
    }

    /// Calls whose time has come.
    pub(super) fn fire(&mut self, host: usize) {
        let now = self.local(host);
        for segment in 0..self.hosts[host].links.len() {
            if self.hosts[host].links[segment].believed.settle(now) {
                self.reassess_segment(host, segment);
            }
        }
        for number in self.hosts[host].routers.clone() {
            if self.routers[number].core.next_deadline().is_some_and(|at| at <= now) {
                self.tell(number, Event::DeadlineReached);
            }
        }
        self.settle(host);
    }

    /// News for a process: at once, or when it wakes up.
    pub(super) fn input(&mut self, host: usize, input: Input) {
        match self.hosts[host].process {
            Process::Running => self.obey(host, input),
            Process::Asleep { .. } => self.hosts[host].inbox.push_back(input),
            Process::Gone => {}
        }
    }

    fn obey(&mut self, host: usize, input: Input) {
        let now = self.local(host);
        match input {
            Input::Link(segment) => {
                let delays = self.hosts[host].link_delays;
                let link = &mut self.hosts[host].links[segment];
                link.believed.see(now, link.up, delays);
                self.reassess_segment(host, segment);
            }
            Input::Reading(what, reading) => {
                self.hosts[host].readings.insert(what, reading);
                for number in self.hosts[host].routers.clone() {
                    self.reassess(number);
                    self.start_if_ready(number);
                }
            }
            Input::AddressesRemoved(number) => {
                let router = &self.routers[number];
                if router.is_active() && !router.present {
                    self.tell(number, Event::AddressesRemoved);
                }
            }
            Input::Source(number) => self.find_source(number),
            Input::Reconfigure(number, settings) => {
                self.routers[number].spec.settings = settings.clone();
                self.tell(number, Event::Reconfigured(settings));
            }
            Input::Stop => {
                for number in self.hosts[host].routers.clone() {
                    self.tell(number, Event::Shutdown);
                }
                self.hosts[host].process = Process::Gone;
            }
        }
        self.settle(host);
    }

    fn find_source(&mut self, number: usize) {
        let router = &self.routers[number];
        let source = router.source_there.then_some(router.spec.source);
        if router.core.source() != source {
            self.tell(number, Event::SourceChanged(source));
        }
    }

    fn reassess_segment(&mut self, host: usize, segment: usize) {
        for number in self.hosts[host].routers.clone() {
            if self.routers[number].spec.segment == segment {
                self.reassess(number);
            }
        }
    }

    fn tracked(&self, number: usize) -> Sum {
        let router = &self.routers[number];
        let readings = &self.hosts[router.host].readings;
        let reading = |what: &_| readings.get(what).copied().unwrap_or(Reading::Unknown);
        Sum::of(&router.spec.trackers, reading)
    }

    /// Compares what a router was told with how its link and its trackers are now.
    fn reassess(&mut self, number: usize) {
        let tracked = self.tracked(number);
        let router = &self.routers[number];
        let mut present = tracked.faults;
        if !self.hosts[router.host].links[router.spec.segment].believed.is_up() {
            present.insert(FaultCause::LinkDown);
        }
        let router = &mut self.routers[number];
        let adjusted = std::mem::replace(&mut router.adjustment, tracked.priority);
        let before = std::mem::replace(&mut router.faults, present.clone());
        if adjusted != tracked.priority {
            self.tell(number, Event::PriorityAdjusted(tracked.priority));
        }
        for &cause in present.difference(&before) {
            self.tell(number, Event::Fault(cause));
        }
        for &cause in before.difference(&present) {
            self.tell(number, Event::Recovered(cause));
        }
    }

    /// Brings the members of a host's sync group into step, as the driver does.
    pub(super) fn settle(&mut self, host: usize) {
        if !self.hosts[host].grouped || self.violation.is_some() {
            return;
        }
        for _ in 0..MOST_MOVES {
            let Some(next) = SyncGroup::next_move(&self.standings(host)) else {
                return self.check_together(host);
            };
            let event = match next {
                GroupMove::Fault => Event::Fault(FaultCause::SyncGroup),
                GroupMove::Recover => Event::Recovered(FaultCause::SyncGroup),
                GroupMove::Yield => Event::GroupYields,
                GroupMove::BecomeActive => Event::GroupBecomesActive,
            };
            for number in self.hosts[host].routers.clone() {
                self.tell(number, event.clone());
            }
        }
        self.fail(Property::GroupTogether, format!("the group of host {host} does not rest"));
    }

    fn standings(&self, host: usize) -> Vec<Standing> {
        let numbers = self.hosts[host].routers.iter();
        numbers.map(|number| self.routers[*number].core.standing()).collect()
    }

    fn check_together(&mut self, host: usize) {
        let states: Vec<PublicState> = (self.hosts[host].routers.iter())
            .map(|number| self.routers[*number].core.public_state())
            .filter(|state| *state != PublicState::Stop)
            .collect();
        let split = [PublicState::Master, PublicState::Fault]
            .iter()
            .any(|state| states.contains(state) && states.iter().any(|other| other != state));
        if split {
            let what = format!("host {host} rests with its members in {states:?}");
            self.fail(Property::GroupTogether, what);
        }
    }
}

impl crate::sim::Router {
    /// The process was killed: of all it knew nothing is left. What the kernel has stays.
    fn begin_anew(&mut self) {
        let source = self.source_there.then_some(self.spec.source);
        let before = std::mem::replace(self, Self::new(self.spec.clone(), self.host));
        self.core = VirtualRouter::new(self.spec.settings.clone(), source);
        self.counters = before.counters;
        (self.present, self.source_there) = (before.present, before.source_there);
    }
}
