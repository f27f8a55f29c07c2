//! Starting a script without a copy of this process.
//!
//! fork(2) copies the page tables and makes every page read-only: while it lasts nobody gets a page, and
//! after it each thread pays for each page it writes to. With the memory of 40,000 real servers that kept
//! adverts waiting for 30 ms. So the child begins in our memory, on a stack of its own, and the thread
//! that starts it waits until it has become the script, as in posix_spawn(3); which knows no users, no
//! PR_SET_PDEATHSIG, and little else of what a script is to have.

use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::unistd::Pid;

use super::WatchedFd;
use super::process::{self, Setup};

/// Of the child until it is the script. It makes a few dozen system calls there.
const STACK: usize = 64 * 1024;

/// One at a time: while a child that has changed its user is still in our memory, nobody else of that user
/// may look into it (see [`Dumpable`]).
static STARTING: Mutex<()> = Mutex::new(());

/// What is to be started.
#[derive(Debug)]
pub struct Start<'a> {
    /// A path: nothing is searched for.
    pub program: &'a Path,
    /// From `argv[0]` on.
    pub argv: Vec<&'a OsStr>,
    pub environment: Vec<(OsString, OsString)>,
    pub input: BorrowedFd<'a>,
    /// Standard output and error.
    pub output: BorrowedFd<'a>,
}

/// A child that was started. Dropped while it runs, it is killed. Made in a tokio runtime with I/O driver, which
/// takes note of its end.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    /// `None` once its end has been taken note of: the number may be somebody else's from then on.
    process: Option<WatchedFd>,
}

impl Child {
    /// Starts it as `setup` says.
    ///
    /// # Errors
    /// EINVAL for a word with a NUL; those of clone(2), of what `setup` asks for, and of execve(2).
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O driver.
    pub fn start(start: &Start<'_>, setup: &Setup) -> io::Result<Child> {
        let (pid, process) = clone_and_execute(start, setup)?;
        Ok(Child { pid, process: Some(WatchedFd::new(process)?) })
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end. Cancel-safe.
    ///
    /// # Errors
    /// ECHILD once its end was told, or when somebody else has taken note of it; and when the runtime is being
    /// shut down.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let told = || io::Error::from_raw_os_error(libc::ECHILD);
        let process = self.process.as_ref().ok_or_else(told)?;
        let ended = ended(process).await;
        self.process = None;
        ended
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        let _ = nix::sys::signal::kill(self.pid, nix::sys::signal::Signal::SIGKILL);
        // Without a runtime we are about to end, and then it is process 1 that takes note.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { ended(&process).await });
        }
    }
}

/// Waits until the process has ended, and takes note of it.
async fn ended(process: &WatchedFd) -> io::Result<ExitStatus> {
    loop {
        process.readable().await?;
        if let Some(status) = process.try_read(|fd| take_note(fd, libc::WNOHANG))? {
            return Ok(status);
        }
    }
}

/// How the process has ended, which it is asked once; `WouldBlock` if it runs and `flags` have WNOHANG.
fn take_note(process: BorrowedFd<'_>, flags: c_int) -> io::Result<ExitStatus> {
    let id = process.as_raw_fd().cast_unsigned();
    // SAFETY: all zeroes is a value of that structure, which lives during the call and says what its fields
    // of a child are.
    let (pid, code, status) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        process::check(libc::waitid(libc::P_PIDFD, id, &raw mut info, flags | libc::WEXITED))?;
        (info.si_pid(), info.si_code, info.si_status())
    };
    match code {
        _ if pid == 0 => Err(io::ErrorKind::WouldBlock.into()),
        libc::CLD_EXITED => Ok(ExitStatus::from_raw(status << 8)),
        _ => Ok(ExitStatus::from_raw(status)),
    }
}

/// What the child needs, prepared beforehand: it must not allocate.
struct Prepared<'a> {
    program: CString,
    /// Both end in a null pointer and point to what the lists below own.
    argv: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    _words: [Vec<CString>; 2],
    /// Of its descriptors 0, 1 and 2.
    streams: [RawFd; 3],
    setup: &'a Setup,
    parent: libc::pid_t,
    /// Why it could not become the script.
    error: AtomicI32,
}

