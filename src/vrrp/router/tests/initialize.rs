//! RFC 9568 §6.4.1, and keepalived's FAULT, which is part of it.

use super::*;
use PublicState::{Backup, Deleted, Fault, Init, Master, Stop};

/// §6.4.1 (100): 3 × 1 s + 156/256 s.
#[test]
fn startup_below_255_waits_a_whole_active_down_interval_as_backup() {
    let mut bench = Bench::idle(settings(100));

    let out = bench.tell(at_secs(0), Event::Startup);
    assert_eq!(out, [transition(Init, Backup, Cause::Startup)]);
    assert_eq!(bench.deadline(), Some(at_us(3_609_375)));
}

/// §6.4.1 (110).
#[test]
fn startup_of_the_owner_is_active_at_once() {
    let mut bench = Bench::idle(settings(255));

    let out = bench.tell(at_secs(0), Event::Startup);
    assert_eq!(
        out,
        [
            advert(255),
            Action::HoldAddresses,
            Action::Announce { rounds: 5 },
            transition(Init, Master, Cause::AddressOwner),
        ]
    );
    assert_eq!(bench.deadline(), Some(at_secs(1)));
}

/// keepalived: an explicit `state BACKUP` makes an owner wait.
#[test]
fn startup_of_an_owner_told_to_start_as_backup_waits() {
    let bench = Bench::started(RouterSettings { starts_active: false, ..settings(255) });

    assert_eq!(bench.router.public_state(), Backup);
    assert_eq!(bench.deadline().map(|at| at > at_us(3_003_906)), Some(true));
    assert_eq!(bench.deadline().map(|at| at < at_us(3_003_907)), Some(true));
}

/// keepalived: `state MASTER` below 255 changes nothing.
#[test]
fn starts_active_alone_does_not_shorten_the_wait() {
    let bench = Bench::started(RouterSettings { starts_active: true, ..settings(254) });
    assert_eq!(bench.router.public_state(), Backup);
}

#[test]
fn startup_without_source_address_is_fault_until_there_is_one() {
    let mut router = VirtualRouter::new(settings(100), None);
    let mut out = Vec::new();
    router.handle(at_secs(0), Event::Startup, &mut out);
    router.handle(at_secs(9), Event::SourceChanged(Some(OURS)), &mut out);

    let cause = FaultCause::NoSourceAddress;
    assert_eq!(
        out,
        [
            transition(Init, Fault, Cause::Fault(cause)),
            transition(Fault, Backup, Cause::Recovered(cause)),
        ]
    );
    assert_eq!(router.next_deadline(), Some(at_us(12_609_375)), "the whole wait, from recovery");
}

#[test]
fn faults_known_before_startup_keep_it_from_running() {
    let mut bench = Bench::idle(settings(255));
    assert_eq!(bench.tell(at_secs(0), Event::Fault(FaultCause::LinkDown)), []);

    let out = bench.tell(at_secs(1), Event::Startup);
    assert_eq!(out, [transition(Init, Fault, Cause::Fault(FaultCause::LinkDown))]);
    assert_eq!(bench.deadline(), None);
}

/// keepalived 2.4 leaves FAULT with the first of several interfaces; causes are counted here.
#[test]
fn fault_is_left_with_the_last_of_its_causes() {
    let mut bench = Bench::started(settings(100));
    bench.tell(at_secs(1), Event::Fault(FaultCause::LinkDown));
    assert_eq!(bench.tell(at_secs(2), Event::SourceChanged(None)), []);
    assert_eq!(bench.tell(at_secs(2), Event::Fault(FaultCause::LinkDown)), [], "told twice");

    assert_eq!(bench.tell(at_secs(3), Event::Recovered(FaultCause::LinkDown)), []);
    assert_eq!(bench.router.public_state(), Fault);
    assert_eq!(bench.router.faults().collect::<Vec<_>>(), [FaultCause::NoSourceAddress]);

    let out = bench.tell(at_secs(4), Event::SourceChanged(Some(OURS)));
    let cause = Cause::Recovered(FaultCause::NoSourceAddress);
    assert_eq!(out, [transition(Fault, Backup, cause)]);
}

