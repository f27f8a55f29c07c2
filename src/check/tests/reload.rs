//! §7: what survives a reload.

use std::time::Duration;

use super::*;

fn paired(old: usize, checkers: &[Option<usize>]) -> Option<PairedServer> {
    Some(PairedServer { old, checkers: checkers.to_vec() })
}

fn pairing(servers: Vec<Option<PairedServer>>) -> Pairing {
    Pairing { servers }
}

fn same(count: usize) -> Pairing {
    pairing((0..count).map(|old| paired(old, &[Some(0)])).collect())
}

/// Row 24.
#[test]
fn removing_the_failing_checker_revives_the_server_at_once() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    lab.next(0, failure());
    let out = lab.reload(pool(vec![server(1, vec![])]), &pairing(vec![paired(0, &[])]));
    assert_eq!(
        out,
        [
            Action::TableChanged,
            Action::ServerUp { server: 0, cause: Cause::Reload },
            Action::QuorumGained { initial: false, sum: 1, needed: 1 },
        ]
    );
}

/// Row 25.
#[test]
fn checker_added_to_a_server_that_is_up_has_all_of_retry() {
    for alpha in [false, true] {
        let mut lab = Lab::start(pool(vec![server(1, vec![])]));
        lab.reload(one_server(timing(1, alpha)), &pairing(vec![paired(0, &[None])]));
        assert_eq!(lab.next(0, failure()), [failed(0, Verdict::Forgiven { left: 0 })]);
        assert!(says_down(&lab.next(0, failure())), "alpha {alpha}");
    }
}

/// Row 26.
#[test]
fn new_server_is_up_at_once_and_has_all_of_retry_unless_alpha() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    let mut settings = two_servers(1, 2);
    settings.servers.push(server(4, vec![connect(timing(1, true))]));
    let out = lab.reload(settings, &pairing(vec![paired(0, &[Some(0)]), None, None]));
    assert_eq!(out, [Action::TableChanged]);
    assert_eq!(lab.wanted(), [Some(1), Some(2), None]);
    assert_eq!(lab.next(1, failure()), [failed(1, Verdict::Forgiven { left: 0 })]);
    lab.next(2, Outcome::Success);
    assert_eq!(lab.wanted(), [Some(1), Some(2), Some(4)]);
}

#[test]
fn alpha_checker_added_to_a_server_that_is_down_is_down() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    lab.next(0, failure());
    let checkers = vec![connect(timing(1, false)), connect(timing(1, true))];
    lab.reload(pool(vec![server(1, checkers)]), &pairing(vec![paired(0, &[Some(0), None])]));
    lab.next(0, Outcome::Success);
    assert!(!lab.pool.is_alive(0), "the new alpha checker has not passed");
    assert!(!lab.pool.status().servers[0].checkers[1].up);
}

#[test]
fn state_of_unchanged_checkers_is_carried_over() {
    let mut lab = Lab::start(two_servers(3, 2));
    lab.next(0, Outcome::Success);
    lab.next(0, failure());
    lab.next(1, failure());
    let before = lab.pool.status();
    assert_eq!(lab.reload(two_servers(3, 2), &same(2)), [Action::TableChanged]);
    assert_eq!(lab.pool.status(), before);
    assert!(says_down(&lab.next(0, failure())), "the failure before the reload counts");
}

#[test]
fn servers_may_change_places() {
    let mut lab = Lab::start(two_servers(3, 2));
    lab.next(0, failure());
    let swapped = pairing(vec![paired(1, &[Some(0)]), paired(0, &[Some(0)])]);
    assert_eq!(lab.reload(two_servers(2, 3), &swapped), [Action::TableChanged]);
    assert_eq!(lab.wanted(), [Some(2), None]);
}

/// Row 27, BUG 18: a reload every 3 s must not keep a check of every 10 s from happening.
#[test]
fn deadlines_survive_reloads_in_quick_succession() {
    let warm = Timing { warmup: Duration::from_secs(60), ..timing(1, false) };
    let mut lab = Lab::start(one_server(warm.clone()));
    lab.next(0, Outcome::Success);
    let due = lab.deadline_ms();
    for _ in 0..3 {
        lab.now_ms += 3_000;
        lab.reload(one_server(warm.clone()), &same(1));
        assert_eq!(lab.deadline_ms(), due);
    }
    assert!(!lab.attempt(due).is_empty());
}

