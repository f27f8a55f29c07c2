//! The lab: networks of namespaces in one kernel, directors under test, and a way to wait.
//!
//! A test is a function of a [`Lab`]. It builds its own LAN and leaves nothing behind, so any number
//! run side by side. When it fails, the end of each host's log is printed, and all files of all its
//! hosts are kept below `target/tmp/lab/`.

mod bfdd;
mod canned;
mod capture;
mod director;
mod frr;
mod inject;
mod ipvs;
mod ipvs_commands;
pub mod namespace;
mod network;
pub mod raw;
mod smtp;
mod steady;
mod tshark;
mod web;

use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

pub use bfdd::{Bfdd, BfddPeer};
pub use canned::Canned;
pub use capture::Capture;
pub use director::{Director, Program, mainstay};
pub use frr::{FRR_LINK_LOCAL, Frr, FrrRouter};
pub use inject::{Forgery, checksum};
pub use ipvs::IpvsTable;
pub use ipvs_commands::IpvsCommands;
pub use namespace::alive;
pub use network::{Host, Lan};
pub use smtp::{MailServer, Manner};
pub use steady::{longest_gap, seconds, stalled_since, undisturbed};
pub use web::{WebServer, fetch, fetch_from};

pub struct Lab {
    /// Where its hosts' files are.
    pub dir: PathBuf,
}

impl Lab {
    pub fn new(name: &str) -> Lab {
        let dir = std::env::temp_dir().join("mainstay-lab").join(name.replace("::", "."));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("make the lab's directory");
        Lab { dir }
    }

    pub fn lan(&self) -> Lan {
        Lan::new(self.dir.clone())
    }

    /// The last lines of every host's log.
    fn logs(&self) -> String {
        let hosts = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut logs: Vec<PathBuf> =
            hosts.map(|host| host.path().join("log")).filter(|log| log.exists()).collect();
        logs.sort();
        logs.iter().map(|log| tail(log, 40)).collect()
    }

    /// Copies the hosts' files out of the temporary directory, which in a guest is gone with it.
    fn keep(&self) -> Option<PathBuf> {
        let kept =
            Path::new(option_env!("CARGO_TARGET_TMPDIR")?).join("lab").join(self.dir.file_name()?);
        let _ = fs::remove_dir_all(&kept);
        fs::create_dir_all(kept.parent()?).ok()?;
        let copied = std::process::Command::new("cp").arg("-r").args([&self.dir, &kept]).output();
        copied.ok()?.status.success().then_some(kept)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let end = &all[all.len().saturating_sub(lines)..];
    format!("--- {}\n{}\n", log.display(), end.join("\n"))
}

/// Runs one test, or says why it cannot run here. Under `scripts/lab`, which sets MAINSTAY_LAB,
/// nothing may be skipped.
pub fn run(name: &str, test: impl FnOnce(&Lab)) {
    if let Some(reason) = missing() {
        assert!(std::env::var_os("MAINSTAY_LAB").is_none(), "the lab cannot run: {reason}");
        // Not `eprintln!`, which the test runner swallows for tests that pass.
        let _ = writeln!(io::stderr(), "skipped {name}: {reason} (scripts/test runs it)");
        return;
    }
    let _others = CLOCK.read().unwrap_or_else(PoisonError::into_inner);
    run_now(name, test);
}

/// The same for a test that nothing else can stand beside: it begins when all others that run have
/// ended, and holds the rest up.
pub fn run_alone(name: &str, test: impl FnOnce(&Lab)) {
    if missing().is_some() {
        return run(name, test);
    }
    let _alone = CLOCK.write().unwrap_or_else(PoisonError::into_inner);
    run_now(name, test);
}

/// All others measure with the clock of the machine; whoever sets that must be alone.
static CLOCK: RwLock<()> = RwLock::new(());

/// Whether this kernel, and so its clock, is a guest of ours.
pub fn in_a_guest() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("User Mode Linux"))
}

