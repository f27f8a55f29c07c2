//! Waiting for a file descriptor without giving up the right to read it at any time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A non-blocking file descriptor that tells when it can be read.
///
/// It belongs to the tokio runtime in which it was made, and is closed when it is dropped.
#[derive(Debug)]
pub struct WatchedFd(AsyncFd<OwnedFd>);

impl WatchedFd {
    /// Starts watching `fd`, which the caller has made non-blocking.
    ///
    /// # Errors
    /// When the runtime cannot take one more descriptor (epoll refuses it).
    ///
    /// # Panics
    /// Outside a tokio runtime, or in one without I/O driver.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` is open, always gives the same descriptor, and stays open until it
        // is dropped. It is private here and leaves the `AsyncFd` only by being dropped with it.
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self(registered.map_err(|refused| refused.into_parts().1)?))
    }

    /// Returns when there may be something to read. Cancel-safe: nothing is taken.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.readable().await?.retain_ready();
        Ok(())
    }

    /// [`readable`](Self::readable) for hand-written futures that wait for many descriptors. Only
    /// the task that polled last is woken.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        // The guard is dropped without clearing: readiness stays until a read finds nothing.
        self.0.poll_read_ready(context).map(drop)
    }

    /// Runs `read`; `None` when it found nothing to read. Asks the kernel even when the runtime
    /// has not noticed anything yet: after a pause of the whole process, packets can lie in the
    /// queue that the runtime knows nothing of.
    ///
    /// # Errors
    /// Those of `read`, except `WouldBlock`.
    pub fn try_read<T>(
        &self,
        mut read: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let mut asked = false;
        let mut answer = self.0.try_io(Interest::READABLE, |fd| {
            asked = true;
            read(fd.as_fd())
        });
        if !asked {
            answer = read(self.as_fd());
        }
        none_if_it_would_block(answer)
    }

    /// The same for a `read` that takes as many datagrams as there are, up to `most`, and gives their
    /// number. When it is less there was nothing left, and the kernel is not asked again to say so.
    ///
    /// # Errors
    /// Those of `read`, except `WouldBlock`, which is 0.
    pub fn try_read_some(
        &self,
        most: usize,
        mut read: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut asked = false;
        let count = self.try_read_some_ready(most, |fd| {
            asked = true;
            read(fd)
        })?;
        if asked { Ok(count) } else { Ok(none_if_it_would_block(read(self.as_fd()))?.unwrap_or(0)) }
    }

    /// The same, asking the kernel only when the runtime has noticed that there may be something: costs
    /// no system call otherwise.
    ///
    /// # Errors
    /// As [`try_read_some`](Self::try_read_some).
    pub fn try_read_some_ready(
        &self,
        most: usize,
        mut read: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut count = 0;
        let answer = self.0.try_io(Interest::READABLE, |fd| {
            count = read(fd.as_fd())?;
            // To the runtime this says that it must be woken for the next.
            if count < most { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        none_if_it_would_block(answer).map(|_| count)
    }

    /// The same as [`try_read`](Self::try_read), asking the kernel only when the runtime has noticed that there may be something: costs
    /// no system call otherwise.
    ///
    /// # Errors
    /// Those of `read`, except `WouldBlock`.
    pub fn try_read_ready<T>(
        &self,
        mut read: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        none_if_it_would_block(self.0.try_io(Interest::READABLE, |fd| read(fd.as_fd())))
    }
}

fn none_if_it_would_block<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(nothing) if nothing.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

impl AsFd for WatchedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}
