//! What all blocks need: looking keywords up, taking their arguments, saying what is wrong.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;

use super::super::advice;
use super::super::diagnostic::{Diagnostic, Diagnostics, Effect, Severity};
use super::super::keywords::{BlockId, Keyword, Support, Table, table};
use super::super::plan::{VirtualServer, Wording};
use super::super::source::{SourceMap, Span};
use super::super::tree::{Statement, Tree, Word};
use super::super::unchanged::Block;
use super::super::value::{self, Bad};
use super::alike::Alikes;
use super::bfd;
use super::names::Names;
use super::parameter;
use super::track_file::TrackFiles;

/// One top-level statement being understood.
pub(super) struct Context<'a> {
    pub tree: &'a Tree,
    pub sources: &'a SourceMap,
    pub table: &'static Table,
    /// Those defined so far.
    pub track_files: Rc<TrackFiles>,
    pub bfd_sessions: Rc<bfd::Sessions>,
    /// iproute2's.
    pub names: Rc<Names>,
    pub alike: Alikes,
    diagnostics: &'a mut Diagnostics,
    /// Set when something was met without which the whole block must not run.
    pub refused: bool,
}

impl<'a> Context<'a> {
    pub fn new(tree: &'a Tree, sources: &'a SourceMap, diagnostics: &'a mut Diagnostics) -> Self {
        let (track_files, bfd_sessions, names) = (Rc::default(), Rc::default(), Rc::default());
        let (table, alike, refused) = (table(), Alikes::default(), false);
        Self { tree, sources, table, track_files, bfd_sessions, names, alike, diagnostics, refused }
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// What a virtual server that was read from `block` can be known again by.
    pub fn wording(&self, block: &Block, server: &VirtualServer, first_line: Span) -> Wording {
        let text = &self.sources.get(first_line.source).text;
        block.wording(server, first_line, text, self.diagnostics)
    }

    pub fn text(&self, span: Span) -> &'a str {
        self.sources.text(span)
    }

