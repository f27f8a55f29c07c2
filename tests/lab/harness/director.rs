//! A director under test: Mainstay or Debian's keepalived, started with the same command line.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::namespace::{children_of, cpu_time};
use super::{Host, eventually};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    Mainstay,
    Keepalived,
}

pub struct Director<'h> {
    pub host: &'h Host,
    pub program: Program,
    child: Child,
}

/// One director's whole configuration in the file of that name, its log in `log`.
const CONFIGURATION: &str = "keepalived.conf";

impl Program {
    /// What to start. Mainstay goes by keepalived's name, as it does where it has replaced it.
    pub fn path(self, host: &Host) -> PathBuf {
        match self {
            Program::Keepalived => "/usr/sbin/keepalived".into(),
            Program::Mainstay => {
                let link = host.dir.join("keepalived");
                let _ = fs::remove_file(&link);
                std::os::unix::fs::symlink(mainstay(), &link).expect("a symbolic link");
                link
            }
        }
    }
}

/// keepalived must be told to be punctual while many tests share a processor; Mainstay is so by itself.
/// Its own limit to real-time work, 10 ms, is one tick of a guest's clock: the kernel would kill it.
const PUNCTUAL: &[u8] = b"    vrrp_rt_priority 50\n    vrrp_rlimit_rttime 2000000\n    \
      bfd_rt_priority 50\n    bfd_rlimit_rttime 2000000\n";

impl Program {
    /// The configuration, with what this program needs beyond what the test says.
    fn prepare(self, configuration: &[u8]) -> Vec<u8> {
        let globals = b"global_defs {\n";
        let place = configuration.windows(globals.len()).position(|window| window == globals);
        match (self, place) {
            (Program::Keepalived, Some(at)) => {
                let (before, after) = configuration.split_at(at + globals.len());
                [before, PUNCTUAL, after].concat()
            }
            _ => configuration.to_vec(),
        }
    }

    /// What its unit sets for it, so that it runs here as it does where it is installed.
    pub fn environment(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let unit = match self {
            Program::Mainstay => include_str!("../../../etc/mainstay.service"),
            Program::Keepalived => "",
        };
        unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='))
    }
}

/// The binary under test: what MAINSTAY_BINARY says (say, a release build), else the one that Cargo
/// names for tests; an example finds it beside its own directory.
pub fn mainstay() -> PathBuf {
    if let Some(path) = std::env::var_os("MAINSTAY_BINARY") {
        return path.into();
    }
    match option_env!("CARGO_BIN_EXE_mainstay") {
        Some(path) => path.into(),
        None => std::env::current_exe()
            .expect("our own path")
            .parent()
            .expect("a directory")
            .join("../mainstay"),
    }
}

