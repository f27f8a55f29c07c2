//! One line into words and braces, as slices of the text.
//!
//! keepalived's rules: words stand between blanks; `"…"` is one word and hides blanks, braces and
//! comment marks; a brace outside quotes is a brace even inside a word; `#` and `!` outside quotes
//! start a comment anywhere.

use std::ops::Range;

/// What stands at one place of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    /// A word from within double quotes; the quotes are not part of it.
    Quoted,
    /// As `Quoted`, but the line ended before the closing quote.
    Unclosed,
    Open,
    Close,
}

/// A token, in octets of the line it was cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

impl Token {
    fn new(kind: Kind, range: Range<usize>) -> Self {
        Self { kind, start: range.start as u32, end: range.end as u32 }
    }

    /// Where it ends in the line, a closing quote included.
    pub fn raw_end(self) -> u32 {
        if self.kind == Kind::Quoted { self.end + 1 } else { self.end }
    }

    /// Where it starts in the line, an opening quote included.
    pub fn raw_start(self) -> u32 {
        if matches!(self.kind, Kind::Quoted | Kind::Unclosed) { self.start - 1 } else { self.start }
    }
}

pub fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// Whether the line has anything in it but words and braces: comments, quotes, NUL. Without a way
/// out in the middle, so that many octets are looked at together.
pub fn is_special(line: &str) -> bool {
    let special = |octet: u8| matches!(octet, b'#' | b'!' | b'"' | b'\0');
    line.bytes().fold(false, |found, octet| found | special(octet))
}

/// Length of `line` without its comment.
pub fn comment_start(line: &str) -> usize {
    let mut quoted = false;
    for (at, octet) in line.bytes().enumerate() {
        match octet {
            b'"' => quoted = !quoted,
            b'#' | b'!' if !quoted => return at,
            _ => {}
        }
    }
    line.len()
}

/// Appends the tokens of `line` to `out`. The line has no comment any more and no newline.
pub fn tokens(line: &str, out: &mut Vec<Token>) {
    let octets = line.as_bytes();
    let mut at = 0;
    while at < octets.len() {
        match octets[at] {
            octet if is_blank(octet) => at += 1,
            b'{' => {
                out.push(Token::new(Kind::Open, at..at + 1));
                at += 1;
            }
            b'}' => {
                out.push(Token::new(Kind::Close, at..at + 1));
                at += 1;
            }
            b'"' => at = quoted_word(octets, at + 1, out),
            _ => {
                let end = word_end(octets, at);
                out.push(Token::new(Kind::Word, at..end));
                at = end;
            }
        }
    }
}

fn word_end(octets: &[u8], start: usize) -> usize {
    let ends_word = |octet: &u8| is_blank(*octet) || matches!(octet, b'{' | b'}' | b'"');
    octets[start..].iter().position(ends_word).map_or(octets.len(), |length| start + length)
}

/// Takes the word that starts behind an opening quote; returns where the line goes on.
fn quoted_word(octets: &[u8], start: usize, out: &mut Vec<Token>) -> usize {
    match octets[start..].iter().position(|&octet| octet == b'"') {
        Some(length) => {
            out.push(Token::new(Kind::Quoted, start..start + length));
            start + length + 1
        }
        None => {
            out.push(Token::new(Kind::Unclosed, start..octets.len()));
            octets.len()
        }
    }
}

#[cfg(test)]
mod tests;