fn run_now(name: &str, test: impl FnOnce(&Lab)) {
    steady::watch();
    let lab = Lab::new(name);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(&lab))) {
        let kept = lab.keep().map(|path| format!("all files are kept in {}\n", path.display()));
        eprintln!("\n{}{}", lab.logs(), kept.unwrap_or_default());
        resume_unwind(panic);
    }
}

/// Why the lab cannot run on this machine.
fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root".into());
    }
    if !Path::new("/proc/net/ip_vs").exists() {
        return Some("this kernel has no IPVS".into());
    }
    let tools =
        ["/usr/sbin/keepalived", "/usr/sbin/ipvsadm", "/usr/bin/tshark", "/usr/lib/frr/vrrpd"];
    tools.iter().find(|tool| !Path::new(tool).exists()).map(|tool| format!("needs {tool}"))
}

/// How often a waiting test looks. In a guest each look costs, and a dozen tests look at a time.
const POLL: Duration = Duration::from_millis(80);

/// Waits until `probe` gives a value; a failure says what it saw last.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(seen) if start.elapsed() > limit => {
                panic!("not within {limit:?}: {what}; seen instead: {seen}")
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

/// Waits until `holds` says so.
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, limit, || if holds() { Ok(()) } else { Err("it does not hold".into()) });
}

/// Waits until `look` gives `expected`; a failure says what it gave instead.
pub fn eventually_eq<T: PartialEq + std::fmt::Debug>(
    what: &str,
    limit: Duration,
    expected: impl Into<T>,
    mut look: impl FnMut() -> T,
) {
    let expected = expected.into();
    wait_for(what, limit, || {
        let seen = look();
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}, not {expected:?}")) }
    });
}

/// Holds `rule` to be true again and again for `period`: for what must *not* happen.
pub fn throughout(what: &str, period: Duration, mut rule: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while start.elapsed() < period {
        if let Err(seen) = rule() {
            panic!("not throughout: {what}; after {:.1?}: {seen}", start.elapsed());
        }
        thread::sleep(POLL);
    }
}

/// Makes of each function `rule(lab, first, second)` one test for each pair of directors. The last,
/// keepalived twice, shows that the test itself is right: `--ignored` runs it.
#[macro_export]
macro_rules! for_each_pair {
    ($($rule:ident),* $(,)?) => { $(
        mod $rule {
            use $crate::harness::{Program::{Keepalived, Mainstay}, run};

            #[test]
            fn mainstay_mainstay() {
                run(concat!(module_path!(), "::mm"), |lab| super::$rule(lab, Mainstay, Mainstay));
            }

            #[test]
            fn mainstay_keepalived() {
                run(concat!(module_path!(), "::mk"), |lab| super::$rule(lab, Mainstay, Keepalived));
            }

            #[test]
            fn keepalived_mainstay() {
                run(concat!(module_path!(), "::km"), |lab| super::$rule(lab, Keepalived, Mainstay));
            }

            #[test]
            #[ignore = "shows the test to be right; Mainstay has no part in it"]
            fn keepalived_keepalived() {
                run(concat!(module_path!(), "::kk"), |lab| super::$rule(lab, Keepalived, Keepalived));
            }
        }
    )* };
}

/// The same for rules about one director.
#[macro_export]
macro_rules! for_each_program {
    ($($rule:ident),* $(,)?) => { $(
        mod $rule {
            use $crate::harness::{Program::{Keepalived, Mainstay}, run};

            #[test]
            fn mainstay() {
                run(concat!(module_path!(), "::m"), |lab| super::$rule(lab, Mainstay));
            }

            #[test]
            #[ignore = "shows the test to be right; Mainstay has no part in it"]
            fn keepalived() {
                run(concat!(module_path!(), "::k"), |lab| super::$rule(lab, Keepalived));
            }
        }
    )* };
}
