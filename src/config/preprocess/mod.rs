//! Files into plain lines: comments off, `include`, `@conditions` and `$definitions` resolved.
//!
//! Works line by line on an explicit stack of files, so neither depth nor size of what is
//! included can exhaust the stack, and nothing is held but the texts themselves.

mod conditions;
mod definitions;
mod glob;
mod include;
mod sequences;

use std::cell::Cell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::memchr;

use super::Options;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::lexer;
use super::source::{Origin, SourceId, SourceMap, Span};
use definitions::Definitions;

pub use include::{Checks, LARGEST_FILE, read as read_file, too_large};

/// Longest line that is looked at, in octets. keepalived drops lines over 1022; real files stay
/// below that, and a line of megabytes is a file of another kind.
pub const LONGEST_LINE: usize = 64 * 1024;

/// A file that is being read.
struct Frame {
    source: SourceId,
    at: usize,
    /// The file itself, links resolved, to notice a file that includes itself.
    canonical: Option<PathBuf>,
    /// Where relative `include` names start.
    directory: PathBuf,
    /// What holds again at its end.
    checks_outside: Checks,
}

/// Where a line of a file begins.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    source: SourceId,
    at: usize,
    /// Lines before it that did not stand for themselves.
    directives: usize,
}

/// A line that was made.
struct Pending {
    line: Span,
    /// It holds no references any more.
    resolved: bool,
    depth: usize,
}

/// Gives the lines of a configuration one by one, with all files spliced in.
pub struct Reader<'o> {
    pub sources: SourceMap,
    options: &'o Options,
    stack: Vec<Frame>,
    definitions: Definitions,
    /// Lines that an expansion gave and that are yet to be handed out.
    pending: VecDeque<Pending>,
    /// In how many definitions of several lines the line at hand is.
    depth: usize,
    /// Lines that repetitions and definitions of several lines gave so far.
    lines_made: usize,
    /// A definition was not unfolded for being too deep or too long, which has been reported.
    unfolding_refused: bool,
    files_read: usize,
    /// Octets of all files so far.
    octets_read: u64,
    /// Octets of lines made by definitions and repetitions so far.
    octets_expanded: usize,
    /// Lines so far that did not stand for themselves.
    directives: usize,
    /// References that the line at hand came to so far.
    references: Cell<usize>,
    /// What included files must be.
    checks: Checks,
    /// The state behind `${_RANDOM}`.
    random: Cell<u64>,
}

impl<'o> Reader<'o> {
    pub fn new(options: &'o Options) -> Self {
        Self {
            sources: SourceMap::default(),
            options,
            stack: Vec::new(),
            definitions: Definitions::default(),
            pending: VecDeque::new(),
            depth: 0,
            lines_made: 0,
            unfolding_refused: false,
            files_read: 0,
            octets_read: 0,
            octets_expanded: 0,
            directives: 0,
            references: Cell::new(0),
            checks: options.include_checks,
            random: Cell::new(options.random_seed),
        }
    }

    /// Starts with `text`; `path` is where it lies, if it is a file.
    pub fn start(&mut self, name: &str, octets: Vec<u8>, path: Option<&Path>, d: &mut Diagnostics) {
        self.push(Arc::from(name), octets, path, Origin::Top, d);
    }

    fn push(
        &mut self,
        name: Arc<str>,
        octets: Vec<u8>,
        path: Option<&Path>,
        origin: Origin,
        diagnostics: &mut Diagnostics,
    ) {
        self.octets_read += octets.len() as u64;
        let (text, bad) = decode(octets);
        let source = self.sources.add(name, text, origin);
        if let Some(bad) = bad {
            diagnostics.push(invalid_utf8(&self.sources, source, &bad));
        }
        let directory = path.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
        let canonical = path.and_then(|path| path.canonicalize().ok());
        let at = 0;
        let checks_outside = self.checks;
        self.stack.push(Frame { source, at, canonical, directory, checks_outside });
        self.files_read += 1;
    }

    /// The next line that says something, its comment taken off; `None` at the end.
    pub fn next_line(&mut self, diagnostics: &mut Diagnostics) -> Option<Span> {
        loop {
            if let Some(Pending { line, resolved, depth }) = self.pending.pop_front() {
                self.depth = depth;
                let line = if resolved {
                    self.plain_line(line, diagnostics)
                } else {
                    self.resolve(line, diagnostics)
                };
                if line.is_some() {
                    return line;
                }
                continue;
            }
            let line = self.physical_line()?;
            self.depth = 0;
            let Some(line) = self.usable_line(line, diagnostics) else { continue };
            let resolved = self.resolve(line, diagnostics);
            self.directives += usize::from(resolved != Some(line));
            if resolved.is_some() {
                return resolved;
            }
        }
    }

