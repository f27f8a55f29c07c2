//! Findings as text with an excerpt, as one line each, and as JSON.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::secrets;
use super::source::{SourceMap, Span};

/// Of a longer line only the part around the finding is shown.
const LONGEST_EXCERPT: usize = 240;

/// Octets shown before the finding, in a long line.
const CONTEXT: usize = 80;

impl Diagnostics {
    /// All findings, each with the line it is about and a caret.
    pub fn to_text(&self, colour: bool) -> String {
        let mut out = String::new();
        for finding in self {
            out.push_str(&text(finding, &self.sources, colour));
            out.push_str("\n\n");
        }
        out.push_str(&self.left_out_line());
        out
    }

    /// All findings, one line each: `file:line:column: severity: message (help)`.
    pub fn to_lines(&self) -> String {
        let lines = self.iter().map(|finding| self.line(finding) + "\n");
        lines.collect::<String>() + &self.left_out_line()
    }

    /// One finding in one line, for a log.
    pub fn line(&self, finding: &Diagnostic) -> String {
        let place = match finding.span {
            Some(span) => format!("{}: ", self.sources.position(span)),
            None => String::new(),
        };
        let help = match &finding.help {
            Some(help) if help.starts_with("did you mean") => format!("; {help}"),
            _ => String::new(),
        };
        format!("{place}{}: {}{help}", severity(finding.severity), finding.message)
    }

    fn left_out_line(&self) -> String {
        match self.left_out() {
            0 => String::new(),
            more => format!("and {more} more\n"),
        }
    }

    /// All findings as they are given in JSON.
    pub fn to_json(&self) -> Vec<JsonFinding<'_>> {
        self.iter().map(|finding| json(finding, &self.sources)).collect()
    }
}

/// One finding in JSON.
#[derive(Debug, Serialize)]
pub struct JsonFinding<'a> {
    pub code: &'a str,
    pub severity: Severity,
    pub message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<JsonPlace>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub label: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<JsonRelated<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'a str>,
    /// Where the definition stands that the text was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defined_at: Option<JsonPlace>,
    /// Where the definitions stand that this one names in turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defined_through: Vec<JsonPlace>,
    /// Places of the `include` lines that led there, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub included_from: Vec<String>,
}

/// A stretch of a file: lines and columns from 1, columns in characters, octets from 0.
#[derive(Debug, Serialize)]
pub struct JsonPlace {
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub start: u32,
    pub end: u32,
}

/// A further place.
#[derive(Debug, Serialize)]
pub struct JsonRelated<'a> {
    pub at: JsonPlace,
    pub label: &'a str,
}

fn json<'a>(finding: &'a Diagnostic, sources: &SourceMap) -> JsonFinding<'a> {
    let chain = finding.span.map(|span| sources.include_chain(span)).unwrap_or_default();
    JsonFinding {
        code: finding.code,
        severity: finding.severity,
        message: &finding.message,
        at: finding.span.map(|span| place(span, sources)),
        label: &finding.label,
        related: finding
            .secondary
            .iter()
            .map(|label| JsonRelated { at: place(label.span, sources), label: &label.text })
            .collect(),
        help: finding.help.as_deref(),
        defined_at: finding
            .span
            .and_then(|span| sources.definition_of(span))
            .map(|definition| place(definition, sources)),
        defined_through: finding.span.map(|span| through(span, sources)).unwrap_or_default(),
        included_from: chain.iter().map(ToString::to_string).collect(),
    }
}

fn place(span: Span, sources: &SourceMap) -> JsonPlace {
    let position = sources.position(span);
    let span = sources.in_file(span);
    JsonPlace {
        file: position.file.to_string(),
        line: position.line,
        column: position.column,
        start: span.start,
        end: span.end,
    }
}

fn through(span: Span, sources: &SourceMap) -> Vec<JsonPlace> {
    sources.defined_through(span).into_iter().map(|span| place(span, sources)).collect()
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Note => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    }
}

/// One finding with its excerpt.
fn text(finding: &Diagnostic, sources: &SourceMap, colour: bool) -> String {
    // Control characters of the file must not reach the terminal.
    let message = printable(&finding.message);
    let title = level(finding.severity).primary_title(message).id(finding.code);
    let mut group = Group::with_title(title);
    if let Some(span) = finding.span {
        group = group.element(snippet(span, &finding.label, AnnotationKind::Primary, sources));
        let shown = !secrets::is_secret(span, sources);
        if let Some(definition) = sources.definition_of(span).filter(|_| shown) {
            for (at, definition) in
                std::iter::once(definition).chain(sources.defined_through(span)).enumerate()
            {
                let definition = sources.in_file(definition);
                let value = printable(&secrets::starred(sources.text(definition)));
                let place = sources.position(definition);
                let how = if at == 0 { "defined" } else { "which names what is defined" };
                group = group.element(Level::NOTE.message(format!("{how} in {place}: {value}")));
            }
        }
        for place in sources.include_chain(span) {
            group = group.element(Level::NOTE.message(format!("included from {place}")));
        }
    }
    for label in &finding.secondary {
        let kind = AnnotationKind::Context;
        group = group.element(snippet(label.span, &label.text, kind, sources));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// The start of the character that octet `at` belongs to.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The line of `span`, or as much of it as is of use, with `label` under the caret.
fn snippet<'s>(
    span: Span,
    label: &'s str,
    kind: AnnotationKind,
    sources: &'s SourceMap,
) -> Snippet<'s, annotate_snippets::Annotation<'s>> {
    let span = sources.in_file(span);
    let source = sources.get(span.source);
    let (line, octets) = source.line_at(span.start as usize);
    let mut shown = octets.clone();
    let position = sources.position(span);
    if octets.len() > LONGEST_EXCERPT {
        let before = (span.start as usize).saturating_sub(CONTEXT);
        shown.start = boundary(&source.text, octets.start.max(before));
        shown.end = boundary(&source.text, octets.end.min(shown.start + LONGEST_EXCERPT));
    }
    let clamp = |at: u32| (at as usize).clamp(shown.start, shown.end) - shown.start;
    let annotation = kind.span(clamp(span.start)..clamp(span.end));
    let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
    let text = match secrets::starred(&source.text[octets.clone()]) {
        Cow::Borrowed(_) => Cow::Borrowed(&source.text[shown.clone()]),
        Cow::Owned(line) => {
            Cow::Owned(line[shown.start - octets.start..shown.end - octets.start].to_owned())
        }
    };
    let path = if shown == octets { source.name.to_string() } else { format!("{position}: …") };
    Snippet::source(text).line_start(line as usize).path(path).annotation(annotation)
}

#[cfg(test)]
mod tests;