    pub fn words(&self, statement: &Statement) -> &'a [Word] {
        self.tree.words(statement)
    }

    /// Word number `index` of the statement; 0 is the keyword.
    pub fn text_at(&self, statement: &Statement, index: usize) -> Option<&'a str> {
        self.words(statement).get(index).map(|word| self.text(word.span))
    }

    pub fn keyword_span(&self, statement: &Statement) -> Span {
        self.words(statement).first().map_or(statement.raw, |word| word.span)
    }

    /// The keywords of the block that the statement opens, if there are any.
    pub fn inside(&self, block: &Statement) -> Option<BlockId> {
        self.tree.row(block)?.child
    }

    /// `in vrrp_instance VI_1`: what stands under a caret.
    pub fn place(&self, statement: &Statement) -> String {
        let mut place = String::new();
        let mut at = self.tree.parent(statement);
        while let Some(block) = at {
            place.push_str(if place.is_empty() { "in " } else { " of " });
            place.push_str(self.text(block.raw));
            at = self.tree.parent(block);
        }
        place
    }

    /// The row of the statement's keyword, if it is one that is to be acted on; whatever else it
    /// is has been reported, and its block is passed over whole.
    pub fn keyword(&mut self, block: BlockId, statement: &Statement) -> Option<&'static Keyword> {
        let name = self.text_at(statement, 0)?;
        let known = self.tree.keyword(statement, block);
        let Some(keyword) = known.or_else(|| self.table.get(block, name)) else {
            self.unknown(block, statement, name);
            return None;
        };
        match keyword.support {
            Support::Supported => {
                let lacks_argument = self.words(statement).len() == 1 && keyword.args != "(none)";
                if statement.brace.is_some() && !keyword.takes_block && !lacks_argument {
                    self.surplus_block(statement, name);
                }
                if let ("D", Some(now)) = (keyword.level, keyword.alias_of) {
                    self.deprecated(statement, name, now);
                }
                Some(keyword)
            }
            Support::NoEffect(why) => {
                if !self.lacks_parameter(keyword, statement) {
                    let at = self.keyword_span(statement);
                    let message = format!("`{name}` has no effect");
                    self.push(Diagnostic::note("no-effect", at, message).label(why));
                    self.value_without_effect(keyword, statement);
                }
                None
            }
            Support::NotYet(why) => {
                if !self.lacks_parameter(keyword, statement) {
                    let at = self.keyword_span(statement);
                    let message = format!("`{name}` is not supported yet");
                    self.push(Diagnostic::warning("not-supported-yet", at, message).label(why));
                }
                None
            }
            Support::Refused(why) => {
                if !self.lacks_parameter(keyword, statement) {
                    self.refuse(statement, name, why);
                }
                None
            }
        }
    }

    /// Reports what keeps the whole block from being run.
    pub fn refuse(&mut self, statement: &Statement, what: &str, why: &str) {
        let at = self.keyword_span(statement);
        let mut holder = "the director";
        let mut above = self.tree.parent(statement);
        while let Some(block) = above {
            holder = self.text(block.raw);
            above = self.tree.parent(block);
        }
        let message = format!("`{what}` is not supported yet, so {holder} cannot run");
        self.push(
            Diagnostic::error("cannot-run-yet", at, message).label(why).effect(Effect::Refuses),
        );
        self.refused = true;
    }

    fn deprecated(&mut self, statement: &Statement, name: &str, now: &str) {
        let at = self.keyword_span(statement);
        let rest = self.text(statement.raw).strip_prefix(name).unwrap_or_default();
        let place = self.place(statement);
        let message = format!("`{name}` is called `{now}` now");
        let finding = Diagnostic::warning("deprecated", at, message).label(place);
        self.push(finding.help(format!("{now}{rest}")));
    }

    fn surplus_block(&mut self, statement: &Statement, name: &str) {
        let at = statement.brace.unwrap_or(statement.raw);
        let message = format!("`{name}` takes no block");
        self.push(
            Diagnostic::error("unexpected-brace", at, message).label("the block is left out"),
        );
    }

    fn unknown(&mut self, block: BlockId, statement: &Statement, name: &str) {
        // A file of another kind has millions of them, and looking for likenesses takes its time.
        if self.diagnostics.is_full() {
            let block = statement.brace.is_some();
            return self.diagnostics.count_only(if block {
                Severity::Error
            } else {
                Severity::Warning
            });
        }
        let at = self.keyword_span(statement);
        // A word alone changes little; with a block, something that was asked for is missing.
        let (make, rest): (fn(_, _, String) -> _, _) = match statement.brace {
            Some(_) => (Diagnostic::error, "; its block is left out"),
            None => (Diagnostic::warning, ""),
        };
        let mut finding = make("unknown-keyword", at, format!("unknown keyword `{name}`{rest}"));
        let place = self.place(statement);
        let case_differs = |meant: &str| meant.eq_ignore_ascii_case(name);
        let suggestion = self.table.suggestion(block, name);
        let homes: Vec<_> = self.table.elsewhere(name).map(|home| home.block).collect();
        if let Some(help) = advice::unknown(name) {
            finding = finding.label(place).help(help);
        } else if let Some(meant) =
            suggestion.filter(|meant| homes.is_empty() || case_differs(meant))
        {
            finding = finding.label(place).help(format!("did you mean `{meant}`?"));
        } else if homes.is_empty() {
            finding = finding.label(place);
        } else {
            let homes = homes.iter().map(|home| match *home {
                "top" => "the file itself, outside all blocks".to_owned(),
                home => home.replace('/', " "),
            });
            let homes: Vec<_> = homes.take(3).collect();
            finding = finding.label(place).help(format!("it belongs in {}", homes.join(", or ")));
        }
        self.push(finding);
    }

    /// The keyword's argument, which it cannot be without.
    pub fn argument(&mut self, statement: &Statement) -> Option<Word> {
        let words = self.words(statement);
        if let Some(word) = words.get(1) {
            return Some(*word);
        }
        let keyword = self.keyword_span(statement);
        let name = self.text(keyword);
        let message = format!("`{name}` lacks its parameter");
        let finding = Diagnostic::error("missing-parameter", keyword.after(), message)
            .label(self.place(statement));
        let block = self.tree.parent(statement).and_then(|block| self.text_at(block, 0));
        let effect = match parameter::goes_on_without(block.unwrap_or("top"), name) {
            true => Effect::Starts,
            false => Effect::LacksParameter,
        };
        // The word is there, but its quote is not closed, which has been reported.
        if self.text(statement.raw).matches('"').count() % 2 == 1 {
            self.diagnostics.raise(effect);
            return None;
        }
        let usage = self.tree.row(statement).map(super::super::explain::usage);
        let finding = match usage.filter(|usage| usage.contains(' ')) {
            Some(usage) => finding.help(usage),
            None => finding,
        };
        self.push(finding.effect(effect));
        None
    }

    /// The only argument; whatever follows it is pointed out.
    pub fn only_argument(&mut self, statement: &Statement) -> Option<Word> {
        let word = self.argument(statement)?;
        self.no_more_than(statement, 1);
        Some(word)
    }

    /// Points out arguments beyond the first `most`, which keepalived passes over in silence.
    pub fn no_more_than(&mut self, statement: &Statement, most: usize) {
        let words = self.words(statement);
        if let (Some(first), Some(last)) = (words.get(most + 1), words.last()) {
            let at = first.span.to(last.span);
            let message = format!("`{}` is ignored", self.text(at));
            // A block of two names may have been meant as another than the first says.
            let make =
                if statement.brace.is_some() { Diagnostic::warning } else { Diagnostic::note };
            self.push(make("surplus-words", at, message).label("not expected here"));
        }
    }

    pub fn string(&mut self, statement: &Statement) -> Option<String> {
        self.only_argument(statement).map(|word| self.text(word.span).to_owned())
    }

    /// A number in the range that the keyword table gives.
    pub fn number(&mut self, statement: &Statement, keyword: &Keyword) -> Option<u32> {
        let word = self.only_argument(statement)?;
        self.number_in(statement, keyword.name, word, keyword.range.unwrap_or((0, u32::MAX.into())))
    }

    /// `word` as a number from `range`, for what `name` says it is.
    pub fn number_in(
        &mut self,
        statement: &Statement,
        name: &str,
        word: Word,
        range: (i64, i64),
    ) -> Option<u32> {
        let text = self.text(word.span);
        match value::integer(text) {
            Ok(number) if (range.0..=range.1).contains(&number) => u32::try_from(number).ok(),
            Ok(_) => {
                let (least, greatest) = range;
                let message = format!("{name} {text} is out of range {least}-{greatest}");
                self.bad("number-out-of-range", statement, word.span, message);
                None
            }
            Err(_) => {
                let message = format!("{name} `{text}` is not a number");
                self.bad("not-a-number", statement, word.span, message);
                None
            }
        }
    }

    /// A time of decimal seconds in the range that the keyword table gives. Whole seconds are
    /// told from `uint` in the table, by the range being in seconds.
    pub fn duration(&mut self, statement: &Statement, keyword: &Keyword) -> Option<Duration> {
        if keyword.whole {
            return self.number(statement, keyword).map(|s| Duration::from_secs(s.into()));
        }
        let word = self.only_argument(statement)?;
        let text = self.text(word.span);
        let (least, greatest) = keyword.range.unwrap_or((0, i64::MAX));
        let micros = match value::microseconds(text) {
            Ok(micros) => micros,
            Err(Bad::TooFine(micros)) => {
                let message = format!("{} {text} s is kept to the microsecond", keyword.name);
                let place = self.place(statement);
                self.push(Diagnostic::warning("rounded", word.span, message).label(place));
                micros
            }
            Err(Bad::NotANumber) => {
                let message = format!("{} `{text}` is not a time in seconds", keyword.name);
                self.bad("not-a-number", statement, word.span, message);
                return None;
            }
        };
        if !(least..=greatest).contains(&micros) {
            let bounds = format!("{}-{} s", seconds(least), seconds(greatest));
            let message = format!("{} {text} s is out of range {bounds}", keyword.name);
            self.bad("number-out-of-range", statement, word.span, message);
            return None;
        }
        Some(Duration::from_micros(micros.unsigned_abs()))
    }

    /// `on`, `off` and their like; the bare word means on.
    pub fn flag(&mut self, statement: &Statement) -> Option<bool> {
        self.no_more_than(statement, 1);
        let Some(word) = self.words(statement).get(1) else { return Some(true) };
        match self.text(word.span) {
            "on" | "true" | "yes" => Some(true),
            "off" | "false" | "no" => Some(false),
            other => {
                let message = format!("`{other}` is neither on nor off");
                self.bad("bad-value", statement, word.span, message);
                None
            }
        }
    }

    /// Says that `at` cannot be, and what it is part of; if only a `;` is wrong, says that.
    pub fn bad(
        &mut self,
        code: &'static str,
        statement: &Statement,
        at: Span,
        message: impl Into<String>,
    ) {
        let place = self.place(statement);
        let mut finding = Diagnostic::error(code, at, message).label(place);
        finding.help = advice::trailing(self.text(at));
        self.push(finding);
    }

    /// Says that something is not as it was probably meant.
    pub fn warn(
        &mut self,
        code: &'static str,
        statement: &Statement,
        at: Span,
        message: impl Into<String>,
    ) {
        let place = self.place(statement);
        self.push(Diagnostic::warning(code, at, message).label(place));
    }

    /// The start of a warning about a keyword that should have been there.
    pub fn defaulted(&self, block: &Statement, keyword: &str, value: &str) -> Diagnostic {
        let message = format!("{} has no {keyword}: {value} it is", self.text(block.raw));
        Diagnostic::warning("defaulted", block.raw, message)
    }

    /// `address` with the prefix length that `word` gives it: the whole of it without one.
    pub fn with_length(
        &mut self,
        statement: &Statement,
        word: Word,
        address: IpAddr,
        length: Option<&str>,
    ) -> Option<IpNet> {
        let full = if address.is_ipv4() { 32 } else { 128 };
        let length = match length.map(value::integer) {
            None => full,
            Some(Ok(length)) if (0..=i64::from(full)).contains(&length) => length as u8,
            Some(_) => {
                let text = self.text(word.span);
                let message = format!("the prefix length of {text} is out of range 0-{full}");
                self.bad("number-out-of-range", statement, word.span, message);
                return None;
            }
        };
        IpNet::new(address, length).ok()
    }

    /// `word` as an address without prefix length.
    pub fn address(&mut self, statement: &Statement, word: Word) -> Option<IpAddr> {
        let text = self.text(word.span);
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        self.no_address(statement, word);
        None
    }

    /// Says that `word` is no address, and what it looks like instead.
    pub fn no_address(&mut self, statement: &Statement, word: Word) {
        let text = self.text(word.span);
        let (code, message) = if let Some(what) = advice::placeholder(text) {
            ("placeholder", format!("`{text}` is {what}; an IP address belongs here"))
        } else if value::looks_like_host_name(text) && !looks_like_address(text) {
            ("unresolved-host", format!("`{text}` is a name; an address is needed here"))
        } else {
            ("bad-address", format!("`{text}` is not an IP address"))
        };
        self.bad(code, statement, word.span, message);
    }

    /// `word` as a port, 0 meaning none.
    pub fn port(&mut self, statement: &Statement, word: Word) -> Option<u16> {
        if self.text(word.span) == "0" {
            return Some(0);
        }
        let port = self.number_in(statement, "port", word, (1, 65_535))?;
        u16::try_from(port).ok()
    }

    /// The name of an interface: at most 15 octets.
    pub fn interface(&mut self, statement: &Statement) -> Option<String> {
        let word = self.only_argument(statement)?;
        let name = self.text(word.span);
        if name.len() > 15 || name.is_empty() {
            let message = format!("`{name}` is no name of an interface: 1 to 15 characters");
            self.bad("bad-value", statement, word.span, message);
            return None;
        }
        Some(name.to_owned())
    }

    /// Stores `value` unless an earlier line did, as keepalived keeps the first of two scripts.
    pub fn set_once<T>(&mut self, statement: &Statement, slot: &mut Option<T>, value: Option<T>) {
        let Some(value) = value else { return };
        if slot.is_some() {
            let at = self.keyword_span(statement);
            let message = format!("`{}` is there already", self.text(at));
            self.warn("duplicate", statement, at, format!("{message}; the first one counts"));
        } else {
            *slot = Some(value);
        }
    }
}

/// Digits, dots and few letters: an address with a typing mistake rather than a name.
fn looks_like_address(text: &str) -> bool {
    text.split('.').count() >= 4 && text.starts_with(|letter: char| letter.is_ascii_digit())
}

/// Microseconds as seconds, for people.
pub(super) fn seconds(micros: i64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
