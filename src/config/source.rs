//! The texts a configuration is made of, and positions in them.
//!
//! A [`Span`] is twelve octets and never owns text: tokens of a 20 MB file stay cheap. Where a
//! `$definition` was expanded, the expanded line is a text of its own that remembers, piece by
//! piece, where it came from, so that each message points at what the operator wrote.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::plan::Position;

/// Index of a text in its [`SourceMap`].
pub type SourceId = u32;

/// A stretch of one text, in octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub source: SourceId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(source: SourceId, range: Range<usize>) -> Self {
        Self { source, start: range.start as u32, end: range.end as u32 }
    }

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// From the start of `self` to the end of `other`, which comes later in the same text.
    pub fn to(self, other: Span) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }

    /// The empty stretch just behind it.
    pub fn after(self) -> Self {
        Self { start: self.end, ..self }
    }

    /// `part` is relative to the start of `self`.
    pub fn part(self, part: Range<usize>) -> Self {
        Self {
            start: self.start + part.start as u32,
            end: self.start + part.end as u32,
            source: self.source,
        }
    }
}

/// How a text came to be read.
#[derive(Debug)]
pub enum Origin {
    /// Named by the caller.
    Top,
    /// Read because of the `include` at this place.
    Included(Span),
    /// A line of another text with its definitions filled in.
    Expanded(Vec<Piece>),
}

/// Part of an expanded line: `len` octets from `start` on came from `from`.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    pub start: u32,
    pub len: u32,
    pub from: Span,
    /// Octet for octet the same as `from`; otherwise `from` is the reference that was replaced.
    pub verbatim: bool,
    /// Of a reference, where its value was given.
    pub defined: Option<Span>,
}

/// One text.
#[derive(Debug)]
pub struct Source {
    pub name: Arc<str>,
    pub text: String,
    pub origin: Origin,
    line_starts: OnceLock<Vec<u32>>,
}

impl Source {
    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let after_newline =
                |(at, octet): (usize, u8)| (octet == b'\n').then_some(at as u32 + 1);
            std::iter::once(0)
                .chain(self.text.bytes().enumerate().filter_map(after_newline))
                .collect()
        })
    }

    /// Line number (from 1) and octets of the line that holds octet `at`, newline left out.
    pub fn line_at(&self, at: usize) -> (u32, Range<usize>) {
        let starts = self.line_starts();
        let line = starts.partition_point(|&start| start as usize <= at);
        let start = starts[line - 1] as usize;
        let end = starts.get(line).map_or(self.text.len(), |&next| next as usize - 1);
        (line as u32, start..end.max(start))
    }
}

/// All texts of one configuration; grows while files are included.
#[derive(Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
    /// For expanded lines whose definitions name others: where those stand.
    through: HashMap<SourceId, Vec<Span>>,
}

impl SourceMap {
    pub fn add(&mut self, name: Arc<str>, text: String, origin: Origin) -> SourceId {
        self.sources.push(Source { name, text, origin, line_starts: OnceLock::new() });
        (self.sources.len() - 1) as SourceId
    }

    /// Remembers where the definitions stand that those filled into the line name in turn.
    pub fn expanded_through(&mut self, line: SourceId, through: Vec<Span>) {
        if !through.is_empty() {
            self.through.insert(line, through);
        }
    }

    pub fn get(&self, id: SourceId) -> &Source {
        &self.sources[id as usize]
    }

    /// The text of `span`; one that would cut a letter in two takes in all of it.
    pub fn text(&self, span: Span) -> &str {
        let (text, range) = (&self.get(span.source).text, span.range());
        // Nearly always: words begin and end with a whole letter.
        if let Some(found) = text.get(range.clone()) {
            return found;
        }
        let start = text.floor_char_boundary(range.start);
        let end = text.ceil_char_boundary(range.end.max(range.start));
        &text[start..end]
    }

