//! Whether the machine itself kept time: a thread with real-time scheduling, above the directors', that
//! sleeps for a millisecond again and again. Where it was late, nobody could be in time, and what was
//! measured there says nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

const NAP: Duration = Duration::from_millis(1);

/// Later than this counts as a stall.
const STALL: Duration = Duration::from_millis(2);

/// How near to a moment a stall spoils it.
const NEAR: Duration = Duration::from_millis(10);

pub struct Pulse {
    felt: Arc<Mutex<Felt>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Felt {
    beats: u64,
    stalls: Vec<(SystemTime, SystemTime)>,
}

impl Pulse {
    pub fn start() -> Pulse {
        let (felt, ended) =
            (Arc::new(Mutex::new(Felt::default())), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (felt, ended) = (felt.clone(), ended.clone());
            move || {
                // Without the right to it, more is found to be spoilt than is.
                let _ = mainstay::kernel::real_time(3);
                while !ended.load(Ordering::Relaxed) {
                    let (started, before) = (Instant::now(), SystemTime::now());
                    thread::sleep(NAP);
                    let late = started.elapsed() > NAP + STALL;
                    let mut felt = felt.lock().unwrap();
                    felt.beats += 1;
                    if late {
                        felt.stalls.push((before, SystemTime::now()));
                    }
                }
            }
        });
        Pulse { felt, ended, thread: Some(thread) }
    }

    /// Naps so far.
    pub fn beats(&self) -> u64 {
        self.felt.lock().unwrap().beats
    }

    pub fn was_regular_at(&self, moment: SystemTime) -> bool {
        let felt = self.felt.lock().unwrap();
        !felt.stalls.iter().any(|(from, to)| *from < moment + NEAR && *to + NEAR > moment)
    }

    /// How many stalls were longer than `limit`.
    pub fn longer_than(&self, limit: Duration) -> usize {
        let felt = self.felt.lock().unwrap();
        let long = |(from, to): &&(SystemTime, SystemTime)| {
            to.duration_since(*from).is_ok_and(|length| length > limit)
        };
        felt.stalls.iter().filter(long).count()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
