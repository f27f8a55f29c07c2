//! What is wrong with a configuration, as values.

use std::sync::Arc;

use super::secrets;
use super::source::{SourceMap, Span};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to be done. Does not change the verdict.
    Note,
    /// The director runs, perhaps otherwise than the author meant.
    Warning,
    /// Something asked for cannot be had. A reload keeps the running state instead.
    Error,
}

/// What a finding means for a director that has yet to start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It can start.
    #[default]
    Starts,
    /// keepalived's security complaints about scripts: it can start, `-t` says so with status 6.
    ScriptSecurity,
    /// It must not start; keepalived's `-t` ends with 5 all the same.
    Refuses,
    /// It must not start, and keepalived's `-t` ends with 2: a keyword lacks its parameter.
    LacksParameter,
    /// The file cannot be read at all.
    Unreadable,
}

/// A further place that a finding is about.
#[derive(Debug, Clone)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Stable name of the kind of finding, such as `unknown-keyword`.
    pub code: &'static str,
    pub severity: Severity,
    pub effect: Effect,
    /// One sentence without a full stop, the operator's own names in it.
    pub message: String,
    /// Where; `None` for what has no place, such as a missing file.
    pub span: Option<Span>,
    /// What stands under the caret.
    pub label: String,
    pub secondary: Vec<Label>,
    /// What to write instead, ready to paste where that is possible.
    pub help: Option<String>,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, at: Option<Span>, message: String) -> Self {
        let (label, secondary) = (String::new(), Vec::new());
        Self {
            code,
            severity,
            effect: Effect::Starts,
            message: shortened(message),
            span: at,
            label,
            secondary,
            help: None,
        }
    }

    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, Some(span), message.into())
    }

    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, Some(span), message.into())
    }

    pub fn note(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, Some(span), message.into())
    }

    /// An error that is in no text, such as a file that cannot be read.
    pub fn nowhere(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, None, message.into())
    }

    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = shortened(text.into());
        self
    }

    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: shortened(text.into()) });
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(shortened(text.into()));
        self
    }

    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

/// Longest sentence, in octets. Names come from the file and may be a whole line of it.
const LONGEST_TEXT: usize = 400;

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Findings kept in full; a file of rubbish has millions. Those beyond are counted.
const MOST_KEPT: usize = 1000;

/// All findings of one configuration, in the order they were made, with the texts they point into.
#[derive(Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    left_out: usize,
    /// How many of each severity, kept or not.
    counts: [usize; 3],
    effect: Effect,
    /// Codes of findings that nobody wants to hear of.
    muted: Vec<String>,
    pub(crate) sources: Arc<SourceMap>,
}

impl Diagnostics {
    /// Drops findings with the codes `muted`, those that keep a director from starting excepted.
    pub(crate) fn mute(&mut self, muted: &[String]) {
        self.muted = muted.to_vec();
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        let harmless = diagnostic.effect == Effect::Starts;
        if harmless && self.muted.iter().any(|code| code == diagnostic.code) {
            return;
        }
        self.counts[diagnostic.severity as usize] += 1;
        self.effect = self.effect.max(diagnostic.effect);
        if self.list.len() < MOST_KEPT {
            self.list.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    /// How many there are so far, kept or not.
    pub(crate) fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Whether further findings are only counted, so that their words need no making.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST_KEPT
    }

    /// Counts a finding that nobody will read.
    pub(crate) fn count_only(&mut self, severity: Severity) {
        self.counts[severity as usize] += 1;
        self.left_out += 1;
    }

    /// Raises the effect: because of something already reported, the director must not start.
    pub(crate) fn refuse(&mut self) {
        self.raise(Effect::Refuses);
    }

    /// Raises the effect to that of something already reported.
    pub(crate) fn raise(&mut self, effect: Effect) {
        self.effect = self.effect.max(effect);
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many were only counted, since there were too many.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// How many of `severity` there are, those only counted included.
    pub fn count(&self, severity: Severity) -> usize {
        self.counts[severity as usize]
    }

    /// The gravest severity found.
    pub fn worst(&self) -> Option<Severity> {
        let all = [Severity::Error, Severity::Warning, Severity::Note];
        all.into_iter().find(|severity| self.count(*severity) > 0)
    }

    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// The gravest effect found.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Adds findings about a configuration that has been read.
    pub(crate) fn add(&mut self, findings: Vec<Diagnostic>) {
        findings.into_iter().for_each(|finding| self.push(finding));
        self.sort(Arc::clone(&self.sources));
    }

    /// Turns every warning into an error (`--strict`).
    pub fn harden(&mut self) {
        for diagnostic in self.list.iter_mut().filter(|d| d.severity == Severity::Warning) {
            diagnostic.severity = Severity::Error;
        }
        let warnings = std::mem::take(&mut self.counts[Severity::Warning as usize]);
        self.counts[Severity::Error as usize] += warnings;
    }

    /// Puts the findings into the order of the text, those without a place last, and takes out of
    /// their words what is secret.
    pub(crate) fn sort(&mut self, sources: Arc<SourceMap>) {
        self.sources = sources;
        let sources = &self.sources;
        self.list.iter_mut().for_each(|finding| secrets::take_out(finding, sources));
        let key = |d: &Diagnostic| d.span.map(|span| sources.in_file(span));
        self.list.sort_by_key(|d| match key(d) {
            Some(span) => (0, span.source, span.start),
            None => (1, 0, 0),
        });
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
