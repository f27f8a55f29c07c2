//! Pid files: a number and a newline, locked for as long as the daemon runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A killed daemon keeps its lock until the kernel has cleared it away: its successor, started at
/// once, tries so often, with so long a pause, before it believes that the other one runs.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

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
    #[error("{}: cannot write the pid file: {reason}", path.display())]
    Io { path: PathBuf, reason: io::Error },
}

impl PidFile {
    /// Creates, locks and fills `path`. A file left by a process that is gone is taken over.
    ///
    /// # Errors
    /// When a running daemon holds it, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, PidFileError> {
        let failed = |reason| PidFileError::Io { path: path.to_owned(), reason };
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
        let mut locked = lock(file).map_err(|(file, errno)| refused(path, file, errno))?;
        if let Some(pid) = held_without_lock(&mut locked) {
            return Err(PidFileError::AlreadyRunning { path: path.to_owned(), pid });
        }
        fill(&mut locked).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _locked: locked })
    }
}

/// Takes the lock; one that is held is asked for again for a moment.
fn lock(mut file: File) -> Result<Flock<File>, (File, Errno)> {
    for _ in 0..TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((held, Errno::EWOULDBLOCK)) => file = held,
            settled => return settled,
        }
        sleep(PAUSE);
    }
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
}

fn fill(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The keepalived that wrote the file and still runs. It takes no lock (2.2), or one of a kind
/// that does not exclude ours.
fn held_without_lock(file: &mut File) -> Option<String> {
    let mut pid = String::new();
    file.read_to_string(&mut pid).ok()?;
    let pid = pid.trim();
    let number: u32 = pid.parse().ok()?;
    if number == std::process::id() {
        return None;
    }
    // Of a process that has ended but was not waited for there is no program to be read.
    let program = std::fs::read_link(format!("/proc/{number}/exe")).ok()?;
    let name = program.file_name()?.to_string_lossy();
    name.starts_with("keepalived").then(|| pid.to_owned())
}

fn refused(path: &Path, mut file: File, errno: Errno) -> PidFileError {
    let path = path.to_owned();
    if errno != Errno::EWOULDBLOCK {
        return PidFileError::Io { path, reason: errno.into() };
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

    /// keepalived 2.2 writes its number and takes no lock.
    #[test]
    fn a_running_keepalived_is_noticed_without_its_lock() {
        let path = scratch("unlocked");
        let program = std::env::temp_dir().join(format!("keepalived-{}", std::process::id()));
        std::fs::copy("/bin/sleep", &program).unwrap();
        // A child that another test starts meanwhile may still have the copy open for writing.
        let mut other = loop {
            match std::process::Command::new(&program).arg("60").spawn() {
                Err(busy) if busy.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                other => break other.unwrap(),
            }
        };
        std::fs::write(&path, format!("{}\n", other.id())).unwrap();

        let refused = PidFile::create(&path);
        other.kill().unwrap();
        other.wait().unwrap();
        let after_its_death = PidFile::create(&path).map(drop);
        std::fs::remove_file(&program).unwrap();

        assert!(matches!(refused, Err(PidFileError::AlreadyRunning { .. })), "{refused:?}");
        assert!(after_its_death.is_ok(), "{after_its_death:?}");
    }

    #[test]
    fn a_file_that_cannot_be_written_says_why() {
        let error = PidFile::create(Path::new("/proc/mainstay.pid")).unwrap_err().to_string();
        assert!(error.contains("(os error "), "{error}");
    }

    /// 100 ms stand for the time that a killed process takes to be gone.
    #[test]
    fn a_lock_that_is_about_to_go_is_waited_for() {
        let path = scratch("dying");
        let file = File::create(&path).unwrap();
        let dying = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
        let death = std::thread::spawn(move || {
            sleep(Duration::from_millis(100));
            drop(dying);
        });
        let successor = PidFile::create(&path);
        death.join().unwrap();
        assert!(successor.is_ok(), "{successor:?}");
    }

    #[test]
    fn a_leftover_file_is_taken_over() {
        let path = scratch("leftover");
        std::fs::write(&path, "999999999\n").unwrap();
        let _ours = PidFile::create(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }
}
