//! How many attempts may be under way, and how many wait for a place.
//!
//! Each needs a descriptor, or a child process, and the two do not stand in each other's way. No checker
//! has more than one attempt at a time, so with a place for each nobody ever waits for one that hangs:
//! the limits are what the process may have, not what it is likely to need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::probe::Probe;
use crate::status::{CheckPlaces, PlacesInUse};

/// Descriptors that are left for everything else: sockets of VRRP and BFD, netlink, files, FIFOs, mail.
const RESERVED: u64 = 512;

/// Attempts with a socket under way at once, whatever the process may have: each has a port of ours.
const MOST_SOCKETS: u64 = 50_000;

/// Scripts under way at once.
const MOST_SCRIPTS: usize = 1_024;

#[derive(Debug)]
pub(super) struct Places {
    sockets: Arc<Queue>,
    scripts: Arc<Queue>,
}

/// Places of one kind, given in the order in which they are asked for.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    longest_ms: AtomicU64,
}

impl Places {
    /// For a process that may have so many `descriptors`.
    pub fn new(descriptors: u64) -> Self {
        let sockets = descriptors.saturating_sub(RESERVED).clamp(64, MOST_SOCKETS);
        Self {
            sockets: Queue::new(usize::try_from(sockets).unwrap_or(64)),
            scripts: Queue::new(MOST_SCRIPTS),
        }
    }

    /// Where an attempt of `probe` gets its place.
    pub fn queue(&self, probe: &Probe) -> Arc<Queue> {
        match probe {
            Probe::Misc(_) => self.scripts.clone(),
            _ => self.sockets.clone(),
        }
    }

    pub fn status(&self) -> CheckPlaces {
        CheckPlaces { sockets: self.sockets.status(), scripts: self.scripts.status() }
    }
}

impl Queue {
    fn new(limit: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(limit));
        let (waiting, longest_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { limit, free, waiting, longest_ms })
    }

    /// Waits for a place, which is free again when what is given is dropped.
    pub async fn place(self: Arc<Self>) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.free.clone().try_acquire_owned() {
            return Some(place);
        }
        let begun = Instant::now();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The semaphore is never closed.
        let place = self.free.clone().acquire_owned().await.ok();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let waited = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.longest_ms.fetch_max(waited, Ordering::Relaxed);
        place
    }

    fn status(&self) -> PlacesInUse {
        PlacesInUse {
            limit: self.limit,
            used: self.limit - self.free.available_permits(),
            waiting: self.waiting.load(Ordering::Relaxed),
            longest_wait: Duration::from_millis(self.longest_ms.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_the_process_may_have_less_what_others_need() {
        let sockets = |descriptors| Places::new(descriptors).status().sockets.limit;
        assert_eq!([100, 1_024, 10_000, 1 << 20].map(sockets), [64, 512, 9_488, 50_000]);
    }

    /// Hanging ones hold their own places only, and who waits gets one in turn.
    #[tokio::test(start_paused = true)]
    async fn waiting_is_counted_and_ends_when_a_place_is_free() {
        let queue = Queue::new(2);
        let one = queue.clone().place().await;
        let _other = queue.clone().place().await;
        let third = tokio::spawn(queue.clone().place());
        tokio::time::sleep(Duration::from_secs(3)).await;
        let status = queue.status();
        assert_eq!((status.limit, status.used, status.waiting), (2, 2, 1));
        drop(one);
        let _third = third.await.unwrap();
        let status = queue.status();
        assert_eq!((status.used, status.waiting), (2, 0));
        assert_eq!(status.longest_wait, Duration::from_secs(3));
    }
}
