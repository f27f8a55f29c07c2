//! §2.3, §2.4: how a virtual server begins.

use std::time::Duration;

use super::*;

/// Row 1: servers without alpha serve at once, silently; the quorum is gained.
#[test]
fn servers_start_up_and_gain_the_quorum() {
    let (lab, out) = Lab::start_seen(two_servers(3, 2));
    assert_eq!(
        out,
        [Action::TableChanged, Action::QuorumGained { initial: true, sum: 5, needed: 1 }]
    );
    assert_eq!(lab.wanted(), [Some(3), Some(2)]);
    assert_eq!(lab.deadline_ms(), 1_000);
}

#[test]
fn first_success_of_a_server_that_started_up_is_silent() {
    let mut lab = Lab::start(one_server(timing(1, false)));
    let out = lab.next(0, Outcome::Success);
    assert_eq!(out, [Action::CheckerPassed { server: 0, checker: 0, first: true }]);
    assert_eq!(lab.next(0, Outcome::Success), []);
}

/// Row 5: nothing is told about a quorum that was never there.
#[test]
fn alpha_server_is_absent_until_its_first_success() {
    let (mut lab, out) = Lab::start_seen(one_server(timing(1, true)));
    assert_eq!(out, [Action::TableChanged]);
    assert_eq!(lab.wanted(), [None]);
    let out = lab.next(0, Outcome::Success);
    assert_eq!(
        out,
        [
            passed(0, 0),
            Action::DestinationChanged { server: 0 },
            Action::ServerUp { server: 0, cause: Cause::Recovered { checker: 0 } },
            Action::QuorumGained { initial: false, sum: 1, needed: 1 },
        ]
    );
}

/// §2.4, BUG 20: the first failure of an alpha server is told, though nothing changed; once.
#[test]
fn first_failure_of_an_alpha_server_is_told_once() {
    for kind in [Kind::Connect, Kind::Pages { urls: 1, fast_recovery: false }, Kind::Script] {
        let mut settings = one_server(timing(1, true));
        settings.servers[0].checkers[0].kind = kind;
        let mut lab = Lab::start(settings);
        let out = lab.next(0, failure());
        assert!(says_down(&out), "{kind:?}: {out:?}");
        assert!(!out.contains(&Action::TableChanged), "{kind:?}: {out:?}");
        assert!(!says_down(&lab.next(0, failure())), "{kind:?}");
    }
}

/// Row 6.
#[test]
fn alpha_server_with_inhibit_starts_with_weight_zero() {
    let mut settings = one_server(timing(1, true));
    settings.servers[0].inhibit_on_failure = true;
    assert_eq!(Lab::start(settings).wanted(), [Some(0)]);
}

/// Row 7.
#[test]
fn sorry_server_serves_until_the_first_alpha_server_is_up() {
    let mut settings = one_server(timing(1, true));
    settings.sorry = Some(Sorry { inhibit: false });
    let (mut lab, out) = Lab::start_seen(settings);
    assert_eq!(
        out,
        [Action::TableChanged, Action::QuorumLost { initial: true, sum: 0, needed: 1 }]
    );
    assert_eq!(lab.table(), (vec![None], Some(1)));
    lab.next(0, Outcome::Success);
    assert_eq!(lab.table(), (vec![Some(1)], None));
}

#[test]
fn server_without_checkers_is_up_and_waits_for_nothing() {
    let lab = Lab::start(pool(vec![server(7, vec![])]));
    assert_eq!(lab.wanted(), [Some(7)]);
    assert_eq!(lab.pool.next_deadline(), None);
}

/// §9: 1 s plus a part of warmup, the same for the same seed.
#[test]
fn first_attempts_are_spread_over_warmup() {
    let warm = Timing { warmup: Duration::from_secs(10), ..timing(1, false) };
    let settings = pool(vec![server(1, vec![connect(warm); 1000])]);
    let (mut lab, mut again) = (Lab::start(settings.clone()), Lab::start(settings));
    assert_eq!(lab.deadline_ms(), again.deadline_ms());
    assert_eq!(lab.attempt(999).len(), 0);
    let early = lab.attempt(6_000).len();
    assert!((400..600).contains(&early), "half of warmup, half of the attempts: {early}");
    assert_eq!(early + lab.attempt(11_000).len(), 1000);
    assert_eq!(again.attempt(11_000).len(), 1000);
}

