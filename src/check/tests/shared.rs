//! Results of identical checkers elsewhere.

use super::*;

/// Two pools of one server each whose checkers are identical.
fn twins(timing: &Timing) -> [Lab; 2] {
    [(); 2].map(|()| Lab::start(one_server(timing.clone())))
}

fn share(lab: &mut Lab, target: usize, outcome: Outcome) -> Vec<Action> {
    lab.handle(Event::Shared { server: 0, checker: 0, target, outcome })
}

#[test]
fn a_result_of_another_counts_as_one_of_its_own() {
    let [mut first, mut second] = twins(&timing(1, false));
    for outcome in [Outcome::Success, failure(), failure(), Outcome::Success] {
        let own = first.next(0, outcome.clone());
        second.now_ms = first.now_ms;
        assert_eq!(share(&mut second, 0, outcome), own);
        assert_eq!(second.pool.is_alive(0), first.pool.is_alive(0));
        let next = |lab: &Lab| {
            lab.pool.status().servers[0].checkers[0].next_attempt.map(|at| at - lab.at(0))
        };
        assert_eq!(next(&second), next(&first), "its own attempt moves on");
    }
}

/// The deadline that was is no reason to try.
#[test]
fn what_was_shared_is_not_tried_again_before_its_time() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    assert_eq!(lab.deadline_ms(), 1_000);
    lab.now_ms = 900;
    share(&mut lab, 0, Outcome::Success);
    lab.attempt(1_000);
    assert!(lab.running.is_empty());
    lab.attempt(10_900);
    assert_eq!(lab.running.len(), 1, "delay_loop after what was shared");
}

#[test]
fn a_checker_with_an_attempt_of_its_own_waits_for_that() {
    let mut lab = Lab::start(one_server(timing(0, false)));
    lab.attempt(1_000);
    assert_eq!(share(&mut lab, 0, failure()), []);
    assert!(lab.pool.is_alive(0));
    lab.result(0, 0, Outcome::Success);
}

fn pages(urls: u32) -> Lab {
    let kind = Kind::Pages { urls, fast_recovery: false };
    let checker = CheckerSettings { timing: timing(0, false).into(), kind };
    Lab::start(pool(vec![server(1, vec![checker])]))
}

/// While all is well any url will do; a failed one has to pass itself, and then all in turn.
#[test]
fn only_the_page_that_is_waited_for_counts_while_down() {
    let mut lab = pages(3);
    let target = |lab: &Lab| lab.pool.status().servers[0].checkers[0].target;
    share(&mut lab, 2, Outcome::Success);
    assert_eq!(target(&lab), 0, "the one behind it is next");
    share(&mut lab, 1, failure());
    assert!(!lab.pool.is_alive(0));
    assert_eq!(share(&mut lab, 0, Outcome::Success), [], "1 has failed");
    assert_eq!(target(&lab), 1);
    for url in [1, 0, 1, 2] {
        assert!(!lab.pool.is_alive(0));
        share(&mut lab, url, Outcome::Success);
    }
    assert!(lab.pool.is_alive(0));
    assert_eq!(share(&mut lab, 3, failure()), [], "there is no such url");
}

/// Servers and checkers that a reload has taken away, and checkers that are told.
#[test]
fn what_is_not_there_takes_nothing() {
    let mut lab = Lab::start(one_server(timing(0, false)));
    for (server, checker) in [(0, 1), (1, 0)] {
        let event = Event::Shared { server, checker, target: 0, outcome: failure() };
        assert_eq!(lab.handle(event), []);
    }
    let told = CheckerSettings { timing: timing(0, false).into(), kind: Kind::Told };
    let mut lab = Lab::start(pool(vec![super::server(1, vec![told])]));
    assert_eq!(share(&mut lab, 0, failure()), []);
}
