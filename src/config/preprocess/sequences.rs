//! `~SEQ(…)`, `~SEQx(…)` and `~LST(…)`: lines repeated for each value of a list.

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::source::Span;
use super::Reader;

impl Reader<'_> {
    // GAP: keepalived.conf(5), "Sequence blocks". The line is left out, with an error that says so.
    pub(super) fn repeat(&mut self, line: Span, diagnostics: &mut Diagnostics) {
        let text = self.sources.text(line);
        let length = text.find(['(', ' ', '\t']).unwrap_or(text.len());
        let construct = &text[..length];
        diagnostics.push(
            Diagnostic::error(
                "not-supported-yet",
                line.part(0..length),
                format!("`{construct}` is not supported yet"),
            )
            .label("the line is left out")
            .help("write the lines out one by one"),
        );
    }
}
