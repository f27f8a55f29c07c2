//! Whether the machine itself kept time: on each processor a thread with real-time scheduling, above the
//! directors', that sleeps for a millisecond again and again. Where one was late, who is on its processor
//! could not be in time, and what was measured there says nothing.

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
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Felt {
    beats: u64,
    stalls: Vec<(SystemTime, SystemTime)>,
}

impl Pulse {
    pub fn start() -> Pulse {
        let (felt, ended) = (Arc::<Mutex<Felt>>::default(), Arc::<AtomicBool>::default());
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..processors).map(|processor| {
            let (felt, ended) = (felt.clone(), ended.clone());
            thread::spawn(move || feel(processor, &felt, &ended))
        });
        let threads = threads.collect();
        Pulse { felt, ended, threads }
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
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn feel(processor: usize, felt: &Mutex<Felt>, ended: &AtomicBool) {
    // Without the right to either, more is found to be spoilt than is, or a processor is not watched.
    let _ = mainstay::kernel::bind_to(&[processor]);
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
