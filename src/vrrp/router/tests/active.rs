//! RFC 9568 §6.4.3. The router under test is Active since 10 s, and would advertise at 11 s.

use super::*;
use PublicState::{Backup, Deleted, Fault, Master, Stop};

#[test]
fn active_advertises_each_interval() {
    let mut bench = Bench::active(settings(100));

    assert_eq!(bench.tell(at_us(10_999_999), Event::DeadlineReached), []);
    assert_eq!(bench.tell(at_secs(11), Event::DeadlineReached), [advert(100)]);
    assert_eq!(bench.deadline(), Some(at_secs(12)));
}

#[test]
fn adverts_neither_drift_nor_burst() {
    let mut bench = Bench::active(settings(100));
    bench.tell(at_us(11_300_000), Event::DeadlineReached);
    assert_eq!(bench.adver_at(), at_secs(12), "300 ms late: the schedule stands");

    assert_eq!(bench.tell(at_us(14_500_000), Event::DeadlineReached), [advert(100)], "one, not 3");
    assert_eq!(bench.adver_at(), at_us(15_500_000));
}

/// §6.4.3 (705): the one that resigns was Active too; say who stays.
#[test]
fn active_answers_priority_zero_at_once() {
    let mut bench = Bench::active(settings(100));

    let out = bench.hear(at_us(10_400_000), heard(0));
    assert_eq!(out, [note(Note::HeardPriorityZero { from: LOWER }), advert(100)]);
    assert_eq!(bench.adver_at(), at_us(11_400_000));
}

/// §6.4.3 (725)–(765). It waits 3.609375 s behind the other one, and sends no priority 0.
#[test]
fn active_yields_to_a_higher_priority_without_a_word() {
    let mut bench = Bench::active(settings(100));

    let cause = Cause::HigherPriority { priority: 101, ours: 100, from: LOWER };
    let out = bench.hear(at_us(10_400_000), heard(101));
    assert_eq!(out, [Action::ReleaseAddresses, transition(Master, Backup, cause)]);
    assert_eq!(bench.deadline(), Some(at_us(14_009_375)));
    assert_eq!(bench.router.active_router(), Some(LOWER));
}

#[test]
fn higher_prio_send_advert_says_a_last_word() {
    let settings = RouterSettings { higher_prio_send_advert: true, ..settings(100) };
    let mut bench = Bench::active(settings);

    let out = bench.hear(at_us(10_400_000), heard(101));
    assert_eq!(out[..2], [advert(100), Action::ReleaseAddresses]);
}

/// Found by simulation: three Backups learn each other's short interval from last words, and
/// never have the patience for an Active Router that advertises every 3 s.
#[test]
fn higher_prio_send_advert_does_not_teach_another_interval() {
    let last_word = RouterSettings { higher_prio_send_advert: true, ..settings(100) };
    let mut bench = Bench::active(RouterSettings { version: Version::V3, ..last_word });
    let three_seconds = AdverInterval::from_centiseconds(300).unwrap();

    let out = bench.hear(at_us(10_400_000), Heard { adver_interval: three_seconds, ..heard(101) });
    assert_eq!(out[0], Action::ReleaseAddresses);
}

/// §6.4.3 (735): equal priorities are told apart by the primary address.
#[test]
fn active_yields_to_its_own_priority_from_a_higher_address() {
    let mut bench = Bench::active(settings(100));

    let cause = Cause::HigherAddress { priority: 100, from: HIGHER };
    let out = bench.hear(at_us(10_400_000), heard_from(HIGHER, 100));
    assert_eq!(out, [Action::ReleaseAddresses, transition(Master, Backup, cause)]);
}

/// Addresses compare as numbers, not as text: 10.0.0.9 is below 10.0.0.10.
#[test]
fn addresses_compare_as_numbers() {
    let mut bench = Bench::active(settings(100));
    bench.tell(at_secs(10), Event::SourceChanged(Some("10.0.0.9".parse().unwrap())));

    bench.hear(at_us(10_400_000), heard_from("10.0.0.10".parse().unwrap(), 100));
    assert_eq!(bench.router.public_state(), Backup);
}

/// RFC 9568 §6.4.3: discard, and advertise at once; the gratuitous ARPs are keepalived's.
#[test]
fn active_asserts_itself_against_a_lower_priority() {
    let mut bench = Bench::active(settings(100));

    let out = bench.hear(at_us(10_400_000), heard(99));
    let expected = [
        note(Note::HeardLowerPriority { priority: 99, ours: 100, from: LOWER }),
        advert(100),
        Action::Announce { rounds: 5 },
    ];
    assert_eq!(out, expected);
    assert_eq!(bench.adver_at(), at_us(11_400_000));
}

#[test]
fn active_asserts_itself_against_a_lower_address() {
    let mut bench = Bench::active(settings(100));

    let out = bench.hear(at_us(10_400_000), heard_from(LOWER, 100));
    let expected = [
        note(Note::HeardLowerAddress { priority: 100, from: LOWER }),
        advert(100),
        Action::Announce { rounds: 5 },
    ];
    assert_eq!(out, expected);
}

