//! One host: its clocks, its links, and whether its process runs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::clock::Clock;
use super::router::RouterSpec;
use crate::vrrp::{Debounce, LinkDelays, Reading, RouterSettings, Tracked};

/// What is configured of one host.
#[derive(Debug, Clone, Default)]
pub struct HostSpec {
    pub routers: Vec<RouterSpec>,
    /// All of them are one sync group.
    pub grouped: bool,
    /// Parts per million by which its clock runs too fast.
    pub drift_ppm: i32,
    /// `vrrp_startup_delay`.
    pub startup_delay: Duration,
    /// `interface_up_down_delays` of all its links.
    pub link_delays: LinkDelays,
}

/// Whether the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    Running,
    /// Stopped or suspended, in true time.
    Asleep {
        since: Duration,
        until: Duration,
        suspended: bool,
    },
    /// Stopped in order, or killed.
    Gone,
}

/// What waits for a process that sleeps, besides packets.
#[derive(Debug, Clone)]
pub(super) enum Input {
    Link(usize),
    Reading(Tracked, Reading),
    AddressesRemoved(usize),
    Source(usize),
    Reconfigure(usize, RouterSettings),
    Stop,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub up: bool,
    pub believed: Debounce,
}

/// A host as it runs.
#[derive(Debug)]
pub struct Host {
    pub(super) clock: Clock,
    pub(super) process: Process,
    /// By segment.
    pub(super) links: Vec<Link>,
    pub(super) link_delays: LinkDelays,
    pub(super) startup_delay: Duration,
    pub(super) readings: BTreeMap<Tracked, Reading>,
    pub(super) inbox: VecDeque<Input>,
    pub(super) grouped: bool,
    /// Numbers of its routers.
    pub(super) routers: Vec<usize>,
}

impl Host {
    pub(super) fn new(spec: &HostSpec, segments: usize, routers: Vec<usize>) -> Self {
        let link = Link { up: true, believed: Debounce::new(true) };
        let tracked = spec.routers.iter().flat_map(|router| &router.trackers);
        Self {
            clock: Clock::with_drift(spec.drift_ppm),
            process: Process::Running,
            links: vec![link; segments],
            link_delays: spec.link_delays,
            startup_delay: spec.startup_delay,
            readings: tracked.map(|each| (each.what.clone(), Reading::Good)).collect(),
            inbox: VecDeque::new(),
            grouped: spec.grouped,
            routers,
        }
    }

    pub fn process(&self) -> Process {
        self.process
    }

    pub(super) fn is_awake(&self) -> bool {
        self.process == Process::Running
    }
}
