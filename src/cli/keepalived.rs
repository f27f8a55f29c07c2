//! The command line of keepalived(8): same options, same meaning.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser};
use tracing_subscriber::filter::LevelFilter;

use super::config_options;
use super::run::DEFAULT_FILE;
use crate::config::{self, Loaded, Verdict};
use crate::driver::{self, LogOptions, Options, PidFiles, PidNames};
use crate::kernel;

/// Run Mainstay with the options of keepalived(8)
///
/// Options that have no effect here are accepted and said to have none, so that a service unit
/// written for keepalived starts.
#[derive(Debug, Parser)]
#[command(name = "keepalived", infer_long_args = true, disable_version_flag = true)]
struct KeepalivedArgs {
    /// Configuration file.
    #[arg(short = 'f', long = "use-file", value_name = "FILE", default_value = DEFAULT_FILE)]
    file: PathBuf,
    /// Only VRRP: no health checks, no IPVS.
    #[arg(short = 'P', long = "vrrp")]
    only_vrrp: bool,
    /// Only health checks and IPVS: no VRRP.
    #[arg(short = 'C', long = "check")]
    only_checkers: bool,
    /// Log to the console as well.
    #[arg(short = 'l', long)]
    log_console: bool,
    /// More log messages; twice: still more.
    #[arg(short = 'D', long, action = ArgAction::Count)]
    log_detail: u8,
    /// Syslog facility: 0-7, local0-local7, user, daemon.
    #[arg(short = 'S', long, value_name = "FACILITY")]
    log_facility: Option<String>,
    /// No syslog.
    #[arg(short = 'G', long)]
    no_syslog: bool,
    /// File creation mask, octal as in C.
    #[arg(short = 'u', long, value_name = "MASK")]
    umask: Option<String>,
    /// Leave addresses in place on stop.
    #[arg(short = 'V', long)]
    dont_release_vrrp: bool,
    /// Leave the IPVS table in place on stop.
    #[arg(short = 'I', long)]
    dont_release_ipvs: bool,
    /// Stay in the foreground.
    #[arg(short = 'n', long)]
    dont_fork: bool,
    /// Show the configuration as understood, at start.
    #[arg(short = 'd', long)]
    dump_conf: bool,
    /// Pid file.
    #[arg(short = 'p', long, value_name = "FILE")]
    pid: Option<PathBuf>,
    /// Pid file of the VRRP side: the same process here.
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE")]
    vrrp_pid: Option<PathBuf>,
    /// Pid file of BFD: the same process here.
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    bfd_pid: Option<PathBuf>,
    /// Do not run BFD sessions: what tracks one finds it down.
    #[arg(short = 'B', long = "no_bfd")]
    no_bfd: bool,
    /// Pid file of the checkers: the same process here.
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE")]
    checkers_pid: Option<PathBuf>,
    /// Check the configuration, messages to standard error or appended to FILE, and exit.
    #[arg(short = 't', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    config_test: Option<Option<PathBuf>>,
    /// Print the number of a signal: STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON.
    #[arg(long, value_name = "NAME")]
    signum: Option<String>,
    /// Name that `@` lines are compared with; by default the host name up to the first dot.
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    /// Run in this network namespace; wins over the configuration.
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: Option<String>,
    /// Each included file must be there, as if `include` were `includea`.
    #[arg(short = 'e', long)]
    all_config: bool,
    /// Ignore SIGINT.
    #[arg(long)]
    ignore_sigint: bool,
    /// Version.
    #[arg(short = 'v', long)]
    version: bool,
    #[command(flatten)]
    without_effect: WithoutEffect,
    /// Words that are no options: listed, otherwise ignored, as keepalived does.
    #[arg(hide = true)]
    extra: Vec<OsString>,
}

/// Options that exist for keepalived's processes, or for parts that are not here yet.
#[derive(Debug, clap::Args)]
struct WithoutEffect {
    #[arg(long, hide = true)]
    all: bool,
    #[arg(short = 'g', long, num_args = 0..=1, require_equals = true, hide = true)]
    log_file: Option<Option<PathBuf>>,
    #[arg(long, hide = true)]
    flush_log_file: bool,
    #[arg(short = 'X', long, hide = true)]
    release_vips: bool,
    #[arg(short = 'R', long, hide = true)]
    dont_respawn: bool,
    #[arg(short = 'a', long, hide = true)]
    address_monitoring: bool,
    #[arg(short = 'x', long, hide = true)]
    snmp: bool,
    #[arg(short = 'A', long, hide = true)]
    snmp_agent_socket: Option<OsString>,
    #[arg(short = 'm', long, hide = true)]
    core_dump: bool,
    #[arg(short = 'M', long, num_args = 0..=1, require_equals = true, hide = true)]
    core_dump_pattern: Option<Option<OsString>>,
}

impl KeepalivedArgs {
    fn config_options(&self) -> config::Options {
        let include_checks = match self.all_config {
            true => config::IncludeChecks::ALL,
            false => config::IncludeChecks::default(),
        };
        config::Options { include_checks, ..config_options(self.config_id.clone()) }
    }
}

