//! `mainstay fmt`: lays configurations out evenly, comments kept.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::config::{self, convert, format};

/// Arguments of `mainstay fmt`.
#[derive(Debug, Clone, clap::Args)]
pub struct FmtArgs {
    /// Configuration files; without any, or with `-`, standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Say which files are not laid out, and end with 1 if there are any
    #[arg(long, conflicts_with = "write")]
    pub check: bool,
    /// Write into the files instead of to standard output
    #[arg(long)]
    pub write: bool,
}

/// Exit statuses: not laid out; cannot be read or written.
const UNTIDY: i32 = 1;
const FAILED: i32 = 2;

/// Lays out; gives the exit status.
pub fn run(args: &FmtArgs) -> i32 {
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin[..] } else { &args.files };
    let status = |path: &PathBuf| {
        one(path, args).unwrap_or_else(|error| {
            eprintln!("mainstay: {}: {error}", path.display());
            FAILED
        })
    };
    files.iter().map(status).max().unwrap_or(0)
}

fn one(path: &Path, args: &FmtArgs) -> std::io::Result<i32> {
    let is_stdin = path == Path::new("-");
    let octets = if is_stdin { read_stdin()? } else { config::read_file(path)? };
    let text = String::from_utf8(octets).map_err(|_| {
        std::io::Error::new(std::io::ErrorKind::InvalidData, "not UTF-8: convert it with iconv(1)")
    })?;
    if let Some(place) = unmatched_brace(&text) {
        let message = format!("braces do not match, see line {place}: mainstay check says more");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
    }
    let laid_out = format::layout(&text);
    if args.check {
        if laid_out != text {
            println!("{}", path.display());
        }
        return Ok(if laid_out == text { 0 } else { UNTIDY });
    }
    if args.write && !is_stdin {
        if laid_out != text {
            replace(path, &laid_out)?;
        }
        return Ok(0);
    }
    std::io::stdout().lock().write_all(laid_out.as_bytes())?;
    Ok(0)
}

/// The line of a brace that is missing or too many. What was meant is guessed from the layout
/// then, so the layout has to stay. Included files and conditions are not looked into.
fn unmatched_brace(text: &str) -> Option<u32> {
    let lines = text.lines().map(|line| match line.trim_start() {
        rest if rest.starts_with("include") => "",
        _ => line,
    });
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let (_, findings) = convert::document("", text.into(), None, &config::Options::default());
    let is_brace = |code: &str| code.ends_with("-brace");
    let finding = findings.iter().find(|finding| is_brace(finding.code))?;
    finding.span.map(|span| findings.sources.position(span).line)
}

fn read_stdin() -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    std::io::stdin().lock().take(config::LARGEST_FILE).read_to_end(&mut octets)?;
    Ok(octets)
}

/// Puts `text` in the place of the file at once, with the rights of the file.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = std::fs::write(&new, text)
        .and_then(|()| std::fs::set_permissions(&new, path.metadata()?.permissions()))
        .and_then(|()| std::fs::rename(&new, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_then_written_and_then_is_good() {
        let path = std::env::temp_dir().join(format!("mainstay-fmt-{}.conf", std::process::id()));
        std::fs::write(&path, "a\n{\nb  c # d\n}\n").expect("writes");
        let args = |check, write| FmtArgs { files: vec![path.clone()], check, write };
        assert_eq!(run(&args(true, false)), 1);
        assert_eq!(run(&args(false, true)), 0);
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "a {\n    b c # d\n}\n");
        assert_eq!(run(&args(true, false)), 0);
        std::fs::write(&path, "a {\n b\n}\n}\n").expect("writes");
        assert_eq!(run(&args(false, true)), FAILED, "a brace too many");
        std::fs::remove_file(&path).expect("it was there");
        assert_eq!(run(&args(false, false)), FAILED);
    }
}
