//! Being told when files change: inotify(7) on their directories, so that files which are replaced,
//! deleted or not there yet are seen as well.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::async_fd::WatchedFd;

/// Watches the directories of some files.
#[derive(Debug)]
pub struct FileWatch {
    inotify: Inotify,
    ready: WatchedFd,
    /// Directories that could not be watched yet.
    missing: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Begins to watch the directories of `files`.
    ///
    /// # Errors
    /// When the kernel has no inotify instance left (`fs.inotify.max_user_instances`).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new<'f>(files: impl IntoIterator<Item = &'f Path>) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let ready: OwnedFd = inotify.as_fd().try_clone_to_owned()?;
        let missing = files.into_iter().map(directory).collect();
        let mut watch = Self { inotify, ready: WatchedFd::new(ready)?, missing };
        watch.watch_missing();
        Ok(watch)
    }

    /// Tries again those directories that were not there; whether there are still some.
    pub fn watch_missing(&mut self) -> bool {
        // IN_CLOSE_WRITE and not IN_MODIFY: a file that is being written has no number yet.
        let of_interest = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let inotify = &self.inotify;
        self.missing
            .retain(|directory| inotify.add_watch(directory.as_path(), of_interest).is_err());
        !self.missing.is_empty()
    }

    /// Returns when something happened in one of the directories; what, is to be seen by reading the
    /// files. Cancel-safe.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            self.ready.readable().await?;
            let events = self.ready.try_read(|_| Ok(self.inotify.read_events()?))?;
            if events.is_some_and(|events| !events.is_empty()) {
                return Ok(());
            }
        }
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests;