/// `garp_lower_prio_delay`, by default 5 s: hosts may have believed the other one meanwhile.
#[test]
fn asserting_itself_is_announced_again_after_the_delay() {
    let mut bench = Bench::active(RouterSettings { lower_prio_no_advert: true, ..settings(100) });
    for second in 11..=20 {
        bench.tell(at_secs(second), Event::DeadlineReached);
    }
    bench.hear(at_us(20_500_000), heard(99));
    for second in 21..=25 {
        assert_eq!(bench.tell(at_secs(second), Event::DeadlineReached), [advert(100)]);
    }
    let out = bench.tell(at_us(25_500_000), Event::DeadlineReached);
    assert_eq!(out, [Action::Announce { rounds: 5 }]);
}

/// What we hear does not restart Adver_Timer, or a chatty neighbour could silence us.
#[test]
fn lower_prio_no_advert_leaves_the_advert_timer_alone() {
    let mut bench = Bench::active(RouterSettings { lower_prio_no_advert: true, ..settings(100) });

    for step in 1..10 {
        let out = bench.hear(at_us(10_000_000 + 100_000 * step), heard(99));
        assert!(!out.contains(&advert(100)));
        assert_eq!(bench.adver_at(), at_secs(11));
    }
}

#[test]
fn our_own_advert_coming_back_is_noted_and_moves_no_timer() {
    let mut bench = Bench::active(settings(100));

    let out = bench.hear(at_us(10_400_000), heard_from(OURS, 100));
    assert_eq!(out, [note(Note::HeardOurselves { priority: 100, from: OURS })]);
    assert_eq!(bench.adver_at(), at_secs(11));
}

#[test]
fn of_two_owners_the_lower_address_yields_and_both_say_so() {
    let mut bench = Bench::active(settings(255));
    let out = bench.hear(at_us(10_400_000), heard_from(HIGHER, 255));
    assert_eq!(out[0], note(Note::OwnerConflict { other: HIGHER }));
    assert_eq!(bench.router.public_state(), Backup);

    let mut bench = Bench::active(settings(255));
    let out = bench.hear(at_us(10_400_000), heard_from(LOWER, 255));
    assert_eq!(out[0], note(Note::OwnerConflict { other: LOWER }));
    assert_eq!(bench.router.public_state(), Master);
}

/// §6.4.3: Preempt_Mode is not considered here.
#[test]
fn nopreempt_does_not_keep_an_active_router_active() {
    let mut bench = Bench::active(RouterSettings { preempt: false, ..settings(100) });
    bench.hear(at_us(10_400_000), heard(101));
    assert_eq!(bench.router.public_state(), Backup);
}

/// keepalived's defaults: 5 rounds at once, 5 more after 5 s, then no more.
#[test]
fn second_block_of_gratuitous_arps_follows_after_its_delay() {
    let mut bench = Bench::active(settings(100));
    for second in 11..15 {
        assert_eq!(bench.tell(at_secs(second), Event::DeadlineReached), [advert(100)]);
    }
    let out = bench.tell(at_secs(15), Event::DeadlineReached);
    assert_eq!(out, [advert(100), Action::Announce { rounds: 5 }]);
    assert_eq!(bench.tell(at_secs(16), Event::DeadlineReached), [advert(100)]);
}

#[test]
fn the_deadline_is_the_earlier_of_advert_and_announcement() {
    let garp = GarpSettings { delay: Duration::from_millis(1500), ..GarpSettings::default() };
    let mut bench = Bench::active(RouterSettings { garp, ..settings(100) });
    bench.tell(at_secs(11), Event::DeadlineReached);

    assert_eq!(bench.deadline(), Some(at_us(11_500_000)));
    let out = bench.tell(at_us(11_500_000), Event::DeadlineReached);
    assert_eq!(out, [Action::Announce { rounds: 5 }], "no advert out of turn");
    assert_eq!(bench.deadline(), Some(at_secs(12)));
}

/// §6.4.3 (655)–(675): one priority 0, while we still hold the addresses.
#[test]
fn stopping_active_resigns_and_then_releases() {
    for (event, to, cause) in
        [(Event::Shutdown, Stop, Cause::Shutdown), (Event::Deleted, Deleted, Cause::Deleted)]
    {
        let mut bench = Bench::active(settings(100));
        let expected = [advert(0), Action::ReleaseAddresses, transition(Master, to, cause)];
        assert_eq!(bench.tell(at_us(10_400_000), event), expected);
        assert_eq!(bench.deadline(), None);
    }
}

/// keepalived sends priority 0 twice here; once is enough.
#[test]
fn failing_active_resigns_once_and_releases() {
    let mut bench = Bench::active(settings(100));

    let out = bench.tell(at_us(10_400_000), Event::SourceChanged(None));
    let cause = Cause::Fault(FaultCause::NoSourceAddress);
    let expected = [advert(0), Action::ReleaseAddresses, transition(Master, Fault, cause)];
    assert_eq!(out, expected);
    assert_eq!(bench.tell(at_us(10_400_001), Event::Fault(FaultCause::LinkDown)), []);
}

