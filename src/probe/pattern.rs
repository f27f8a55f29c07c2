//! `regex` of a url: a pattern in a page's body, looked for while the page comes, in constant memory.
//!
//! keepalived takes PCRE2's language. Here it is that of the crate `regex`, which cannot be made to run for
//! ever; what differs in meaning (`$`, `\Z`) is translated, and what it lacks is refused with the
//! configuration. Only the body is searched: keepalived also searches the header where header and body
//! arrive together.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::Chars;

use regex::bytes::{Regex, RegexBuilder};

use super::bounds::{KEPT, keep};

/// Octets of a body that are kept for the search.
const WINDOW: usize = KEPT;

/// Octets that stay when the window is full: a match may be this long wherever it lies.
const OVERLAP: usize = WINDOW / 4 * 3;

/// `regex`, `regex_options`, `regex_no_match`, `regex_min_offset` and `regex_max_offset` of a url.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    options: Options,
    compiled: Regex,
    /// `regex_no_match`: the pattern must not be there.
    pub absent: bool,
    /// `regex_min_offset`: first octet of the body at which a match may begin.
    pub min_offset: u64,
    /// `regex_max_offset`: last octet at which a match may begin; `None`: wherever.
    pub max_offset: Option<u64>,
}

/// Those of `regex_options` that make a difference here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Options {
    pub caseless: bool,
    pub multiline: bool,
    pub dotall: bool,
    pub extended: bool,
    pub ungreedy: bool,
    /// `utf` or `ucp`: letters are Unicode's, not octets.
    pub unicode: bool,
    /// `$` is the very end, not also before a newline there.
    pub dollar_endonly: bool,
    /// `allow_empty_class`: `[]` is nothing and `[^]` anything.
    pub empty_class: bool,
    /// `alt_bsux`: `\u` and `\x` as ECMAScript has them.
    pub alt_bsux: bool,
    /// `firstline`: a match begins in the first line, its newline included.
    pub first_line: bool,
}

/// Why a pattern cannot be used; several lines, with a pointer to the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(String);

impl Pattern {
    /// A pattern that must be somewhere in the body.
    ///
    /// # Errors
    /// When it is malformed, or uses what only PCRE2 has.
    pub fn new(source: &str, options: Options) -> Result<Self, BadPattern> {
        let compiled = RegexBuilder::new(&translated(source, options))
            .case_insensitive(options.caseless)
            .multi_line(options.multiline)
            .dot_matches_new_line(options.dotall)
            .ignore_whitespace(options.extended)
            .swap_greed(options.ungreedy)
            .unicode(options.unicode)
            .build()
            .map_err(|error| BadPattern(error.to_string()))?;
        let source = source.to_owned();
        Ok(Self { source, options, compiled, absent: false, min_offset: 0, max_offset: None })
    }

    /// Whether it is in this whole text, without regard to offsets.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.compiled.is_match(text)
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Pattern {
    /// All that it is made of; what it is compiled to follows from that.
    fn parts(&self) -> impl Eq + Hash {
        (&self.source, self.options, self.absent, self.min_offset, self.max_offset)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.source, self.options)
    }
}

/// In PCRE2 `$` and `\Z` also stand before a newline that ends the text, `\h` is a blank or tab.
fn translated(source: &str, options: Options) -> String {
    let end = if options.dollar_endonly { r"\z" } else { r"(?:\n?\z)" };
    let (mut out, mut in_class) = (String::with_capacity(source.len()), false);
    let mut letters = source.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('Z') if !in_class => out.push_str(r"(?:\n?\z)"),
                Some('h') if in_class => out.push_str(r" \t"),
                Some('h') => out.push_str(r"[ \t]"),
                Some('R') if !in_class => out.push_str(r"(?:\r\n|[\n\x0b\f\r])"),
                Some('U') if options.alt_bsux => out.push('U'),
                Some('u') if options.alt_bsux => out += &code(&mut letters, 'u', 4),
                Some('x') if options.alt_bsux => out += &code(&mut letters, 'x', 2),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '$' if !in_class && !options.multiline => out.push_str(end),
            '[' if !in_class => match empty_class(&mut letters, options) {
                Some(class) => out.push_str(class),
                None => {
                    in_class = true;
                    out.push('[');
                    // A `]` in front is one of the class.
                    out += start_of_class(&mut letters);
                }
            },
            _ => {
                in_class &= letter != ']';
                out.push(letter);
            }
        }
    }
    out
}

