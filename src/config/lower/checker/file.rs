//! FILE_CHECK: which track_file, and what its number is worth.

use super::super::super::diagnostic::Diagnostic;
use super::super::super::keywords::Keyword;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::global::replace;
use super::super::track_file::{self, TrackFile};
use crate::probe::FileProbe;

#[derive(Debug, Default)]
pub(super) struct FileDraft {
    file: Option<TrackFile>,
    weight: Option<(i32, Option<bool>)>,
    /// The file was named, but there is no such.
    pub bad_file: bool,
}

/// What `weight` may be here (keepalived.conf(5)).
const WEIGHTS: (i64, i64) = (-2_147_483_647, 2_147_483_647);

impl FileDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "track_file" => {
                replace(&mut self.file, named(cx, at));
                self.bad_file = self.file.is_none();
            }
            "weight" => replace(&mut self.weight, track_file::weight(cx, at, WEIGHTS)),
            _ => return false,
        }
        true
    }

    pub fn is_complete(&self) -> bool {
        self.file.is_some()
    }

    /// Only for complete ones: else a file that is not there.
    pub fn finish(self) -> FileProbe {
        let file = self.file.unwrap_or_default();
        let (weight, reverse) = self.weight.unwrap_or((file.weight, None));
        FileProbe { path: file.path, weight, reverse: reverse.unwrap_or(file.reverse) }
    }
}

/// The track_file of that name, which must have been defined before.
fn named(cx: &mut Context<'_>, at: &Statement) -> Option<TrackFile> {
    let word = cx.only_argument(at)?;
    let name = cx.text(word.span);
    let found = cx.track_files.get(name).cloned();
    if found.is_none() {
        let message = format!("there is no track_file `{name}` above");
        cx.push(
            Diagnostic::error("unknown-track-file", word.span, message)
                .label("the server is served without this check")
                .help(format!("track_file {name} {{ file PATH }}")),
        );
    }
    found
}
