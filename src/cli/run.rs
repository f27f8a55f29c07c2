//! `mainstay run`: the director in the foreground.

use std::path::PathBuf;

use clap::Args;
use tracing_subscriber::filter::LevelFilter;

use crate::driver::{self, LogOptions, Options, PidFiles, PidNames};

/// Where keepalived has its configuration, and so do we.
pub const DEFAULT_FILE: &str = "/etc/keepalived/keepalived.conf";

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration file, in keepalived.conf(5)'s language.
    #[arg(short = 'f', long, value_name = "FILE", default_value = DEFAULT_FILE)]
    file: PathBuf,

    /// Also log to syslog (facility daemon).
    #[arg(long)]
    syslog: bool,

    /// Log more: once for packets and attempts.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Compute the IPVS table but keep it in memory; the kernel's is not touched.
    #[arg(long)]
    dry_run_ipvs: bool,
}

/// Runs until told to stop; gives the exit status (keepalived(8)'s).
pub fn main(args: &RunArgs) -> i32 {
    driver::main(Options {
        log: LogOptions {
            console: true,
            syslog: args.syslog.then_some(driver::FACILITY_DAEMON),
            ident: "mainstay".to_owned(),
            level: level(args.verbose),
        },
        ipvs_in_memory: args.dry_run_ipvs,
        pid_files: PidFiles { names: PidNames::Mainstay, ..PidFiles::default() },
        ..Options::new(args.file.clone())
    })
}

fn level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}
