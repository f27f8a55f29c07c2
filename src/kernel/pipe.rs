//! What is in a pipe.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Octets written into `pipe` that nobody has read yet.
///
/// # Errors
/// When it is no pipe.
pub fn unread(pipe: &impl AsFd) -> io::Result<usize> {
    let mut octets: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, which lives here, for a descriptor that is open.
    let result = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut octets) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(octets.unsigned_abs() as usize) }
}
