//! What a child process is before it becomes a script: its user, its group, its signals.
//!
//! Everything that may block or allocate (user and group lookups) is done by the caller beforehand.
//! Until it is the script, a child only makes system calls: it is in our memory, and must not touch the
//! allocator or any lock.

use std::io;
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

/// How a script starts: own process group, its user, default signals, ordinary scheduling on all
/// processors, the limit of open files that we found, its umask, and SIGTERM when the thread
/// that started it ends.
///
/// The last is the kernel's rule (PR_SET_PDEATHSIG follows the *thread*): start scripts from threads
/// that live as long as the process, never from tokio's blocking pool.
#[derive(Debug)]
pub struct Setup {
    /// `None`: we run as these already.
    switch: Option<Switch>,
    umask: libc::mode_t,
}

/// [`Credentials`] as system calls take them.
#[derive(Debug)]
struct Switch {
    uid: libc::uid_t,
    gid: libc::gid_t,
    groups: Vec<libc::gid_t>,
}

impl Setup {
    /// For a script that runs as `credentials`, and whose files lack the bits of `umask` (077 for `None`).
    pub fn new(credentials: &Credentials, umask: Option<u32>) -> Self {
        let switch = (!credentials.are_ours()).then(|| Switch {
            uid: credentials.uid.as_raw(),
            gid: credentials.gid.as_raw(),
            groups: credentials.groups.iter().map(|group| group.as_raw()).collect(),
        });
        Self { switch, umask: umask.map_or(SCRIPT_UMASK, |mask| mask as libc::mode_t & 0o777) }
    }
}

/// Runs in the child of `parent` before it becomes the script.
///
/// # Errors
/// What the kernel refuses of that which a script must have.
pub(super) fn set_up_child(parent: libc::pid_t, setup: &Setup) -> io::Result<()> {
    // SAFETY: plain system calls on values; `mask` and `parameters` are valid for their calls.
    unsafe {
        check(libc::setpgid(0, 0))?;
        if let Some(Before { descriptors, cpus }) = BEFORE.get() {
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
        libc::umask(setup.umask);
        if let Some(switch) = &setup.switch {
            become_user(switch)?;
        }
        // After the change of user, which clears it.
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM))?;
        // The parent may have died before the line above.
        if libc::getppid() != parent {
            libc::kill(libc::getpid(), libc::SIGTERM);
        }
    }
    Ok(())
}

/// Groups first: once the user is changed, the right to change them is gone. By system calls, since the
/// library's functions would change every thread of the parent, whose memory the child has.
fn become_user(Switch { uid, gid, groups }: &Switch) -> io::Result<()> {
    // SAFETY: plain system calls; the list is valid for its call.
    unsafe {
        check_long(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
        check_long(libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid))?;
        check_long(libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid))
    }
}

/// # Errors
/// That of the call that gave `result`.
pub(super) fn check(result: libc::c_int) -> io::Result<()> {
    check_long(result.into())
}

fn check_long(result: libc::c_long) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
