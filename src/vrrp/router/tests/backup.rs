//! RFC 9568 §6.4.2, and keepalived's `preempt_delay`.

use super::*;
use PublicState::{Backup, Fault, Master, Stop};

fn new_active(address: IpAddr, priority: u8) -> Action {
    note(Note::NewActive { address, priority })
}

fn discarded(priority: u8) -> Action {
    note(Note::DiscardedLowerPriority { priority, ours: 100, from: LOWER })
}

/// §6.4.2 (425): priority 0 means the Active Router is leaving, so a Backup waits Skew_Time
/// only, not the whole Active_Down_Interval.
#[test]
fn backup_hearing_priority_zero_waits_skew_time_only() {
    for preempt in [true, false] {
        let mut bench = Bench::started(RouterSettings { preempt, ..settings(100) });

        let out = bench.hear(at_secs(2), heard(0));
        assert_eq!(out, [note(Note::HeardPriorityZero { from: LOWER })], "no reason to act yet");
        assert_eq!(bench.deadline(), Some(at_us(2_609_375)));
    }
}

/// §6.4.2 (445)–(460). The sender's address does not matter here, only to an Active.
#[test]
fn backup_hearing_its_priority_or_a_higher_one_waits_anew() {
    for (priority, from) in [(100, LOWER), (100, HIGHER), (101, LOWER), (255, LOWER)] {
        let mut bench = Bench::started(settings(100));

        let out = bench.hear(at_secs(2), heard_from(from, priority));
        assert_eq!(out, [new_active(from, priority)]);
        assert_eq!(bench.deadline(), Some(at_us(5_609_375)));
        assert_eq!(bench.router.active_router(), Some(from));
    }
}

#[test]
fn the_same_active_router_is_news_once() {
    let mut bench = Bench::started(settings(100));
    bench.hear(at_secs(1), heard(150));

    assert_eq!(bench.hear(at_secs(2), heard(150)), []);
    assert_eq!(bench.hear(at_secs(3), heard_from(HIGHER, 150)), [new_active(HIGHER, 150)]);
}

/// §6.4.2 (465): the timer goes on, so that it takes over when it runs out.
#[test]
fn preempting_backup_discards_a_lower_priority() {
    let mut bench = Bench::started(settings(100));

    for second in [1, 2, 3] {
        assert_eq!(bench.hear(at_secs(second), heard(99)), [discarded(99)]);
    }
    assert_eq!(bench.deadline(), Some(at_us(3_609_375)));
    bench.tell(at_us(3_609_375), Event::DeadlineReached);
    assert_eq!(bench.router.public_state(), Master);
}

/// §6.4.2 (445), Preempt_Mode false.
#[test]
fn nopreempt_backup_stays_behind_a_lower_priority() {
    let mut bench = Bench::started(RouterSettings { preempt: false, ..settings(100) });

    assert_eq!(bench.hear(at_secs(3), heard(1)), [new_active(LOWER, 1)]);
    assert_eq!(bench.deadline(), Some(at_us(6_609_375)));
}

/// §6.4.2 (365)–(410), and keepalived's order: advert, addresses, gratuitous ARP, notify.
#[test]
fn silence_makes_a_backup_active_in_this_order() {
    let mut bench = Bench::started(settings(100));

    let out = bench.tell(at_us(3_609_375), Event::DeadlineReached);
    assert_eq!(
        out,
        [
            advert(100),
            Action::HoldAddresses,
            Action::Announce { rounds: 5 },
            transition(Backup, Master, Cause::ActiveDownTimerExpired),
        ]
    );
    assert_eq!(bench.adver_at(), at_us(4_609_375));
}

#[test]
fn an_early_deadline_does_nothing() {
    let mut bench = Bench::started(settings(100));
    assert_eq!(bench.tell(at_us(3_609_374), Event::DeadlineReached), []);
    assert_eq!(bench.router.public_state(), Backup);
}

/// The driver drains the socket first; what it finds there moves the deadline away.
#[test]
fn an_advert_handed_over_before_a_late_deadline_keeps_it_backup() {
    let mut bench = Bench::started(settings(100));
    bench.hear(at_secs(30), heard(150));
    assert_eq!(bench.tell(at_secs(30), Event::DeadlineReached), []);
    assert_eq!(bench.deadline(), Some(at_us(33_609_375)));
}

/// RFC 9568 §6.4.2 (450): Active_Adver_Interval is learned, for skew and priority 0 as well.
#[test]
fn v3_backup_follows_the_interval_of_the_active_router() {
    let mut bench = Bench::started(RouterSettings { version: Version::V3, ..settings(100) });
    let three_seconds = AdverInterval::from_centiseconds(300).unwrap();

    bench.hear(at_secs(1), Heard { adver_interval: three_seconds, ..heard(150) });
    assert_eq!(bench.deadline(), Some(at_us(11_828_125)));

    bench.hear(at_secs(2), heard(0));
    assert_eq!(bench.deadline(), Some(at_us(3_828_125)));
}

