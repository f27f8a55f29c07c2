//! `include PATTERN`: other files in place of the line.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::source::{Origin, Span};
use super::{Reader, glob};

/// Largest file that is read, in octets: ten times the largest configuration known.
pub const LARGEST_FILE: u64 = 256 << 20;

/// Files in a file in a file: beyond this somebody generates them without end.
const DEEPEST: usize = 64;

/// Files read in all.
const MOST_FILES: usize = 10_000;

/// Whether the line's first word is `include` or one of its stricter forms.
pub(super) fn is_include(line: &str) -> bool {
    let word = line.split([' ', '\t', '"']).next().unwrap_or_default();
    matches!(word, "include" | "includer" | "includem" | "includew" | "includeb" | "includea")
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

impl Reader<'_> {
    /// Puts the files that the line names on the stack, the first one on top.
    pub(super) fn include(&mut self, line: Span, diagnostics: &mut Diagnostics) {
        let text = self.sources.text(line);
        let keyword = text.split([' ', '\t', '"']).next().unwrap_or_default();
        // Only plain `include` is silent about files that are missing (keepalived.conf(5)).
        let strict = keyword != "include";
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
        let files = glob::matches(&self.relative_to_here(&pattern));
        if files.is_empty() {
            let make = if strict { Diagnostic::error } else { Diagnostic::note };
            let message = format!("no file matches `{pattern}`");
            diagnostics.push(make("include-matches-nothing", at, message));
        }
        for path in files.iter().rev() {
            self.include_file(path, at, strict, diagnostics);
        }
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
            let make = if strict { Diagnostic::error } else { Diagnostic::warning };
            let message = format!("{} is not included: {why}", path.display());
            d.push(make("include-failed", at, message));
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
        } else if self.stack.iter().any(|frame| frame.canonical == canonical) {
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