    /// The stretch of a file that `span` stands for: itself, or for an expanded line the words
    /// it was made from.
    pub fn in_file(&self, span: Span) -> Span {
        let mut span = span;
        while let Origin::Expanded(pieces) = &self.get(span.source).origin {
            span = origin_in_pieces(pieces, span);
        }
        span
    }

    /// Octets of all texts.
    #[cfg(test)]
    pub fn octets(&self) -> usize {
        self.sources.iter().map(|source| source.text.len()).sum()
    }

    /// The first place in a file where `in_line`, given each line, finds something.
    pub fn find(&self, in_line: impl Fn(&str) -> Option<Range<usize>>) -> Option<Span> {
        let files = (0..).zip(&self.sources);
        let mut files = files.filter(|(_, file)| !matches!(file.origin, Origin::Expanded(_)));
        files.find_map(|(id, file)| {
            let mut start = 0;
            file.text.split_inclusive('\n').find_map(|line| {
                let found = in_line(line).map(|at| Span::new(id, start + at.start..start + at.end));
                start += line.len();
                found
            })
        })
    }

    /// Where `span` begins, as operators count: from 1, columns in characters.
    pub fn position(&self, span: Span) -> Position {
        let span = self.in_file(span);
        let source = self.get(span.source);
        let (line, octets) = source.line_at(span.start as usize);
        let end = (span.start as usize).max(octets.start);
        // A finding about octets may begin in the middle of a letter.
        let before = String::from_utf8_lossy(&source.text.as_bytes()[octets.start..end]);
        Position { file: Arc::clone(&source.name), line, column: before.chars().count() as u32 + 1 }
    }

    /// Where the definition stands that the text at the start of `span` was made from.
    pub fn definition_of(&self, span: Span) -> Option<Span> {
        self.definitions_of(span).first().copied()
    }

    /// Where the definitions stand that this one names in turn.
    pub fn defined_through(&self, span: Span) -> Vec<Span> {
        self.definitions_of(span).into_iter().skip(1).collect()
    }

    /// All definitions that led to the text at the start of `span`, the outermost first.
    fn definitions_of(&self, span: Span) -> Vec<Span> {
        let Origin::Expanded(pieces) = &self.get(span.source).origin else { return Vec::new() };
        let at = pieces.partition_point(|piece| piece.start <= span.start).checked_sub(1);
        let Some(piece) = at.and_then(|at| pieces.get(at)) else { return Vec::new() };
        let mut definitions = self.definitions_of(piece.from);
        definitions.extend(piece.defined);
        definitions.extend(self.through.get(&span.source).into_iter().flatten());
        definitions
    }

    /// The `include` lines that led to the text of `span`, innermost first.
    pub fn include_chain(&self, span: Span) -> Vec<Position> {
        let mut chain = Vec::new();
        let mut at = self.in_file(span);
        while let Origin::Included(place) = self.get(at.source).origin {
            chain.push(self.position(place));
            at = self.in_file(place);
        }
        chain
    }
}

/// The least stretch that covers what both ends of `span` came from.
fn origin_in_pieces(pieces: &[Piece], span: Span) -> Span {
    let first = octet_origin(pieces, span.start);
    if span.start == span.end {
        return Span { end: first.start, ..first };
    }
    let last = octet_origin(pieces, span.end - 1);
    if first.source == last.source { first.to(last) } else { first }
}

/// What the octet at `offset` of an expanded line came from; behind the end, the last piece.
fn octet_origin(pieces: &[Piece], offset: u32) -> Span {
    let index = pieces.partition_point(|piece| piece.start <= offset).saturating_sub(1);
    let Some(piece) = pieces.get(index) else { return Span::default() };
    if !piece.verbatim {
        return piece.from;
    }
    let start = piece.from.start + offset.saturating_sub(piece.start).min(piece.len);
    Span { start, end: start + 1, ..piece.from }
}

#[cfg(test)]
mod tests;