    /// Where the next line begins; `None` if it is one that was made, or there is no file any more.
    pub fn place(&self) -> Option<Place> {
        let frame = self.stack.last().filter(|_| self.pending.is_empty())?;
        Some(Place { source: frame.source, at: frame.at, directives: self.directives })
    }

    /// The text since `from`, its last newline left out, if it is of one file, and each line stood for itself.
    pub fn since(&self, from: Place) -> Option<Span> {
        let here = self.place()?;
        let alike = here.source == from.source && here.directives == from.directives;
        (alike && from.at < here.at).then(|| Span::new(from.source, from.at..here.at - 1))
    }

    /// The rest of the file at hand; `None` if the next line does not come from it.
    pub fn ahead(&self) -> Option<&str> {
        let Place { source, at, .. } = self.place()?;
        self.sources.get(source).text.get(at..)
    }

    /// Leaves out so many octets, which are whole lines but for the last newline, and gives where they are.
    pub fn skip(&mut self, octets: usize) -> Span {
        let Some(frame) = self.stack.last_mut() else { return Span::default() };
        let skipped = Span::new(frame.source, frame.at..frame.at + octets);
        frame.at += octets + 1;
        skipped
    }

    /// The first word of the next line that says something, behind so many octets, which end with a line; it is
    /// empty where there is none any more. `None` if that cannot be told without reading on: the line may be left
    /// out as a whole, or become another.
    pub fn next_word(&self, octets: usize) -> Option<&str> {
        let ahead = self.ahead().unwrap_or_default();
        let ends_line = octets == 0 || ahead.as_bytes().get(octets).is_none_or(|end| *end == b'\n');
        let mut lines =
            ahead.get(octets..).filter(|_| ends_line && self.pending.is_empty())?.split('\n');
        match lines.find_map(|line| Some((line, first_word(line)?))) {
            Some((line, word)) => Some(word).filter(|_| stays(line)),
            None => Some("").filter(|_| self.stack.len() == 1),
        }
    }

    /// The next line of the file on top of the stack, without its newline.
    fn physical_line(&mut self) -> Option<Span> {
        loop {
            let frame = self.stack.last_mut()?;
            let text = self.sources.get(frame.source).text.as_bytes();
            if frame.at >= text.len() {
                self.checks = frame.checks_outside;
                self.stack.pop();
                continue;
            }
            let start = frame.at;
            let end = memchr(b'\n', &text[start..]).map_or(text.len(), |length| start + length);
            frame.at = end + 1;
            return Some(Span::new(frame.source, start..end));
        }
    }

    /// Takes off the comment and surrounding blanks; `None` if nothing is left, or if the line
    /// cannot be a line of a configuration.
    fn usable_line(&self, line: Span, diagnostics: &mut Diagnostics) -> Option<Span> {
        let text = self.sources.text(line);
        if text.len() > LONGEST_LINE {
            diagnostics.push(line_too_long(line, text));
            return None;
        }
        if !lexer::is_special(text) {
            return trimmed(line, text);
        }
        let content = &text[..lexer::comment_start(text)];
        if content.contains('\0') {
            let at = line.part(content.find('\0').map_or(0..0, |at| at..at + 1));
            diagnostics.push(
                Diagnostic::error("nul-in-line", at, "the line holds a NUL octet")
                    .label("the line is left out"),
            );
            return None;
        }
        if content.ends_with('\\') && content.len() < text.len() {
            let at = content.len();
            diagnostics.push(
                Diagnostic::warning(
                    "escaped-comment",
                    line.part(at - 1..at + 1),
                    "a backslash does not keep a comment from starting",
                )
                .label("the rest of the line is a comment")
                .help("put the word into double quotes"),
            );
        }
        trimmed(line, content)
    }

    /// Conditions and definitions; then what is left is a plain line.
    fn resolve(&mut self, line: Span, diagnostics: &mut Diagnostics) -> Option<Span> {
        let line = match self.sources.text(line).as_bytes()[0] {
            b'@' => conditions::kept(&self.sources, line, self.options)?,
            _ => line,
        };
        // By octets: nearly every line goes through here with nothing to do.
        let text = self.sources.text(line).as_bytes();
        let first = text[0];
        // What is repeated has names of its own, so it is repeated before names are replaced.
        if first != b'~' {
            if text.contains(&b'\n') {
                self.push_lines(line, false, self.depth);
                return None;
            }
            if first == b'$' && (self.define(line, diagnostics) || self.unfold(line, diagnostics)) {
                return None;
            }
        }
        if first == b'~' || !self.sources.text(line).as_bytes().contains(&b'$') {
            return self.plain_line(line, diagnostics);
        }
        let expanded = self.expand(line, diagnostics)?;
        // A definition may have given the condition.
        if self.sources.text(expanded).starts_with('@') && expanded != line {
            self.push_lines(expanded, false, self.depth);
        } else {
            self.push_lines(expanded, true, self.depth);
        }
        None
    }

