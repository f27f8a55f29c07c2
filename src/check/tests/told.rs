//! Checkers that are told how things are (FILE_CHECK), and SMTP_CHECK's patience.

use super::*;

fn told(outcome: Outcome) -> Event {
    Event::Told { server: 0, checker: 0, outcome }
}

fn watched(weight: u32) -> PoolSettings {
    let checker = CheckerSettings { timing: timing(3, true).into(), kind: Kind::Told };
    pool(vec![server(weight, vec![checker])])
}

/// A pool whose only checker was told `first` before the start.
fn start(first: &Outcome) -> (Lab, Vec<Action>) {
    let mut lab = Lab::new(watched(10));
    lab.pool.preset(0, 0, first);
    let out = lab.handle(Event::Startup { seed: 1 });
    (lab, out)
}

/// §4.11: state known at start; no attempts.
#[test]
fn server_begins_as_it_was_told_without_any_attempt() {
    let (lab, _) = start(&Outcome::SuccessWithDelta(-3));
    assert_eq!(lab.wanted(), [Some(7)]);
    assert_eq!(lab.pool.next_deadline(), None);
    let (lab, _) = start(&failure());
    assert_eq!(lab.wanted(), [None]);
}

/// §4.11: no delay, no retry.
#[test]
fn word_counts_at_once_and_only_news_is_told_on() {
    let (mut lab, _) = start(&Outcome::Success);
    assert!(says_down(&lab.handle(told(failure()))));
    assert_eq!(lab.handle(told(failure())), []);
    let out = lab.handle(told(Outcome::SuccessWithDelta(10)));
    assert!(says_up(&out), "{out:?}");
    assert_eq!(lab.wanted(), [Some(20)]);
    let out = lab.handle(told(Outcome::SuccessWithDelta(-10)));
    assert_eq!(
        out,
        [
            Action::DestinationChanged { server: 0 },
            Action::WeightChanged { server: 0, weight: 0 },
            Action::QuorumLost { initial: false, sum: 0, needed: 1 }
        ]
    );
}

#[test]
fn weights_stay_within_what_the_kernel_takes() {
    let (mut lab, _) = start(&Outcome::SuccessWithDelta(i64::MAX));
    assert_eq!(lab.wanted(), [Some(MAX_WEIGHT)]);
    lab.handle(told(Outcome::SuccessWithDelta(i64::MIN)));
    assert_eq!(lab.wanted(), [Some(0)]);
}

#[test]
fn words_for_a_checker_that_tries_or_is_not_there_are_passed_over() {
    let mut lab = Lab::start(one_server(timing(0, false)));
    assert_eq!(lab.handle(told(failure())), []);
    assert_eq!(lab.handle(Event::Told { server: 5, checker: 0, outcome: failure() }), []);
    assert_eq!(lab.wanted(), [Some(1)]);
}

/// keepalived does not pair FILE_CHECKs: there a reload adds the server and takes it out again.
#[test]
fn reload_neither_adds_nor_announces_a_server_that_its_file_keeps_out() {
    let (mut lab, _) = start(&failure());
    for checkers in [vec![Some(0)], vec![None]] {
        let mut next = Pool::new(watched(10));
        next.preset(0, 0, &failure());
        let pairing = Pairing { servers: vec![Some(PairedServer { old: 0, checkers })] };
        let mut out = Vec::new();
        next.adopt(lab.at(0), &lab.pool, &pairing, 2, &mut out);
        lab.pool = next;
        assert_eq!(out, [Action::TableChanged]);
        assert_eq!(lab.wanted(), [None]);
    }
}

/// §4.2: SMTP_CHECK forgives also on the first run.
#[test]
fn mail_servers_have_all_their_retries_from_the_start() {
    let checker = CheckerSettings { timing: timing(1, false).into(), kind: Kind::Mail };
    let mut lab = Lab::start(pool(vec![server(1, vec![checker])]));
    assert_eq!(lab.next(0, failure()), [failed(0, Verdict::Forgiven { left: 0 })]);
    assert!(says_down(&lab.next(0, failure())));
}
