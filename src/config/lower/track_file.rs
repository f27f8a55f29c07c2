//! `track_file` as FILE_CHECK uses it: a file whose number says how things are.

use std::collections::HashMap;
use std::path::PathBuf;

use super::super::source::Span;
use super::super::tree::Statement;
use super::super::value;
use super::context::Context;

/// One `track_file` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrackFile {
    pub path: PathBuf,
    pub weight: i32,
    pub reverse: bool,
}

impl Default for TrackFile {
    fn default() -> Self {
        Self { path: PathBuf::new(), weight: 1, reverse: false }
    }
}

/// All track_files so far, by name.
pub(super) type TrackFiles = HashMap<String, TrackFile>;

/// `weight NUMBER [reverse|noreverse]`; the second is `None` if nothing was said.
pub(super) fn weight(
    cx: &mut Context<'_>,
    at: &Statement,
    range: (i64, i64),
) -> Option<(i32, Option<bool>)> {
    let word = cx.argument(at)?;
    cx.no_more_than(at, 2);
    let text = cx.text(word.span);
    let Some(weight) = value::integer(text).ok().filter(|weight| in_range(*weight, range)) else {
        let message = format!("weight `{text}` is no number in {} to {}", range.0, range.1);
        cx.bad("number-out-of-range", at, word.span, message);
        return None;
    };
    let reverse = match cx.words(at).get(2).map(|word| (cx.text(word.span), word.span)) {
        Some(("reverse", _)) => Some(true),
        Some(("noreverse", _)) => Some(false),
        Some((other, span)) => {
            surplus(cx, at, other, span);
            None
        }
        None => None,
    };
    Some((i32::try_from(weight).ok()?, reverse))
}

fn in_range(number: i64, (least, greatest): (i64, i64)) -> bool {
    (least..=greatest).contains(&number)
}

fn surplus(cx: &mut Context<'_>, at: &Statement, word: &str, span: Span) {
    cx.warn("bad-value", at, span, format!("`{word}` is neither reverse nor noreverse; ignored"));
}
