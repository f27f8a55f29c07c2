//! `$NAME=VALUE` and its uses `$NAME`, `${NAME}`, with the built-in names.

use std::collections::HashMap;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::source::{Origin, Piece, Span};
use super::sequences::MOST_LINES;
use super::{LONGEST_LINE, Reader};

/// Definitions may name each other this deep; beyond, one names itself.
pub(super) const DEEPEST: usize = 32;

/// Definitions named by definitions that a message lists.
const MOST_THROUGH: usize = 8;

/// Greatest `${_RANDOM}` where none is given.
const RANDOM_MOST: u32 = 32_767;

/// References that one line may come to, those in values included. Values that are empty can double
/// each other without the line growing.
const MOST_REFERENCES: usize = 1 << 16;

/// Octets that all lines with definitions in them may come to.
pub(super) const MOST_EXPANDED: usize = 128 << 20;

/// The names defined so far. Values are kept as written: they are evaluated at each use.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    values: HashMap<String, Definition>,
}

#[derive(Debug)]
struct Definition {
    value: String,
    /// The lines it stands in: one for each line of the value.
    lines: Vec<Span>,
}

/// A `$…` in a text: the octets it takes, and what it names.
pub(super) struct Reference<'t> {
    pub end: usize,
    pub name: &'t str,
    braced: bool,
}

