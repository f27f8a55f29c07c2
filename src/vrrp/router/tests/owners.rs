//! Two routers that both claim priority 255 (keepalived's rule, without its defect).

use super::*;
use PublicState::{Backup, Master};

/// One second, as ours: 2 × 1 s + 1.2 × 1 s.
const PATIENCE_US: u64 = 3_200_000;

fn hears_a_rival_at(bench: &mut Bench, us: u64) -> Vec<Action> {
    bench.hear(at_us(us), heard_from(LOWER, 255)).to_vec()
}

/// keepalived's countdown begins anew with each advert it hears, so that two owners of the same
/// interval stay MASTER for ever.
#[test]
fn an_owner_gives_way_to_one_that_never_yields() {
    let mut bench = Bench::active(settings(255));
    let first = 10_400_000;
    for us in [first, first + 1_000_000, first + 2_000_000, first + PATIENCE_US - 1] {
        hears_a_rival_at(&mut bench, us);
        assert_eq!(bench.router.public_state(), Master, "at {us} µs");
    }
    let out = hears_a_rival_at(&mut bench, first + PATIENCE_US);
    assert_eq!(
        out,
        [
            note(Note::PriorityChanged { from: 255, to: 254 }),
            Action::ReleaseAddresses,
            transition(
                Master,
                Backup,
                Cause::HigherPriority { priority: 255, ours: 254, from: LOWER }
            ),
        ]
    );
    assert_eq!(bench.router.priority(), 254);
}

#[test]
fn a_rival_that_fell_silent_is_counted_anew() {
    let mut bench = Bench::active(settings(255));
    hears_a_rival_at(&mut bench, 10_400_000);
    hears_a_rival_at(&mut bench, 13_500_000);
    assert_eq!(bench.router.public_state(), Master);
    hears_a_rival_at(&mut bench, 13_500_000 + PATIENCE_US - 1);
    assert_eq!(bench.router.public_state(), Master);
}

/// An owner that has given way.
fn outlasted() -> Bench {
    let mut bench = Bench::active(settings(255));
    for step in 0..=4 {
        hears_a_rival_at(&mut bench, 10_000_000 + step * 800_000);
    }
    assert_eq!(bench.router.public_state(), Backup);
    bench
}

#[test]
fn when_the_rival_is_gone_the_owner_is_the_owner_again() {
    let mut bench = outlasted();
    let deadline = bench.deadline().unwrap();
    let out = bench.tell(deadline, Event::DeadlineReached).to_vec();
    assert_eq!(out[..2], [note(Note::PriorityChanged { from: 254, to: 255 }), advert(255)]);
    assert_eq!(bench.router.public_state(), Master);
}

#[test]
fn an_advert_that_is_not_the_rivals_restores_the_owner() {
    for other in [heard_from(HIGHER, 255), heard_from(LOWER, 200)] {
        let mut bench = outlasted();
        bench.hear(at_us(13_500_000), other);
        assert_eq!(bench.router.priority(), 255, "{other:?}");
    }
    let mut bench = outlasted();
    hears_a_rival_at(&mut bench, 13_500_000);
    assert_eq!(bench.router.priority(), 254, "the rival itself does not");
}

#[test]
fn the_conflict_is_said_once_for_each_rival() {
    let mut bench = Bench::active(settings(255));
    let said = |out: &[Action]| {
        out.iter().any(|action| matches!(action, Action::Note(Note::OwnerConflict { .. })))
    };
    assert!(said(&hears_a_rival_at(&mut bench, 10_400_000)));
    assert!(!said(&hears_a_rival_at(&mut bench, 11_400_000)));
}
