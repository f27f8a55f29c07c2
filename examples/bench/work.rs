//! Other work, to keep the processors busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Two threads for each processor that only count, until this is dropped.
pub struct Work {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Work {
    pub fn start() -> Work {
        let ended = Arc::new(AtomicBool::new(false));
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let spin = |ended: Arc<AtomicBool>| {
            thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    for number in 0..10_000 {
                        std::hint::black_box(number);
                    }
                }
            })
        };
        let threads = (0..2 * processors).map(|_| spin(ended.clone())).collect();
        Work { ended, threads }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}
