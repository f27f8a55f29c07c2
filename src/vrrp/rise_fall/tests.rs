use super::*;

fn states(mut counter: RiseFall, results: &str) -> String {
    let state = |result| if counter.result(result == '+') { 'U' } else { 'd' };
    results.chars().map(state).collect()
}

#[test]
fn it_takes_fall_failures_in_a_row_to_go_down_and_rise_successes_to_come_up() {
    let counter = || RiseFall::new(2, 3, false);
    assert_eq!(states(counter(), "+--+---+-++"), "UUUUUUddddU");
}

#[test]
fn the_first_result_counts_at_once_whatever_rise_and_fall() {
    assert_eq!(states(RiseFall::new(5, 5, false), "+"), "U");
    assert_eq!(states(RiseFall::new(5, 5, false), "-"), "d");
    assert_eq!(states(RiseFall::new(3, 5, false), "-+++"), "dddU");
}

#[test]
fn with_init_fail_it_takes_rise_successes_from_the_start() {
    let counter = RiseFall::new(3, 1, true);
    assert!(!counter.is_up());
    assert_eq!(states(counter, "+++-"), "ddUd");
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    assert_eq!(states(RiseFall::new(u32::MAX, u32::MAX, false), "+-"), "Ud");
    assert_eq!(states(RiseFall::new(0, 0, false), "+-"), "Ud");
}

#[test]
fn one_that_was_up_before_a_reload_takes_fall_failures_to_go_down() {
    let mut core = RiseFall::resumed(2, 3, true);
    assert_eq!([false, false, false].map(|result| core.result(result)), [true, true, false]);
    let mut core = RiseFall::resumed(2, 3, false);
    assert_eq!([true, true].map(|result| core.result(result)), [false, true]);
}