impl<'h> Director<'h> {
    pub fn start(
        host: &'h Host,
        program: Program,
        configuration: impl AsRef<[u8]>,
    ) -> Director<'h> {
        host.write(CONFIGURATION, program.prepare(configuration.as_ref()));
        Self::start_again(host, program)
    }

    /// Starts it with the configuration that is already there.
    pub fn start_again(host: &'h Host, program: Program) -> Director<'h> {
        let mut command = host.command(program.path(host));
        let path = |name: &str| host.dir.join(name);
        let log =
            File::options().create(true).append(true).open(path("log")).expect("the log file");
        command
            .args(["-n", "-l", "-D", "-G"])
            .arg("-f")
            .arg(path(CONFIGURATION))
            .args([
                "-p".into(),
                path("pid"),
                "-r".into(),
                path("vrrp.pid"),
                "-c".into(),
                path("checkers.pid"),
                "-b".into(),
                path("bfd.pid"),
            ])
            .stdout(log.try_clone().expect("duplicate a descriptor"))
            .stderr(log)
            // A group of its own, so that it can be killed as a whole.
            .process_group(0);
        command.envs(program.environment());
        let child = host
            .spawn(&mut command)
            .unwrap_or_else(|e| panic!("{}: start {program:?}: {e}", host.name));
        Director { host, program, child }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn log(&self) -> String {
        self.host.read("log")
    }

    /// Waits for `text` in the log beyond its first `from` octets; gives the moment it was seen.
    pub fn wait_for_log(&self, from: usize, text: &str, limit: Duration) -> SystemTime {
        let start = Instant::now();
        while !self.log().get(from..).is_some_and(|new| new.contains(text)) {
            let who = &self.host.name;
            assert!(
                start.elapsed() < limit,
                "not within {limit:?}: {who} ({:?}) logs {text:?}",
                self.program
            );
            // Finer than other waiting: the moment is used.
            thread::sleep(Duration::from_millis(20));
        }
        SystemTime::now()
    }

    /// Waits until the log has the state line, for example `(KAV_1) Entering MASTER STATE`.
    pub fn wait_for_state(&self, from: usize, state: &str) -> SystemTime {
        self.wait_for_log(from, &format!("(KAV_1) Entering {state} STATE"), Duration::from_secs(30))
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("signal a director");
    }

    /// Replaces the configuration and asks for a reload.
    pub fn reload(&self, configuration: impl AsRef<[u8]>) {
        self.host.write(CONFIGURATION, self.program.prepare(configuration.as_ref()));
        self.signal(Signal::SIGHUP);
    }

    /// Kills it like a power failure would: every process at once and without a word, so that what
    /// it had in the kernel stays there. keepalived's children would otherwise say good-bye.
    pub fn kill9(mut self) -> SystemTime {
        let moment = SystemTime::now();
        self.kill_tree();
        moment
    }

    fn kill_tree(&mut self) {
        // The parent is stopped first, so that it cannot start its children again; and they go before
        // it, for its death would be their signal to resign.
        let own = Pid::from_raw(self.pid());
        let _ = kill(own, Signal::SIGSTOP);
        for child in children_of(self.pid()) {
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        let _ = kill(own, Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits for that; gives the moment of asking and how it ended.
    pub fn stop(mut self) -> (SystemTime, ExitStatus) {
        let moment = SystemTime::now();
        self.signal(Signal::SIGTERM);
        (moment, self.wait_for_end(Duration::from_secs(20)))
    }

    pub fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ({:?}) ends", self.host.name, self.program);
        let mut status = None;
        eventually(&what, limit, || {
            status = self.child.try_wait().expect("wait for a director");
            status.is_some()
        });
        status.unwrap_or(ExitStatus::from_raw(0))
    }

    /// Panics when the director has ended of its own accord.
    pub fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("wait for a director");
        assert_eq!(ended, None, "{} ({:?}) has ended", self.host.name, self.program);
    }

    /// Resident kilobytes of all its processes together.
    pub fn resident_kb(&self) -> u64 {
        self.processes().map(resident_kb).sum()
    }

    /// CPU time of all its processes together.
    pub fn cpu_time(&self) -> Duration {
        self.processes().map(cpu_time).sum()
    }

    /// How often any of its threads has waited for something and gone on.
    pub fn wake_ups(&self) -> u64 {
        let threads = self.processes().flat_map(threads_of);
        threads.map(|thread| number_in_status(&thread, "voluntary_ctxt_switches:")).sum()
    }

    fn processes(&self) -> impl Iterator<Item = i32> {
        children_of(self.pid()).into_iter().chain([self.pid()])
    }

    /// Asks for a dump and gives what it says. Mainstay writes below its `/run`, keepalived to TMPDIR.
    pub fn dump(&self) -> String {
        let file = match self.program {
            Program::Mainstay => "run/mainstay/mainstay.data",
            Program::Keepalived => "keepalived.data",
        };
        let path = self.host.dir.join(file);
        let _ = fs::remove_file(&path);
        self.signal(Signal::SIGUSR1);
        eventually(&format!("{} dumps its state", self.host.name), Duration::from_secs(10), || {
            // The last character tells a whole file from one that is being written.
            self.host.read(file).ends_with('\n')
        });
        self.host.read(file)
    }

    /// One of the counters in the dump: a line `NAME = NUMBER`, after its first mention.
    pub fn counter(&self, name: &str) -> u64 {
        let dump = self.dump();
        let value = dump.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().parse().ok())?
        });
        value
            .unwrap_or_else(|| panic!("{}: no counter {name} in the dump:\n{dump}", self.host.name))
    }
}

fn resident_kb(pid: i32) -> u64 {
    number_in_status(Path::new(&format!("/proc/{pid}")), "VmRSS:")
}

/// `/proc/PID/task/TID` of each.
fn threads_of(pid: i32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// A number of a process or thread that may have ended: then 0.
fn number_in_status(process: &Path, name: &str) -> u64 {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

impl Drop for Director<'_> {
    fn drop(&mut self) {
        self.kill_tree();
    }
}
