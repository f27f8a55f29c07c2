//! One deadline, kept to the microsecond: a timerfd. (tokio's own timers are 1–2 ms late.)

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
use nix::time::clock_gettime;

use super::async_fd::WatchedFd;

/// Wakes its task at an instant, which may be moved at any time.
#[derive(Debug)]
pub struct DeadlineTimer {
    fd: WatchedFd,
    /// What the kernel's timer is set to.
    deadline: Option<Instant>,
    /// Whether the kernel's timer has gone off since it was set.
    spent: AtomicBool,
    /// An instant and the same one on CLOCK_MONOTONIC.
    epoch: (Instant, Duration),
}

impl DeadlineTimer {
    /// A timer without deadline.
    ///
    /// # Errors
    /// When the kernel has no timer left for us.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let fd = OwnedFd::from(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
        Ok(Self {
            fd: WatchedFd::new(fd)?,
            deadline: None,
            spent: AtomicBool::new(false),
            epoch: epoch()?,
        })
    }

    /// Moves the deadline; one in the past is reached at once, `None` is never reached. Costs
    /// nothing when it is as it was; else one system call.
    ///
    /// # Errors
    /// None that the kernel is known to give.
    pub fn set(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if deadline == self.deadline && !self.spent.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.arm(deadline.map(|instant| self.monotonic(instant)))?;
        self.deadline = deadline;
        self.spent.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether it goes off at `instant` or earlier.
    pub fn is_set_by(&self, instant: Instant) -> bool {
        !self.spent.load(Ordering::Relaxed) && self.deadline.is_some_and(|at| at <= instant)
    }

    /// Returns once the deadline has passed: once for each [`set`](Self::set). Cancel-safe.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn reached(&self) -> io::Result<()> {
        loop {
            self.fd.readable().await?;
            let mut expirations = [0; 8];
            let read = self.fd.try_read(|fd| Ok(nix::unistd::read(fd, &mut expirations)?))?;
            // Nothing: it had gone off, and was then set to a later deadline.
            if read.is_some() {
                self.spent.store(true, Ordering::Relaxed);
                return Ok(());
            }
        }
    }

    /// The time since CLOCK_MONOTONIC's zero; at least 1 ns, as 0 would mean no deadline.
    fn monotonic(&self, instant: Instant) -> Duration {
        let (epoch, since_zero) = self.epoch;
        let later = instant.saturating_duration_since(epoch);
        let earlier = epoch.saturating_duration_since(instant);
        (since_zero + later).saturating_sub(earlier).max(Duration::from_nanos(1))
    }

    fn arm(&self, at: Option<Duration>) -> io::Result<()> {
        let setting = libc::itimerspec {
            it_interval: *TimeSpec::from_duration(Duration::ZERO).as_ref(),
            it_value: *TimeSpec::from_duration(at.unwrap_or_default()).as_ref(),
        };
        // SAFETY: the descriptor is an open timerfd, `setting` is read during the call only, and
        // the old setting is not asked for. (nix can only do this to a `TimerFd` of its own.)
        let result = unsafe {
            libc::timerfd_settime(
                self.fd.as_fd().as_raw_fd(),
                libc::TFD_TIMER_ABSTIME,
                &raw const setting,
                std::ptr::null_mut(),
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// `Instant` is CLOCK_MONOTONIC on Linux, but does not say its number: read both at once. The
/// instant is taken first and the tightest of some pairs is used, so that the timer is late by
/// some tens of nanoseconds and never early.
#[expect(clippy::disallowed_methods, reason = "an edge: it ties the two clocks together")]
fn epoch() -> io::Result<(Instant, Duration)> {
    let mut best = (Instant::now(), Duration::ZERO);
    let mut tightest = Duration::MAX;
    for _ in 0..16 {
        let before = Instant::now();
        let monotonic = clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
        let gap = before.elapsed();
        if gap < tightest {
            (tightest, best) = (gap, (before, monotonic.into()));
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests;