impl WithoutEffect {
    /// The given options that change nothing for keepalived users to miss, and those that do.
    fn warnings(&self) -> Vec<&'static str> {
        let given = [
            (self.log_file.is_some() || self.flush_log_file, "--log-file"),
            (self.address_monitoring, "--address-monitoring"),
            (self.snmp || self.snmp_agent_socket.is_some(), "--snmp"),
            (self.core_dump || self.core_dump_pattern.is_some(), "--core-dump"),
        ];
        given.into_iter().filter(|(given, _)| *given).map(|(_, name)| name).collect()
    }
}

/// Exit status of an option error (keepalived(8)).
const USAGE: i32 = 1;

/// Exit status of `-t` for a configuration that cannot work on this host.
const CANNOT_WORK: i32 = 4;

/// Exit status of `-t` for complaints: among them a `vrrp_script` that is left out. Other scripts that
/// cannot run are told, but change nothing (keepalived 2.2.7).
const COMPLAINTS: i32 = 5;

/// Exit status of `-t` where scripts run, as root or another, without `enable_script_security`
/// (keepalived 2.2.7).
const SCRIPT_SECURITY: i32 = 6;

/// Runs as keepalived would; gives the exit status.
pub fn main(mut argv: Vec<OsString>) -> i32 {
    // Everything after it is genhash's; before it, options have no meaning.
    if let Some(at) = argv.iter().position(|word| word == "-T" || word == "--genhash") {
        if at > 1 {
            eprintln!("keepalived: options before --genhash have no meaning");
        }
        return super::genhash::run(argv.drain(at + 1..));
    }
    let args = match KeepalivedArgs::try_parse_from(with_equals(argv)) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE } else { 0 };
        }
    };
    if args.version {
        eprint!("{}", version());
        return 0;
    }
    if let Some(name) = &args.signum {
        return print_signal(name);
    }
    run(&args)
}

/// `-v`: as keepalived's, as far as it means something here. Programs look for its version.
fn version() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let release = read("/etc/os-release");
    let distribution = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    format!(
        "Mainstay v{}, a successor of keepalived\n\nReads the configuration of Keepalived v2.4.3\n\n\
         Running on Linux {}\nDistro: {}\n\nConfig options:  {}\n",
        env!("CARGO_PKG_VERSION"),
        kernel.trim(),
        distribution.unwrap_or("unknown").trim_matches('"'),
        "LVS REGEX VRRP VRRP_AUTH JSON",
    )
}

fn run(args: &KeepalivedArgs) -> i32 {
    for word in &args.extra {
        println!("Unexpected argument '{}'", word.display());
    }
    for option in args.without_effect.warnings() {
        eprintln!("keepalived: {option} has no effect in this version");
    }
    if let Some(messages) = &args.config_test {
        return config_test(args, messages.as_deref());
    }
    match options(args) {
        Ok(options) => driver::main(options),
        Err(message) => {
            eprintln!("keepalived: {message}");
            USAGE
        }
    }
}

/// `-t`: judges the configuration and exits; messages go to standard error, or are appended to a
/// file. As in keepalived a configuration that does not exist is no failure.
fn config_test(args: &KeepalivedArgs, messages: Option<&Path>) -> i32 {
    let file = &args.file;
    let loaded = config::load(file, &args.config_options());
    // What is looked for on this host is looked for where it would run.
    let namespace = args.namespace.as_ref().or(loaded.plan.daemon.net_namespace.as_ref());
    if let Some(Err(error)) = namespace.map(|name| kernel::namespace::join(name)) {
        eprintln!("keepalived: the network namespace cannot be joined: {error}");
    }
    let missing = driver::missing_interfaces(&loaded.plan);
    let scripts = driver::script_verdict(&loaded.plan);
    let status = match test_status(&loaded, file) {
        0 | 5 if !missing.is_empty() => CANNOT_WORK,
        0 | 5 if scripts.security_off => SCRIPT_SECURITY,
        0 if scripts.check_left_out => COMPLAINTS,
        status => status,
    };
    let security = scripts.security_off.then(|| driver::SECURITY_OFF.to_owned());
    let host = missing.into_iter().chain(scripts.findings).chain(security);
    let host: String = host.map(|line| line + "\n").collect();
    let Some(path) = messages else {
        eprint!("{}{host}", loaded.diagnostics.to_text(false));
        return status;
    };
    let lines = loaded.diagnostics.to_lines() + &host;
    let appended = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .and_then(|mut log| log.write_all(lines.as_bytes()));
    match appended {
        Ok(()) => status,
        Err(error) => {
            eprintln!("keepalived: cannot write messages to {}: {error}", path.display());
            USAGE
        }
    }
}

fn test_status(loaded: &Loaded, file: &Path) -> i32 {
    if loaded.verdict == Verdict::Unreadable && !file.exists() { 0 } else { loaded.test_status() }
}

