//! Runs one script to its end, or to its deadline.
//!
//! The future owns the child and its process group: when it is dropped the whole group is killed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep, timeout};

use super::output;
use super::security::{self, Finding, ScriptRules};
use crate::config::plan::Script;
use crate::kernel::process::{Credentials, Setup};
use crate::kernel::{Child, Start};

/// Time between SIGTERM and SIGKILL, as in keepalived.
const TERM_TO_KILL: Duration = Duration::from_secs(2);

/// How often a group that was told to end is looked at.
const KILL_POLL: Duration = Duration::from_millis(20);

/// Variables that scripts do not inherit, as in keepalived.
const WITHHELD: [&str; 3] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"];

/// One run of a script, checked and ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub program: PathBuf,
    /// `argv[0]` as configured, then the arguments.
    pub argv: Vec<String>,
    pub credentials: Credentials,
    /// `None`: it may take for ever.
    pub deadline: Option<Duration>,
    /// Mode bits that its files lack; `None`: 077.
    pub umask: Option<u32>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exit {
    /// Exit status 0–255.
    #[error("exit status {0}")]
    Status(i32),
    /// Killed by a signal that was not ours.
    #[error("killed by signal {0}")]
    Signal(i32),
    /// Overstayed its deadline and was killed with its process group.
    #[error("ended after {}, its timeout", crate::status::human(*.0))]
    TimedOut(Duration),
    /// Never ran; worded for operators.
    #[error("{0}")]
    NotStarted(String),
}

impl Invocation {
    /// Checks `script` (see [`security::vet`]) and looks up its user, off the runtime's workers.
    /// `added` are the words that follow the configured ones.
    ///
    /// # Errors
    /// What forbids the script.
    pub async fn prepare(
        script: &Script,
        added: &[String],
        rules: &ScriptRules,
        deadline: Option<Duration>,
    ) -> Result<Self, Finding> {
        let argv = script.argv.iter().chain(added).cloned().collect();
        let umask = rules.umask;
        let (script, rules) = (script.clone(), rules.clone());
        let name = script.argv.first().cloned().unwrap_or_default();
        let vetted = tokio::task::spawn_blocking(move || security::vet(&script, &rules)).await;
        let vetted = vetted.unwrap_or_else(|error| {
            Err(Finding::Unreachable {
                script: name,
                component: PathBuf::new(),
                reason: error.to_string(),
            })
        })?;
        Ok(Self { program: vetted.program, argv, credentials: vetted.credentials, deadline, umask })
    }
}

/// Checks and runs `script`; what [`Invocation::prepare`] forbids is [`Exit::NotStarted`].
pub async fn run_script(
    script: &Script,
    added: &[String],
    rules: &ScriptRules,
    deadline: Option<Duration>,
) -> Exit {
    match Invocation::prepare(script, added, rules, deadline).await {
        Ok(invocation) => run(&invocation).await,
        Err(finding) => Exit::NotStarted(finding.to_string()),
    }
}

/// Runs a script: directly, without a shell; stdin is /dev/null, and so are stdout and stderr unless
/// details are logged (see `output`).
///
/// Must be polled on a thread that lives as long as the process: see [`Setup`].
pub async fn run(invocation: &Invocation) -> Exit {
    let mut running = match Running::start(invocation) {
        Ok(running) => running,
        Err(exit) => return exit,
    };
    let Some(deadline) = invocation.deadline else { return running.ended().await };
    match timeout(deadline, running.ended()).await {
        Ok(exit) => exit,
        Err(_) => {
            running.end().await;
            Exit::TimedOut(deadline)
        }
    }
}

/// Runs a script until it ends or `stop` resolves, when it is ended: then `None`.
pub async fn run_until(invocation: &Invocation, stop: impl Future) -> Option<Exit> {
    let mut running = match Running::start(invocation) {
        Ok(running) => running,
        Err(exit) => return Some(exit),
    };
    let exit = tokio::select! {
        exit = running.ended() => Some(exit),
        _ = stop => None,
    };
    if exit.is_none() {
        running.end().await;
    }
    exit
}

/// A script that was started. Dropped before its end, its process group is killed.
pub struct Running {
    // Dropped before the child, whose number is its own.
    group: Group,
    child: Child,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// [`Exit::NotStarted`].
    pub fn start(invocation: &Invocation) -> Result<Self, Exit> {
        let child = start(invocation).map_err(|error| {
            let program = invocation.program.display();
            Exit::NotStarted(format!("script {program}: cannot run: {error}"))
        })?;
        Ok(Self { group: Group::of(&child), child })
    }

    /// Waits for its end. Cancel-safe.
    pub async fn ended(&mut self) -> Exit {
        let ended = self.child.wait().await;
        self.group.ended(ended)
    }

    /// Ends it: SIGTERM to its process group and, when that does not help, SIGKILL.
    pub async fn end(&mut self) {
        self.group.end().await;
        let _ = self.child.wait().await;
        self.group.disarm();
    }
}

fn start(invocation: &Invocation) -> io::Result<Child> {
    let words = || invocation.argv.iter().map(OsStr::new);
    let setup = Setup::new(&invocation.credentials, invocation.umask);
    match spawn(&invocation.program, words().collect(), &setup) {
        // Text without `#!`.
        Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
            let shell = Path::new("/bin/sh");
            let head = [shell.as_os_str(), invocation.program.as_os_str()];
            spawn(shell, head.into_iter().chain(words().skip(1)).collect(), &setup)
        }
        other => other,
    }
}

fn spawn(program: &Path, argv: Vec<&OsStr>, setup: &Setup) -> io::Result<Child> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let pipe = output::capture()?;
    let output = pipe.as_ref().map_or(null.as_fd(), |(_, writer)| writer.as_fd());
    let inherited = |(name, _): &(OsString, OsString)| !WITHHELD.iter().any(|each| *each == name);
    let environment = std::env::vars_os().filter(inherited).collect();
    let start = Start { program, argv, environment, input: null.as_fd(), output };
    let child = Child::start(&start, setup)?;
    output::log(program.to_string_lossy().into_owned(), pipe.map(|(reader, _)| reader));
    Ok(child)
}

/// The process group of a running script. Dropped while armed, it is killed.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(Some(child.pid()))
    }

    /// The script has been reaped: its number may belong to somebody else from now on. What it
    /// left running in the background stays, as with keepalived.
    fn ended(&mut self, ended: io::Result<ExitStatus>) -> Exit {
        self.disarm();
        match ended {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Exit::Status(code),
                (None, signal) => Exit::Signal(signal.unwrap_or_default()),
            },
            Err(error) => Exit::NotStarted(format!("cannot wait for the script: {error}")),
        }
    }

    fn disarm(&mut self) {
        self.0 = None;
    }

    /// SIGTERM; then, when the script has ended or [`TERM_TO_KILL`] is over, SIGKILL to whatever
    /// is left of the group. The script is not reaped in between: as long as it is a zombie its
    /// group number cannot be given to anybody else.
    async fn end(&self) {
        let Some(leader) = self.0 else { return };
        let _ = killpg(leader, Signal::SIGTERM);
        let until = Instant::now() + TERM_TO_KILL;
        while Instant::now() < until && !is_zombie(leader) {
            sleep(KILL_POLL).await;
        }
        let _ = killpg(leader, Signal::SIGKILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

fn is_zombie(leader: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(waitid(Id::Pid(leader), flags), Ok(WaitStatus::StillAlive))
}

#[cfg(test)]
mod tests;
