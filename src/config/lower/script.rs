//! Commands to run: quoting, arguments, user and group.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use super::super::diagnostic::Diagnostic;
use super::super::plan::{Script, ScriptUser};
use super::super::tree::Statement;
use super::context::Context;

/// `KEYWORD COMMAND [USER [GROUP]]`. A command with arguments stands in quotes.
pub(super) fn read(cx: &mut Context<'_>, statement: &Statement) -> Option<Script> {
    let words = words(cx, statement)?;
    let argv = command(cx, statement, &words)?;
    surplus(cx, statement, &words, 4);
    Some(Script { argv, user: user(words.get(2..).unwrap_or_default()) })
}

/// `misc_path COMMAND`: as [`read`], but nothing follows the command.
pub(super) fn read_command(cx: &mut Context<'_>, statement: &Statement) -> Option<Vec<String>> {
    let words = words(cx, statement)?;
    surplus(cx, statement, &words, 2);
    command(cx, statement, &words)
}

/// `KEYWORD WORD`: one word, quotes and escapes resolved.
pub(super) fn read_word(cx: &mut Context<'_>, statement: &Statement) -> Option<String> {
    let mut words = read_words(cx, statement)?;
    if words.len() > 1 {
        let at = statement.raw;
        let message =
            format!("only the first word of `{}` is taken: quotes make it one", cx.text(at));
        cx.warn("surplus-words", statement, at, message);
    }
    words.truncate(1);
    words.pop()
}

/// `KEYWORD WORD…`: all of them, quotes and escapes resolved; there is one at least.
pub(super) fn read_words(cx: &mut Context<'_>, statement: &Statement) -> Option<Vec<String>> {
    cx.argument(statement)?;
    let keyword = cx.keyword_span(statement);
    let (line, name) = (cx.text(statement.raw), cx.text(keyword));
    let Ok(words) = arguments(line.strip_prefix(name).unwrap_or(line)) else {
        cx.bad("bad-value", statement, statement.raw, "a quote or an escape is not complete");
        return None;
    };
    (!words.is_empty()).then_some(words)
}

fn words<'a>(cx: &mut Context<'a>, statement: &Statement) -> Option<Vec<Piece<'a>>> {
    cx.argument(statement)?;
    Some(split(cx.text(statement.raw)))
}

fn command(
    cx: &mut Context<'_>,
    statement: &Statement,
    words: &[Piece<'_>],
) -> Option<Vec<String>> {
    let message = match arguments(&words.get(1)?.resolved()) {
        Ok(argv) if argv.first().is_some_and(|program| !program.is_empty()) => return Some(argv),
        Ok(_) => "the command is empty",
        Err(Incomplete::Quote) => "a quote within the command is not closed",
        Err(Incomplete::Escape) => "the command ends with a backslash",
    };
    cx.bad("bad-value", statement, statement.raw, message);
    None
}

/// `USER [GROUP]` of `script_user` and `user`.
pub(super) fn read_user(cx: &mut Context<'_>, statement: &Statement) -> Option<ScriptUser> {
    cx.argument(statement)?;
    cx.no_more_than(statement, 2);
    user(split(cx.text(statement.raw)).get(1..)?)
}

fn user(words: &[Piece<'_>]) -> Option<ScriptUser> {
    let user = words.first()?.text.to_owned();
    // A leading colon asks for the supplementary groups as well; scripts have them in any case.
    let group = words.get(1).map(|word| word.text.trim_start_matches(':').to_owned());
    Some(ScriptUser { user, group })
}

/// Words beyond the `most`th are most likely arguments of a command that lacks its quotes.
fn surplus(cx: &mut Context<'_>, statement: &Statement, words: &[Piece<'_>], most: usize) {
    let (Some(first), Some(last)) = (words.get(most), words.last()) else { return };
    let at = statement.raw.part(first.start..last.start + last.text.len());
    let command: Vec<_> = words[1..].iter().map(|word| word.text).collect();
    let keyword = words[0].text;
    cx.push(
        Diagnostic::warning("surplus-words", at, format!("`{}` is ignored", cx.text(at)))
            .label("a command with arguments stands in quotes")
            .help(format!("{keyword} \"{}\"", command.join(" "))),
    );
}

/// A word of a script line and where it starts in the line.
struct Piece<'t> {
    start: usize,
    text: &'t str,
    quoted: bool,
}

