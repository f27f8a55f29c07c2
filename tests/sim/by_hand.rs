//! Small stories told by hand, with the numbers worked out beside them.

use std::time::Duration;

use mainstay::sim::{
    HostSpec, Lan, RouterSpec, Spoiler, Trouble, Weather, router, router_with_ah, router_with_hmac,
};
use mainstay::vrrp::{LinkDelays, PublicState};

const SECOND: Duration = Duration::from_secs(1);
const SETTLED: Duration = Duration::from_secs(40);

/// One host for each priority; settled.
fn lan(priorities: &[u8]) -> Lan {
    lan_of(router, priorities)
}

/// The same with another kind of router.
fn lan_of(router: impl Fn(usize, u8) -> RouterSpec, priorities: &[u8]) -> Lan {
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
    let kinds = [router, router_with_ah, router_with_hmac];
    let mut tried = [0; 3];
    for (kind, spoiler) in (0..3).flat_map(|kind| Spoiler::ALL.map(|spoiler| (kind, spoiler))) {
        let mut lan = lan_of(kinds[kind], &[150, 100]);
        if !spoiler.concerns(&lan.routers()[0]) {
            continue;
        }
        tried[kind] += 1;
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
    // Only one has a password, the others a key.
    assert_eq!(tried, [6, 7, 7]);
}

/// Recorded adverts of the router that died do not keep the other from taking over, nor do they
/// make it yield afterwards.
#[test]
fn an_advert_sent_again_moves_no_timer() {
    for (kind, reason) in [
        (router_with_ah as fn(usize, u8) -> RouterSpec, "auth_failure"),
        (router_with_hmac, "auth_ext_replay"),
    ] {
        let mut lan = lan_of(kind, &[150, 100]);
        lan.make(Trouble::Crash(0));
        let replay = |lan: &mut Lan, count: u64| {
            for number in 0..count {
                lan.make(Trouble::Replay { router: 1, back: number as usize % 3 });
                lan.run_for(SECOND / 10);
            }
        };
        replay(&mut lan, 25);
        assert!(active(&lan).is_empty());
        replay(&mut lan, 12);
        assert_eq!(active(&lan), [100], "{reason}: as if nobody had sent anything");
        let (transitions, adverts) = (lan.history().transitions(), lan.adverts_sent());
        replay(&mut lan, 100);
        assert_eq!(lan.history().transitions(), transitions, "{}", lan.history());
        assert_eq!(lan.adverts_sent() - adverts, 10, "{reason}");
        let refused: Vec<_> =
            lan.routers()[1].counters().iter().filter(|each| each.1 > 0).collect();
        // What is older than the window is refused for that.
        let stale = refused.iter().filter(|each| each.0 == "auth_ext_stale").map(|each| each.1);
        let counted = refused.iter().filter(|each| each.0 == reason).map(|each| each.1);
        assert_eq!(counted.chain(stale).sum::<u64>(), 137, "{refused:?}");
    }
}

/// A network that delivers everything twice and in another order: each advert counts once.
#[test]
fn adverts_that_arrive_twice_and_late_are_believed_once() {
    for kind in [router_with_ah as fn(usize, u8) -> RouterSpec, router_with_hmac] {
        let mut lan = lan_of(kind, &[150, 100, 50]);
        let (transitions, adverts) = (lan.history().transitions(), lan.adverts_sent());
        let longest_delay = 2 * SECOND;
        lan.make(Trouble::Weather(Weather {
            loss_percent: 0,
            duplicate_percent: 100,
            longest_delay,
        }));
        lan.run_for(60 * SECOND);
        assert_eq!(active(&lan), [150]);
        assert_eq!(lan.history().transitions(), transitions, "{}", lan.history());
        let sent = lan.adverts_sent() - adverts;
        let heard = |router: usize| {
            let mut counters = lan.routers()[router].counters().iter();
            counters.find(|each| each.0 == "advert_rcvd").map_or(0, |each| each.1)
        };
        // The 40 s before were calm.
        assert!(sent == 60 && heard(1) < 100, "{sent} sent, {} believed", heard(1));
    }
}

/// RFC 9568 §6.4.3: whoever hears a priority 0 while it is Active sends at once, and then an
/// interval later. A Backup that stops says nothing.
#[test]
fn an_active_answers_a_resignation_at_once_and_a_backup_makes_none() {
    let millis = Duration::from_millis;
    let mut lan = lan(&[150, 100]);
    let before = lan.adverts_sent();
    lan.make(Trouble::Stop(1));
    assert_eq!(lan.adverts_sent(), before, "a Backup stopped");
    lan.make(Trouble::Restart(1));

    lan.make(Trouble::OneWay { from: 0, to: 1 });
    lan.run_for(SECOND * 4);
    assert_eq!(active(&lan), [150, 100], "one does not hear the other");
    let before = lan.adverts_sent();
    lan.make(Trouble::Stop(1));
    assert_eq!(lan.adverts_sent() - before, 1, "it resigns");
    lan.run_for(millis(1));
    assert_eq!(lan.adverts_sent() - before, 2, "and is answered");
    lan.run_for(millis(998));
    assert_eq!(lan.adverts_sent() - before, 2);
    lan.run_for(millis(2));
    assert_eq!(lan.adverts_sent() - before, 3);
    assert_eq!(active(&lan), [150]);
}

/// RFC 9568 §6.4.3: of two of one priority the higher address stays, and the other yields to its
/// first advert.
#[test]
fn of_two_equal_actives_the_higher_address_stays() {
    let mut lan = lan(&[100, 100]);
    lan.make(Trouble::Split { before: 1 });
    lan.run_for(4 * SECOND);
    assert_eq!(active(&lan), [100, 100]);
    lan.make(Trouble::Rejoin);
    lan.run_for(SECOND + Duration::from_millis(1));
    assert_eq!(active(&lan), [100]);
    assert_eq!(lan.routers()[1].state(), PublicState::Master, "192.0.2.2, not 192.0.2.1");
}

/// RFC 9568 §6.4.3 does not ask for Preempt_Mode: of two Actives the higher priority stays.
#[test]
fn an_active_yields_to_a_higher_priority_whatever_its_preempt_mode() {
    let kind = |number, priority| {
        let mut router = router(number, priority);
        router.settings.preempt = false;
        router
    };
    let mut lan = lan_of(kind, &[100, 150]);
    lan.make(Trouble::Split { before: 1 });
    lan.run_for(4 * SECOND);
    assert_eq!(active(&lan), [100, 150]);
    lan.make(Trouble::Rejoin);
    lan.run_for(SECOND + Duration::from_millis(1));
    assert_eq!(active(&lan), [150]);
}

/// RFC 9568 §6.4.2: a priority 0 makes a Backup wait its skew, 156/256 s, and no longer.
#[test]
fn after_a_resignation_the_backup_waits_its_skew() {
    let mut lan = lan(&[150, 100]);
    lan.make(Trouble::Stop(0));
    lan.run_for(Duration::from_millis(608));
    assert!(active(&lan).is_empty());
    lan.run_for(Duration::from_millis(3));
    assert_eq!(active(&lan), [100]);
}

/// RFC 9568 §6.4.2: with Preempt_Mode false a Backup stays behind a lower priority, as long as
/// that one is there.
#[test]
fn without_preemption_a_backup_stays_behind_a_lower_priority() {
    for preempt in [true, false] {
        let kind = |number, priority| {
            let mut router = router(number, priority);
            router.settings.preempt = preempt;
            router
        };
        let mut lan = lan_of(kind, &[150, 100]);
        lan.make(Trouble::Crash(0));
        lan.run_for(4 * SECOND);
        lan.make(Trouble::Restart(0));
        lan.run_for(20 * SECOND);
        assert_eq!(active(&lan), [if preempt { 150 } else { 100 }]);
        lan.make(Trouble::Stop(1));
        lan.run_for(SECOND);
        assert_eq!(active(&lan), [150]);
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
