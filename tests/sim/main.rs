//! The real protocol cores on a simulated LAN: packets are octets, time is a number, and all
//! that goes wrong comes from a seed, which the failure message tells.

mod lan;
mod random;

use std::time::Duration;

use lan::{Lan, Node, Trouble};
use mainstay::vrrp::{PublicState, RouterSettings};
use random::Random;

const SECOND: Duration = Duration::from_secs(1);
/// Seeds that failed once; they are run first, for ever.
const KEPT_SEEDS: [u64; 0] = [];
const SEEDS: std::ops::Range<u64> = 0..1000;
/// Longer than any Active_Down_Interval with the longest `preempt_delay` used here.
const SETTLE: Duration = Duration::from_secs(15);

/// After a heal, exactly one Active on the LAN; and where everybody preempts, it has the highest priority.
#[test]
fn after_a_heal_exactly_one_router_is_active() {
    for seed in KEPT_SEEDS.into_iter().chain(SEEDS) {
        let mut lan = troubled(seed);
        lan.heal();
        lan.run_for(SETTLE);

        let active: Vec<_> = lan.active().map(|node| node.priority()).collect();
        assert_eq!(active.len(), 1, "seed {seed}: Active priorities {active:?}\n{}", lan.history());
        if lan.nodes().iter().all(Node::preempts) {
            // By priority alone: a Backup does not preempt its equal for a higher address.
            let best = lan.nodes().iter().map(Node::priority).max();
            let actual = active.into_iter().max();
            assert_eq!(actual, best, "seed {seed}: not the best\n{}", lan.history());
        }
    }
}

/// Whatever happened before: a clean stop leaves no address behind.
#[test]
fn every_address_is_released_on_stop() {
    for seed in SEEDS {
        let mut lan = troubled(seed);
        lan.stop_all();
        assert_eq!(lan.nodes().iter().filter(|node| node.holds()).count(), 0, "seed {seed}");
    }
}

/// Once settled, nothing changes any more, and the Active is heard each second.
#[test]
fn a_settled_lan_stays_settled() {
    for seed in SEEDS.step_by(10) {
        let mut lan = troubled(seed);
        lan.heal();
        lan.run_for(SETTLE);
        let (transitions, adverts) = (lan.transitions(), lan.adverts_sent());
        lan.run_for(60 * SECOND);

        assert_eq!(lan.transitions(), transitions, "seed {seed}\n{}", lan.history());
        assert_eq!(lan.adverts_sent() - adverts, 60, "seed {seed}");
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

/// Two or three routers of random settings after a minute of random trouble.
fn troubled(seed: u64) -> Lan {
    let mut random = Random::new(seed);
    let mut lan = Lan::new(random.next());
    let all_preempt = random.chance(50);
    for _ in 0..random.between(2, 3) {
        // Few values, so that equal priorities occur.
        let priority = [50, 100, 100, 150, 254, 255][random.below(6)];
        let preempt_delay = Duration::from_secs([0, 0, 1, 2][random.below(4)]);
        let preempt = all_preempt || random.chance(50);
        let settings = lan::settings(priority, preempt);
        lan.add_with(RouterSettings { preempt_delay, ..settings });
    }
    for _ in 0..random.between(5, 40) {
        let trouble = Trouble::random(&mut random, lan.nodes().len());
        lan.make(trouble);
        lan.run_for(Duration::from_millis(random.between(50, 4000)));
    }
    lan
}
