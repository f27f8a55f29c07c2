//! What holds for each attempt, whatever the other side does.

use tokio::time::{Instant, timeout_at};

/// Octets of one reply that are kept at a time: its header, then what a pattern is looked for in. With all that
/// belongs to it an attempt stays below 64 kB.
pub const KEPT: usize = 16 * 1024;

/// Waits for one step until `deadline`; `None`: time is up.
///
/// tokio's time-outs look at the clock only while a step is not ready, so that a server which sends faster
/// than we read would be listened to for ever. Here each step asks first.
pub async fn step_until<T>(deadline: Instant, step: impl Future<Output = T>) -> Option<T> {
    if Instant::now() >= deadline {
        return None;
    }
    timeout_at(deadline, step).await.ok()
}

/// When `span` from now is over; `None`: beyond the clock's range, and so never.
pub fn deadline(span: std::time::Duration) -> Option<Instant> {
    Instant::now().checked_add(span)
}

/// Appends to `kept`, which doubles as it grows, but never reserves more than `most`. The caller sees to it
/// that `bytes` fit.
pub fn keep(kept: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let needed = kept.len() + bytes.len();
    if needed > kept.capacity() {
        let room = (2 * kept.capacity()).min(most).max(needed);
        kept.reserve_exact(room - kept.len());
    }
    kept.extend_from_slice(bytes);
}

/// Longer than anything is waited for.
pub fn far_away() -> Instant {
    Instant::now() + crate::config::plan::LONGEST
}
