//! `slow_start`: from a tenth of the weight to all of it.

use super::*;

/// One server of weight 100 that takes 20 s, with a checker every 10 s.
fn slow(weight: u32) -> PoolSettings {
    let mut settings = pool(vec![server(weight, vec![connect(timing(0, false))])]);
    settings.servers[0].slow_start = Duration::from_secs(20);
    settings
}

/// Down at 1 s, up again at 11 s.
fn recovered(weight: u32) -> Lab {
    let mut lab = Lab::start(slow(weight));
    lab.next(0, failure());
    let out = lab.next(0, Outcome::Success);
    assert!(says_up(&out));
    assert_eq!(lab.now_ms, 11_000);
    lab
}

#[test]
fn a_server_that_is_up_from_the_start_has_its_whole_weight() {
    assert_eq!(Lab::start(slow(100)).wanted(), [Some(100)]);
}

#[test]
fn a_server_that_comes_up_gets_its_weight_in_tenths() {
    let mut lab = recovered(100);
    assert_eq!(lab.wanted(), [Some(10)], "at once");
    assert_eq!(lab.pool.status().servers[0].weight, 100);
    assert_eq!(lab.pool.status().sum, 100, "the quorum counts all of it");
    let mut seen = Vec::new();
    while lab.now_ms < 31_000 {
        let next = lab.deadline_ms();
        let out = lab.attempt(next);
        if out.contains(&Action::DestinationChanged { server: 0 }) {
            seen.push((lab.now_ms - 11_000, lab.wanted()[0].unwrap()));
        }
        if lab.running.contains_key(&(0, 0)) {
            lab.result(0, 0, Outcome::Success);
        }
    }
    let steps = (2..=10).map(|step| (step * 2_000, 10 * step as u32)).collect::<Vec<_>>();
    assert_eq!(seen, steps);
    assert_eq!(lab.deadline_ms(), 41_000, "only the next check");
}

/// A weight of 1 has no parts, and 0 stays 0.
#[test]
fn small_weights_are_never_rounded_to_nothing() {
    assert_eq!(recovered(1).wanted(), [Some(1)]);
    assert_eq!(recovered(3).wanted(), [Some(1)]);
    assert_eq!(recovered(25).wanted(), [Some(3)]);
    assert_eq!(recovered(MAX_WEIGHT).wanted(), [Some(214_748_365)]);
    let mut lab = Lab::start(slow(0));
    lab.next(0, failure());
    lab.next(0, Outcome::Success);
    assert_eq!(lab.wanted(), [Some(0)]);
}

#[test]
fn a_server_that_goes_down_begins_anew() {
    let mut lab = recovered(100);
    lab.attempt(21_000);
    assert_eq!(lab.wanted(), [Some(50)]);
    lab.result(0, 0, failure());
    assert_eq!(lab.wanted(), [None]);
    lab.next(0, Outcome::Success);
    assert_eq!((lab.now_ms, lab.wanted()), (31_000, vec![Some(10)]));
    // The old ramp would have ended here.
    lab.attempt(31_500);
    assert_eq!(lab.wanted(), [Some(10)]);
}

#[test]
fn a_weight_that_changes_on_the_way_counts_at_once() {
    let mut lab = Lab::start(slow(100));
    lab.next(0, failure());
    lab.next(0, Outcome::SuccessWithWeight(50));
    assert_eq!(lab.wanted(), [Some(5)]);
}

#[test]
fn a_reload_goes_on_with_it_unless_it_is_taken_out() {
    let pairing = Pairing { servers: vec![Some(PairedServer { old: 0, checkers: vec![Some(0)] })] };
    let mut lab = recovered(100);
    lab.attempt(15_500);
    lab.reload(slow(100), &pairing);
    assert_eq!(lab.wanted(), [Some(20)]);
    lab.attempt(17_000);
    assert_eq!(lab.wanted(), [Some(30)]);
    let mut settings = slow(100);
    settings.servers[0].slow_start = Duration::ZERO;
    lab.reload(settings, &pairing);
    assert_eq!(lab.wanted(), [Some(100)]);
}