#[test]
fn recovery_from_what_was_no_fault_is_no_news() {
    let mut bench = Bench::started(settings(100));
    bench.tell(at_secs(1), Event::Fault(FaultCause::LinkDown));

    assert_eq!(bench.tell(at_secs(2), Event::Recovered(FaultCause::InterfaceMissing)), []);
    assert_eq!(bench.router.public_state(), Fault);
}

/// It would have nothing to send from, nor to compare with.
#[test]
fn no_source_address_is_recovered_from_by_an_address_only() {
    let mut bench = Bench::started(settings(100));
    bench.tell(at_secs(1), Event::Fault(FaultCause::NoSourceAddress));
    bench.tell(at_secs(2), Event::Recovered(FaultCause::NoSourceAddress));
    assert_eq!(bench.router.public_state(), Fault);

    bench.tell(at_secs(3), Event::SourceChanged(Some(LOWER)));
    assert_eq!((bench.router.public_state(), bench.router.source()), (Backup, Some(LOWER)));
}

/// keepalived goes through BACKUP here.
#[test]
fn an_owner_leaves_fault_for_active_at_once() {
    let mut bench = Bench::started(settings(255));
    bench.tell(at_secs(1), Event::Fault(FaultCause::LinkDown));

    let out = bench.tell(at_secs(2), Event::Recovered(FaultCause::LinkDown));
    let cause = Cause::Recovered(FaultCause::LinkDown);
    assert_eq!(out.last(), Some(&transition(Fault, Master, cause)));
    assert_eq!(out.first(), Some(&advert(255)));
}

#[test]
fn shutdown_in_fault_is_reported_and_before_startup_is_not() {
    let mut bench = Bench::started(settings(100));
    bench.tell(at_secs(1), Event::Fault(FaultCause::LinkDown));
    let out = bench.tell(at_secs(2), Event::Shutdown);
    assert_eq!(out, [transition(Fault, Stop, Cause::Shutdown)]);

    let mut bench = Bench::idle(settings(100));
    assert_eq!(bench.tell(at_secs(2), Event::Shutdown), []);
    assert_eq!(bench.router.public_state(), Stop);
}

#[test]
fn late_events_after_a_stop_do_nothing() {
    let mut bench = Bench::active(settings(100));
    bench.tell(at_secs(11), Event::Shutdown);

    for event in [
        Event::Advertisement(heard(0)),
        Event::Advertisement(heard(250)),
        Event::DeadlineReached,
        Event::Fault(FaultCause::LinkDown),
        Event::Recovered(FaultCause::LinkDown),
        Event::SourceChanged(None),
        Event::SourceChanged(Some(LOWER)),
        Event::AddressesAdded,
        Event::Shutdown,
    ] {
        assert_eq!(bench.tell(at_secs(12), event.clone()), [], "{event:?}");
        assert_eq!((bench.deadline(), bench.router.public_state()), (None, Stop), "{event:?}");
    }
}

#[test]
fn a_stopped_router_starts_again_and_a_deleted_one_does_not() {
    let mut bench = Bench::started(settings(100));
    bench.tell(at_secs(1), Event::Shutdown);
    let out = bench.tell(at_secs(2), Event::Startup);
    assert_eq!(out, [transition(Stop, Backup, Cause::Startup)]);

    let out = bench.tell(at_secs(3), Event::Deleted);
    assert_eq!(out, [transition(Backup, Deleted, Cause::Deleted)]);
    assert_eq!(bench.tell(at_secs(4), Event::Startup), []);
    assert_eq!(bench.tell(at_secs(4), Event::Deleted), []);
}

#[test]
fn settings_changed_in_fault_count_from_recovery_on() {
    let mut bench = Bench::started(settings(100));
    bench.tell(at_secs(1), Event::Fault(FaultCause::LinkDown));
    assert_eq!(bench.tell(at_secs(2), Event::Reconfigured(settings(150))), []);
    bench.tell(at_secs(3), Event::Recovered(FaultCause::LinkDown));

    assert_eq!(bench.deadline(), Some(at_us(6_414_062) + Duration::from_nanos(500)));
}