#[test]
fn before_the_start_nothing_is_wanted_and_nothing_happens() {
    let mut lab = Lab::new(two_servers(3, 2));
    assert_eq!(lab.table(), (vec![None, None], None));
    assert_eq!(lab.handle(Event::DeadlineReached), []);
    assert_eq!(lab.handle(Event::Shutdown), []);
    assert_eq!(lab.handle(Event::Startup { seed: 0 }), [], "stopped for good");
}

/// Row 13: a quorum above the sum of weights is lowered to it.
#[test]
fn quorum_above_all_weights_needs_all_servers() {
    let mut settings = two_servers(3, 2);
    settings.quorum.quorum = 99;
    assert_eq!(settings.unreachable(), [Unreachable::Quorum { quorum: 99, total: 5 }]);
    let (_, out) = Lab::start_seen(settings);
    assert_eq!(out[1], Action::QuorumGained { initial: true, sum: 5, needed: 5 });
}

/// Row 14, BUG 9: keepalived never gains this quorum, and says nothing.
#[test]
fn gain_beyond_all_weights_is_reported_and_needs_all_servers() {
    let mut settings = two_servers(3, 2);
    settings.quorum = QuorumRule { quorum: 5, hysteresis: 4 };
    let found = settings.unreachable();
    assert_eq!(found, [Unreachable::Gain { quorum: 5, hysteresis: 4, total: 5 }]);
    assert_eq!(
        found[0].to_string(),
        "quorum 5 + hysteresis 4 is above the sum of weights 5: \
         the quorum is gained at 5, with every server up"
    );
    let (lab, out) = Lab::start_seen(settings);
    assert_eq!(out[1], Action::QuorumGained { initial: true, sum: 5, needed: 5 });
    assert_eq!(lab.pool.status().loss, 1);
}

#[test]
fn hysteresis_is_kept_below_the_quorum() {
    let mut settings = two_servers(30, 20);
    settings.quorum = QuorumRule { quorum: 4, hysteresis: 9 };
    assert_eq!(settings.unreachable(), [Unreachable::Hysteresis { hysteresis: 9, quorum: 4 }]);
    let status = Lab::start(settings).pool.status();
    assert_eq!((status.gain, status.loss), (7, 1));
}

/// BUG 9: with all weights 0 nobody takes connections, so the sorry server serves; reported.
#[test]
fn weights_of_zero_hold_no_quorum() {
    let mut settings = two_servers(0, 0);
    settings.sorry = Some(Sorry { inhibit: false });
    assert_eq!(settings.unreachable(), [Unreachable::NoWeight]);
    let mut lab = Lab::start(settings);
    assert_eq!(lab.table(), (vec![None, None], Some(1)));
    lab.next(0, Outcome::SuccessWithWeight(4));
    assert_eq!(lab.table(), (vec![Some(4), Some(0)], None), "until a checker sets a weight");
}

/// Ten thousand services of four servers each, all started in the same moment: none of the sixty seconds
/// of their warmup has half as many first attempts again as its share.
#[test]
fn first_attempts_of_many_services_come_in_no_burst() {
    let mut seconds = [0_u32; 60];
    for seed in 0..10_000 {
        let slow = Timing { warmup: Duration::from_secs(60), ..timing(1, false) };
        let servers = (0..4).map(|_| server(1, vec![connect(slow.clone())])).collect();
        let mut lab = Lab::new(pool(servers));
        lab.handle(Event::Startup { seed });
        let begin = lab.at(1_000);
        let status = lab.pool.status();
        let checkers = status.servers.iter().flat_map(|server| &server.checkers);
        for at in checkers.filter_map(|checker| checker.next_attempt) {
            seconds[(at - begin).as_secs() as usize] += 1;
        }
    }
    assert_eq!(seconds.iter().sum::<u32>(), 40_000);
    let share = 40_000 / 60;
    assert!(seconds.iter().all(|count| (share / 2..share * 3 / 2).contains(count)), "{seconds:?}");
}