impl Reader<'_> {
    /// Takes `$NAME=VALUE`; false if the line is something else.
    pub(super) fn define(&mut self, line: Span, diagnostics: &mut Diagnostics) -> bool {
        let text = self.sources.text(line);
        let name_length = name_length(&text[1..]);
        let Some(value) = text[1 + name_length..].strip_prefix('=') else { return false };
        if name_length == 0 {
            return false;
        }
        let (name, value) = (text[1..=name_length].to_owned(), value.trim_start().to_owned());
        let definition = match value.strip_suffix('\\') {
            Some(first) => self.further_lines(line, first.trim_end().to_owned(), diagnostics),
            None => Definition { value, lines: vec![line] },
        };
        self.definitions.values.insert(name, definition);
        true
    }

    /// The lines of a definition that ends in a backslash, joined by newlines.
    fn further_lines(&mut self, start: Span, first: String, d: &mut Diagnostics) -> Definition {
        let mut lines = if first.is_empty() { Vec::new() } else { vec![start] };
        let mut value = first;
        while let Some(raw) = self.physical_line() {
            let Some(line) = self.usable_line(raw, d) else { break };
            let text = self.sources.text(line);
            let (text, goes_on) = match text.strip_suffix('\\') {
                Some(text) => (text.trim_end(), true),
                None => (text, false),
            };
            if value.len() + text.len() >= LONGEST_LINE {
                d.push(too_long(start));
                return Definition { value: String::new(), lines: vec![start] };
            }
            if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(text);
            lines.push(line);
            if !goes_on {
                break;
            }
        }
        if lines.is_empty() {
            lines.push(start);
        }
        Definition { value, lines }
    }

    /// `line` with its references replaced, as a new text; `None` if that is not possible, which
    /// has been reported.
    pub(super) fn expand(&mut self, line: Span, diagnostics: &mut Diagnostics) -> Option<Span> {
        let text = self.sources.text(line);
        let (mut expansion, mut at) = (Expansion::default(), 0);
        self.references.set(0);
        while let Some(length) = text[at..].find('$') {
            let next = at + length;
            expansion.copy(&text[at..next], line.part(at..next));
            let Some(reference) = reference(&text[next..]) else {
                at = next + 1;
                expansion.copy("$", line.part(next..at));
                continue;
            };
            at = next + reference.end;
            let span = line.part(next..at);
            match self.value(&reference, DEEPEST) {
                Ok(value) if expansion.text.len() + value.len() <= LONGEST_LINE => {
                    match self.definitions.values.get(reference.name) {
                        Some(definition) => {
                            expansion.fill_in(&value, span, definition);
                            let through = self.through(&definition.value, DEEPEST);
                            expansion.through.extend(through);
                        }
                        None => expansion.replace(&value, span, None),
                    }
                }
                Err(Failure::Undefined) if !reference.braced => {
                    expansion.copy(&text[next..at], span);
                }
                // As in keepalived; in a command it is perhaps a variable of the shell.
                Err(Failure::Undefined) if text[..next].matches('"').count() % 2 == 1 => {
                    expansion.copy(&text[next..at], span);
                    let message = format!("`{}` is not defined", reference.name);
                    let finding = Diagnostic::note("undefined-name", span, message);
                    diagnostics.push(finding.label("left as it is"));
                }
                failed => {
                    diagnostics.push(failure(failed.err(), span, reference.name));
                    return None;
                }
            }
        }
        expansion.copy(&text[at..], line.part(at..text.len()));
        if expansion.pieces.iter().all(|piece| piece.verbatim) {
            return Some(line);
        }
        let length = expansion.text.len();
        if !self.has_room(line, length, diagnostics) {
            return None;
        }
        let name = self.sources.get(line.source).name.clone();
        let Expansion { text, pieces, mut through } = expansion;
        let source = self.sources.add(name, text, Origin::Expanded(pieces));
        through.truncate(MOST_THROUGH);
        self.sources.expanded_through(source, through);
        Some(Span::new(source, 0..length))
    }

    /// Takes a line that is nothing but the name of a definition of several lines: they are read
    /// one by one in its place, definitions and conditions among them. False if it is another line.
    pub(super) fn unfold(&mut self, line: Span, diagnostics: &mut Diagnostics) -> bool {
        let text = self.sources.text(line);
        let Some(found) = reference(text).filter(|found| found.end == text.len()) else {
            return false;
        };
        let Some(definition) = self.definitions.values.get(found.name) else { return false };
        if !definition.value.contains('\n') {
            return false;
        }
        let mut expansion = Expansion::default();
        expansion.fill_in(&definition.value, line, definition);
        let (lines, length) = (definition.lines.len(), expansion.text.len());
        let too_many = self.lines_made + lines > MOST_LINES;
        if self.depth >= DEEPEST || too_many || !self.has_room(line, length, diagnostics) {
            if !std::mem::replace(&mut self.unfolding_refused, true) {
                diagnostics.push(too_long(line));
            }
            return true;
        }
        self.lines_made += lines;
        let name = self.sources.get(line.source).name.clone();
        let source = self.sources.add(name, expansion.text, Origin::Expanded(expansion.pieces));
        self.push_lines(Span::new(source, 0..length), false, self.depth + 1);
        true
    }

    /// The text that `name` stands for, as it was given.
    pub(super) fn definition(&self, name: &str) -> Option<&str> {
        self.definitions.values.get(name).map(|definition| definition.value.as_str())
    }

    /// Counts one more reference; false if the line has come to too many.
    pub(super) fn may_refer(&self) -> bool {
        self.references.set(self.references.get() + 1);
        self.references.get() <= MOST_REFERENCES
    }

    /// Where the definitions stand that `value` names in turn, as many as a message has room for.
    fn through(&self, value: &str, depth: usize) -> Vec<Span> {
        let (mut found, mut rest) = (Vec::new(), value);
        while let Some(at) = rest.find('$').filter(|_| depth > 0 && found.len() < MOST_THROUGH) {
            rest = &rest[at..];
            let Some(reference) = reference(rest) else {
                rest = &rest[1..];
                continue;
            };
            if let Some(definition) = self.definitions.values.get(reference.name) {
                found.extend(definition.lines.first());
                found.extend(self.through(&definition.value, depth - 1));
            }
            rest = &rest[reference.end..];
        }
        found
    }

    /// Whether `length` more octets of expanded lines are within bounds; if not, that is said once.
    pub(super) fn has_room(&mut self, line: Span, length: usize, d: &mut Diagnostics) -> bool {
        let had_room = self.octets_expanded <= MOST_EXPANDED;
        self.octets_expanded = self.octets_expanded.saturating_add(length);
        let has_room = self.octets_expanded <= MOST_EXPANDED;
        if had_room && !has_room {
            let message = format!(
                "with definitions filled in, there are more than {} MiB",
                MOST_EXPANDED >> 20
            );
            d.push(
                Diagnostic::error("definition-too-long", line, message)
                    .label("this line and those behind it that have definitions are left out"),
            );
        }
        has_room
    }

    /// `text` with its references replaced; `None` if they name themselves.
    pub(super) fn filled_in(&self, text: &str) -> Option<String> {
        self.references.set(0);
        self.expanded_value(text, DEEPEST).ok()
    }

    fn value(&self, reference: &Reference<'_>, depth: usize) -> Result<String, Failure> {
        if !self.may_refer() {
            return Err(Failure::TooDeep);
        }
        let mut words = reference.name.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        if let Some(definition) = self.definitions.values.get(name) {
            return self.expanded_value(&definition.value, depth);
        }
        match (name, words.next(), words.next()) {
            ("_PWD", None, _) => Ok(self.directory()),
            ("_INSTANCE", None, _) => Ok(self.options.config_id.clone()),
            ("_HASH", None, _) => Ok("#".to_owned()),
            ("_BANG", None, _) => Ok("!".to_owned()),
            ("_ENV", Some(variable), None) => Ok(std::env::var(variable).unwrap_or_default()),
            ("_RANDOM", least, greatest) if words.next().is_none() => {
                let number = |text: Option<&str>, default| match text {
                    Some(text) => text.parse::<u32>().map_err(|_| Failure::Undefined),
                    None => Ok(default),
                };
                let least = number(least, 0)?;
                Ok(self.random(least, number(greatest, RANDOM_MOST.max(least))?).to_string())
            }
            _ => Err(Failure::Undefined),
        }
    }

    /// A number from `least` to `greatest`, or `least` if that is above (SplitMix64).
    fn random(&self, least: u32, greatest: u32) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let span = u64::from(greatest.saturating_sub(least)) + 1;
        u64::from(least) + (mixed ^ (mixed >> 31)) % span
    }

    fn directory(&self) -> String {
        let directory = self.stack.last().map(|frame| frame.directory.as_path());
        let path = directory.filter(|path| !path.as_os_str().is_empty());
        path.map_or_else(|| ".".to_owned(), |path| path.display().to_string())
    }

    /// `value` with the references in it replaced in turn.
    fn expanded_value(&self, value: &str, depth: usize) -> Result<String, Failure> {
        let Some(depth) = depth.checked_sub(1) else { return Err(Failure::TooDeep) };
        let mut out = String::new();
        let mut rest = value;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let end = match reference(rest) {
                Some(found) => match self.value(&found, depth) {
                    Ok(value) => {
                        out.push_str(&value);
                        found.end
                    }
                    Err(Failure::Undefined) => {
                        out.push('$');
                        1
                    }
                    Err(failure) => return Err(failure),
                },
                None => {
                    out.push('$');
                    1
                }
            };
            if out.len() > LONGEST_LINE {
                return Err(Failure::TooDeep);
            }
            rest = &rest[end..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Why a reference has no value.
enum Failure {
    Undefined,
    /// Names itself, or grows beyond all lines.
    TooDeep,
}

/// The reference at the start of `text`, which starts with `$`.
pub(super) fn reference(text: &str) -> Option<Reference<'_>> {
    if let Some(inside) = text[1..].strip_prefix('{') {
        let close = inside.find('}')?;
        let name = inside[..close].trim();
        return (name_length(name) > 0).then_some(Reference { end: close + 3, name, braced: true });
    }
    let length = name_length(&text[1..]);
    let follows = text.as_bytes().get(1 + length);
    let ends = follows.is_none_or(|&o| matches!(o, b' ' | b'\t' | b',' | b')' | b'\n' | b'\r'));
    (length > 0 && ends).then(|| Reference {
        end: 1 + length,
        name: &text[1..=length],
        braced: false,
    })
}

/// Octets of the name at the start of `text`: letters, digits, underscore, no digit first.
fn name_length(text: &str) -> usize {
    if text.starts_with(|letter: char| letter.is_ascii_digit()) {
        return 0;
    }
    let in_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_';
    text.bytes().take_while(|&octet| in_name(octet)).count()
}

/// A line in the making, and where its pieces come from.
#[derive(Default)]
pub(super) struct Expansion {
    pub text: String,
    pub pieces: Vec<Piece>,
    /// Where definitions stand that others name.
    pub through: Vec<Span>,
}

impl Expansion {
    /// `text` as it stands at `from`.
    pub fn copy(&mut self, text: &str, from: Span) {
        if !text.is_empty() {
            self.push(text, from, true);
        }
    }

    /// `text` in place of the reference at `from`, given where it was `defined`.
    pub fn replace(&mut self, text: &str, from: Span, defined: Option<Span>) {
        self.push(text, from, false);
        if let Some(piece) = self.pieces.last_mut() {
            piece.defined = defined;
        }
    }

    /// The value of `definition` in place of the reference at `from`; each line of it remembers
    /// where it was given, unless lines came in from elsewhere.
    fn fill_in(&mut self, value: &str, from: Span, definition: &Definition) {
        if definition.lines.len() == 1 || value.split('\n').count() != definition.lines.len() {
            return self.replace(value, from, definition.lines.first().copied());
        }
        for (line, at) in value.split_inclusive('\n').zip(&definition.lines) {
            self.replace(line, from, Some(*at));
        }
    }

    fn push(&mut self, text: &str, from: Span, verbatim: bool) {
        let (start, len) = (self.text.len() as u32, text.len() as u32);
        self.pieces.push(Piece { start, len, from, verbatim, defined: None });
        self.text.push_str(text);
    }
}

/// What to say of a reference that cannot be replaced; no failure means that it is too long.
fn failure(failure: Option<Failure>, span: Span, name: &str) -> Diagnostic {
    match failure {
        Some(Failure::Undefined) => undefined(span, name),
        Some(Failure::TooDeep) | None => too_long(span),
    }
}

fn undefined(span: Span, name: &str) -> Diagnostic {
    Diagnostic::error("undefined-name", span, format!("`{name}` is not defined"))
        .label("the line is left out")
        .help(format!("define it further up, at the start of a line: ${name}=VALUE"))
}

fn too_long(span: Span) -> Diagnostic {
    Diagnostic::error("definition-too-long", span, "the definition names itself, or is too long")
        .label("the line is left out")
}
