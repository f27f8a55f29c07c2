#![expect(clippy::disallowed_methods, reason = "the clock is what is tested")]

use std::time::Duration;

use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(10);

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn deadline_is_never_reached_early() {
    run(async {
        let mut timer = DeadlineTimer::new().unwrap();
        for micros in [1, 100, 1500, 7000] {
            let deadline = Instant::now() + Duration::from_micros(micros);
            timer.set(Some(deadline)).unwrap();
            timer.reached().await.unwrap();
            assert!(Instant::now() >= deadline);
        }
    });
}

#[test]
fn past_deadline_is_reached_at_once() {
    run(async {
        let mut timer = DeadlineTimer::new().unwrap();
        timer.set(Some(Instant::now() - Duration::from_millis(1))).unwrap();
        timeout(LONG, timer.reached()).await.expect("at once").unwrap();
    });
}

#[test]
fn unset_or_later_deadline_is_not_reached() {
    run(async {
        let mut timer = DeadlineTimer::new().unwrap();
        for moved_to in [None, Some(Instant::now() + LONG)] {
            timer.set(Some(Instant::now())).unwrap();
            std::thread::sleep(Duration::from_millis(1));
            timer.set(moved_to).unwrap();
            assert!(timeout(SOON, timer.reached()).await.is_err(), "moved to {moved_to:?}");
        }
    });
}

#[test]
fn deadline_set_again_after_it_was_reached_is_reached_again() {
    run(async {
        let mut timer = DeadlineTimer::new().unwrap();
        let deadline = Some(Instant::now());
        for _ in 0..3 {
            timer.set(deadline).unwrap();
            timeout(LONG, timer.reached()).await.expect("at once").unwrap();
        }
        assert!(timeout(SOON, timer.reached()).await.is_err(), "once for each set");
    });
}

#[test]
fn instant_is_placed_on_the_monotonic_clock_late_and_never_early() {
    let (instant, monotonic) = epoch().unwrap();
    let elapsed = instant.elapsed();
    let now = Duration::from(clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap());
    assert!(monotonic + elapsed <= now, "an instant's number is not above the clock's");
}
