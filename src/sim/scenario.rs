//! Whole runs that a seed decides: some hosts, a minute of trouble, a heal, and what must hold.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::host::HostSpec;
use super::router::{Router, RouterSpec};
use super::trouble::{Stage, Trouble};
use super::watch::REST;
use super::{Lan, Property, Violation};
use crate::random::Random;
use crate::vrrp::{
    AdverInterval, AntiReplay, Authentication, Hmac, HmacMode, LinkDelays, RouterSettings, Tracked,
    Tracker, Transport, UnicastPeer, Version, Vrid,
};
use crate::wire::{HmacKey, ah};

const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

/// Longer than all that a router may wait for, one after the other: the rest after a lost fight,
/// start-up and link delays, Active_Down_Interval at 3 s, `preempt_delay`, and once more for a group.
const SETTLE: Duration = REST.saturating_add(Duration::from_secs(60));
const STEADY: Duration = Duration::from_secs(30);

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub simulated: Duration,
    pub transitions: usize,
    pub adverts: u64,
}

/// A run in which a property did not hold.
#[derive(Debug, Clone)]
pub struct Failure {
    pub seed: u64,
    pub violation: Violation,
    /// Who was there, and all that happened.
    pub history: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}\n{}", self.seed, self.violation, self.history)
    }
}

/// Plays the scenario of one seed; `origin` is what all clocks begin with, and has no influence.
///
/// # Errors
/// The first property that did not hold.
pub fn run(seed: u64, origin: Instant) -> Result<Outcome, Box<Failure>> {
    let mut random = Random::new(seed);
    let mut lan = Lan::new(origin, random.number());
    let protection = Protection::random(&mut Random::new(!seed));
    let cast = Cast { protection, ..Cast::random(&mut random) }.possible();
    for spec in cast.hosts(&mut random) {
        lan.add_host(spec);
    }
    play(&mut lan, &cast, &mut random);
    match lan.violation() {
        None => Ok(Outcome {
            simulated: lan.now(),
            transitions: lan.history().transitions(),
            adverts: lan.adverts_sent(),
        }),
        Some(violation) => {
            let violation = violation.clone();
            let history = format!("{}{}", describe(&lan), lan.history());
            Err(Box::new(Failure { seed, violation, history }))
        }
    }
}

fn play(lan: &mut Lan, cast: &Cast, random: &mut Random) {
    let stage = cast.stage(lan);
    for _ in 0..random.between(5, 40) {
        lan.make(Trouble::random(random, &stage));
        lan.run_for(Duration::from_millis(random.between(50, 4000)));
    }
    lan.heal();
    if random.chance(20) {
        // Each side of a LAN that stays in two has its own.
        lan.make(Trouble::Split { before: random.below(stage.hosts) });
        lan.run_for(SETTLE);
        lan.check_one_active();
        lan.heal();
    }
    lan.run_for(SETTLE);
    lan.check_one_active();
    check_best(lan);
    stays_settled(lan);
    lan.chapter("all stop");
    lan.stop_all();
    lan.check_released();
}

/// Where everybody preempts, the Active has the highest priority. By priority alone: a Backup does
/// not preempt its equal for a higher address.
fn check_best(lan: &mut Lan) {
    let rivals = |one: &Router, other: &Router| {
        one.segment() == other.segment() && one.settings().vrid == other.settings().vrid
    };
    let better = |one: &&Router| {
        let mut others = lan.routers().iter().filter(|other| rivals(one, other));
        others.clone().all(|other| other.settings().preempt)
            && others.any(|other| other.priority() > one.priority())
    };
    // Of sync groups the member that may not counts for all.
    let grouped = lan.routers().iter().any(|router| router.settings().in_sync_group);
    let found = lan.active().find(better).filter(|_| !grouped);
    if let Some((name, priority)) = found.map(|router| (router.name(), router.priority())) {
        let what = format!("{name} is Active at priority {priority}, and another one is higher");
        lan.fail(Property::OneActive, what);
    }
}

/// Nothing changes any more, and each Active is heard at each of its intervals.
fn stays_settled(lan: &mut Lan) {
    lan.chapter("settled");
    let (transitions, adverts) = (lan.history().transitions(), lan.adverts_sent());
    lan.run_for(STEADY);
    let changed = lan.history().transitions() - transitions;
    if changed > 0 {
        lan.fail(Property::Settled, format!("{changed} transitions on a LAN that had settled"));
    }
    let interval = |router: &Router| router.settings().adver_interval.as_duration();
    let due: u64 =
        lan.active().map(|each| (STEADY.as_millis() / interval(each).as_millis()) as u64).sum();
    let sent = lan.adverts_sent() - adverts;
    // A clock that is wrong by 0.1 % makes one of the 300 at the shortest interval; one
    // more or less for where the intervals fall.
    let slack = 2 * lan.active().count() as u64;
    if sent.abs_diff(due) > slack {
        lan.fail(Property::Settled, format!("{sent} adverts were sent, {due} were due"));
    }
}