/// keepalived: an advert right after the reload, no notify, no loss of the addresses.
#[test]
fn reconfigured_active_stays_and_says_its_new_priority_at_once() {
    let mut bench = Bench::active(settings(100));
    let faster = RouterSettings {
        adver_interval: AdverInterval::from_centiseconds(50).unwrap(),
        ..settings(90)
    };
    assert_eq!(bench.tell(at_us(10_400_000), Event::Reconfigured(faster)), [advert(90)]);
    assert_eq!(bench.adver_at(), at_us(10_900_000));
}

#[test]
fn a_refresh_turned_on_by_a_reload_begins() {
    let mut bench = Bench::active(settings(100));
    let garp = GarpSettings { refresh: Duration::from_millis(700), ..GarpSettings::default() };
    bench.tell(at_us(10_400_000), Event::Reconfigured(RouterSettings { garp, ..settings(100) }));

    let out = bench.tell(at_us(11_100_000), Event::DeadlineReached);
    assert_eq!(out, [Action::Announce { rounds: 1 }]);
}

#[test]
fn active_reconfigured_alike_keeps_its_schedule() {
    let mut bench = Bench::active(settings(100));
    assert_eq!(bench.tell(at_us(10_400_000), Event::Reconfigured(settings(100))), []);
    assert_eq!(bench.adver_at(), at_secs(11));
}

#[test]
fn addresses_added_are_announced_now_and_after_the_delay() {
    let mut bench = Bench::active(settings(100));
    for second in 11..=16 {
        bench.tell(at_secs(second), Event::DeadlineReached);
    }
    let out = bench.tell(at_us(16_200_000), Event::AddressesAdded);
    assert_eq!(out, [Action::Announce { rounds: 5 }]);
    assert_eq!(bench.adver_at(), at_secs(17));
    for second in 17..=21 {
        bench.tell(at_secs(second), Event::DeadlineReached);
    }
    let out = bench.tell(at_us(21_200_000), Event::DeadlineReached);
    assert_eq!(out, [Action::Announce { rounds: 5 }]);
}

#[test]
fn zero_rounds_are_no_announcement() {
    let garp = GarpSettings { repeat: 0, lower_prio_repeat: 0, ..GarpSettings::default() };
    let mut bench = Bench::started(RouterSettings { garp, ..settings(100) });

    let out = bench.tell(at_secs(10), Event::DeadlineReached);
    assert!(!out.iter().any(|action| matches!(action, Action::Announce { .. })));
    assert_eq!(bench.deadline(), Some(at_secs(11)));
}

#[test]
fn events_that_mean_nothing_to_an_active_change_nothing() {
    let mut bench = Bench::active(settings(100));
    let before = *bench.router.state();
    for event in [
        Event::Startup,
        Event::Recovered(FaultCause::LinkDown),
        Event::SourceChanged(Some(HIGHER)),
        Event::DeadlineReached,
    ] {
        assert_eq!(bench.tell(at_secs(10), event.clone()), [], "{event:?}");
        assert_eq!(*bench.router.state(), before, "{event:?}");
    }
}

/// Nothing is sent for it: the next advert on schedule carries it, and the Backup decides.
#[test]
fn a_changed_priority_goes_out_with_the_next_advert() {
    let mut bench = Bench::active(settings(100));
    let changed = note(Note::PriorityChanged { from: 100, to: 60 });
    assert_eq!(bench.tell(at_us(10_400_000), Event::PriorityAdjusted(-40)), [changed]);
    assert_eq!(bench.adver_at(), at_secs(11));
    assert_eq!(bench.tell(at_secs(11), Event::DeadlineReached), [advert(60)]);
    // An owner's is not for trackers to change.
    let mut owner = Bench::started(settings(255));
    assert_eq!(owner.tell(at_secs(1), Event::PriorityAdjusted(-40)), []);
}

/// Issue: drift is repaired, but not for ever: peers get their turn, and a minute later we do.
#[test]
fn addresses_are_put_back_five_times_in_ten_seconds_and_then_left_to_others() {
    let mut bench = Bench::active(settings(100));
    let adver_at = bench.adver_at();
    for repair in 0..5 {
        let now = at_us(10_000_000 + repair * 150_000);
        assert_eq!(bench.tell(now, Event::AddressesRemoved), [Action::RestoreAddresses]);
    }
    assert_eq!(bench.adver_at(), adver_at, "adverts go on undisturbed");
    let cause = Cause::Fault(FaultCause::AddressFight);
    assert_eq!(
        bench.tell(at_us(10_750_000), Event::AddressesRemoved),
        [
            advert(0),
            Action::ReleaseAddresses,
            transition(PublicState::Master, PublicState::Fault, cause),
        ]
    );
    assert_eq!(bench.deadline(), Some(at_us(70_750_000)));
    assert_eq!(bench.tell(at_secs(60), Event::DeadlineReached), []);
    bench.tell(at_us(70_750_000), Event::DeadlineReached);
    assert_eq!(bench.router.public_state(), PublicState::Backup);
}
