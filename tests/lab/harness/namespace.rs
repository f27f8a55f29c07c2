//! Network namespaces, and how a thread or a program gets into one.
//!
//! A namespace has no name: it lives as long as a process is in it or we hold its descriptor, and
//! with it go its interfaces, addresses and IPVS table. So a test cannot leave anything behind, and
//! any number of tests run side by side. All `unsafe` of the harness is in this file and in `raw.rs`.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub struct Namespace(File);

impl Namespace {
    pub fn new() -> Namespace {
        let file = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("unshare(CLONE_NEWNET)");
            File::open("/proc/thread-self/ns/net").expect("open the new namespace")
        });
        Namespace(file.join().expect("a thread that makes a namespace"))
    }

    /// Runs `work` on a thread inside. Sockets opened there stay inside wherever they go.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).expect("setns");
            work()
        };
        thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// How `ip … netns PATH` names this namespace.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }

    /// Starts `command` inside.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        // A child inherits the namespaces of the thread that starts it. Entering after the fork would
        // need a real fork of the whole test program, during which a guest's kernel stands still.
        self.enter(|| command.spawn())
    }

    /// The same with the host's directory `run` as its private `/run`: what a daemon leaves there (sockets,
    /// pid files) is then its host's own, as it would be on two machines. So is `resolv.conf`, if it has one.
    pub fn spawn_on_host(&self, host: &Path, command: &mut Command) -> io::Result<Child> {
        let path = |name| {
            let path = host.join(name);
            CString::new(path.as_os_str().as_encoded_bytes()).expect("a path without NUL")
        };
        self.enter(|| {
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE)?;
            mount(&path("run"), c"/run", libc::MS_BIND)?;
            if host.join("resolv.conf").exists() {
                mount(&path("resolv.conf"), c"/etc/resolv.conf", libc::MS_BIND)?;
            }
            command.spawn()
        })
    }

    /// Ends every process inside: what a director has started and left behind.
    pub fn kill_all(&self) {
        let inode = self.0.metadata().map(|m| m.ino()).unwrap_or_default();
        for pid in processes() {
            let its = fs::metadata(format!("/proc/{pid}/ns/net")).map(|m| m.ino());
            if its.is_ok_and(|its| its == inode) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

fn mount(source: &std::ffi::CStr, target: &std::ffi::CStr, flags: libc::c_ulong) -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: the strings end in NUL and outlive the call; type and data may be absent for a bind.
    match unsafe { libc::mount(source.as_ptr(), target.as_ptr(), none, flags, none.cast()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn processes() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// A process's state letter and parent, from `/proc/PID/stat`; the command's name in it may hold
/// blanks and brackets.
fn state_and_parent(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Whether a process still runs; one that has ended and only waits to be taken note of does not.
pub fn alive(pid: i32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

pub fn children_of(pid: i32) -> Vec<i32> {
    processes()
        .filter(|&other| state_and_parent(other).is_some_and(|(_, parent)| parent == pid))
        .collect()
}

/// CPU time that a process has used, all threads together, by the scheduler's own nanoseconds: the
/// ticks in `/proc` are 10 ms, far too coarse here.
pub fn cpu_time(pid: i32) -> std::time::Duration {
    let time = cpu_time_if_any(pid);
    time.unwrap_or_else(|| panic!("no CPU clock of process {pid}: {}", io::Error::last_os_error()))
}

/// The same, of a process that may have ended.
pub fn cpu_time_if_any(pid: i32) -> Option<std::time::Duration> {
    let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: both calls only write to the places they are given.
    let failed = unsafe {
        libc::clock_getcpuclockid(pid, &mut clock) != 0
            || libc::clock_gettime(clock, &mut time) != 0
    };
    (!failed).then(|| std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}
