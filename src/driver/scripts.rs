//! Scripts on transitions: one line for each virtual router and each virtual server, in order.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::plan::{Global, NotifyScripts, OneShot, Plan, Script};
use crate::notify::script::run_script;
use crate::notify::security::{Finding, vet};
use crate::notify::{Exit, Job, Limits, NotifyQueue, Report, ScriptRules};
use crate::probe::Probe;

/// How long the last scripts may take when the program stops, before they are killed.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The way to run notify scripts; clones share one queue.
#[derive(Debug, Clone)]
pub struct Scripts {
    queue: NotifyQueue,
}

impl Scripts {
    /// Runs scripts on the current runtime, under the rules of `global`.
    pub fn new(global: &Global) -> Self {
        let (queue, reports) = NotifyQueue::new(rules(global), Limits::default());
        tokio::spawn(log(reports));
        Self { queue }
    }

    /// The rules of a new configuration.
    pub fn follow(&self, global: &Global) {
        self.queue.set_rules(rules(global));
    }

    /// Runs `scripts`, each with the words added, in order and after all that `line` has still
    /// to run.
    pub fn run(&self, line: &str, scripts: impl IntoIterator<Item = (Script, Vec<String>)>) {
        let jobs = scripts.into_iter().map(|(script, added)| Job { script, added });
        self.queue.submit(line, jobs);
    }

    /// Lets the last scripts end, or ends them.
    pub async fn finish(&self) {
        if !self.queue.shutdown(STOP_GRACE).await {
            tracing::warn!("scripts that had not ended after {STOP_GRACE:?} were killed");
        }
    }
}

/// What the configuration says about scripts in general.
pub fn rules(global: &Global) -> ScriptRules {
    ScriptRules {
        user: global.script_user.clone(),
        enforce: global.script_security,
        keep_links: global.keep_links,
        umask: global.umask,
    }
}

/// Runs `startup_script` or `shutdown_script` to its end or its time-out, and says what became of it.
pub async fn run_once(what: &str, once: &OneShot, global: &Global) {
    let exit = run_script(&once.script, &[], &rules(global), Some(once.timeout)).await;
    match exit {
        Exit::Status(0) => tracing::info!("{what} done"),
        exit => tracing::error!("{what}: {exit}; going on without it"),
    }
}

/// What this host has against the scripts of a plan.
#[derive(Debug, Default)]
pub struct ScriptVerdict {
    /// Each once, worded for operators; begins with `script NAME`.
    pub findings: Vec<String>,
    /// A `vrrp_script` is left out, so that what tracks it does not hear of it; or another check, or
    /// what is run once, for a user that does not exist (as keepalived 2.2.7 complains).
    pub check_left_out: bool,
    /// Scripts run, and nothing keeps unsafe ones from it: `enable_script_security` is not set.
    pub security_off: bool,
}

/// What operators read where [`ScriptVerdict::security_off`].
pub const SECURITY_OFF: &str = "enable_script_security is not set in global_defs: scripts run even \
                                where others than root can change them";

/// What speaks against the scripts of `plan`. Looks at the file system and at users: call from
/// where waiting is allowed.
pub fn verdict(plan: &Plan) -> ScriptVerdict {
    let rules = rules(&plan.global);
    let scripts: HashSet<&Script> = scripts_of(plan).collect();
    let checks: HashSet<&Script> = plan.track_scripts.iter().map(|check| &check.script).collect();
    let once = [&plan.global.startup_script, &plan.global.shutdown_script];
    let once = once.into_iter().flatten().map(|once| &once.script);
    let with_user: HashSet<&Script> = misc_checks(plan).chain(once).collect();
    let mut verdict = ScriptVerdict::default();
    for script in scripts {
        let vetted = vet(script, &rules);
        verdict.security_off |= vetted.is_ok() && !rules.enforce;
        verdict.check_left_out |= vetted.is_err() && checks.contains(script)
            || matches!(vetted, Err(Finding::Account { .. })) && with_user.contains(script);
        let finding = vetted.map_or_else(Some, |vetted| vetted.warning);
        verdict.findings.extend(finding.map(|finding| finding.to_string()));
    }
    verdict.findings.sort();
    verdict
}

fn scripts_of(plan: &Plan) -> impl Iterator<Item = &Script> {
    let instances = plan.vrrp_instances.iter().map(|instance| &instance.notify);
    let groups = plan.sync_groups.iter().map(|group| &group.notify);
    let vrrp = instances.chain(groups).flat_map(NotifyScripts::scripts);
    let fifos = plan.global.fifos.iter().filter_map(|fifo| fifo.script.as_ref());
    let own = [&plan.global.startup_script, &plan.global.shutdown_script];
    let own = own.into_iter().flatten().map(|each| &each.script);
    let servers = plan.virtual_servers.iter();
    let quorum = servers.clone().flat_map(|server| [&server.quorum_up, &server.quorum_down]);
    let real_servers = servers.flat_map(|server| &server.real_servers);
    let health = real_servers.flat_map(|server| [server.notify_up(), server.notify_down()]);
    let tracked = plan.track_scripts.iter().map(|tracked| &tracked.script);
    let servers = quorum.flatten().chain(health.flatten()).chain(misc_checks(plan));
    vrrp.chain(fifos).chain(own).chain(servers).chain(tracked)
}

fn misc_checks(plan: &Plan) -> impl Iterator<Item = &Script> {
    let real_servers = plan.virtual_servers.iter().flat_map(|server| &server.real_servers);
    let checkers = real_servers.flat_map(|server| &server.checkers);
    checkers.filter_map(|checker| match &checker.probe {
        Probe::Misc(misc) => Some(&misc.script),
        _ => None,
    })
}

/// Says what became of scripts. It ends with the queue.
async fn log(mut reports: mpsc::Receiver<Report>) {
    while let Some(report) = reports.recv().await {
        match report {
            Report::Ended { key, job, exit } => log_exit(&key, &words(&job), &exit),
            Report::Dropped { key, job, stopping } => {
                let why = if stopping { "stopping" } else { "too many were waiting" };
                tracing::warn!("({key}) script not run, {why}: {}", words(&job));
            }
        }
    }
}

fn log_exit(key: &str, words: &str, exit: &Exit) {
    match exit {
        Exit::Status(0) => tracing::debug!("({key}) script done: {words}"),
        Exit::Status(status) => tracing::warn!("({key}) script exited with {status}: {words}"),
        Exit::Signal(signal) => {
            tracing::warn!("({key}) script was killed by signal {signal}: {words}");
        }
        Exit::TimedOut(after) => {
            let after = crate::status::human(*after);
            tracing::error!("({key}) script hung and was killed after {after}: {words}");
        }
        Exit::NotStarted(reason) => tracing::error!("({key}) script not run: {reason}"),
    }
}

fn words(job: &Job) -> String {
    job.script.argv.iter().chain(&job.added).map(String::as_str).collect::<Vec<_>>().join(" ")
}