/// How routers tell their own from strangers. Drawn apart from the rest, so that it may change
/// without changing what else happens to a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// A password with VRRPv2 and multicast, otherwise none.
    Plain,
    /// `auth_type AH`.
    Ah,
    /// `auth_hmac`.
    Hmac,
}

impl Protection {
    fn random(random: &mut Random) -> Self {
        random.one_of(&[Self::Plain, Self::Plain, Self::Ah, Self::Hmac])
    }

    fn authentication(self, version: Version, unicast: bool) -> Authentication {
        match self {
            Self::Ah => Authentication::Header(ah::Key(*b"secret\0\0")),
            Self::Plain if version == Version::V2 && !unicast => {
                Authentication::SimpleText(*b"secret\0\0")
            }
            Self::Plain | Self::Hmac => Authentication::None,
        }
    }

    fn hmac(self) -> Option<Hmac> {
        let key = HmacKey::new(NonZeroU8::MIN, &[7; 32]);
        (self == Self::Hmac).then(|| Hmac {
            active_key: Some(key.id),
            keys: vec![key],
            mode: HmacMode::Enforce,
            anti_replay: AntiReplay::Time,
            window_s: 5,
        })
    }
}

/// What all hosts of a scenario have in common.
#[derive(Debug)]
struct Cast {
    protection: Protection,
    version: Version,
    ipv6: bool,
    unicast: bool,
    grouped: bool,
    hosts: usize,
    /// VRIDs with their segments.
    routers: Vec<(usize, u8)>,
    all_preempt: bool,
    down_timer_adverts: u8,
    tracked: Vec<Tracker>,
}

impl Cast {
    fn random(random: &mut Random) -> Self {
        let version = if random.chance(60) { Version::V3 } else { Version::V2 };
        let grouped = random.chance(33);
        let routers = match (grouped, random.below(3)) {
            (true, _) => vec![(0, 77), (1, 78)],
            (false, 0) => vec![(0, 77), (0, 78)],
            (false, _) => vec![(0, 77)],
        };
        Self {
            protection: Protection::Plain,
            version,
            ipv6: version == Version::V3 && random.chance(40),
            unicast: random.chance(25),
            grouped,
            hosts: random.below(3) + 2,
            routers,
            all_preempt: random.chance(50),
            down_timer_adverts: random.one_of(&[3, 3, 3, 2, 5]),
            tracked: trackers(random),
        }
    }

    /// VRRPv2 alone has AH.
    fn possible(mut self) -> Self {
        if self.protection == Protection::Ah && self.version == Version::V3 {
            self.protection = Protection::Hmac;
        }
        self
    }

    fn stage(&self, lan: &Lan) -> Stage {
        Stage {
            hosts: self.hosts,
            segments: self.routers.iter().map(|(segment, _)| segment + 1).max().unwrap_or(1),
            routers: lan.routers().len(),
            tracked: self.tracked.iter().map(|tracker| tracker.what.clone()).collect(),
            priorities_change: !self.grouped,
            signed: self.protection != Protection::Plain,
        }
    }

    fn hosts(&self, random: &mut Random) -> Vec<HostSpec> {
        // Only one may be deaf to all others: two would be two Actives, as RFC 9568 has it.
        let ignoring = random.below(3 * self.hosts);
        (0..self.hosts).map(|host| self.host(host, host == ignoring, random)).collect()
    }

    fn host(&self, host: usize, ignoring: bool, random: &mut Random) -> HostSpec {
        let mut settings = self.settings(host, random);
        let routers = self.routers.iter().map(|(segment, vrid)| {
            if !self.grouped {
                settings = self.settings(host, random);
            }
            settings.vrid = Vrid::new(*vrid).unwrap_or(settings.vrid);
            self.router(host, *segment, settings.clone(), ignoring)
        });
        HostSpec {
            routers: routers.collect(),
            grouped: self.grouped,
            drift_ppm: random.one_of(&[-500, -20, 0, 20, 500]) + self.apart_ppm(host),
            startup_delay: Duration::from_secs(random.one_of(&[0, 0, 0, 4])),
            link_delays: LinkDelays {
                down: Duration::from_millis(random.one_of(&[0, 0, 1500])),
                up: Duration::from_millis(random.one_of(&[0, 0, 2500])),
            },
        }
    }

    /// With AH no two clocks may agree altogether: see [`AhSequence`](crate::vrrp::AhSequence).
    fn apart_ppm(&self, host: usize) -> i32 {
        let far = if self.protection == Protection::Ah { 7 } else { 0 };
        far * i32::try_from(host).unwrap_or_default()
    }

