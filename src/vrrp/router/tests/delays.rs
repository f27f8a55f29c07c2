//! Start-up delays, and waking up late.

use super::*;
use PublicState::{Backup, Fault, Init, Master};

/// A router with a start-up delay until 20 s, started at 0 s.
fn quiet(settings: RouterSettings) -> Bench {
    let mut bench = Bench::idle(settings);
    assert_eq!(bench.tell(at_secs(0), Event::QuietUntil(at_secs(20))), []);
    bench.tell(at_secs(0), Event::Startup);
    bench
}

/// keepalived: BACKUP at once, and MASTER after the delay and a whole Active_Down_Interval.
#[test]
fn a_start_up_delay_comes_before_the_wait() {
    let mut bench = quiet(settings(100));
    assert_eq!(bench.router.public_state(), Backup);
    assert_eq!(bench.deadline(), Some(at_us(23_609_375)));
    bench.tell(at_us(23_609_375), Event::DeadlineReached);
    assert_eq!(bench.router.public_state(), Master);
}

#[test]
fn during_a_start_up_delay_nothing_is_heard() {
    let mut bench = quiet(settings(100));
    for heard in [heard(150), heard(0)] {
        assert_eq!(bench.hear(at_us(19_999_999), heard), []);
    }
    assert_eq!(bench.deadline(), Some(at_us(23_609_375)));
    bench.hear(at_secs(20), heard(150));
    assert_eq!(bench.deadline(), Some(at_us(23_609_375)), "3.609 s from 20 s on");
    assert_eq!(bench.router.active_router(), Some(LOWER));
}

#[test]
fn an_owner_waits_for_the_delay_only() {
    let mut bench = quiet(settings(255));
    assert_eq!(bench.router.public_state(), Backup);
    assert_eq!(bench.deadline(), Some(at_secs(20)));
    let out = bench.tell(at_secs(20), Event::DeadlineReached).to_vec();
    assert_eq!(out[0], advert(255));
}

#[test]
fn recovery_from_fault_does_not_shorten_the_delay() {
    let mut bench = Bench::idle(settings(100));
    bench.tell(at_secs(0), Event::QuietUntil(at_secs(20)));
    bench.tell(at_secs(0), Event::Fault(FaultCause::LinkDown));
    assert_eq!(
        bench.tell(at_secs(0), Event::Startup),
        [transition(Init, Fault, Cause::Fault(FaultCause::LinkDown))]
    );
    bench.tell(at_secs(5), Event::Recovered(FaultCause::LinkDown));
    assert_eq!(bench.deadline(), Some(at_us(23_609_375)));

    let mut owner = quiet(settings(255));
    owner.tell(at_secs(1), Event::Fault(FaultCause::LinkDown));
    owner.tell(at_secs(5), Event::Recovered(FaultCause::LinkDown));
    assert_eq!((owner.router.public_state(), owner.deadline()), (Backup, Some(at_secs(20))));
}

/// 2 × 1 s and the skew of priority 200 after the advert that was due at 11 s: 13.21875 s.
#[test]
fn an_active_that_slept_too_long_steps_back_when_told_to() {
    let patient = RouterSettings { preempt: false, late_behind: Some(200), ..settings(100) };
    let mut bench = Bench::active(patient.clone());
    let out = bench.tell(at_us(13_218_749), Event::DeadlineReached).to_vec();
    assert_eq!(out, [advert(100)]);

    let mut bench = Bench::active(patient.clone());
    let out = bench.tell(at_us(13_218_750), Event::DeadlineReached).to_vec();
    let stepped_back = [Action::ReleaseAddresses, transition(Master, Backup, Cause::WokeTooLate)];
    assert_eq!(out, stepped_back);
    assert_eq!(bench.deadline(), Some(at_us(16_828_125)));

    // What waited in the socket comes before the deadline: it must not be answered as a MASTER.
    let mut bench = Bench::active(patient);
    let out = bench.hear(at_us(20_000_000), heard(99)).to_vec();
    assert_eq!(out[..2], stepped_back);
    assert_eq!(bench.router.active_router(), Some(LOWER));

    let mut bench = Bench::active(RouterSettings { preempt: false, ..settings(100) });
    assert_eq!(bench.tell(at_secs(30), Event::DeadlineReached)[0], advert(100), "not told to");
}