    /// Puts the lines of `text` in front of all that is still to come.
    fn push_lines(&mut self, text: Span, resolved: bool, depth: usize) {
        let whole = &self.sources.get(text.source).text;
        let mut start = text.start as usize;
        let mut lines = Vec::new();
        for part in whole[text.range()].split('\n') {
            let end = start + part.len();
            lines.extend(trimmed(Span::new(text.source, start..end), part));
            start = end + 1;
        }
        for line in lines.into_iter().rev() {
            self.pending.push_front(Pending { line, resolved, depth });
        }
    }

    /// A line with nothing left to replace: `include` and `~SEQ` are acted on here.
    fn plain_line(&mut self, line: Span, diagnostics: &mut Diagnostics) -> Option<Span> {
        let text = self.sources.text(line);
        match text.as_bytes()[0] {
            b'~' => {
                self.repeat(line, diagnostics);
                None
            }
            b'i' if include::is_include(text) => {
                self.include(line, diagnostics);
                None
            }
            b'i' if text.split_ascii_whitespace().next() == Some("include_check") => {
                self.include_check(line);
                Some(line)
            }
            b'r' if text.split_ascii_whitespace().next() == Some("random_seed") => {
                let seed =
                    text.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<u32>().ok());
                seed.into_iter().for_each(|seed| self.random.set(seed.into()));
                Some(line)
            }
            _ => Some(line),
        }
    }
}

/// The first word of a line that says something.
fn first_word(line: &str) -> Option<&str> {
    let mut words = line.split(|letter| u8::try_from(letter).is_ok_and(lexer::is_blank));
    words.find(|word| !word.is_empty()).filter(|word| !word.starts_with(['#', '!']))
}

/// Whether a line that begins with a keyword is sure to be one in the end.
fn stays(line: &str) -> bool {
    line.len() <= LONGEST_LINE && !line.contains(['\0', '$'])
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The stretch of `line` that holds `content` without blanks around it; `None` if it is empty.
fn trimmed(line: Span, content: &str) -> Option<Span> {
    let octets = content.as_bytes();
    let mut start = 0;
    loop {
        start += octets[start..].iter().take_while(|octet| lexer::is_blank(**octet)).count();
        // At the start of the file, or of one that was pasted behind another.
        match octets[start..].starts_with(BYTE_ORDER_MARK) {
            true => start += BYTE_ORDER_MARK.len(),
            false => break,
        }
    }
    let blanks = octets[start..].iter().rev().take_while(|octet| lexer::is_blank(**octet)).count();
    let end = octets.len() - blanks;
    (start < end).then(|| line.part(start..end))
}

/// Where a text was not UTF-8: the first place in the decoded text, and how many there are.
struct Undecodable {
    at: usize,
    count: usize,
}

/// Text from octets; what is no UTF-8 becomes U+FFFD.
fn decode(octets: Vec<u8>) -> (String, Option<Undecodable>) {
    match String::from_utf8(octets) {
        Ok(text) => (text, None),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let count = text[at..].matches('\u{fffd}').count();
            (text, Some(Undecodable { at, count }))
        }
    }
}

/// A note where only a comment is concerned: Latin-1 comments are common and do no harm.
fn invalid_utf8(sources: &SourceMap, source: SourceId, bad: &Undecodable) -> Diagnostic {
    let span = Span::new(source, bad.at..bad.at + '\u{fffd}'.len_utf8());
    let (_, line) = sources.get(source).line_at(bad.at);
    let before = &sources.get(source).text[line.start..bad.at];
    let in_comment = lexer::comment_start(before) < before.len();
    let message = match bad.count {
        0 | 1 => "the file is not UTF-8 here".to_owned(),
        count => format!("the file is not UTF-8 here and in {} more places", count - 1),
    };
    let make = if in_comment { Diagnostic::note } else { Diagnostic::warning };
    make("invalid-utf8", span, message)
        .label("read as U+FFFD, the replacement character")
        .help("convert the file, for example: iconv -f latin1 -t utf8")
}

fn line_too_long(line: Span, text: &str) -> Diagnostic {
    let start = text.char_indices().map(|(at, _)| at).nth(40).unwrap_or(0);
    Diagnostic::error(
        "line-too-long",
        line.part(0..start),
        format!(
            "the line has {} octets; more than {LONGEST_LINE} are no line of a configuration",
            text.len()
        ),
    )
    .label("the line is left out")
}

#[cfg(test)]
mod tests;
