use std::fs::File;
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::{Gid, Uid};

use super::*;
use crate::kernel::process::Credentials;

fn shell(script: &str, credentials: &Credentials) -> io::Result<Child> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let start = Start {
        program: Path::new("/bin/sh"),
        argv: ["sh", "-c", script].map(OsStr::new).to_vec(),
        environment: vec![("WORD".into(), "a b".into())],
        input: null.as_fd(),
        output: null.as_fd(),
    };
    Child::start(&start, &Setup::new(credentials, None))
}

fn ours() -> Credentials {
    let gid = nix::unistd::getegid();
    Credentials { uid: nix::unistd::geteuid(), gid, groups: vec![gid] }
}

/// 40 is a real-time signal.
#[tokio::test]
async fn the_end_is_told_as_it_was() {
    for (script, code, signal) in [
        ("exit 7", Some(7), None),
        ("kill -9 $$", None, Some(9)),
        ("kill -40 $$", None, Some(40)),
        ("[ \"$WORD\" = 'a b' ] && [ $(env | wc -l) -lt 6 ]", Some(0), None),
    ] {
        let mut child = shell(script, &ours()).unwrap();
        let status = child.wait().await.unwrap();
        assert_eq!((status.code(), status.signal()), (code, signal), "{script}");
        let again = child.wait().await.unwrap_err();
        assert_eq!(again.raw_os_error(), Some(libc::ECHILD), "{script}");
    }
}

/// Not even the start that fails leaves a zombie behind.
#[tokio::test]
async fn one_that_is_dropped_is_killed_and_nothing_of_it_stays() {
    let child = shell("sleep 1000", &ours()).unwrap();
    let pid = child.pid();
    kill(pid, None).expect("it runs");
    drop(child);
    let until = std::time::SystemTime::now() + Duration::from_secs(20);
    while kill(pid, None).is_ok() {
        assert!(std::time::SystemTime::now() < until, "{pid} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_executed_is_an_error() {
    let null = File::open("/dev/null").unwrap();
    let start = |program| Start {
        program: Path::new(program),
        argv: Vec::new(),
        environment: Vec::new(),
        input: null.as_fd(),
        output: null.as_fd(),
    };
    let setup = Setup::new(&ours(), None);
    let error = |program| Child::start(&start(program), &setup).unwrap_err();
    assert_eq!(error("/nonexistent").raw_os_error(), Some(libc::ENOENT));
    assert_eq!(error("/etc/passwd").raw_os_error(), Some(libc::EACCES));
    assert_eq!(error("/a\0b").kind(), io::ErrorKind::InvalidInput);
}

/// After fork(2) each of these pages would be a fault.
#[tokio::test]
async fn a_start_costs_no_page_of_ours() {
    const PAGES: usize = 2_000;
    let mut memory = vec![1u8; PAGES * 4096];
    // SAFETY: advice about memory that is ours alone changes nothing in it.
    unsafe {
        let start = memory.as_mut_ptr().map_addr(|at| at.next_multiple_of(4096));
        let length = (PAGES - 1) * 4096;
        libc::madvise(start.cast(), length, libc::MADV_NOHUGEPAGE);
        // Whatever was in huge pages comes back in small ones.
        libc::madvise(start.cast(), length, libc::MADV_DONTNEED);
    }
    let touch = |memory: &mut [u8]| memory.iter_mut().step_by(4096).for_each(|octet| *octet += 1);
    touch(&mut memory);
    let mut child = shell("exit 0", &ours()).unwrap();
    let before = faults();
    touch(&mut memory);
    let faults = faults() - before;
    std::hint::black_box(&memory);
    assert!(child.wait().await.unwrap().success());
    assert!(faults < 200, "{faults} faults for {PAGES} pages");
}

/// Page faults of this thread.
fn faults() -> i64 {
    // SAFETY: all zeroes is a value of that structure, which lives during the call.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage.ru_minflt
    }
}

/// A child that changes its user would take our right to a core dump away, and that of the others.
#[tokio::test]
async fn another_user_s_script_leaves_us_as_we_are() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let nobody = Gid::from_raw(65_534);
    let credentials = Credentials { uid: Uid::from_raw(65_534), gid: nobody, groups: vec![nobody] };
    // SAFETY: a plain system call.
    let dumpable = || unsafe { libc::prctl(libc::PR_GET_DUMPABLE) };
    let before = dumpable();
    let script = "[ $(id -u):$(id -g):$(id -G) = 65534:65534:65534 ]";
    let mut child = shell(script, &credentials).unwrap();
    assert_eq!(dumpable(), before);
    assert!(child.wait().await.unwrap().success());
    assert!(nix::unistd::geteuid().is_root() && nix::unistd::getegid().as_raw() == 0);
}
