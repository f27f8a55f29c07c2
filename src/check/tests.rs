mod helpers;
mod pages;
mod ramp;
mod random;
mod refused;
mod reload;
mod shared;
mod start;
mod suspended;
mod told;
mod weights;

use helpers::*;

use super::*;

/// §4.2: the first failure after a daemon start counts at once.
#[test]
fn first_failure_after_start_takes_the_server_out() {
    let mut lab = Lab::start(two_servers(3, 2));
    let out = lab.next(1, failure());
    assert_eq!(
        out,
        [
            failed(1, Verdict::Down),
            Action::DestinationChanged { server: 1 },
            Action::ServerDown {
                server: 1,
                cause: Cause::Failed { checker: 0, reason: "no".into() }
            },
        ]
    );
    assert_eq!(lab.wanted(), [Some(3), None]);
}

/// §4.2: afterwards retry + 1 failures in a row, `delay_before_retry` apart.
#[test]
fn retry_failures_are_forgiven_once_there_was_a_success() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    lab.next(0, Outcome::Success);
    assert_eq!(lab.deadline_ms(), 1_000 + 10_000, "delay_loop from the end");
    assert_eq!(lab.next(0, failure()), [failed(0, Verdict::Forgiven { left: 0 })]);
    assert_eq!(lab.deadline_ms(), 11_000 + 3_000, "delay_before_retry from the end");
    assert!(lab.pool.is_alive(0));
    lab.next(0, failure());
    assert!(!lab.pool.is_alive(0));
    assert_eq!(lab.deadline_ms(), 14_000 + 10_000, "down: delay_loop");
}

#[test]
fn any_success_zeroes_the_count_of_failures() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    for outcome in [Outcome::Success, failure(), Outcome::Success, failure(), Outcome::Success] {
        lab.next(0, outcome);
    }
    assert!(lab.pool.is_alive(0));
}

#[test]
fn one_success_brings_a_server_back() {
    let mut lab = Lab::start(one_server(timing(2, false)));
    lab.next(0, failure());
    assert_eq!(lab.next(0, failure()), [failed(0, Verdict::StillDown)]);
    let out = lab.next(0, Outcome::Success);
    let up = Action::ServerUp { server: 0, cause: Cause::Recovered { checker: 0 } };
    assert!(out.contains(&up), "{out:?}");
    assert_eq!(lab.wanted(), [Some(1)]);
}

#[test]
fn server_is_up_only_when_no_checker_is_down() {
    let mut settings = one_server(timing(0, false));
    settings.servers[0].checkers.push(connect(timing(0, false)));
    let mut lab = Lab::start(settings);
    lab.attempt(1_000);
    assert!(says_down(&lab.result(0, 0, failure())));
    assert!(!says_down(&lab.result(0, 1, failure())), "one notification is enough");
    lab.attempt(11_000);
    assert_eq!(lab.result(0, 0, Outcome::Success), [passed(0, 0)]);
    assert!(!lab.pool.is_alive(0));
    assert!(says_up(&lab.result(0, 1, Outcome::Success)));
}

/// §4.1: `bind` or `socket` failing says nothing about the server.
#[test]
fn attempt_that_could_not_be_made_changes_nothing() {
    let mut lab = Lab::start(one_server(timing(0, false)));
    let out = lab.next(0, Outcome::NotTried("no".into()));
    assert_eq!(out, [Action::AttemptNotTried { server: 0, checker: 0, reason: "no".into() }]);
    assert_eq!(lab.deadline_ms(), 1_000 + 10_000);
    assert!(says_down(&lab.next(0, failure())), "the first real failure still counts at once");
}

/// What can last for days is told when it begins, when its reason changes, and when it ends; meanwhile the
/// status has it.
#[test]
fn attempts_that_cannot_be_made_are_told_once() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    let no = |reason: &str| Outcome::NotTried(reason.into());
    let told =
        |reason: &str| Action::AttemptNotTried { server: 0, checker: 0, reason: reason.into() };
    let again = Action::AttemptMadeAgain { server: 0, checker: 0 };
    let hindrance = |lab: &Lab| lab.pool.status().servers[0].checkers[0].hindrance.clone();
    assert_eq!(hindrance(&lab), None);
    lab.next(0, Outcome::Success);
    assert_eq!(lab.next(0, no("file")), [told("file")]);
    assert_eq!(lab.next(0, no("file")), []);
    assert_eq!(lab.next(0, no("device")), [told("device")]);
    assert!(lab.pool.is_alive(0));
    assert_eq!(hindrance(&lab).as_deref(), Some("device"));

    let same = Pairing { servers: vec![Some(PairedServer { old: 0, checkers: vec![Some(0)] })] };
    lab.reload(one_server(timing(1, false)), &same);
    assert_eq!(hindrance(&lab).as_deref(), Some("device"), "a reload makes no attempt");
    assert_eq!(lab.next(0, no("device")), []);
    assert_eq!(lab.next(0, Outcome::Success), std::slice::from_ref(&again));
    assert_eq!(hindrance(&lab), None);
    assert_eq!(lab.next(0, no("device")), [told("device")], "it begins anew");
    let forgiven = failed(0, Verdict::Forgiven { left: 0 });
    assert_eq!(lab.next(0, failure()), [again, forgiven], "a failure is an attempt that was made");
}