impl Piece<'_> {
    /// What the quotes around it hold, escapes resolved. What is left is resolved once more where it
    /// is taken apart: `"/bin/x \"a b\""` has the argument `a b`.
    fn resolved(&self) -> Cow<'_, str> {
        if self.quoted { unescaped(self.text).into() } else { self.text.into() }
    }
}

/// Splits at blanks that are in no quotes. Quotes around a whole word are taken off; backslashes stay.
fn split(line: &str) -> Vec<Piece<'_>> {
    let octets = line.as_bytes();
    let (mut words, mut at) = (Vec::new(), 0);
    while at < octets.len() {
        if octets[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (start, end, next) = match octets[at] {
            quote @ (b'"' | b'\'') => {
                let end = closing_quote(octets, at + 1, quote);
                (at + 1, end, end + 1)
            }
            _ => {
                let blank = |octet: &u8| octet.is_ascii_whitespace();
                let end = octets[at..].iter().position(blank).map_or(octets.len(), |n| at + n);
                (at, end, end)
            }
        };
        words.push(Piece { start, text: &line[start..end], quoted: start > at });
        at = next;
    }
    words
}

fn closing_quote(octets: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while at < octets.len() && octets[at] != quote {
        at += if octets[at] == b'\\' { 2 } else { 1 };
    }
    at.min(octets.len())
}

fn unescaped(text: &str) -> String {
    let (mut done, mut letters) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(letter) = letters.next() {
        done.push(if letter == '\\' { escaped(&mut letters).unwrap_or('\\') } else { letter });
    }
    done
}

/// Why a command cannot be taken apart.
#[derive(Debug, PartialEq, Eq)]
enum Incomplete {
    Quote,
    Escape,
}

/// Splits a command into program and arguments: blanks separate, quotes join, escapes stand for
/// the characters of keepalived.conf(5), "Quoted strings".
fn arguments(command: &str) -> Result<Vec<String>, Incomplete> {
    let (mut done, mut word, mut in_word) = (Vec::new(), String::new(), false);
    let mut quote = None;
    let mut letters = command.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', _) => {
                word.push(escaped(&mut letters).ok_or(Incomplete::Escape)?);
                in_word = true;
            }
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                in_word = true;
            }
            (letter, None) if letter.is_ascii_whitespace() => {
                if in_word {
                    done.push(std::mem::take(&mut word));
                }
                in_word = false;
            }
            (letter, _) => {
                word.push(letter);
                in_word = true;
            }
        }
    }
    if in_word {
        done.push(word);
    }
    if quote.is_some() { Err(Incomplete::Quote) } else { Ok(done) }
}

/// The character that an escape stands for; its backslash is gone already. `None`: nothing follows.
fn escaped(letters: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match letters.next()? {
        'a' => '\x07',
        'b' => '\x08',
        'E' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => numeric(letters, 0, 16, 2),
        'c' => letters.next().map_or('c', |letter| char::from((letter as u8) & 0x1f)),
        digit @ '0'..='7' => numeric(letters, digit as u32 - '0' as u32, 8, 2),
        other => other,
    })
}

fn numeric(letters: &mut Peekable<Chars<'_>>, first: u32, radix: u32, most: usize) -> char {
    let mut value = first;
    for _ in 0..most {
        let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(radix)) else { break };
        value = value * radix + digit;
        letters.next();
    }
    char::from((value & 0xff) as u8)
}

#[cfg(test)]
mod tests;
