//! `mainstay check`: tells what a configuration is worth, without touching anything.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::config_options;
use super::live::{self, Host};
use crate::config::diagnostic::Diagnostics;
use crate::config::diagnostic::Severity;
use crate::config::lint::{self, Member};
use crate::config::render::JsonFinding;
use crate::config::{self, Linted, Loaded, Options};
use crate::driver;

/// Arguments of `mainstay check`.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// Configuration files; two or more are compared as the routers of one cluster; `-` is
    /// standard input
    #[arg(value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    pub files: Vec<PathBuf>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Take warnings for errors
    #[arg(long)]
    pub strict: bool,
    /// Leave out findings of this kind, one of the lints; may be given several times
    #[arg(long, value_name = "CODE", value_parser = lint_code)]
    pub allow: Vec<String>,
    /// Also look at this host: interfaces, addresses, users, scripts, kernel modules, sysctls
    #[arg(long)]
    pub live: bool,
    /// Judge each file by itself, do not compare them
    #[arg(long)]
    pub separate: bool,
    /// When to use colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Name that `@` lines are compared with [default: host name up to the first dot]
    #[arg(short = 'i', long, value_name = "ID")]
    pub config_id: Option<String>,
}

/// Exit status for what cannot work on this host, as keepalived's `-t` gives it.
const CANNOT_WORK: i32 = 4;

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
/// Returns the exit status: 4 if `--live` finds an interface missing, else that of keepalived's `-t` for the worst of the files (0 no complaint,
/// 5 complaints, lints and those of the cluster included, 6 script security, 2 a keyword lacks its
/// parameter), and 6 where keepalived says
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
    let linted: Vec<_> = args.files.iter().map(|path| (name(path), load(path, args))).collect();
    let cluster = (linted.len() > 1 && !args.separate).then(|| cluster(&linted, args));
    let statuses = linted.iter().map(|(_, linted)| status(&linted.loaded, args));
    let statuses = statuses.chain(cluster.iter().map(|found| of_cluster(found, args)));
    // 2 is the gravest, then 4, 6, 5.
    let gravity = |status: &i32| [0, 5, 6, 4, 2].iter().position(|known| known == status);
    let status = statuses.max_by_key(gravity).unwrap_or(0);
    let text = match args.format {
        Format::Json => json(&linted, cluster.as_ref(), args),
        Format::Text => text(&linted, cluster.as_ref(), |found| found.to_text(colour)),
        Format::Short => text(&linted, cluster.as_ref(), Diagnostics::to_lines),
    };
    (text, status)
}

fn load(path: &Path, args: &CheckArgs) -> Linted {
    let options = config_options(args.config_id.clone());
    let mut linted = match path == Path::new("-") {
        true => load_stdin(&options, &args.allow),
        false => config::load_linted(path, &options, &args.allow),
    };
    if args.live {
        let host = Host::read(driver::script_verdict(&linted.loaded.plan));
        let found = live::findings(&linted, &host, &args.allow);
        linted.loaded.diagnostics.add(found);
    }
    if args.strict {
        linted.loaded.diagnostics.harden();
    }
    linted
}

fn load_stdin(options: &Options, allowed: &[String]) -> Linted {
    let (mut octets, name) = (Vec::new(), "<stdin>");
    match std::io::stdin().lock().take(config::LARGEST_FILE + 1).read_to_end(&mut octets) {
        Ok(_) => config::parse_linted(name, octets, options, allowed),
        Err(error) => {
            Linted { loaded: config::unreadable(name, &error), facts: lint::Facts::default() }
        }
    }
}

/// The files as the routers of one cluster.
fn cluster(linted: &[(String, Linted)], args: &CheckArgs) -> Diagnostics {
    let mut members = Vec::with_capacity(linted.len());
    for (_, linted) in linted {
        members.push(Member { diagnostics: &linted.loaded.diagnostics, facts: &linted.facts });
    }
    let mut found = lint::cluster(&members, &args.allow);
    if args.strict {
        found.harden();
    }
    found
}

fn of_cluster(found: &Diagnostics, args: &CheckArgs) -> i32 {
    match found.worst() {
        Some(Severity::Warning | Severity::Error) if args.strict => 2,
        Some(Severity::Warning | Severity::Error) => 5,
        Some(Severity::Note) | None => 0,
    }
}

/// `--allow`: a code that is none would be a spelling mistake that allows nothing.
fn lint_code(text: &str) -> Result<String, String> {
    match lint::lint(text) {
        Some(_) => Ok(text.to_owned()),
        None => {
            let codes: Vec<_> = lint::LINTS.iter().map(|lint| lint.code).collect();
            Err(format!("there is no such lint; there are {}", codes.join(", ")))
        }
    }
}

fn status(loaded: &Loaded, args: &CheckArgs) -> i32 {
    let missing = loaded.diagnostics.iter().any(|finding| finding.code == "interface-missing");
    match loaded.test_status() {
        0 | 5 | 6 if missing => CANNOT_WORK,
        // Under --strict a file with errors is one that no director should start with.
        5 if args.strict => 2,
        status => status,
    }
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "<stdin>".to_owned() } else { path.display().to_string() }
}

fn text(
    linted: &[(String, Linted)],
    cluster: Option<&Diagnostics>,
    findings: impl Fn(&Diagnostics) -> String,
) -> String {
    let part = |(name, linted): &(String, Linted)| {
        format!("{}{}\n", findings(&linted.loaded.diagnostics), summary(name, &linted.loaded))
    };
    let parts: String = linted.iter().map(part).collect();
    let Some(found) = cluster else { return parts };
    let names: Vec<_> = linted.iter().map(|(name, _)| name.as_str()).collect();
    let counts = counts(found);
    format!("{parts}{}{} as a cluster: {counts}\n", findings(found), names.join(", "))
}

fn json(linted: &[(String, Linted)], cluster: Option<&Diagnostics>, args: &CheckArgs) -> String {
    let file = |(name, linted): &'_ (String, Linted)| -> serde_json::Value {
        let loaded = &linted.loaded;
        let file = JsonFile {
            file: name.clone(),
            starts: loaded.refusal_status().is_none(),
            exit_status: status(loaded, args),
            vrrp_instances: loaded.plan.vrrp_instances.len(),
            virtual_servers: loaded.plan.virtual_servers.len(),
            real_servers: real_servers(loaded),
            findings: loaded.diagnostics.to_json(),
            left_out: loaded.diagnostics.left_out(),
        };
        serde_json::json!(file)
    };
    let mut document = serde_json::json!({ "files": linted.iter().map(file).collect::<Vec<_>>() });
    if let Some(found) = cluster {
        let (findings, left_out) = (found.to_json(), found.left_out());
        document["cluster"] = serde_json::json!({ "findings": findings, "left_out": left_out });
    }
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
    let findings = counts(&loaded.diagnostics);
    let refusal = match loaded.refusal_status() {
        Some(_) => "; the director does not start with it",
        None => "",
    };
    format!("{name}: {contents}; {findings}{refusal}")
}

/// `1 error, 2 warnings`.
fn counts(diagnostics: &Diagnostics) -> String {
    let count = |severity, name| match diagnostics.count(severity) {
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
    if findings.is_empty() { "no complaint".to_owned() } else { findings.join(", ") }
}

fn real_servers(loaded: &Loaded) -> usize {
    loaded.plan.virtual_servers.iter().map(|server| server.real_servers.len()).sum()
}

fn counted(number: usize, name: &str) -> String {
    if number == 1 { format!("1 {name}") } else { format!("{number} {name}s") }
}

#[cfg(test)]
mod tests;
