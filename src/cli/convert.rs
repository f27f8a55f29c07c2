//! `mainstay convert`: a configuration as JSON, and back.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::config_options;
use crate::config::diagnostic::Severity;
use crate::config::{self, convert};

/// Arguments of `mainstay convert`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("direction").required(true)))]
pub struct ConvertArgs {
    /// File to read; standard input by default
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Read a configuration, write JSON
    #[arg(long, value_enum, group = "direction")]
    pub to: Option<Language>,
    /// Read JSON, write a configuration
    #[arg(long, value_enum, group = "direction")]
    pub from: Option<Language>,
    /// Name that `@` lines are compared with [default: host name up to the first dot]
    #[arg(short = 'i', long, value_name = "ID")]
    pub config_id: Option<String>,
}

/// Other languages than keepalived's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    Json,
}

/// Exit status for what cannot be converted.
const FAILED: i32 = 2;

/// Converts to standard output; gives the exit status.
pub fn run(args: &ConvertArgs) -> i32 {
    match converted(args) {
        Ok(text) => {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes());
            let _ = out.flush();
            0
        }
        Err(message) => {
            eprintln!("mainstay: {}: {message}", args.file.display());
            FAILED
        }
    }
}

fn converted(args: &ConvertArgs) -> Result<String, String> {
    let is_stdin = args.file == Path::new("-");
    let octets = if is_stdin { read_stdin() } else { config::read_file(&args.file) };
    let octets = octets.map_err(|error| error.to_string())?;
    if args.from.is_some() {
        let text = String::from_utf8(octets).map_err(|_| "not UTF-8".to_owned())?;
        return convert::from_json(&text).map_err(|error| with_cause(&error));
    }
    let options = config_options(args.config_id.clone());
    let path = (!is_stdin).then_some(args.file.as_path());
    let name = args.file.to_string_lossy();
    let (document, diagnostics) = convert::document(&name, octets, path, &options);
    // What was left out or read otherwise than written would be missing without a trace.
    if diagnostics.worst() >= Some(Severity::Warning) {
        return Err(format!("cannot be read as it is:\n{}", diagnostics.to_lines().trim_end()));
    }
    let json = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
    Ok(json + "\n")
}

fn with_cause(error: &convert::ConvertError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn read_stdin() -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    std::io::stdin().lock().take(config::LARGEST_FILE).read_to_end(&mut octets)?;
    Ok(octets)
}
