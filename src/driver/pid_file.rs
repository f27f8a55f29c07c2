//! Pid files: a number and a newline, locked for as long as the daemon runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A pid file that is ours. Removed on drop.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _locked: Flock<File>,
}

/// Why a pid file could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    #[error("{}: already running with pid {pid}", path.display())]
    AlreadyRunning { path: PathBuf, pid: String },
    #[error("{}: cannot write the pid file", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl PidFile {
    /// Creates, locks and fills `path`. A file left by a process that is gone is taken over.
    ///
    /// # Errors
    /// When a running daemon holds it, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, PidFileError> {
        let failed = |source| PidFileError::Io { path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)
            .map_err(failed)?;
        let mut locked = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(file, errno)| refused(path, file, errno))?;
        fill(&mut locked).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _locked: locked })
    }
}

fn fill(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn refused(path: &Path, mut file: File, errno: Errno) -> PidFileError {
    let path = path.to_owned();
    if errno != Errno::EWOULDBLOCK {
        return PidFileError::Io { path, source: errno.into() };
    }
    let mut pid = String::new();
    // Whatever it says is for the message only.
    let _ = file.read_to_string(&mut pid);
    PidFileError::AlreadyRunning { path, pid: pid.trim().to_owned() }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mainstay-{name}-{}.pid", std::process::id()))
    }

    #[test]
    fn a_second_daemon_is_told_who_runs() {
        let path = scratch("second");
        let first = PidFile::create(&path).unwrap();
        let second = PidFile::create(&path).unwrap_err();
        assert!(matches!(second, PidFileError::AlreadyRunning { ref pid, .. }
            if *pid == std::process::id().to_string()));
        drop(first);
        assert!(!path.exists(), "the file goes with its daemon");
    }

    #[test]
    fn a_leftover_file_is_taken_over() {
        let path = scratch("leftover");
        std::fs::write(&path, "999999999\n").unwrap();
        let _ours = PidFile::create(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }
}
