//! The real protocol cores on simulated LANs: packets are octets, time is a number, and all
//! that goes wrong comes from a seed, which the failure message tells.
//!
//! Each run takes the fixed seeds and so many fresh ones, other ones each time. To see one again:
//!
//! ```text
//! MAINSTAY_SIM_SEED=4711 cargo test --test sim
//! ```
//!
//! `MAINSTAY_SIM_FRESH=100000` takes so many fresh ones.

mod lan;
mod random;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lan::{Lan, Node, Trouble};
use mainstay::vrrp::{AdverInterval, PublicState, RouterSettings, Version};
use random::Random;

const SECOND: Duration = Duration::from_secs(1);
/// Seeds that failed once; they are run first, for ever.
const KEPT_SEEDS: [u64; 0] = [];
const FIXED_SEEDS: u64 = 1000;
const FRESH_SEEDS: u64 = 2000;
/// Longer than any Active_Down_Interval, learned ones of 3 s included, with the longest
/// `preempt_delay` used here, and once more for a sync group.
const SETTLE: Duration = Duration::from_secs(40);

/// What to run: the seed that was asked for, or the fixed ones and fresh ones.
fn seeds() -> Vec<u64> {
    if let Ok(seed) = std::env::var("MAINSTAY_SIM_SEED") {
        return vec![seed.parse().expect("MAINSTAY_SIM_SEED is a number")];
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let fresh = now.as_nanos() as u64 % 1_000_000_000_000;
    let count = std::env::var("MAINSTAY_SIM_FRESH").ok().and_then(|count| count.parse().ok());
    let fresh = fresh..fresh + count.unwrap_or(FRESH_SEEDS);
    KEPT_SEEDS.into_iter().chain(0..FIXED_SEEDS).chain(fresh).collect()
}

/// How to see a failure again, and what led to it.
fn story(seed: u64, lan: &Lan) -> String {
    format!("MAINSTAY_SIM_SEED={seed} cargo test --test sim\n{}", lan.history())
}

/// After a heal, exactly one Active on each segment; and where everybody preempts, it has the
/// highest priority.
#[test]
fn after_a_heal_exactly_one_router_is_active() {
    for seed in seeds() {
        let mut lan = troubled(seed);
        lan.heal();
        lan.run_for(SETTLE);

        for segment in 0..lan.segments() {
            let here = |node: &&Node| node.segment() == segment;
            let active: Vec<_> = lan.active().filter(here).map(Node::priority).collect();
            let story = story(seed, &lan);
            assert_eq!(active.len(), 1, "segment {segment}: Active priorities {active:?}\n{story}");
            if lan.nodes().iter().all(Node::preempts) {
                // By priority alone: a Backup does not preempt its equal for a higher address.
                let best = lan.nodes().iter().map(Node::priority).max();
                assert_eq!(active.into_iter().max(), best, "not the best\n{story}");
            }
        }
    }
}

/// Members of one host's group are all in one state whenever nothing more is going to happen.
#[test]
fn a_sync_group_never_rests_split() {
    for seed in seeds() {
        let mut lan = troubled(seed);
        lan.heal();
        lan.run_for(SETTLE);
        for host in 0..lan.hosts() {
            let of_host = lan.nodes().iter().filter(|node| node.host() == host);
            let mut states: Vec<_> = of_host.map(Node::state).collect();
            states.dedup();
            assert_eq!(states.len(), 1, "host {host}: {states:?}\n{}", story(seed, &lan));
        }
    }
}

/// Whatever happened before: a clean stop leaves no address behind.
#[test]
fn every_address_is_released_on_stop() {
    for seed in seeds() {
        let mut lan = troubled(seed);
        lan.stop_all();
        let held = lan.nodes().iter().filter(|node| node.holds()).count();
        assert_eq!(held, 0, "{}", story(seed, &lan));
    }
}

/// Once settled, nothing changes any more, and each Active is heard at each of its intervals.
#[test]
fn a_settled_lan_stays_settled() {
    for seed in seeds().into_iter().step_by(10) {
        let mut lan = troubled(seed);
        lan.heal();
        lan.run_for(SETTLE);
        let (transitions, adverts) = (lan.transitions(), lan.adverts_sent());
        let minute = 60 * SECOND;
        lan.run_for(minute);

        assert_eq!(lan.transitions(), transitions, "{}", story(seed, &lan));
        let due = |node: &Node| (minute.as_millis() / node.adver_interval().as_millis()) as u64;
        let expected: u64 = lan.active().map(due).sum();
        assert_eq!(lan.adverts_sent() - adverts, expected, "{}", story(seed, &lan));
    }
}

/// keepalived 2.4 fails this: a stream of packets that it rejects silences its MASTER.
#[test]
fn rejected_packets_move_no_timer() {
    for spoil in lan::SPOILERS {
        let mut lan = Lan::new(1);
        lan.add(150, true);
        lan.add(100, true);
        lan.run_for(SETTLE);
        let (transitions, adverts) = (lan.transitions(), lan.adverts_sent());
        for _ in 0..200 {
            lan.inject(spoil.octets(&lan));
            lan.run_for(SECOND * 3 / 10);
        }

        assert_eq!(lan.adverts_sent() - adverts, 60, "{spoil:?} changed the advert schedule");
        assert_eq!(lan.transitions(), transitions, "{spoil:?} changed a state");
        assert_eq!(lan.discarded(0), 200, "{spoil:?} was not counted");
    }
}

/// 3 × 1 s + 156/256 s after the last advert of the router that died.
#[test]
fn a_backup_takes_over_when_the_active_router_dies() {
    let mut lan = Lan::new(1);
    let best = lan.add(150, true);
    lan.add(100, true);
    lan.run_for(SETTLE);

    lan.crash(best);
    lan.run_for(Duration::from_micros(2_500_000));
    assert_eq!(lan.active().count(), 0);
    lan.run_for(Duration::from_micros(1_200_000));
    assert_eq!(lan.active().map(Node::priority).collect::<Vec<_>>(), [100]);
}

/// Adverts waiting in the socket of a router that slept are heard before its timer is believed.
#[test]
fn a_backup_that_slept_does_not_take_over_from_a_living_active() {
    let mut lan = Lan::new(1);
    lan.add(150, true);
    let backup = lan.add(100, true);
    lan.run_for(SETTLE);
    let transitions = lan.transitions();

    lan.sleep(backup, 20 * SECOND);
    lan.run_for(30 * SECOND);
    assert_eq!(lan.transitions(), transitions, "{}", lan.history());
    assert_eq!(lan.nodes()[backup].state(), PublicState::Backup);
}

/// Two or three hosts of random settings after a minute or so of random trouble: routers of VRRPv2,
/// or of VRRPv3 with an interval each, or sync groups of two.
fn troubled(seed: u64) -> Lan {
    let mut random = Random::new(seed);
    let mut lan = Lan::new(random.next());
    let all_preempt = random.chance(50);
    let (version, grouped) =
        (if random.chance(50) { Version::V3 } else { Version::V2 }, random.chance(33));
    for _ in 0..random.between(2, 3) {
        // Few values, so that equal priorities occur.
        let priority = [50, 100, 100, 150, 254, 255][random.below(if grouped { 5 } else { 6 })];
        let preempt_delay = Duration::from_secs([0, 0, 1, 2][random.below(4)]);
        let preempt = all_preempt || random.chance(50);
        let centiseconds = match version {
            Version::V2 => 100,
            Version::V3 => [10, 50, 100, 300][random.below(4)],
        };
        let settings = RouterSettings {
            preempt_delay,
            version,
            adver_interval: AdverInterval::from_centiseconds(centiseconds).unwrap(),
            ..lan::settings(priority, preempt)
        };
        if grouped {
            lan.add_group(settings);
        } else {
            lan.add_with(settings);
        }
    }
    for _ in 0..random.between(5, 40) {
        let trouble = Trouble::random(&mut random, lan.hosts(), lan.segments());
        lan.make(trouble);
        lan.run_for(Duration::from_millis(random.between(50, 4000)));
    }
    lan
}
