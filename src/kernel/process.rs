//! What a child process is before it becomes a script: its user, its group, its signals.
//!
//! Everything that may block or allocate (user and group lookups) is done by the caller before the
//! fork. Between fork and exec only system calls are made: the child of a threaded process must not
//! touch the allocator or any lock.

use std::io;
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{Gid, Uid};

/// Mode bits that files made by a script lack, unless it sets its own umask.
///
/// keepalived leaves 0177, under which a script cannot enter a directory it makes nor run a file
/// it writes. With 0077 both work, and others still see nothing.
const SCRIPT_UMASK: libc::mode_t = 0o077;

/// What this process was before it changed itself for its own ends.
struct Before {
    descriptors: libc::rlimit,
    cpus: libc::cpu_set_t,
}

static BEFORE: OnceLock<Before> = OnceLock::new();

/// Notes the limits that scripts are to have, then takes all the descriptors we may have: each
/// check under way needs one. To be called before any thread is bound to processors.
///
/// # Errors
/// When the kernel refuses to say, or to raise, the limit.
pub fn raise_descriptor_limit() -> io::Result<()> {
    // SAFETY: plain C structures for which all zeroes is a value, valid for the calls.
    unsafe {
        let mut before: Before = std::mem::zeroed();
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut before.descriptors))?;
        let size = size_of::<libc::cpu_set_t>();
        check(libc::sched_getaffinity(0, size, &raw mut before.cpus))?;
        let all = libc::rlimit { rlim_cur: before.descriptors.rlim_max, ..before.descriptors };
        let _ = BEFORE.set(before);
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const all))
    }
}

/// How many descriptors this process may have at once.
pub fn descriptor_limit() -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    // The least that POSIX knows of.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1_024, |(now, _)| now)
}

/// The user a child is to run as, looked up before the fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub uid: Uid,
    pub gid: Gid,
    /// Supplementary groups, `gid` included.
    pub groups: Vec<Gid>,
}

impl Credentials {
    /// Whether the kernel would treat the child as root, by user or by group.
    pub fn is_root(&self) -> bool {
        self.uid.is_root() || self.gid.as_raw() == 0
    }

    /// Whether this process runs as these already, and could not become anything else.
    fn are_ours(&self) -> bool {
        let ours = nix::unistd::geteuid();
        !ours.is_root() && ours == self.uid && nix::unistd::getegid() == self.gid
    }
}

/// Makes the kernel throw `signals` away until a handler is set for them.
///
/// # Panics
/// For SIGKILL and SIGSTOP, which nobody can ignore.
pub fn ignore_until_handled(signals: &[Signal]) {
    for &each in signals {
        // SAFETY: no handler of ours runs.
        unsafe { signal(each, SigHandler::SigIgn) }.expect("a signal that can be ignored");
    }
}

/// Makes `command` start as a script does: own process group, `credentials`, default signals,
/// ordinary scheduling on all processors, the limit of open files that we found, `umask` (077 for
/// `None`), and SIGTERM when the thread that started it ends.
///
/// The last is the kernel's rule (PR_SET_PDEATHSIG follows the *thread*): start scripts from threads
/// that live as long as the process, never from tokio's blocking pool.
pub fn prepare(command: &mut Command, credentials: &Credentials, umask: Option<u32>) {
    let parent = nix::unistd::getpid().as_raw();
    let switch = (!credentials.are_ours()).then(|| credentials.clone());
    let umask = umask.map_or(SCRIPT_UMASK, |mask| mask as libc::mode_t & 0o777);
    let before = BEFORE.get();
    let setup = move || set_up_child(parent, switch.as_ref(), umask, before);
    // SAFETY: `set_up_child` makes async-signal-safe system calls only; what it reads was allocated
    // before the fork.
    unsafe { std::os::unix::process::CommandExt::pre_exec(command, setup) };
}

/// Runs in the child, between fork and exec.
fn set_up_child(
    parent: libc::pid_t,
    switch: Option<&Credentials>,
    umask: libc::mode_t,
    before: Option<&Before>,
) -> io::Result<()> {
    // SAFETY: plain system calls on values; `mask` and `parameters` are valid for their calls.
    unsafe {
        check(libc::setpgid(0, 0))?;
        if let Some(Before { descriptors, cpus }) = before {
            // What was ours to raise or to narrow is not theirs. A refusal leaves them as we are.
            libc::setrlimit(libc::RLIMIT_NOFILE, descriptors);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cpus);
        }
        for signal in 1..=libc::SIGRTMAX() {
            // Refused for SIGKILL, SIGSTOP and the two of the threading library: as they should be.
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut mask = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut mask);
        check(libc::sigprocmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut()))?;
        // Real-time class and niceness are ours alone. The raw call, because musl's function is a
        // stub that fails. Refusals are harmless: without the right to lower them, we never had them.
        let parameters = std::mem::zeroed::<libc::sched_param>();
        libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &parameters);
        libc::setpriority(libc::PRIO_PROCESS as _, 0, 0);
        libc::umask(umask);
        if let Some(credentials) = switch {
            become_user(credentials)?;
        }
        // After the change of user, which clears it.
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM))?;
        // The parent may have died before the line above.
        if libc::getppid() != parent {
            libc::raise(libc::SIGTERM);
        }
    }
    Ok(())
}

/// Groups first: once the user is changed, the right to change them is gone.
fn become_user(credentials: &Credentials) -> io::Result<()> {
    let (uid, gid) = (credentials.uid, credentials.gid);
    nix::unistd::setgroups(&credentials.groups)?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    Ok(())
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
