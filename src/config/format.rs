//! Text to text: the same statements, evenly laid out, all comments kept.
//!
//! Works on the lines of one file without looking at what they mean: nothing is included, replaced
//! or left out, and words stay on their line. Lines that the splitting into words might damage
//! (backslashes, single quotes, definitions, repetitions) keep all but their indentation.

use super::lexer::{self, Kind, Token};

const INDENT: &str = "    ";

/// The text laid out: four blanks a level, one between words, `{` behind its keyword, no more than
/// one empty line in a row. Laying it out once more changes nothing.
pub fn layout(text: &str) -> String {
    let mut layout = Layout { out: String::with_capacity(text.len()), ..Layout::default() };
    let (mark, text) = match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    text.lines().for_each(|line| layout.line(line));
    layout.flush_header();
    if layout.out.is_empty() { String::new() } else { mark.to_owned() + &layout.out }
}

#[derive(Default)]
struct Layout {
    out: String,
    depth: usize,
    /// An empty line comes before whatever follows, unless that is a `}`.
    empty_line: bool,
    /// A line of words without a brace, which may still get the `{` of the next line.
    header: Option<(String, String)>,
    /// An empty line followed that line; it goes if the `{` does come.
    empty_behind_header: bool,
    /// The last line was one for some hosts only and opened a block.
    conditional_open: bool,
    /// Inside a definition that goes on over several lines.
    definition: bool,
    tokens: Vec<Token>,
}

impl Layout {
    fn line(&mut self, raw: &str) {
        // As the reader does: a mark of the byte order, of a file pasted behind another.
        let leading = |letter: char| is_blank(letter) || letter == '\u{feff}';
        let line = raw.trim_start_matches(leading).trim_end_matches(is_blank);
        if self.definition {
            self.verbatim(raw.trim_end_matches(is_blank));
            return;
        }
        let code = &line[..lexer::comment_start(line)];
        if line.is_empty() {
            match self.header {
                Some(_) => self.empty_behind_header = true,
                None => self.empty_line = !self.out.is_empty(),
            }
        } else if is_definition(code) {
            self.verbatim(line);
        } else {
            self.statement(code.trim_end_matches(is_blank), &line[code.len()..]);
        }
    }

    /// A line of a definition, as it is.
    fn verbatim(&mut self, line: &str) {
        self.flush_header();
        let goes_on = line[..lexer::comment_start(line)].trim_end().ends_with('\\');
        let indent = if self.definition { 0 } else { self.depth };
        self.put(indent, line);
        self.definition = goes_on;
    }

    fn statement(&mut self, code: &str, comment: &str) {
        let mut tokens = std::mem::take(&mut self.tokens);
        tokens.clear();
        lexer::tokens(code, &mut tokens);
        let kinds = || tokens.iter().map(|token| token.kind);
        let opened = kinds().filter(|kind| *kind == Kind::Open).count();
        let closed = kinds().filter(|kind| *kind == Kind::Close).count();
        let leading = kinds().take_while(|kind| *kind == Kind::Close).count();
        let words = words(code, &tokens);
        // Behind an open quote, a name or a pattern a brace would be part of it.
        let may_take_brace = !code.starts_with(['@', '$', '"'])
            && !code.starts_with("include")
            && !code.contains(['$', '\0'])
            && kinds().all(|kind| kind != Kind::Unclosed);
        self.tokens = tokens;
        if words == "{" && self.take_brace(comment) {
            return;
        }
        self.flush_header();
        self.depth = self.depth.saturating_sub(leading);
        if leading > 0 {
            self.empty_line = false;
        }
        let is_conditional = code.starts_with('@');
        // Of lines that are alternatives of each other one only opens the block.
        let counts = !(is_conditional && self.conditional_open && opened > closed);
        self.conditional_open = is_conditional && opened > closed;
        if opened + closed == 0 && !words.is_empty() && may_take_brace {
            self.header = Some((words, comment.to_owned()));
            return;
        }
        self.put(self.depth, &joined(&words, comment));
        if counts {
            self.depth = (self.depth + opened).saturating_sub(closed - leading);
        }
    }

    /// Puts a `{` that has a line of its own behind the line before; false if that cannot be.
    fn take_brace(&mut self, comment: &str) -> bool {
        let Some((words, first)) =
            self.header.take_if(|(_, first)| first.is_empty() || comment.is_empty())
        else {
            return false;
        };
        self.empty_behind_header = false;
        let comment = if first.is_empty() { comment } else { &first };
        self.put(self.depth, &joined(&format!("{words} {{"), comment));
        self.depth += 1;
        true
    }

