//! Puts the parts together: threads, channels, the clock, start and stop.
//!
//! | runs on | owns | ends when |
//! |---|---|---|
//! | vrrp thread (`vrrp_thread`) | VRRP sockets, timers, address commands | told to stop; its end ends the process |
//! | bfd thread (`bfd_thread`) | BFD sockets and timers | told to stop; its end ends the process |
//! | work runtime: `supervisor` | signals, reload, stop | a stop signal |
//! | work runtime: `director` | IPVS table, health checks | told to stop |
//! | work runtime: `announcer` | news of VRRP, on its way to scripts, FIFOs and mail | the vrrp thread has ended |
//! | work runtime: `fifos`, `mailer` | open FIFOs and their readers; the mail relay | last, in bounded time |
//! | work runtime: `tracking` | tracked scripts, files and processes | the plan no longer wants it, or a stop |
//! | ipvs-sync thread (`sync_daemons`) | the kernel's sync daemons | told to stop; its end ends the process |
//! | log thread (`logging`) | console, syslog | last, after writing what is queued |
//!
//! They share nothing but bounded channels.

mod announcer;
mod bfd_thread;
mod clock;
mod director;
mod fifos;
mod host;
mod later_thread;
mod logging;
mod mailer;
mod outlets;
mod pid_file;
mod process_files;
mod quick_hash;
mod record;
mod reload_time;
mod schedule;
mod scheduling;
mod scripts;
mod supervisor;
mod sync_daemons;
mod tracking;
mod vrrp_thread;
mod waited_for;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};

use crate::config::diagnostic::{Diagnostics, Severity};
use crate::config::plan::{IpvsNamespace, Plan};
use crate::config::{self, Loaded, Verdict};
use crate::kernel;
use crate::kernel::namespace::Namespace;
use crate::status::counted;
use crate::vrrp::Tracked;
pub use logging::LogOptions;
use pid_file::PidFile;
pub use process_files::PidNames;
pub use scripts::{SECURITY_OFF, ScriptVerdict};

/// Syslog facility of daemons (RFC 5424 §6.2.1).
pub const FACILITY_DAEMON: u8 = 3;

/// How the daemon is to run, beside what its configuration says.
#[derive(Debug, Clone)]
pub struct Options {
    pub configuration: PathBuf,
    /// What the configuration depends on besides its text.
    pub configuration_options: config::Options,
    pub log: LogOptions,
    pub pid_files: PidFiles,
    /// Run the VRRP side.
    pub vrrp: bool,
    /// Run the checkers and program IPVS.
    pub checkers: bool,
    /// Run the BFD sessions.
    pub bfd: bool,
    /// On stop, take our virtual addresses off and tell the peers with priority 0.
    pub release_addresses: bool,
    /// On stop, take our services out of the IPVS table.
    pub release_ipvs: bool,
    /// The IPVS table is computed but kept in memory.
    pub ipvs_in_memory: bool,
    /// Where the IPVS table is, if elsewhere; found at start.
    pub ipvs_namespace: Option<Namespace>,
    pub foreground: bool,
    pub dump_configuration: bool,
    pub ignore_interrupt: bool,
    /// File creation mask; `None`: as inherited.
    pub umask: Option<u32>,
    /// Where dumps and the record of what is ours are kept.
    pub runtime_directory: PathBuf,
    /// `--namespace`: wins over the configuration.
    pub net_namespace: Option<String>,
}

/// Where the process number is written; `None`: nowhere.
#[derive(Debug, Clone, Default)]
pub struct PidFiles {
    pub parent: Option<PathBuf>,
    /// Written only when there is a vrrp_instance.
    pub vrrp: Option<PathBuf>,
    /// Written only when there is a virtual_server.
    pub checkers: Option<PathBuf>,
    /// Written only when there is a bfd_instance.
    pub bfd: Option<PathBuf>,
    /// What those not given are called.
    pub names: PidNames,
}

impl Options {
    /// The defaults of `mainstay run`.
    pub fn new(configuration: PathBuf) -> Self {
        Self {
            configuration,
            configuration_options: config::Options {
                config_id: kernel::node_name(),
                random_seed: random_seed(),
                ..config::Options::default()
            },
            log: LogOptions {
                console: true,
                syslog: None,
                ident: "mainstay".to_owned(),
                level: tracing_subscriber::filter::LevelFilter::INFO,
            },
            pid_files: PidFiles::default(),
            vrrp: true,
            checkers: true,
            bfd: true,
            release_addresses: true,
            release_ipvs: true,
            ipvs_in_memory: false,
            ipvs_namespace: None,
            foreground: true,
            dump_configuration: false,
            ignore_interrupt: false,
            umask: None,
            runtime_directory: runtime_directory(),
            net_namespace: None,
        }
    }
}