fn patient() -> RouterSettings {
    RouterSettings { preempt_delay: Duration::from_secs(3), ..settings(100) }
}

/// keepalived: 3 s from the first lower advert on it is accepted, then discarded, and the
/// timer of the last accepted one has to run out: 1 s + 2 s + 3.609 s.
#[test]
fn preempt_delay_lets_a_lower_priority_carry_on_for_a_while() {
    let mut bench = Bench::started(patient());

    let out = bench.hear(at_secs(1), heard(50));
    let started = note(Note::PreemptDelayStarted { lower: LOWER, priority: 50 });
    assert_eq!(out, [started, new_active(LOWER, 50)]);
    assert_eq!(bench.hear(at_secs(2), heard(50)), []);
    assert_eq!(bench.hear(at_secs(3), heard(50)), []);
    assert_eq!(bench.hear(at_secs(4), heard(50)), [discarded(50)]);
    assert_eq!(bench.deadline(), Some(at_us(6_609_375)));
}

#[test]
fn preempt_delay_is_cancelled_by_a_priority_not_below_ours() {
    let mut bench = Bench::started(patient());
    bench.hear(at_secs(1), heard(50));
    bench.hear(at_secs(2), heard(100));

    bench.hear(at_secs(5), heard(50));
    assert_eq!(bench.deadline(), Some(at_us(8_609_375)), "a new delay: accepted again");
}

#[test]
fn preempt_delay_does_not_hold_up_the_takeover_from_a_dead_router() {
    let mut bench = Bench::started(RouterSettings {
        preempt_delay: Duration::from_secs(1000),
        ..settings(100)
    });
    bench.hear(at_secs(1), heard(50));
    bench.tell(at_us(4_609_375), Event::DeadlineReached);
    assert_eq!(bench.router.public_state(), Master);
}

/// §6.4.2 (345); a Backup sends nothing.
#[test]
fn stopping_backup_sends_nothing() {
    let mut bench = Bench::started(settings(100));
    assert_eq!(
        bench.tell(at_secs(1), Event::Shutdown),
        [transition(Backup, Stop, Cause::Shutdown)]
    );
    assert_eq!(bench.deadline(), None);
}

#[test]
fn failing_backup_sends_nothing() {
    let mut bench = Bench::started(settings(100));
    let out = bench.tell(at_secs(1), Event::Fault(FaultCause::LinkDown));
    assert_eq!(out, [transition(Backup, Fault, Cause::Fault(FaultCause::LinkDown))]);
}

/// As keepalived: the whole wait again at our own interval, and nobody remembered.
#[test]
fn reconfigured_backup_waits_anew() {
    let mut bench = Bench::started(settings(100));
    bench.hear(at_secs(1), heard(150));

    assert_eq!(bench.tell(at_secs(2), Event::Reconfigured(settings(228))), []);
    assert_eq!(bench.deadline(), Some(at_us(5_109_375)), "3 s + 28/256 s");
    assert_eq!(bench.router.active_router(), None);
}

/// A reload touches nothing that it does not change.
#[test]
fn backup_reconfigured_alike_goes_on_waiting() {
    let mut bench = Bench::started(settings(100));
    bench.tell(at_secs(2), Event::Reconfigured(settings(100)));
    assert_eq!(bench.deadline(), Some(at_us(3_609_375)));
}

#[test]
fn events_that_mean_nothing_to_a_backup_change_nothing() {
    let mut bench = Bench::started(settings(100));
    let before = *bench.router.state();
    for event in [
        Event::Startup,
        Event::AddressesAdded,
        Event::Recovered(FaultCause::LinkDown),
        Event::SourceChanged(Some(HIGHER)),
    ] {
        assert_eq!(bench.tell(at_secs(1), event.clone()), [], "{event:?}");
        assert_eq!(*bench.router.state(), before, "{event:?}");
    }
    assert_eq!(bench.router.source(), Some(HIGHER));
}

/// The wait moves with the skew: 120 → 100 is 20/256 s more, and a master-down timer that runs
/// since 0 s at priority 120 ends at 3 s + 136/256 s = 3.53125 s.
#[test]
fn a_lower_effective_priority_waits_longer_by_the_difference_in_skew() {
    let mut bench = Bench::started(settings(120));
    assert_eq!(bench.deadline(), Some(at_us(3_531_250)));
    let changed = note(Note::PriorityChanged { from: 120, to: 100 });
    assert_eq!(bench.tell(at_secs(1), Event::PriorityAdjusted(-20)), [changed]);
    assert_eq!(bench.deadline(), Some(at_us(3_609_375)));
    assert_eq!(bench.tell(at_secs(2), Event::PriorityAdjusted(-20)), []);

    // What it takes over with, and compares with.
    assert_eq!(bench.hear(at_secs(2), heard(110)).len(), 1, "110 is now the better one");
    bench.tell(at_secs(10), Event::DeadlineReached);
    assert_eq!(bench.out[0], advert(100));
}