    fn settings(&self, host: usize, random: &mut Random) -> RouterSettings {
        // Few values, so that equal priorities occur. In a group an owner is like any other.
        // GAP: with AH and an owner that is deaf a second one, which RFC 9568 does not know, may stay Active
        // beside it. It answers each advert of the other at once, so that from then on both send at the same
        // moment; with one count for all they refuse most of what they hear, and the other counts as silent
        // each time (seeds 528625842577, 776951264542). There is one owner at most.
        let one_owner = self.protection == Protection::Ah && host > 0;
        let priorities = [50, 100, 100, 150, 254, 255];
        let priority = priorities[random.below(if self.grouped || one_owner { 5 } else { 6 })];
        let preempt = self.all_preempt || priority == 255 || random.chance(50);
        let centiseconds = match self.version {
            Version::V2 => 100,
            Version::V3 => random.one_of(&[10, 50, 100, 300]),
        };
        let interval = AdverInterval::from_centiseconds(centiseconds);
        RouterSettings {
            version: self.version,
            priority,
            adver_interval: interval.unwrap_or(AdverInterval::ONE_SECOND),
            preempt,
            preempt_delay: Duration::from_secs(random.one_of(&[0, 0, 1, 2])),
            starts_active: priority == 255 && random.chance(70),
            down_timer_adverts: self.down_timer_adverts,
            higher_prio_send_advert: random.chance(30),
            lower_prio_no_advert: random.chance(30),
            late_behind: (!preempt && random.chance(30)).then_some(254),
            in_sync_group: self.grouped,
            ..RouterSettings::new(Vrid::MIN, 100)
        }
    }

    fn router(
        &self,
        host: usize,
        segment: usize,
        settings: RouterSettings,
        deaf: bool,
    ) -> RouterSpec {
        let source = |host: usize| self.address(segment, host + 1);
        let peers = (0..self.hosts).filter(|other| *other != host).map(|other| UnicastPeer {
            address: source(other),
            min_ttl: 0,
            max_ttl: 255,
        });
        let transport = match (self.unicast, self.ipv6) {
            (true, _) => Transport::Unicast { peers: peers.collect(), check_source: true },
            (false, false) => Transport::Multicast(GROUP),
            (false, true) => Transport::Multicast(GROUP_V6),
        };
        RouterSpec {
            segment,
            source: source(host),
            addresses: vec![self.address(segment, 50)],
            transport,
            authentication: self.protection.authentication(self.version, self.unicast),
            hmac: self.protection.hmac(),
            owner_ignores_adverts: deaf,
            trackers: self.tracked.clone(),
            settings,
        }
    }

    fn address(&self, segment: usize, number: usize) -> IpAddr {
        // Segments and hosts are few.
        let (net, host) = (segment as u8, number as u8);
        if self.ipv6 {
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, net.into(), host.into()).into()
        } else {
            Ipv4Addr::new(192, 0, 2 + net, host).into()
        }
    }
}

fn trackers(random: &mut Random) -> Vec<Tracker> {
    let tracker = |name: &str, weight, reverse| Tracker {
        what: Tracked::Script(Arc::from(name)),
        weight,
        reverse,
    };
    match random.below(4) {
        0 => vec![tracker("fault", 0, false)],
        1 => vec![tracker("minus", -60, false), tracker("plus", 30, random.chance(30))],
        2 => vec![tracker("fault", 0, false), tracker("minus", -200, false)],
        _ => Vec::new(),
    }
}

/// A plain router for host `number` on LAN 0: VRID 1, VRRPv2 over IPv4, one second, a password,
/// preempting, with a priority of 1 to 255.
pub fn router(number: usize, priority: u8) -> RouterSpec {
    let address = |last: u8| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    RouterSpec {
        segment: 0,
        settings: RouterSettings::new(Vrid::MIN, priority),
        source: address(number as u8 + 1),
        addresses: vec![address(200)],
        transport: Transport::Multicast(GROUP),
        authentication: Authentication::SimpleText(*b"secret\0\0"),
        hmac: None,
        owner_ignores_adverts: false,
        trackers: Vec::new(),
    }
}

/// The same with `auth_type AH` in place of the password.
pub fn router_with_ah(number: usize, priority: u8) -> RouterSpec {
    let authentication = Protection::Ah.authentication(Version::V2, false);
    RouterSpec { authentication, ..router(number, priority) }
}

/// The same with `auth_hmac`.
pub fn router_with_hmac(number: usize, priority: u8) -> RouterSpec {
    let hmac = Protection::Hmac.hmac();
    RouterSpec { authentication: Authentication::None, hmac, ..router(number, priority) }
}

/// The cast of a run, for a failure message.
fn describe(lan: &Lan) -> String {
    let line = |router: &Router| {
        let settings = router.settings();
        let version = settings.version.number();
        let protection = match (&router.spec.hmac, router.spec.authentication) {
            (Some(_), _) => "auth_hmac",
            (None, Authentication::Header(_)) => "AH",
            (None, Authentication::SimpleText(_)) => "password",
            (None, Authentication::None) => "no authentication",
        };
        format!(
            "{}: VRRPv{version}, {protection}, priority {}, every {}, preempt {}, {:?}, drift {} ppm, delays {:?} {:?}\n",
            router.name(),
            settings.priority,
            settings.adver_interval,
            settings.preempt,
            router.spec.source,
            lan.hosts()[router.host()].clock.drift_ppm,
            lan.hosts()[router.host()].startup_delay,
            lan.hosts()[router.host()].link_delays,
        )
    };
    lan.routers().iter().map(line).collect()
}