impl<'a> Prepared<'a> {
    fn new(start: &Start<'_>, setup: &'a Setup) -> io::Result<Self> {
        let argv = start.argv.iter().map(|word| CString::new(word.as_bytes()));
        let argv = argv.collect::<Result<Vec<_>, _>>()?;
        let assignment = |(name, value): &(OsString, OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
        };
        let environment = start.environment.iter().map(assignment);
        let environment = environment.collect::<Result<Vec<_>, _>>()?;
        let pointers = |words: &[CString]| {
            words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
        };
        Ok(Self {
            program: CString::new(start.program.as_os_str().as_bytes())?,
            argv: pointers(&argv),
            environment: pointers(&environment),
            _words: [argv, environment],
            streams: [&start.input, &start.output, &start.output].map(AsRawFd::as_raw_fd),
            setup,
            parent: nix::unistd::getpid().as_raw(),
            error: AtomicI32::new(0),
        })
    }
}

fn clone_and_execute(start: &Start<'_>, setup: &Setup) -> io::Result<(Pid, OwnedFd)> {
    let prepared = Prepared::new(start, setup)?;
    let mut stack = Box::<[u128]>::new_uninit_slice(STACK / size_of::<u128>());
    let _others = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let _dumpable = Dumpable::note();
    // A handler of ours must not run in the child, which has our memory.
    let blocked = Blocked::all();
    let mut process: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack grows down from its end, which is aligned as 16 octets must be; the child reads `prepared`,
    // and this thread goes on only when the child has left our memory (CLONE_VFORK).
    let pid = unsafe {
        let top = stack.as_mut_ptr_range().end.cast::<c_void>();
        let argument = (&raw const prepared).cast_mut().cast::<c_void>();
        libc::clone(become_script, top, flags, argument, &raw mut process)
    };
    let failure = io::Error::last_os_error();
    drop(blocked);
    drop::<Box<[MaybeUninit<u128>]>>(stack);
    if pid < 0 {
        return Err(failure);
    }
    // SAFETY: the kernel has just made it, for us alone.
    let process = unsafe { OwnedFd::from_raw_fd(process) };
    match prepared.error.load(Ordering::Relaxed) {
        0 => Ok((Pid::from_raw(pid), process)),
        error => {
            let _ = take_note(process.as_fd(), 0);
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// Runs in the child, in our memory: system calls only, nothing is allocated and nothing unwinds.
extern "C" fn become_script(prepared: *mut c_void) -> c_int {
    // SAFETY: the parent waits with it, and nobody changes it but for `error`, an atomic.
    let prepared = unsafe { &*prepared.cast::<Prepared<'_>>() };
    let Err(error) = try_to_become_script(prepared);
    prepared.error.store(error.raw_os_error().unwrap_or(libc::EINVAL), Ordering::Relaxed);
    // SAFETY: ends this process alone, without anything that is the parent's to do.
    unsafe { libc::_exit(127) }
}

fn try_to_become_script(prepared: &Prepared<'_>) -> io::Result<std::convert::Infallible> {
    for (wanted, &found) in (0..).zip(&prepared.streams) {
        // SAFETY: a plain system call on descriptors, of which the child has its own.
        process::check(unsafe { libc::dup2(found, wanted) })?;
    }
    process::set_up_child(prepared.parent, prepared.setup)?;
    // SAFETY: the strings end in NUL and the lists in null pointers.
    unsafe {
        let (argv, environment) = (prepared.argv.as_ptr(), prepared.environment.as_ptr());
        libc::execve(prepared.program.as_ptr(), argv, environment);
    }
    Err(io::Error::last_os_error())
}

/// All signals of this thread, blocked until it is dropped. By system calls, since the library leaves
/// out the two it uses itself.
struct Blocked(u64);

impl Blocked {
    fn all() -> Self {
        Self(Self::set(u64::MAX))
    }

    /// Gives what was blocked before.
    fn set(mask: u64) -> u64 {
        let mut before = 0u64;
        // SAFETY: the kernel's masks are 64 bits; both live during the call.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const mask,
                &raw mut before,
                size_of::<u64>(),
            )
        };
        before
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        Self::set(self.0);
    }
}

/// When a process changes its user, the kernel makes its memory one that nobody of that user may look into
/// (PR_SET_DUMPABLE in prctl(2)), which is right for the child but is our memory, too. When it has gone, we
/// get what we had, so that there are core dumps.
struct Dumpable(c_int);

impl Dumpable {
    fn note() -> Self {
        // SAFETY: a plain system call.
        Self(unsafe { libc::prctl(libc::PR_GET_DUMPABLE) })
    }
}

impl Drop for Dumpable {
    fn drop(&mut self) {
        // SAFETY: plain system calls. The kernel takes 0 and 1 only; a refusal leaves it stricter.
        unsafe {
            if libc::prctl(libc::PR_GET_DUMPABLE) != self.0 {
                libc::prctl(libc::PR_SET_DUMPABLE, self.0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
