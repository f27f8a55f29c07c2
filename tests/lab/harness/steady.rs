//! Measuring time on a machine that also does other things.
//!
//! A thread does nothing but sleep for 10 ms and note when it was woken late. A measurement during
//! which the machine itself stood still says nothing about a director: it is void, and is repeated.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
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
                // Not by the other clock, which a test sets.
                let slept = started.elapsed();
                if slept > nap + STALL {
                    stalls().lock().unwrap().push((before, before + slept));
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

/// Whether the machine has stood still since then.
pub fn stalled_since(moment: SystemTime) -> bool {
    // By then the watcher has noted it.
    thread::sleep(2 * STALL);
    stalled(moment, SystemTime::now())
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
/// gives the stretch of time that matters and its result, which the caller judges afterwards: that of the
/// last one, if the machine never was quiet. What fails while the machine stalls is no failure yet.
pub fn undisturbed<T>(mut attempt: impl FnMut() -> ((SystemTime, SystemTime), T)) -> T {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let began = SystemTime::now();
        match catch_unwind(AssertUnwindSafe(&mut attempt)) {
            Ok(((from, to), result)) if !spoilt(from, to) => return result,
            Ok((_, result)) => last = Some(Ok(result)),
            Err(panic) => {
                if !stalled_since(began) {
                    resume_unwind(panic);
                }
                last.get_or_insert(Err(panic));
            }
        }
    }
    eprintln!("the machine stalled for over {STALL:?} in each of {ATTEMPTS} attempts");
    last.expect("an attempt").unwrap_or_else(|panic| resume_unwind(panic))
}

/// The longest time in seconds between two neighbours, leaving out those during which the machine stalled,
/// unless it always did: then the shortest, which is no longer than it should be either.
pub fn longest_gap(moments: &[SystemTime]) -> f64 {
    let gap = |pair: &[SystemTime]| seconds(pair[0], pair[1]);
    let quiet = moments.windows(2).filter(|pair| !stalled(pair[0], pair[1]));
    let shortest = || moments.windows(2).map(gap).reduce(f64::min).expect("two moments");
    quiet.map(gap).reduce(f64::max).unwrap_or_else(shortest)
}

/// Seconds from one moment to a later one; negative when it is earlier.
pub fn seconds(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(duration) => duration.as_secs_f64(),
        Err(earlier) => -earlier.duration().as_secs_f64(),
    }
}