    fn flush_header(&mut self) {
        if let Some((words, comment)) = self.header.take() {
            self.put(self.depth, &joined(&words, &comment));
            self.empty_line = std::mem::take(&mut self.empty_behind_header);
        }
    }

    fn put(&mut self, depth: usize, line: &str) {
        if std::mem::take(&mut self.empty_line) && !self.out.ends_with("{\n") {
            self.out.push('\n');
        }
        if !line.is_empty() {
            (0..depth).for_each(|_| self.out.push_str(INDENT));
            self.out.push_str(line);
        }
        self.out.push('\n');
    }
}

fn is_blank(letter: char) -> bool {
    letter.is_ascii() && lexer::is_blank(letter as u8)
}

fn joined(words: &str, comment: &str) -> String {
    match (words.is_empty(), comment.is_empty()) {
        (_, true) => words.to_owned(),
        (true, false) => comment.to_owned(),
        (false, false) => format!("{words} {comment}"),
    }
}

/// `$NAME=…`, possibly behind a condition; or a repetition, which has a syntax of its own.
fn is_definition(code: &str) -> bool {
    let rest = match code.strip_prefix('@') {
        Some(condition) => condition.split_once([' ', '\t']).map_or("", |(_, rest)| rest),
        None => code,
    };
    let rest = rest.trim_start();
    rest.starts_with('~') || (rest.starts_with('$') && rest.contains('='))
}

/// The words of `code` with one blank between, and around braces.
fn words(code: &str, tokens: &[Token]) -> String {
    let fragile = code.starts_with(['@', '~'])
        || code.starts_with("include")
        || code.contains(['\\', '\'', '$'])
        || tokens.iter().any(|token| token.kind == Kind::Unclosed);
    if fragile {
        return code.to_owned();
    }
    let mut out = String::with_capacity(code.len());
    let mut last_end = 0;
    for token in tokens {
        let (start, end) = (token.raw_start(), token.raw_end());
        let is_brace = matches!(token.kind, Kind::Open | Kind::Close);
        let apart = start > last_end || is_brace || out.ends_with(['{', '}']);
        if apart && !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&code[start as usize..end as usize]);
        last_end = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_text;

    const UNTIDY: &str = "\n\n! a comment\nglobal_defs\n{\nrouter_id   lb1   # mine\n\n\n}\nvrrp_instance  A{\n\
                          \tinterface eth0\n  # about the address\n  virtual_router_id\t7\n\n virtual_ipaddress { 192.0.2.1 }\n\
                          notify \"/bin/x  y\"\n}\n\n";

    const TIDY: &str = "! a comment\nglobal_defs {\n    router_id lb1 # mine\n}\nvrrp_instance A {\n    \
                        interface eth0\n    # about the address\n    virtual_router_id 7\n\n    \
                        virtual_ipaddress { 192.0.2.1 }\n    notify \"/bin/x  y\"\n}\n";

    #[test]
    fn blanks_and_braces_are_laid_out_and_comments_stay() {
        assert_eq!(layout(UNTIDY), TIDY);
        assert_eq!(parse_text("t", UNTIDY).plan, parse_text("t", TIDY).plan);
    }

    #[test]
    fn what_is_laid_out_stays_as_it_is() {
        for text in [TIDY, "", "a\n{\n}\n", "a # x\n{ # y\n}\n", "}\n}\na {\n", "a \"b\nc {\n"] {
            let once = layout(text);
            assert_eq!(layout(&once), once, "{text:?}");
        }
        assert_eq!(layout(TIDY), TIDY);
    }

    #[test]
    fn definitions_and_quoted_lines_keep_their_text() {
        let text = "$A=one \\\n   two   three\n@x $B=a   b\nscript 'a   b'\n~SEQ(a,  1, 2) x  $a\n";
        assert_eq!(layout(text), text);
    }

    #[test]
    fn alternatives_of_hosts_open_one_block() {
        let text = "@a vrrp_instance A {\n@b vrrp_instance B {\ninterface eth0\n}\nx\n";
        let laid = "@a vrrp_instance A {\n@b vrrp_instance B {\n    interface eth0\n}\nx\n";
        assert_eq!(layout(text).replace("    @b", "@b"), laid);
    }
}