/// Different in each process.
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}

/// systemd tells where it made our directory (systemd.exec(5), RuntimeDirectory=).
pub fn runtime_directory() -> PathBuf {
    std::env::var_os("RUNTIME_DIRECTORY").map_or_else(|| "/run/mainstay".into(), PathBuf::from)
}

/// keepalived(8)'s exit statuses.
mod exit {
    pub const FATAL: i32 = 1;
    pub const CONFIG: i32 = 2;
    pub const NO_FILE: i32 = 6;
}

/// Runs the daemon until it is told to stop; gives the exit status.
pub fn main(options: Options) -> i32 {
    let ident = options.log.ident.clone();
    match start(options) {
        Ok(status) => status,
        Err(failure) => {
            eprintln!("{ident}: {}", failure.message);
            failure.status
        }
    }
}

/// Why the daemon could not start, or had to end.
struct Failure {
    status: i32,
    message: String,
}

impl Failure {
    fn fatal(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self { status: exit::FATAL, message: format!("{what}: {why}") }
    }
}

/// Gives the exit status, or the failure when nobody has been told of it.
fn start(mut options: Options) -> Result<i32, Failure> {
    // A reload asked for before there is anybody to hear it does nothing, as in keepalived.
    kernel::process::ignore_until_handled(&[Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2]);
    let mut loaded = load(&options)?;
    process_files::settle(&mut options, &mut loaded.plan);
    options.ipvs_namespace = ipvs_namespace(&loaded.plan)?;
    // Before there is a second thread: each would have to join by itself.
    if let Some(name) = &loaded.plan.daemon.net_namespace {
        let what = format!("cannot join network namespace {name}");
        kernel::namespace::join(name).map_err(|error| Failure::fatal(what, error))?;
    }
    interfaces_exist(&loaded)?;
    if !options.foreground {
        nix::unistd::daemon(true, false).map_err(|e| Failure::fatal("cannot fork", e))?;
    }
    if let Some(mask) = loaded.plan.global.umask {
        umask(Mode::from_bits_truncate(mask));
    }
    if let Err(error) = kernel::process::raise_descriptor_limit() {
        eprintln!("cannot raise the limit of open files: {error}");
    }
    let _log = logging::start(&options.log).map_err(|e| Failure::fatal("cannot log", e))?;
    let console = options.log.console;
    let Err(failure) = serve(options, loaded) else { return Ok(0) };
    // After the fork standard error leads nowhere: syslog has to be told, too.
    tracing::error!("{}", failure.message);
    if console { Ok(failure.status) } else { Err(failure) }
}

/// `None`: where everything else is.
fn ipvs_namespace(plan: &Plan) -> Result<Option<Namespace>, Failure> {
    let found = match &plan.daemon.ipvs_namespace {
        IpvsNamespace::Ours => return Ok(None),
        IpvsNamespace::OfTheStart => Namespace::current(),
        IpvsNamespace::Named(name) => Namespace::named(name),
    };
    let what = "cannot find the network namespace of net_namespace_ipvs";
    found.map(Some).map_err(|error| Failure::fatal(what, error))
}

fn serve(options: Options, loaded: Loaded) -> Result<(), Failure> {
    let _pid_files = take_pid_files(&options, &loaded)?;
    announce_start(&options, &loaded);
    supervisor::run(options, loaded.into_plan())
}

/// Reads and judges the configuration while standard error is still there to speak to.
fn load(options: &Options) -> Result<Loaded, Failure> {
    let (file, settings) = (&options.configuration, &options.configuration_options);
    let mut loaded = config::reload(file, settings, Arc::default());
    if options.log.console || loaded.verdict == Verdict::Unusable {
        eprint!("{}", loaded.diagnostics.to_text(std::io::stderr().is_terminal()));
    }
    match loaded.verdict {
        Verdict::Unreadable => Err(Failure {
            status: exit::NO_FILE,
            message: format!(
                "{}: no configuration, or not all of it; not starting",
                options.configuration.display()
            ),
        }),
        Verdict::Unusable => Err(Failure {
            status: exit::CONFIG,
            message: format!("{}: unusable, not starting", options.configuration.display()),
        }),
        Verdict::Clean | Verdict::Complaints => {
            restrict(&mut loaded, options);
            Ok(loaded)
        }
    }
}

