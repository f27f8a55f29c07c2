//! §4.4: HTTP_GET with several urls.

use super::*;

fn pages(urls: u32, fast_recovery: bool, alpha: bool) -> PoolSettings {
    let kind = Kind::Pages { urls, fast_recovery };
    pool(vec![server(1, vec![CheckerSettings { timing: timing(1, alpha).into(), kind }])])
}

/// Plays `outcomes` (true: success); gives for each the instant in s, the url, and whether the
/// server was up afterwards.
fn play(settings: PoolSettings, outcomes: &[bool]) -> Vec<(u64, usize, bool)> {
    let mut lab = Lab::start(settings);
    let mut seen = Vec::new();
    for fine in outcomes {
        let outcome = if *fine { Outcome::Success } else { failure() };
        let (target, _) = lab.next_target(0, outcome);
        seen.push((lab.now_ms / 1000, target, lab.pool.is_alive(0)));
    }
    seen
}

#[test]
fn urls_are_tried_in_turn_one_per_delay_loop() {
    assert_eq!(
        play(pages(3, false, false), &[true; 4]),
        [(1, 0, true), (11, 1, true), (21, 2, true), (31, 0, true)]
    );
}

#[test]
fn failing_url_alone_is_retried() {
    assert_eq!(
        play(pages(3, false, false), &[true, false, true, true]),
        [(1, 0, true), (11, 1, true), (14, 1, true), (24, 2, true)]
    );
}

/// Row 40: down on url 1; its success and then the whole list, delay_loop apart.
#[test]
fn recovery_takes_one_success_more_than_there_are_urls() {
    assert_eq!(
        play(pages(2, false, false), &[true, false, false, false, true, true, true, true]),
        [
            (1, 0, true),
            (11, 1, true),
            (14, 1, false),
            (24, 1, false),
            (34, 1, false),
            (44, 0, false),
            (54, 1, true),
            (64, 0, true),
        ]
    );
}

#[test]
fn recovery_of_a_single_url_takes_two_successes() {
    assert_eq!(
        play(pages(1, false, false), &[false, true, true]),
        [(1, 0, false), (11, 0, false), (21, 0, true)]
    );
}

#[test]
fn failure_during_recovery_begins_it_anew() {
    assert_eq!(
        play(pages(2, false, false), &[false, true, true, false, true, true, true]),
        [
            (1, 0, false),
            (11, 0, false),
            (21, 0, false),
            (31, 1, false),
            (41, 1, false),
            (51, 0, false),
            (61, 1, true),
        ]
    );
}

#[test]
fn fast_recovery_makes_no_pause_while_coming_up() {
    assert_eq!(
        play(pages(2, true, false), &[false, true, true, true, true]),
        [(1, 0, false), (11, 0, false), (11, 0, false), (11, 1, true), (21, 0, true)]
    );
}

#[test]
fn alpha_start_takes_as_many_successes_as_there_are_urls() {
    assert_eq!(
        play(pages(2, false, true), &[true, true, true]),
        [(1, 0, false), (11, 1, true), (21, 0, true)]
    );
    assert_eq!(play(pages(2, true, true), &[true, true]), [(1, 0, false), (1, 1, true)]);
}

/// §4.2: down, the pause is the longer of delay_before_retry and delay_loop.
#[test]
fn pause_while_down_is_the_longer_of_the_two() {
    let mut settings = pages(1, false, false);
    let timing = std::sync::Arc::make_mut(&mut settings.servers[0].checkers[0].timing);
    timing.delay_before_retry = std::time::Duration::from_secs(25);
    assert_eq!(play(settings, &[false, false]), [(1, 0, false), (26, 0, false)]);
}
