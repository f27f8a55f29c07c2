//! `include PATTERN`: other files in place of the line.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Diagnostics, Effect};
use super::super::source::{Origin, Span};
use super::{Reader, glob};

/// Largest file that is read, in octets: ten times the largest configuration known.
pub const LARGEST_FILE: u64 = 256 << 20;

/// Files in a file in a file: beyond this somebody generates them without end.
const DEEPEST: usize = 64;

/// Files read in all.
const MOST_FILES: usize = 10_000;

/// What has to be true of files that are included (keepalived.conf(5), `include_check`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checks {
    /// What matches must be a plain file that can be read and is no program.
    pub read: bool,
    /// A name without wildcards must exist.
    pub plain: bool,
    /// A pattern must match something.
    pub wildcard: bool,
    /// Each alternative in braces must match something.
    pub brace: bool,
}

impl Checks {
    /// All of them: `includea`, bare `include_check`, `--all-config`.
    pub const ALL: Self = Self { read: true, plain: true, wildcard: true, brace: true };

    /// `keyword` as a line's first word, on top of what holds anyway.
    fn of(keyword: &str, held: Self) -> Option<Self> {
        let read = Self { read: true, ..Self::default() };
        match keyword {
            "include" => Some(held),
            "includer" => Some(read),
            "includem" => Some(Self { plain: true, ..read }),
            "includew" => Some(Self { plain: true, wildcard: true, ..read }),
            "includeb" => Some(Self { brace: true, ..read }),
            "includea" => Some(Self::ALL),
            _ => None,
        }
    }

    fn field(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "read" => Some(&mut self.read),
            "match" => Some(&mut self.plain),
            "wildcard_match" => Some(&mut self.wildcard),
            "brace_match" => Some(&mut self.brace),
            _ => None,
        }
    }

    /// What the `words` of an `include_check` make of it, and the words that say nothing: all that
    /// do not exist, and plain ones behind the first.
    pub fn edited<'w>(self, words: &[&'w str]) -> (Self, Vec<&'w str>) {
        let (mut checks, mut plain, mut idle) = (self, false, Vec::new());
        if words.is_empty() {
            checks = Self::ALL;
        }
        for word in words {
            let (name, value) = match word.as_bytes().first() {
                Some(b'+') => (&word[1..], true),
                Some(b'-') => (&word[1..], false),
                _ => (*word, true),
            };
            let signed = name.len() < word.len();
            let fresh = Self { read: true, ..Self::default() };
            let edit = if signed { &mut checks } else { &mut { fresh } };
            match edit.field(name) {
                Some(field) if signed => *field = value,
                Some(_) if !std::mem::replace(&mut plain, true) => {
                    checks = fresh;
                    checks.field(name).into_iter().for_each(|field| *field = true);
                }
                Some(_) | None => idle.push(*word),
            }
        }
        (checks, idle)
    }
}

/// Whether the line's first word is `include` or one of its stricter forms.
pub(super) fn is_include(line: &str) -> bool {
    Checks::of(first_word(line), Checks::default()).is_some()
}

fn first_word(line: &str) -> &str {
    line.split([' ', '\t', '"']).next().unwrap_or_default()
}

/// Reads a whole file, as long as its size is sane.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    let mut octets = Vec::with_capacity(file.metadata()?.len().min(LARGEST_FILE) as usize + 1);
    file.take(LARGEST_FILE + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > LARGEST_FILE {
        return Err(too_large());
    }
    Ok(octets)
}

/// Why a text beyond [`LARGEST_FILE`] is not read.
pub fn too_large() -> std::io::Error {
    let message = format!("larger than {} MiB", LARGEST_FILE >> 20);
    std::io::Error::new(std::io::ErrorKind::FileTooLarge, message)
}