#[test]
fn shorter_delay_loop_holds_at_once() {
    let slow = Timing { delay_loop: Duration::from_secs(3600), ..timing(1, false) };
    let mut lab = Lab::start(one_server(slow));
    lab.next(0, Outcome::Success);
    lab.reload(one_server(timing(1, false)), &same(1));
    assert_eq!(lab.deadline_ms(), 11_000);
}

#[test]
fn attempt_under_way_goes_on_and_its_result_counts() {
    let mut lab = Lab::start(two_servers(3, 2));
    lab.attempt(1_000);
    let swapped = pairing(vec![paired(1, &[Some(0)]), paired(0, &[Some(0)])]);
    lab.reload(two_servers(2, 3), &swapped);
    assert_eq!(lab.pool.next_deadline(), None, "no second attempt beside it");
    lab.result(0, 0, failure());
    assert_eq!(lab.wanted(), [Some(2), None], "by its number, whatever the index is now");
}

#[test]
fn result_for_a_checker_that_changed_is_ignored() {
    let mut lab = Lab::start(one_server(timing(0, false)));
    lab.attempt(1_000);
    lab.reload(one_server(timing(0, false)), &pairing(vec![paired(0, &[None])]));
    assert_eq!(lab.result(0, 0, failure()), []);
    assert_eq!(lab.deadline_ms(), 2_000, "the new one begins by itself");
}

#[test]
fn removed_servers_that_were_up_are_told() {
    let mut lab = Lab::start(two_servers(3, 2));
    lab.next(1, failure());
    let mut settings = pool(vec![]);
    settings.sorry = Some(Sorry { inhibit: false });
    let out = lab.reload(settings, &pairing(vec![]));
    assert_eq!(
        out,
        [
            Action::TableChanged,
            Action::ServerRemoved { old: 0 },
            Action::QuorumLost { initial: false, sum: 0, needed: 1 },
        ]
    );
    assert_eq!(lab.table(), (vec![], Some(1)));
}

#[test]
fn quorum_is_judged_anew() {
    let mut lab = Lab::start(two_servers(3, 2));
    lab.next(1, failure());
    let mut settings = two_servers(3, 2);
    settings.quorum.quorum = 5;
    let out = lab.reload(settings, &same(2));
    assert_eq!(out[1], Action::QuorumLost { initial: false, sum: 3, needed: 5 });
    let out = lab.reload(two_servers(3, 2), &same(2));
    assert_eq!(out[1], Action::QuorumGained { initial: false, sum: 3, needed: 1 });
}

#[test]
fn changed_weight_is_told() {
    let mut lab = Lab::start(two_servers(3, 2));
    let out = lab.reload(two_servers(9, 2), &same(2));
    assert_eq!(out, [Action::TableChanged, Action::WeightChanged { server: 0, weight: 9 }]);
}

#[test]
fn fewer_retries_and_fewer_urls_are_within_the_new_bounds() {
    let kind = |urls| Kind::Pages { urls, fast_recovery: false };
    let settings = |urls, retry| {
        let checker = CheckerSettings { timing: timing(retry, false).into(), kind: kind(urls) };
        pool(vec![server(1, vec![checker])])
    };
    let mut lab = Lab::start(settings(5, 4));
    for outcome in [Outcome::Success, Outcome::Success, failure(), failure(), failure()] {
        lab.next(0, outcome);
    }
    lab.reload(settings(2, 1), &same(1));
    let checker = &lab.pool.status().servers[0].checkers[0];
    assert_eq!((checker.failures, checker.target), (1, 0));
}

#[test]
fn pairing_out_of_range_means_new() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    lab.next(0, failure());
    lab.reload(one_server(timing(1, false)), &pairing(vec![paired(9, &[Some(9)])]));
    assert_eq!(lab.wanted(), [Some(1)]);
}