/// What stands for `[]` and `[^]` where they are allowed; takes them off.
fn empty_class(letters: &mut Chars<'_>, options: Options) -> Option<&'static str> {
    let (rest, class) = match letters.as_str() {
        _ if !options.empty_class => return None,
        text if text.starts_with(']') => (&text[1..], "[a&&b]"),
        text if text.starts_with("^]") => (&text[2..], "(?s:.)"),
        _ => return None,
    };
    *letters = rest.chars();
    Some(class)
}

/// Takes off what stands before the first member of a class that may end it.
fn start_of_class<'t>(letters: &mut Chars<'t>) -> &'t str {
    let text = letters.as_str();
    let length =
        ["^]", "]", "^"].into_iter().find(|start| text.starts_with(start)).map_or(0, str::len);
    *letters = text[length..].chars();
    &text[..length]
}

/// `\uHHHH` or `\xHH`, of which `letter` is taken; without the digits the letter itself.
fn code(letters: &mut Chars<'_>, letter: char, digits: usize) -> String {
    let text = letters.as_str();
    match text.get(..digits).filter(|code| code.bytes().all(|octet| octet.is_ascii_hexdigit())) {
        Some(code) => {
            *letters = text[digits..].chars();
            format!("\\x{{{code}}}")
        }
        None => letter.to_string(),
    }
}

/// The search for one pattern in one page.
#[derive(Debug)]
pub struct Search<'p> {
    pattern: &'p Pattern,
    window: Vec<u8>,
    /// Where in the body the window begins.
    base: u64,
    /// From where in the body matches may begin that have not been looked for.
    from: u64,
    /// Last octet at which a match may begin; `None`: wherever.
    most: Option<u64>,
    found: bool,
}

impl<'p> Search<'p> {
    pub fn new(pattern: &'p Pattern) -> Self {
        let (from, most) = (pattern.min_offset, pattern.max_offset);
        Self { pattern, window: Vec::new(), base: 0, from, most, found: false }
    }

    /// Takes the next octets of the body.
    pub fn feed(&mut self, mut body: &[u8]) {
        while !body.is_empty() && !self.found && !self.is_hopeless() {
            let room = WINDOW - self.window.len();
            let (now, later) = body.split_at(body.len().min(room));
            self.note_first_line(now);
            keep(&mut self.window, now, WINDOW);
            body = later;
            if self.window.len() == WINDOW {
                self.look(false);
                self.slide();
            }
        }
    }

    /// The body has ended: whether the pattern was in it.
    pub fn finish(mut self) -> bool {
        if !self.found && !self.is_hopeless() {
            self.look(true);
        }
        self.found
    }

    /// With `firstline` no match begins behind the first newline of the body.
    fn note_first_line(&mut self, next: &[u8]) {
        let at = self.base + self.window.len() as u64;
        let limit = |line: usize| at + line as u64;
        // Once it is known, `most` is below `at`, and later newlines do not make it less.
        if self.pattern.options.first_line && self.most.is_none_or(|most| most >= at) {
            let end = next.iter().position(|octet| *octet == b'\n').map(limit);
            self.most = self.most.into_iter().chain(end).min();
        }
    }

    /// Whether no match can begin any more where one may.
    fn is_hopeless(&self) -> bool {
        self.most.is_some_and(|most| most < self.from)
    }

    fn look(&mut self, at_end: bool) {
        let Ok(start) = usize::try_from(self.from - self.base) else { return };
        if start > self.window.len() {
            return;
        }
        // Not the slice from `start`: what stands before it decides about `^` and `\b`.
        let regex = &self.pattern.compiled;
        let Some(found) = regex.find_at(&self.window, start) else { return };
        let begins = self.base + found.start() as u64;
        if self.most.is_some_and(|most| begins > most) {
            return;
        }
        // A match that reaches the end of the window may be one only because of that end.
        let ends = regex.shortest_match_at(&self.window, found.start()).unwrap_or(found.end());
        self.found = at_end || ends < self.window.len();
    }

    /// Forgets the first part of a full window. Not all of what lies before `from`: one octet more
    /// shows that the body does not begin there.
    fn slide(&mut self) {
        let gone = WINDOW - OVERLAP;
        self.window.drain(..gone);
        self.base += gone as u64;
        self.from = self.from.max(self.base + 1);
    }
}

#[cfg(test)]
mod tests;