/// The command line goes before the file: `-P` and `-C` leave out the half that is not to run, `-u`
/// is the umask.
fn restrict(loaded: &mut Loaded, options: &Options) {
    loaded.plan.global.umask = options.umask.or(loaded.plan.global.umask);
    if !options.vrrp {
        loaded.plan.vrrp_instances.clear();
    }
    if !options.checkers {
        loaded.plan.virtual_servers.clear();
    }
    if !options.bfd {
        loaded.plan.bfd_instances.clear();
    }
    // Whose the sync daemons are: the instance's, else the servers'.
    loaded.plan.global.sync_daemons.take_if(|daemons| match daemons.instance {
        Some(_) => !options.vrrp,
        None => !options.checkers,
    });
}

/// A missing interface is more often a typing error than one that comes later, so the start is
/// refused, as keepalived does, unless `dynamic_interfaces` says otherwise.
fn interfaces_exist(loaded: &Loaded) -> Result<(), Failure> {
    let missing = missing_interfaces(&loaded.plan);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure { status: exit::CONFIG, message: missing.join("\n") })
}

/// What there is to say of interfaces that `plan` needs and this host does not have.
pub fn missing_interfaces(plan: &Plan) -> Vec<String> {
    let needed = plan.vrrp_instances.iter().filter(|_| !plan.global.dynamic_interfaces);
    let ours = |name: &str| plan.links().any(|link| link.name == name);
    let missing = |name: &str| !ours(name) && kernel::interface_index(name).is_err();
    let advice = "create it first, or set `dynamic_interfaces` in global_defs to wait for it";
    needed
        .flat_map(|instance| {
            let (at, name) = (&instance.interface_at, &instance.name);
            let named = [Some(&instance.interface), instance.vrf.as_ref()].into_iter().flatten();
            let own = named.filter(|name| !name.is_empty() && missing(name)).map(move |interface| {
                format!("{at}: interface {interface} of vrrp_instance {name} does not exist; {advice}")
            });
            let tracked = instance.trackers.iter().filter_map(move |tracker| match &tracker.what {
                Tracked::Interface(interface) if missing(interface) => Some(format!(
                    "{at}: interface {interface}, tracked by vrrp_instance {name}, does not exist; {advice}"
                )),
                Tracked::Interface(_)
                | Tracked::Script(_)
                | Tracked::File(_)
                | Tracked::Process(_)
                | Tracked::Bfd(_) => None,
            });
            own.chain(tracked)
        })
        .collect()
}

fn take_pid_files(options: &Options, loaded: &Loaded) -> Result<Vec<PidFile>, Failure> {
    let files = &options.pid_files;
    let vrrp = files.vrrp.as_ref().filter(|_| !loaded.plan.vrrp_instances.is_empty());
    let checkers = files.checkers.as_ref().filter(|_| !loaded.plan.virtual_servers.is_empty());
    let bfd = files.bfd.as_ref().filter(|_| !loaded.plan.bfd_instances.is_empty());
    // One file may serve for several: it is taken once.
    let parts = [vrrp, checkers, bfd].into_iter().flatten();
    let paths: BTreeSet<&PathBuf> = files.parent.iter().chain(parts).collect();
    let taken = paths.into_iter().map(|path| PidFile::create(path));
    taken.collect::<Result<_, _>>().map_err(|error| Failure::fatal("not starting", error))
}

fn announce_start(options: &Options, loaded: &Loaded) {
    let version = env!("CARGO_PKG_VERSION");
    let file = options.configuration.display();
    tracing::info!("Mainstay v{version} starting with {file}: {}", counted(&loaded.plan));
    let plan = &loaded.plan;
    if plan.vrrp_instances.is_empty()
        && plan.virtual_servers.is_empty()
        && plan.bfd_instances.is_empty()
    {
        tracing::warn!("{file} has neither a vrrp_instance nor a virtual_server: nothing to do");
    }
    if !options.log.console {
        log_findings(&loaded.diagnostics);
    }
    waited_for::interfaces(&loaded.plan).iter().for_each(|line| tracing::warn!("{line}"));
    log_script_findings(&loaded.plan);
}

/// What this host has against the plan's scripts. They are looked at again each time they run.
pub fn script_verdict(plan: &Plan) -> ScriptVerdict {
    scripts::verdict(plan)
}

fn log_script_findings(plan: &Plan) {
    let verdict = script_verdict(plan);
    verdict.findings.iter().for_each(|finding| tracing::warn!("{finding}"));
    if verdict.security_off {
        tracing::warn!("{SECURITY_OFF}");
    }
}

/// One log line for each finding, at its own level.
fn log_findings(findings: &Diagnostics) {
    for finding in findings.iter() {
        let line = findings.line(finding);
        match finding.severity {
            Severity::Error => tracing::error!("{line}"),
            Severity::Warning => tracing::warn!("{line}"),
            Severity::Note => tracing::info!("{line}"),
        }
    }
}
