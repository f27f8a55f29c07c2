//! `@ID rest` and `@^ID rest`: lines that only some hosts of a shared file are to see.

use super::super::Options;
use super::super::source::{SourceMap, Span};
use super::trimmed;

/// What follows the condition if this host is to see it; `None` if not, or if nothing follows.
pub(super) fn kept(sources: &SourceMap, line: Span, options: &Options) -> Option<Span> {
    let text = sources.text(line);
    let (negated, id_start) = if text.starts_with("@^") { (true, 2) } else { (false, 1) };
    let id_end = text.find([' ', '\t'])?;
    let id = text.get(id_start..id_end)?;
    let is_ours = options.config_id == id;
    if is_ours == negated {
        return None;
    }
    trimmed(line.part(id_end..text.len()), &text[id_end..])
}
