//! §3: what misc_dynamic does to weights.

use super::*;

fn scripts(weight: u32, count: usize) -> PoolSettings {
    let checker = CheckerSettings { timing: timing(0, false).into(), kind: Kind::Script };
    pool(vec![server(weight, vec![checker; count])])
}

/// Row 15: exits 7, 0, 255, 1 at weight 10.
#[test]
fn one_dynamic_checker_sets_the_weight() {
    let mut lab = Lab::start(scripts(10, 1));
    let out = lab.next(0, Outcome::SuccessWithWeight(5));
    assert_eq!(
        out,
        [
            Action::CheckerPassed { server: 0, checker: 0, first: true },
            Action::DestinationChanged { server: 0 },
            Action::WeightChanged { server: 0, weight: 5 },
        ]
    );
    assert_eq!(lab.wanted(), [Some(5)]);
    assert_eq!(lab.next(0, Outcome::SuccessWithWeight(5)), [], "the same again is no news");
    lab.next(0, Outcome::Success);
    assert_eq!(lab.wanted(), [Some(10)]);
    lab.next(0, Outcome::SuccessWithWeight(253));
    assert_eq!(lab.wanted(), [Some(253)]);
    lab.next(0, failure());
    assert_eq!(lab.wanted(), [None]);
}

/// Row 16: 10 - 5 - 4 = 1; 10 - 10 - 4 is cut to 0.
#[test]
fn wishes_of_several_checkers_add_up() {
    for (first, second, expected) in [(5, 6, 1), (0, 6, 0), (20, 15, 25)] {
        let mut lab = Lab::start(scripts(10, 2));
        lab.attempt(1_000);
        lab.result(0, 0, Outcome::SuccessWithWeight(first));
        lab.result(0, 1, Outcome::SuccessWithWeight(second));
        assert_eq!(lab.wanted(), [Some(expected)]);
    }
}

#[test]
fn weight_zero_is_up_but_can_lose_the_quorum() {
    let mut lab = Lab::start(scripts(10, 1));
    let out = lab.next(0, Outcome::SuccessWithWeight(0));
    assert!(!says_down(&out));
    assert_eq!(out.last(), Some(&Action::QuorumLost { initial: false, sum: 0, needed: 1 }));
    assert_eq!(lab.wanted(), [Some(0)]);
}

/// Row 17, BUG 1: a reload after exit 0 must not zero the weight.
#[test]
fn reload_keeps_the_weight_that_a_checker_asked_for() {
    for (outcome, weight, expected) in [
        (Outcome::Success, 10, 10),
        (Outcome::SuccessWithWeight(5), 10, 5),
        (Outcome::SuccessWithWeight(5), 30, 5),
        (Outcome::Success, 30, 30),
    ] {
        let mut lab = Lab::start(scripts(10, 1));
        lab.next(0, outcome);
        let pairing =
            Pairing { servers: vec![Some(PairedServer { old: 0, checkers: vec![Some(0)] })] };
        lab.reload(scripts(weight, 1), &pairing);
        assert_eq!(lab.wanted(), [Some(expected)]);
    }
}

#[test]
fn sums_beyond_the_kernels_range_are_cut() {
    let mut lab = Lab::start(scripts(2, 2));
    lab.attempt(1_000);
    lab.result(0, 0, Outcome::SuccessWithWeight(u32::MAX));
    lab.result(0, 1, Outcome::SuccessWithWeight(u32::MAX));
    assert_eq!(lab.wanted(), [Some(MAX_WEIGHT)]);
}