fn options(args: &KeepalivedArgs) -> Result<Options, String> {
    let facility = args.log_facility.as_deref().map_or(Ok(driver::FACILITY_DAEMON), facility)?;
    Ok(Options {
        log: LogOptions {
            console: args.log_console,
            syslog: (!args.no_syslog).then_some(facility),
            ident: "Keepalived".to_owned(),
            level: if args.log_detail > 1 { LevelFilter::DEBUG } else { LevelFilter::INFO },
        },
        vrrp: !args.only_checkers,
        checkers: !args.only_vrrp,
        bfd: !args.no_bfd,
        release_addresses: !args.dont_release_vrrp,
        release_ipvs: !args.dont_release_ipvs,
        foreground: args.dont_fork,
        dump_configuration: args.dump_conf,
        ignore_interrupt: args.ignore_sigint,
        configuration_options: args.config_options(),
        net_namespace: args.namespace.clone(),
        umask: args.umask.as_deref().map(umask).transpose()?,
        pid_files: PidFiles {
            parent: args.pid.clone(),
            vrrp: args.vrrp_pid.clone(),
            checkers: args.checkers_pid.clone(),
            bfd: args.bfd_pid.clone(),
            names: PidNames::Keepalived,
        },
        ..Options::new(args.file.clone())
    })
}

/// Options with an optional value take it without a blank (`-tFILE`), which clap only takes as
/// `-t=FILE`: put the `=` in.
fn with_equals(argv: Vec<OsString>) -> Vec<OsString> {
    argv.into_iter().map(|word| insert_equals(&word).unwrap_or(word)).collect()
}

fn insert_equals(word: &OsStr) -> Option<OsString> {
    let octets = word.as_bytes();
    let [b'-', b't' | b'g' | b'M', value @ ..] = octets else { return None };
    if value.is_empty() || value[0] == b'=' {
        return None;
    }
    Some(OsString::from_vec([&octets[..2], b"=", value].concat()))
}

/// `--signum`: what `kill -s` is to be given.
fn print_signal(name: &str) -> i32 {
    let number = match name {
        "STOP" => nix::libc::SIGTERM,
        "RELOAD" => nix::libc::SIGHUP,
        "DATA" => nix::libc::SIGUSR1,
        "STATS" => nix::libc::SIGUSR2,
        "STATS_CLEAR" => nix::libc::SIGRTMAX() - 1,
        "JSON" => nix::libc::SIGRTMIN() + 2,
        "TDUMP" => nix::libc::SIGRTMAX(),
        _ => {
            eprintln!("Unknown sigfunc {name}");
            return USAGE;
        }
    };
    println!("{number}");
    0
}

/// `-S`: the syslog facility's number (RFC 5424 §6.2.1).
fn facility(name: &str) -> Result<u8, String> {
    let local = name.strip_prefix("local").unwrap_or(name);
    match (name, local.parse::<u8>()) {
        ("user", _) => Ok(1),
        ("daemon", _) => Ok(driver::FACILITY_DAEMON),
        (_, Ok(number @ 0..=7)) => Ok(16 + number),
        _ => Err(format!(
            "unknown syslog facility `{name}`: give 0-7, local0-local7, user or daemon"
        )),
    }
}

/// `-u`: a mask in C's notation, octal with a leading 0.
fn umask(text: &str) -> Result<u32, String> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hexadecimal) => (hexadecimal, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    match u32::from_str_radix(digits, radix) {
        Ok(mask) if mask <= 0o777 => Ok(mask),
        _ => Err(format!("umask `{text}` is not a number from 0 to 0777")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> KeepalivedArgs {
        let argv = std::iter::once("keepalived").chain(words.iter().copied());
        KeepalivedArgs::try_parse_from(with_equals(argv.map(OsString::from).collect())).unwrap()
    }

    #[test]
    fn the_usual_foreground_line_is_understood() {
        let args = parse(&["-n", "-l", "-D", "-G", "-f", "F", "-p", "P", "-r", "R", "-c", "C"]);
        let options = options(&args).unwrap();
        assert!(options.foreground && options.log.console);
        assert_eq!(options.log.syslog, None);
        assert_eq!(options.pid_files.vrrp, Some("R".into()));
    }

    #[test]
    fn an_optional_value_needs_no_blank_and_takes_no_next_word() {
        assert_eq!(parse(&["-tmessages"]).config_test, Some(Some("messages".into())));
        let bare = parse(&["-t", "-f", "file"]);
        assert_eq!((bare.config_test, bare.file), (Some(None), "file".into()));
        assert_eq!(parse(&["--config-test=m"]).config_test, Some(Some("m".into())));
    }

    #[test]
    fn bundled_letters_and_shortened_long_options_work() {
        let args = parse(&["-nlDD", "--dont-release-i", "--use-file=x"]);
        assert_eq!((args.log_detail, args.dont_release_ipvs), (2, true));
    }

    #[test]
    fn facilities_and_masks_follow_the_manual() {
        assert_eq!(facility("3"), Ok(19));
        assert_eq!(facility("local7"), Ok(23));
        assert_eq!(facility("user"), Ok(1));
        assert!(facility("local8").is_err());
        assert_eq!(umask("022"), Ok(0o22));
        assert_eq!(umask("0x1f"), Ok(31));
        assert!(umask("9999").is_err());
    }
}
