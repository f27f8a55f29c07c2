//! Measuring time on a machine that also does other things.
//!
//! A thread does nothing but sleep for 10 ms and note when it was woken late. A measurement during
//! which the machine itself stood still says nothing about a director: it is void, and is repeated.

use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Later than this (beyond a guest's own tick of 10 ms) counts as a stall. Well below the 100 ms
/// that the rules leave to a director.
const STALL: Duration = Duration::from_millis(50);

fn stalls() -> &'static Mutex<Vec<(SystemTime, SystemTime)>> {
    static STALLS: OnceLock<Mutex<Vec<(SystemTime, SystemTime)>>> = OnceLock::new();
    STALLS.get_or_init(|| {
        thread::spawn(|| {
            let nap = Duration::from_millis(10);
            loop {
                let (started, before) = (Instant::now(), SystemTime::now());
                thread::sleep(nap);
                if started.elapsed() > nap + STALL {
                    stalls().lock().unwrap().push((before, SystemTime::now()));
                }
            }
        });
        Mutex::new(Vec::new())
    })
}

/// Begins to watch the machine.
pub fn watch() {
    stalls();
}

fn stalled(from: SystemTime, to: SystemTime) -> bool {
    stalls().lock().unwrap().iter().any(|(start, end)| *start < to && *end > from)
}

/// How near to the beginning or the end of a measurement a stall spoils it. In between nothing is
/// measured: deadlines are fixed points in time, and a stall that is over before one does not move it.
const NEAR: Duration = Duration::from_millis(300);

fn spoilt(from: SystemTime, to: SystemTime) -> bool {
    stalled(from - NEAR, from + NEAR) || stalled(to - NEAR, to)
}

/// How many attempts a machine has that does other things as well. On one that stalls every other time
/// near the beginning or the end, one of 4,000 measurements finds no quiet moment.
const ATTEMPTS: usize = 12;

/// Repeats `attempt` until one began and ended on a machine that did not stall, a dozen times at most. It
/// gives the stretch of time that matters and its result, which the caller judges afterwards.
pub fn undisturbed<T>(mut attempt: impl FnMut() -> ((SystemTime, SystemTime), T)) -> T {
    for _ in 0..ATTEMPTS {
        let ((from, to), result) = attempt();
        if !spoilt(from, to) {
            return result;
        }
    }
    panic!(
        "the machine stalled for over {STALL:?} in each of {ATTEMPTS} attempts: it is too busy to measure on"
    );
}

/// The longest time in seconds between two neighbours, leaving out those during which the machine stalled.
pub fn longest_gap(moments: &[SystemTime]) -> f64 {
    let gaps = moments
        .windows(2)
        .filter(|pair| !stalled(pair[0], pair[1]))
        .map(|pair| seconds(pair[0], pair[1]));
    let (longest, counted) =
        gaps.fold((0.0, 0), |(longest, counted), gap| (f64::max(longest, gap), counted + 1));
    assert!(counted > 0, "the machine stalled in each of {} intervals", moments.len());
    longest
}

/// Seconds from one moment to a later one; negative when it is earlier.
pub fn seconds(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(duration) => duration.as_secs_f64(),
        Err(earlier) => -earlier.duration().as_secs_f64(),
    }
}
