//! Small stories told by hand, with the numbers worked out beside them.

use std::time::Duration;

use mainstay::sim::{HostSpec, Lan, Spoiler, Trouble, router};
use mainstay::vrrp::{LinkDelays, PublicState};

const SECOND: Duration = Duration::from_secs(1);
const SETTLED: Duration = Duration::from_secs(40);

/// One host for each priority; settled.
fn lan(priorities: &[u8]) -> Lan {
    let mut lan = Lan::new(super::origin(), 1);
    for (number, priority) in priorities.iter().enumerate() {
        let routers = vec![router(number, *priority)];
        lan.add_host(HostSpec { routers, ..HostSpec::default() });
    }
    lan.run_for(SETTLED);
    lan
}

fn active(lan: &Lan) -> Vec<u8> {
    assert!(lan.violation().is_none(), "{:?}\n{}", lan.violation(), lan.history());
    lan.active().map(|router| router.priority()).collect()
}

/// keepalived 2.4 fails this: a stream of packets that it rejects silences its MASTER.
#[test]
fn rejected_packets_move_no_timer() {
    for spoiler in Spoiler::ALL {
        let mut lan = lan(&[150, 100]);
        let (transitions, adverts) = (lan.history().transitions(), lan.adverts_sent());
        for _ in 0..200 {
            lan.make(Trouble::Spoilt { router: 0, spoiler });
            lan.make(Trouble::Spoilt { router: 1, spoiler });
            lan.run_for(SECOND * 3 / 10);
        }

        assert_eq!(active(&lan), [150]);
        assert_eq!(lan.adverts_sent() - adverts, 60, "{spoiler:?} changed the advert schedule");
        assert_eq!(lan.history().transitions(), transitions, "{spoiler:?} changed a state");
        let discarded = |(name, count): (&str, u64)| {
            let a_discard =
                name.ends_with("_err") || name.contains("auth") || name.starts_with("invalid");
            if a_discard { count } else { 0 }
        };
        let counted: u64 = lan.routers()[0].counters().iter().map(discarded).sum();
        assert_eq!(counted, 200, "{spoiler:?} was not counted");
    }
}

/// 3 × 1 s + 156/256 s after the last advert of the router that died.
#[test]
fn a_backup_takes_over_when_the_active_router_dies() {
    let mut lan = lan(&[150, 100]);
    lan.make(Trouble::Crash(0));
    lan.run_for(Duration::from_micros(2_500_000));
    assert!(active(&lan).is_empty());
    lan.run_for(Duration::from_micros(1_200_000));
    assert_eq!(active(&lan), [100]);
}

/// Adverts waiting in the socket of a router that slept are heard before its timer is believed.
#[test]
fn a_backup_that_slept_does_not_take_over_from_a_living_active() {
    let mut lan = lan(&[150, 100]);
    let transitions = lan.history().transitions();
    lan.make(Trouble::Pause { host: 1, duration: 20 * SECOND });
    lan.run_for(30 * SECOND);
    assert_eq!(lan.history().transitions(), transitions, "{}", lan.history());
    assert_eq!(lan.routers()[1].state(), PublicState::Backup);
}

/// It wakes up as Active, hears who is Active now, and asserts or yields: one remains.
#[test]
fn an_active_that_slept_finds_its_place_again() {
    for (priorities, remains) in [([150, 100], 150), ([100, 100], 100)] {
        let mut lan = lan(&priorities);
        lan.make(Trouble::Pause { host: 0, duration: 10 * SECOND });
        lan.run_for(9 * SECOND);
        assert_eq!(lan.routers()[1].state(), PublicState::Master);
        lan.run_for(11 * SECOND);
        assert_eq!(active(&lan), [remains], "{}", lan.history());
    }
}

#[test]
fn setting_the_clock_changes_nothing() {
    let mut lan = lan(&[150, 100]);
    let (transitions, adverts) = (lan.history().transitions(), lan.adverts_sent());
    for seconds in [7200, -86_400] {
        lan.make(Trouble::ClockStep { host: 0, seconds });
        lan.make(Trouble::ClockStep { host: 1, seconds: -seconds });
        lan.run_for(10 * SECOND);
    }
    assert_eq!(lan.history().transitions(), transitions);
    assert_eq!(lan.adverts_sent() - adverts, 20);
}

/// The higher address insists for 2 × 1 s + 1.2 × 1 s, then it gives way.
#[test]
fn of_two_owners_that_hear_each_other_one_remains() {
    let mut lan = Lan::new(super::origin(), 1);
    for number in 0..2 {
        let mut router = router(number, 255);
        // The one with the lower address is deaf to all adverts, as RFC 9568 has it.
        router.owner_ignores_adverts = number == 0;
        lan.add_host(HostSpec { routers: vec![router], ..HostSpec::default() });
    }
    lan.run_for(SECOND);
    assert_eq!(active(&lan), [255, 255]);
    lan.run_for(5 * SECOND);
    assert_eq!(
        lan.routers().iter().map(|each| each.state()).collect::<Vec<_>>(),
        [PublicState::Master, PublicState::Backup]
    );
    // When the rival is gone, the owner is the owner again.
    lan.make(Trouble::Crash(0));
    lan.run_for(4 * SECOND);
    assert_eq!(active(&lan), [255]);
}

#[test]
fn a_link_that_flaps_within_its_delay_is_no_fault() {
    let mut lan = Lan::new(super::origin(), 1);
    let link_delays = LinkDelays { down: 2 * SECOND, up: SECOND };
    for (number, priority) in [150, 100].into_iter().enumerate() {
        let routers = vec![router(number, priority)];
        lan.add_host(HostSpec { routers, link_delays, ..HostSpec::default() });
    }
    lan.run_for(SETTLED);
    let transitions = lan.history().transitions();
    for up in [false, true] {
        lan.make(Trouble::Link { host: 0, segment: 0, up });
        lan.run_for(SECOND * 19 / 10);
    }
    assert_eq!(lan.history().transitions(), transitions, "{}", lan.history());
    lan.make(Trouble::Link { host: 0, segment: 0, up: false });
    lan.run_for(SECOND * 21 / 10);
    assert_eq!(lan.routers()[0].state(), PublicState::Fault);
}
