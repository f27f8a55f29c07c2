//! Noticing that something happens to the files of a directory (inotify(7)).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::async_fd::WatchedFd;

/// A file was written and closed, came, or went.
const CHANGES: u32 = libc::IN_CLOSE_WRITE
    | libc::IN_MOVED_TO
    | libc::IN_MOVED_FROM
    | libc::IN_DELETE
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR;

/// Watches one directory.
#[derive(Debug)]
pub struct FileWatch(WatchedFd);

impl FileWatch {
    /// # Errors
    /// ENOENT, ENOTDIR: there is no such directory; EMFILE, ENOSPC: too many are watched.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let path = CString::new(directory.as_os_str().as_bytes())?;
        // SAFETY: no pointers; the result is checked before it is taken for a descriptor.
        let raw = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` was just opened, and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        // SAFETY: `path` is a C string that outlives the call.
        let added = unsafe { libc::inotify_add_watch(fd.as_raw_fd(), path.as_ptr(), CHANGES) };
        if added < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(WatchedFd::new(fd)?))
    }

    /// Returns when something has changed since the last call; what, is for the caller to see.
    /// Cancel-safe.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn changed(&self) -> io::Result<()> {
        self.0.readable().await?;
        let mut events = [0; 4096];
        while let Ok(Some(1..)) =
            self.0.try_read(|fd| Ok(nix::unistd::read(fd.as_fd(), &mut events)?))
        {}
        Ok(())
    }
}
