//! `mainstay check`: tells what a configuration is worth, without touching anything.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::diagnostic::Severity;
use crate::config::render::JsonFinding;
use crate::config::{self, Loaded, Options};
use crate::kernel::node_name;

/// Arguments of `mainstay check`.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// Configuration files, each judged by itself; `-` is standard input
    #[arg(value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    pub files: Vec<PathBuf>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Take warnings for errors
    #[arg(long)]
    pub strict: bool,
    /// When to use colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Name that `@` lines are compared with [default: host name up to the first dot]
    #[arg(short = 'i', long, value_name = "ID")]
    pub config_id: Option<String>,
}

/// `--format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// With the lines in question
    #[default]
    Text,
    /// One line for each finding
    Short,
    /// One JSON document
    Json,
}

/// `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// One file in the JSON document.
#[derive(Debug, Serialize)]
struct JsonFile<'a> {
    file: String,
    /// Whether a director would start with it.
    starts: bool,
    exit_status: i32,
    vrrp_instances: usize,
    virtual_servers: usize,
    real_servers: usize,
    findings: Vec<JsonFinding<'a>>,
    /// Findings beyond those listed.
    left_out: usize,
}

/// Checks the files and writes what there is to say to standard output.
///
/// Returns the exit status: that of keepalived's `-t` for the worst of the files (0 no complaint,
/// 5 complaints, 6 script security, 2 a keyword lacks its parameter), and 6 where keepalived says
/// 0, for a file that cannot be read.
pub fn run(args: &CheckArgs) -> i32 {
    let colour = match args.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    };
    let mut out = std::io::stdout().lock();
    let (report, status) = report(args, colour);
    // A reader that went away, such as `head`, is no reason for another exit status.
    let _ = out.write_all(report.as_bytes());
    let _ = out.flush();
    status
}

/// What [`run`] writes, and its exit status.
pub fn report(args: &CheckArgs, colour: bool) -> (String, i32) {
    let loaded: Vec<_> = args.files.iter().map(|path| (name(path), load(path, args))).collect();
    // 2 is the gravest, then 6, then 5.
    let gravity = |status: &i32| [0, 5, 6, 2].iter().position(|known| known == status);
    let status = loaded.iter().map(|(_, l)| status(l, args)).max_by_key(gravity).unwrap_or(0);
    let text = match args.format {
        Format::Json => json(&loaded, args),
        Format::Text => text(&loaded, |loaded| loaded.diagnostics.to_text(colour)),
        Format::Short => text(&loaded, |loaded| loaded.diagnostics.to_lines()),
    };
    (text, status)
}

fn load(path: &Path, args: &CheckArgs) -> Loaded {
    let options = Options { config_id: args.config_id.clone().unwrap_or_else(node_name) };
    let mut loaded =
        if path == Path::new("-") { load_stdin(&options) } else { config::load(path, &options) };
    if args.strict {
        loaded.diagnostics.harden();
    }
    loaded
}

fn load_stdin(options: &Options) -> Loaded {
    let mut octets = Vec::new();
    match std::io::stdin().lock().take(config::LARGEST_FILE + 1).read_to_end(&mut octets) {
        Ok(_) => config::parse_with("<stdin>", octets, options),
        Err(error) => config::unreadable("<stdin>", &error),
    }
}

fn status(loaded: &Loaded, args: &CheckArgs) -> i32 {
    match loaded.test_status() {
        // Under --strict a file with errors is one that no director should start with.
        5 if args.strict => 2,
        status => status,
    }
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "<stdin>".to_owned() } else { path.display().to_string() }
}

fn text(loaded: &[(String, Loaded)], findings: impl Fn(&Loaded) -> String) -> String {
    let parts = loaded.iter().map(|(name, l)| format!("{}{}\n", findings(l), summary(name, l)));
    parts.collect()
}

fn json(loaded: &[(String, Loaded)], args: &CheckArgs) -> String {
    let files: Vec<_> = loaded
        .iter()
        .map(|(name, loaded)| JsonFile {
            file: name.clone(),
            starts: loaded.refusal_status().is_none(),
            exit_status: status(loaded, args),
            vrrp_instances: loaded.plan.vrrp_instances.len(),
            virtual_servers: loaded.plan.virtual_servers.len(),
            real_servers: real_servers(loaded),
            findings: loaded.diagnostics.to_json(),
            left_out: loaded.diagnostics.left_out(),
        })
        .collect();
    let document = serde_json::json!({ "files": files });
    format!("{document:#}\n")
}

/// `keepalived.conf: 1 vrrp_instance, 1 virtual_server, 2 real_servers; 1 warning`.
fn summary(name: &str, loaded: &Loaded) -> String {
    let plan = &loaded.plan;
    let contents = [
        counted(plan.vrrp_instances.len(), "vrrp_instance"),
        counted(plan.virtual_servers.len(), "virtual_server"),
        counted(real_servers(loaded), "real_server"),
    ]
    .join(", ");
    let count = |severity, name| match loaded.diagnostics.count(severity) {
        0 => None,
        number => Some(counted(number, name)),
    };
    let findings: Vec<_> = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Note, "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let findings =
        if findings.is_empty() { "no complaint".to_owned() } else { findings.join(", ") };
    let refusal = match loaded.refusal_status() {
        Some(_) => "; the director does not start with it",
        None => "",
    };
    format!("{name}: {contents}; {findings}{refusal}")
}

fn real_servers(loaded: &Loaded) -> usize {
    loaded.plan.virtual_servers.iter().map(|server| server.real_servers.len()).sum()
}

fn counted(number: usize, name: &str) -> String {
    if number == 1 { format!("1 {name}") } else { format!("{number} {name}s") }
}

#[cfg(test)]
mod tests;
