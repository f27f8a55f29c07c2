//! What goes wrong, and right again.

use std::time::Duration;

use super::packet::Spoiler;
use super::weather::Weather;
use crate::random::Random;
use crate::vrrp::{Reading, Tracked};

/// One thing that happens to the LANs or to a host. Hosts, segments and routers by number.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    Weather(Weather),
    /// Hosts below this number and the others no longer hear each other.
    Split {
        before: usize,
    },
    /// `to` no longer hears `from`.
    OneWay {
        from: usize,
        to: usize,
    },
    Rejoin,
    /// `kill -9`: its addresses stay where they are until it starts again.
    Crash(usize),
    Restart(usize),
    Stop(usize),
    Link {
        host: usize,
        segment: usize,
        up: bool,
    },
    /// A tracked script or file of a host says something new.
    Reading {
        host: usize,
        what: Tracked,
        reading: Reading,
    },
    /// SIGSTOP and SIGCONT: the clock runs on, sockets and events wait.
    Pause {
        host: usize,
        duration: Duration,
    },
    /// The machine sleeps: the clock stands still, packets are lost.
    Suspend {
        host: usize,
        duration: Duration,
    },
    /// Somebody sets the wall clock.
    ClockStep {
        host: usize,
        seconds: i64,
    },
    /// Somebody takes a router's virtual addresses off.
    RemoveAddresses(usize),
    /// The source address of a router goes, or comes back.
    Source {
        router: usize,
        there: bool,
    },
    /// A reload with another priority.
    Reconfigure {
        router: usize,
        priority: u8,
    },
    /// A packet from nowhere that nobody may believe.
    Spoilt {
        router: usize,
        spoiler: Spoiler,
    },
    /// A signed advert that a router believed reaches it once more: the one `back` before the last.
    Replay {
        router: usize,
        back: usize,
    },
}

/// What a scenario has, for troubles to choose from.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub hosts: usize,
    pub segments: usize,
    pub routers: usize,
    pub tracked: Vec<Tracked>,
    /// Priorities may be changed by a reload: in groups that would pull them to pieces.
    pub priorities_change: bool,
    /// Adverts are signed, so that none is believed twice.
    pub signed: bool,
}

impl Trouble {
    pub(super) fn random(random: &mut Random, stage: &Stage) -> Self {
        let host = random.below(stage.hosts);
        let router = random.below(stage.routers);
        let segment = random.below(stage.segments);
        match random.below(26) {
            0..3 => Self::Weather(Weather::random(random)),
            3 | 4 => Self::Split { before: random.below(stage.hosts) },
            5 => Self::OneWay { from: host, to: random.below(stage.hosts) },
            6 | 7 => Self::Rejoin,
            8 | 9 => Self::Crash(host),
            10 | 11 => Self::Restart(host),
            12 => Self::Stop(host),
            13 | 14 => Self::Link { host, segment, up: false },
            15 | 16 => Self::Link { host, segment, up: true },
            17 | 18 if !stage.tracked.is_empty() => {
                let what = stage.tracked[random.below(stage.tracked.len())].clone();
                Self::Reading { host, what, reading: reading(random) }
            }
            19 | 20 => Self::Pause { host, duration: millis(random, 12_000) },
            21 => Self::Suspend { host, duration: millis(random, 12_000) },
            22 => Self::ClockStep { host, seconds: random.one_of(&[-7200, -3, 3, 86_400]) },
            23 => Self::RemoveAddresses(router),
            24 if random.chance(50) => Self::Source { router, there: random.chance(60) },
            24 if stage.priorities_change => {
                Self::Reconfigure { router, priority: random.one_of(&[40, 90, 110, 200]) }
            }
            _ if stage.signed && random.chance(50) => {
                Self::Replay { router, back: random.below(4) }
            }
            _ => Self::Spoilt { router, spoiler: random.one_of(&Spoiler::ALL) },
        }
    }
}

fn reading(random: &mut Random) -> Reading {
    if random.chance(60) { Reading::Good } else { Reading::Bad }
}

fn millis(random: &mut Random, most: u64) -> Duration {
    Duration::from_millis(random.between(1, most))
}
