//! The command line: one file a subcommand, and the names `keepalived` and `genhash`.

pub mod check;
pub mod completions;
pub mod convert;
pub mod explain;
pub mod fmt;
pub mod genhash;
pub mod keepalived;
pub mod live;
pub mod run;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Parser, Subcommand};

use crate::config::Options;
use crate::driver;
use crate::kernel::node_name;

/// VRRP and IPVS director: keeps an address alive on two machines, balances over healthy servers.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, infer_long_args = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the director in the foreground
    Run(run::RunArgs),
    /// Check configurations, without root and without touching anything
    Check(check::CheckArgs),
    /// Explain a keyword: meaning, range, default, status, an example
    Explain(explain::ExplainArgs),
    /// Lay configurations out evenly, comments kept
    Fmt(fmt::FmtArgs),
    /// Turn a configuration into JSON, or JSON into a configuration
    Convert(convert::ConvertArgs),
    /// Print completions for a shell: source <(mainstay completions bash)
    Completions(completions::CompletionsArgs),
    /// Fetch a page and print its digest, for HTTP_GET; takes genhash(1)'s options
    #[command(disable_help_flag = true)]
    Genhash {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        arguments: Vec<OsString>,
    },
}

/// Runs what `argv` asks for; gives the process's exit status.
pub fn main(argv: Vec<OsString>) -> i32 {
    match program_name(&argv) {
        Some("keepalived") => keepalived::main(argv),
        Some("genhash") => genhash::run(argv.into_iter().skip(1)),
        _ => mainstay(argv),
    }
}

fn mainstay(argv: Vec<OsString>) -> i32 {
    match Cli::try_parse_from(argv) {
        Ok(cli) => match cli.command {
            Command::Run(args) => run::main(&args),
            Command::Check(args) => check::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Fmt(args) => fmt::run(&args),
            Command::Convert(args) => convert::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Genhash { arguments } => genhash::run(arguments.into_iter()),
        },
        Err(error) => {
            // Help and version are "errors" too; clap knows which stream each belongs to.
            let _ = error.print();
            error.exit_code()
        }
    }
}

/// What a configuration depends on besides its text: `config_id` as given, else the host's name.
fn config_options(config_id: Option<String>) -> Options {
    Options {
        config_id: config_id.unwrap_or_else(node_name),
        random_seed: driver::random_seed(),
        ..Options::default()
    }
}

/// The last component of `argv[0]`: one binary serves under several names.
fn program_name(argv: &[OsString]) -> Option<&str> {
    Path::new(argv.first()?).file_name().and_then(OsStr::to_str)
}