/// A file that was not there or not read; under a strict check the director must not start.
fn failed(
    code: &'static str,
    at: Span,
    message: String,
    strict: bool,
    otherwise: fn(&'static str, Span, String) -> Diagnostic,
) -> Diagnostic {
    match strict {
        true => Diagnostic::error(code, at, message)
            .label("it must be there: so asks the line, or include_check")
            .effect(Effect::Unreadable),
        false => otherwise(code, at, message),
    }
}

impl Reader<'_> {
    /// Puts the files that the line names on the stack, the first one on top.
    pub(super) fn include(&mut self, line: Span, diagnostics: &mut Diagnostics) {
        let text = self.sources.text(line);
        let keyword = first_word(text);
        let checks = Checks::of(keyword, self.checks).unwrap_or(self.checks);
        let pattern_start = text.len() - text[keyword.len()..].trim_start().len();
        let pattern = text[pattern_start..].trim_matches('"').to_owned();
        let at = line.part(pattern_start..text.len());
        if pattern.is_empty() {
            diagnostics.push(
                Diagnostic::error("missing-parameter", line, "`include` lacks the name of a file")
                    .help("include /etc/keepalived/conf.d/*.conf"),
            );
            return;
        }
        let found = glob::matches(&self.relative_to_here(&pattern));
        let lacks_some = found.iter().any(|files| files.is_empty());
        let files: Vec<PathBuf> = found.concat();
        let wild = pattern.contains(['*', '?', '[']);
        let strict = (lacks_some && found.len() > 1 && checks.brace)
            || (files.is_empty() && if wild { checks.wildcard } else { checks.plain });
        if files.is_empty() || strict {
            let message = match (files.is_empty(), lacks_some) {
                (false, true) => format!("some of `{pattern}` match no file"),
                _ => format!("no file matches `{pattern}`"),
            };
            diagnostics.push(failed(
                "include-matches-nothing",
                at,
                message,
                strict,
                Diagnostic::note,
            ));
        }
        for path in files.iter().rev() {
            self.include_file(path, at, checks.read, diagnostics);
        }
    }

    /// Takes a line that begins with `include_check`, wherever it stands: it holds up to the end
    /// of its file. The keyword table sees to its words.
    pub(super) fn include_check(&mut self, line: Span) {
        let words: Vec<&str> = self.sources.text(line).split_ascii_whitespace().skip(1).collect();
        self.checks = self.checks.edited(&words).0;
    }

    fn relative_to_here(&self, pattern: &str) -> String {
        match self.stack.last() {
            Some(frame) if !pattern.starts_with('/') => {
                frame.directory.join(pattern).to_string_lossy().into_owned()
            }
            _ => pattern.to_owned(),
        }
    }

    fn include_file(&mut self, path: &Path, at: Span, strict: bool, d: &mut Diagnostics) {
        let complain = |d: &mut Diagnostics, why: String| {
            let message = format!("{} is not included: {why}", path.display());
            d.push(failed("include-failed", at, message, strict, Diagnostic::warning));
        };
        if let Some(why) = self.unsuitable(path) {
            return complain(d, why);
        }
        match read(path) {
            Ok(octets) => {
                let name: Arc<str> = Arc::from(path.to_string_lossy());
                self.push(name, octets, Some(path), Origin::Included(at), d);
            }
            Err(error) => complain(d, error.to_string()),
        }
    }

    /// Whether a line of the file led here; those that wait for their turn have no line read yet.
    fn is_being_read(&self, canonical: Option<&PathBuf>) -> bool {
        let begun = self.stack.iter().filter(|frame| frame.at > 0);
        begun.into_iter().any(|frame| frame.canonical.as_ref() == canonical)
    }

    /// Why `path` must not be read, if so.
    fn unsuitable(&self, path: &Path) -> Option<String> {
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return Some(error.to_string()),
        };
        let canonical: Option<PathBuf> = path.canonicalize().ok();
        if metadata.is_dir() {
            Some("it is a directory".to_owned())
        } else if !metadata.is_file() {
            Some("it is not a plain file".to_owned())
        } else if metadata.permissions().mode() & 0o111 != 0 {
            Some("it is executable, so it is taken for a program".to_owned())
        } else if self.is_being_read(canonical.as_ref()) {
            Some("it is being read already: it includes itself".to_owned())
        } else if self.stack.len() >= DEEPEST || self.files_read >= MOST_FILES {
            Some(format!("more than {DEEPEST} levels or {MOST_FILES} files of include"))
        } else if self.octets_read.saturating_add(metadata.len()) > LARGEST_FILE {
            Some(format!("all files together are larger than {} MiB", LARGEST_FILE >> 20))
        } else {
            None
        }
    }
}