/// §4.2: MISC_CHECK pauses from start to start, and never overlaps itself.
#[test]
fn script_pauses_run_from_start_to_start() {
    let mut settings = one_server(timing(1, false));
    settings.servers[0].checkers[0].kind = Kind::Script;
    let mut lab = Lab::start(settings);
    lab.attempt(1_000);
    lab.now_ms = 5_000;
    lab.result(0, 0, Outcome::Success);
    assert_eq!(lab.deadline_ms(), 11_000);
    lab.attempt(11_000);
    assert_eq!(lab.pool.next_deadline(), None, "while one runs there is no other");
    lab.now_ms = 26_000;
    lab.result(0, 0, Outcome::Success);
    assert_eq!(lab.deadline_ms(), 26_000, "a round that was missed begins at once, once");
}

#[test]
fn result_is_taken_once_and_unknown_ones_not_at_all() {
    let mut lab = Lab::start(one_server(timing(0, false)));
    lab.attempt(1_000);
    lab.result(0, 0, Outcome::Success);
    for attempt in [AttemptId(0), AttemptId(77)] {
        let event = Event::Result { attempt, outcome: failure() };
        assert_eq!(lab.handle(event), []);
    }
}

/// §2.2, test rows 9 to 11: quorum 4, hysteresis 1, weights 3 + 2, sorry server.
#[test]
fn hysteresis_holds_the_quorum_between_its_thresholds() {
    let mut settings = two_servers(3, 2);
    settings.quorum = QuorumRule { quorum: 4, hysteresis: 1 };
    settings.sorry = Some(Sorry { inhibit: false });
    let mut lab = Lab::start(settings);
    lab.next(0, Outcome::Success);
    lab.next(1, failure());
    assert_eq!(lab.table(), (vec![Some(3), None], None), "3 is not below 4 - 1");
    lab.next(0, failure());
    let out = lab.next(0, failure());
    assert_eq!(lab.table(), (vec![None, None], Some(1)));
    assert!(out.contains(&Action::QuorumLost { initial: false, sum: 0, needed: 3 }), "{out:?}");
    let out = lab.next(0, Outcome::Success);
    assert!(!out.contains(&Action::TableChanged), "the sorry server still serves: {out:?}");
    assert_eq!(lab.table(), (vec![None, None], Some(1)), "3 is less than 4 + 1");
    let out = lab.next(1, Outcome::Success);
    assert!(out.contains(&Action::QuorumGained { initial: false, sum: 5, needed: 5 }), "{out:?}");
    assert_eq!(lab.table(), (vec![Some(3), Some(2)], None));
}

/// Row 12: without a sorry server, those that are up go on serving.
#[test]
fn lost_quorum_without_sorry_server_leaves_the_healthy_in_service() {
    let mut settings = two_servers(3, 2);
    settings.quorum.quorum = 5;
    let mut lab = Lab::start(settings);
    let out = lab.next(1, failure());
    assert_eq!(out.last(), Some(&Action::QuorumLost { initial: false, sum: 3, needed: 5 }));
    assert_eq!(lab.wanted(), [Some(3), None]);
}

/// Row 4.
#[test]
fn inhibited_server_stays_with_weight_zero() {
    let mut settings = two_servers(3, 2);
    settings.servers[1].inhibit_on_failure = true;
    let mut lab = Lab::start(settings);
    lab.next(1, failure());
    assert_eq!(lab.wanted(), [Some(3), Some(0)]);
    lab.next(1, Outcome::Success);
    assert_eq!(lab.wanted(), [Some(3), Some(2)]);
}

/// Row 8.
#[test]
fn inhibited_sorry_server_waits_with_weight_zero() {
    let mut settings = one_server(timing(0, false));
    settings.sorry = Some(Sorry { inhibit: true });
    let mut lab = Lab::start(settings);
    assert_eq!(lab.table(), (vec![Some(1)], Some(0)));
    lab.next(0, failure());
    assert_eq!(lab.table(), (vec![None], Some(1)));
}

#[test]
fn shutdown_takes_everything_down_and_is_final() {
    let mut settings = two_servers(3, 2);
    settings.servers[0].inhibit_on_failure = true;
    settings.sorry = Some(Sorry { inhibit: true });
    let mut lab = Lab::start(settings);
    lab.next(1, failure());
    lab.attempt(20_000);
    let out = lab.handle(Event::Shutdown);
    assert_eq!(
        out,
        [
            Action::TableChanged,
            Action::ServerDown { server: 0, cause: Cause::Stopped },
            Action::QuorumLost { initial: false, sum: 0, needed: 1 },
        ]
    );
    assert_eq!(lab.table(), (vec![None, None], None));
    assert_eq!(lab.pool.next_deadline(), None);
    assert_eq!(lab.handle(Event::Shutdown), []);
    let late = Event::Result { attempt: AttemptId(0), outcome: Outcome::Success };
    assert_eq!(lab.handle(late), []);
}
