//! What keeps a thread on time: real-time scheduling, memory that is not paged out, a name.

use std::io;

use nix::sys::mman::{MlockAllFlags, mlockall};

/// Puts the calling thread under SCHED_RR with `priority` (1–99). What it starts, threads and
/// scripts, runs under the ordinary class again.
///
/// # Errors
/// EPERM: CAP_SYS_NICE is missing; EINVAL: priority out of range.
pub fn real_time(priority: i32) -> io::Result<()> {
    // SAFETY: a plain C structure for which all zeroes is a value; musl's has more fields than
    // the one set here.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread; the structure is read during the call only. musl's own
    // function of this name always fails, hence the bare system call.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const parameters) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives the calling thread this nice value, −20 to 19.
///
/// # Errors
/// EACCES: less than it has now, without CAP_SYS_NICE.
pub fn set_nice(nice: i8) -> io::Result<()> {
    // SAFETY: a plain call on values; 0 is the calling thread (Linux has nice values by thread).
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, nice.into()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Binds the calling thread, and the threads that it starts, to these processors.
///
/// # Errors
/// EINVAL: none of them is there.
pub fn bind_to(cpus: &[usize]) -> io::Result<()> {
    let mut set = nix::sched::CpuSet::new();
    for &cpu in cpus {
        set.set(cpu)?;
    }
    Ok(nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)?)
}

/// Keeps the process's pages in memory once they have been touched. Pages never touched (the
/// larger part of each thread's stack) stay unallocated.
///
/// # Errors
/// EPERM, ENOMEM: neither CAP_IPC_LOCK nor a sufficient RLIMIT_MEMLOCK.
pub fn lock_memory() -> io::Result<()> {
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    Ok(mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)?)
}

/// Names the calling thread, as `top -H` and `ps -L` show it; 15 octets are kept.
///
/// # Errors
/// None that the kernel is known to give.
pub fn name_thread(name: &std::ffi::CStr) -> io::Result<()> {
    Ok(nix::sys::prctl::set_name(name)?)
}
