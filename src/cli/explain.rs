//! `mainstay explain`: what a keyword means, takes and defaults to, and whether it works here.

use std::io::Write as _;

use crate::config::explain::{self, Answer, JsonKeyword};
use crate::config::keywords::{Keyword, Support};
use crate::config::lint;

/// Arguments of `mainstay explain`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExplainArgs {
    /// A keyword or a block, if need be with the blocks around it: `real_server weight`; or the
    /// code of a finding
    #[arg(value_name = "KEYWORD", required_unless_present = "list")]
    pub words: Vec<String>,
    /// All keywords, with their status
    #[arg(long)]
    pub list: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `--format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Exit status for a word that is none.
const UNKNOWN: i32 = 1;

/// Explains to standard output; gives the exit status: 0, or 1 for a word that is none.
pub fn run(args: &ExplainArgs) -> i32 {
    let (text, status) = report(args);
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
    status
}

/// What [`run`] writes, and its exit status.
pub fn report(args: &ExplainArgs) -> (String, i32) {
    if let [code] = args.words.as_slice()
        && let Some(lint) = lint::lint(code)
    {
        return (format!("{}: {}\n", lint.code, lint.text), 0);
    }
    let rows = match (args.list, args.words.is_empty()) {
        (true, true) => explain::everything(),
        (list, _) => match explain::look_up(&args.words) {
            Answer::Rows(rows) if list => {
                rows.iter().flat_map(|row| explain::inside(row)).collect()
            }
            Answer::Rows(rows) => rows,
            Answer::Unknown(alike) => return (unknown(&args.words, &alike), UNKNOWN),
        },
    };
    let text = match (args.format, args.list) {
        (Format::Json, _) => json(&rows),
        (Format::Text, true) => list(&rows),
        (Format::Text, false) => paragraphs(&rows),
    };
    (text, 0)
}

fn unknown(words: &[String], alike: &[&str]) -> String {
    let help = match alike {
        [] => String::new(),
        alike => format!("; did you mean {}?", alike.join(", or ")),
    };
    format!("`{}` is no keyword{help}\n", words.join(" "))
}

fn json(rows: &[&Keyword]) -> String {
    let rows: Vec<JsonKeyword> = rows.iter().map(|row| JsonKeyword::from(*row)).collect();
    let document = serde_json::json!({ "keywords": rows });
    format!("{document:#}\n")
}

/// One line a keyword: status, place, name, arguments.
fn list(rows: &[&Keyword]) -> String {
    let line = |row: &&Keyword| {
        let status = match row.support {
            Support::Supported => "supported",
            Support::NoEffect(_) => "no effect",
            Support::NotYet(_) => "not yet",
            Support::Refused(_) => "refused",
        };
        let args = if row.args == "(none)" { "" } else { row.args };
        format!("{status:10} {} {} {args}", row.block, row.name).trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn paragraphs(rows: &[&Keyword]) -> String {
    let paragraphs: Vec<String> = rows.iter().map(|row| paragraph(row)).collect();
    paragraphs.join("\n")
}

fn paragraph(row: &Keyword) -> String {
    let inside: Vec<&str> = explain::inside(row).iter().map(|inner| inner.name).collect();
    let inside = match inside.as_slice() {
        [] => String::new(),
        names => format!("    In it: {}\n", names.join(", ")),
    };
    explain::text(row) + &inside
}
