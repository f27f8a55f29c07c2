//! What of a configuration is nobody else's business: passwords, keys, and what opens a door in a
//! request. Findings end up in the logs of whatever tests configurations, so none shows it.
//!
//! Told by the words of a line rather than by its block: where the block is misspelt or not closed,
//! the line has its password all the same.

use std::borrow::Cow;

use super::diagnostic::Diagnostic;
use super::lexer::{self, Kind, Token};
use super::source::{SourceMap, Span};

/// Keywords of which everything that follows is secret.
const KEYWORDS: [&str; 3] = ["auth_pass", "basic_auth", "password"];

/// What the name of a header, or of a definition, has in it whose value is secret: `Authorization`,
/// `Proxy-Authorization`, `Cookie`, `X-Api-Key` and their like.
const IN_NAMES: [&str; 7] = ["auth", "cookie", "key", "pass", "secret", "session", "token"];

/// From how many octets on a `key` without an ID is taken for the key itself: those of SSL are files.
const KEY_OCTETS: usize = 16;

/// Where in `line` the secret begins: all behind it is taken for part of it. `None`: there is none.
pub fn start(line: &str) -> Option<usize> {
    let mut tokens = Vec::new();
    lexer::tokens(line, &mut tokens);
    let is_word = |token: &&Token| !matches!(token.kind, Kind::Open | Kind::Close);
    let tokens: Vec<Token> = tokens.iter().filter(is_word).copied().collect();
    let text = |token: &Token| &line[token.start as usize..token.end as usize];
    let found = |at: usize| {
        let behind = &tokens[at + 1..];
        // Commented out is not forgotten.
        match text(&tokens[at]).trim_start_matches(['#', '!']) {
            keyword if KEYWORDS.contains(&keyword) => Some(behind.first()?.raw_start() as usize),
            "key" => Some(key(behind, text)?.raw_start() as usize),
            "header" => header(behind.first()?, line),
            name => definition(name).map(|value| tokens[at].end as usize - value.len()),
        }
    };
    let start = (0..tokens.len()).find_map(found)?;
    line[start..].contains(|letter: char| !letter.is_whitespace() && letter != '"').then_some(start)
}

/// The value of `key ID VALUE`, or what stands for both of them. A `file:PATH` is no secret.
fn key<'t, 'l>(behind: &'t [Token], text: impl Fn(&Token) -> &'l str) -> Option<&'t Token> {
    let first = behind.first()?;
    let word = text(first);
    if word.starts_with("hex:") || word.len() >= KEY_OCTETS && !word.contains(['/', '.', ':']) {
        return Some(first);
    }
    behind.get(1).filter(|value| !text(value).starts_with("file:"))
}

/// What is behind the name of a header, which may be in one word with it: `"Cookie: a=b"`.
fn header(token: &Token, line: &str) -> Option<usize> {
    let start = token.start as usize;
    let rest = &line[start..];
    let bare = rest.trim_start_matches(['\'', ' ']);
    let name = bare.find([':', ' ', '\t', '"', '\'']).map_or(bare, |end| &bare[..end]);
    let end = start + (rest.len() - bare.len()) + name.len();
    is_secret_name(name).then(|| end + usize::from(line[end..].starts_with(':')))
}

/// What `$NAME=VALUE` has behind the `=`, if the name says that it is secret.
fn definition(word: &str) -> Option<&str> {
    let (name, value) = word.strip_prefix('$')?.split_once('=')?;
    is_secret_name(name).then_some(value)
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    IN_NAMES.iter().any(|part| name.contains(part))
}

/// `text`, one line or several, with what is secret starred out, octet for octet.
pub fn starred(text: &str) -> Cow<'_, str> {
    if text.split('\n').all(|line| start(line).is_none()) {
        return Cow::Borrowed(text);
    }
    let star = |letter: char| match letter {
        ' ' | '\t' | '{' | '}' => letter.to_string(),
        letter => "*".repeat(letter.len_utf8()),
    };
    let line = |line: &str| {
        let start = start(line).unwrap_or(line.len());
        line[..start].to_owned() + &line[start..].chars().map(star).collect::<String>()
    };
    Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
}

/// Whether what `span` is about says something secret, in the file or with definitions filled in.
pub fn is_secret(span: Span, sources: &SourceMap) -> bool {
    lines(span, sources).into_iter().any(|line| start(line).is_some())
}

/// The line of `span` as it came to be, and as it is in the file.
fn lines(span: Span, sources: &SourceMap) -> [&str; 2] {
    [span, sources.in_file(span)].map(|span| {
        let source = sources.get(span.source);
        let (_, octets) = source.line_at(span.start as usize);
        &source.text[octets]
    })
}

/// Takes what is secret out of the words of a finding, which quote the configuration in backquotes.
pub fn take_out(finding: &mut Diagnostic, sources: &SourceMap) {
    let spans = finding.span.into_iter().chain(finding.secondary.iter().map(|label| label.span));
    let lines = spans.flat_map(|span| lines(span, sources));
    let secret: Vec<&str> = lines
        .flat_map(|line| start(line).map_or("", |start| &line[start..]).split(is_between))
        .filter(|word| !word.is_empty())
        .collect();
    let others = finding.secondary.iter_mut().map(|label| &mut label.text);
    for text in [&mut finding.message, &mut finding.label].into_iter().chain(others) {
        *text = without(text, &secret, |quoted| starred(quoted).into_owned());
    }
    // What is to be written may look like a secret, and is none: `key ID VALUE`.
    if let Some(help) = &mut finding.help {
        *help = without(help, &secret, str::to_owned);
    }
}

fn is_between(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '"' | '\'' | '{' | '}')
}

/// `text` with the words `secret` starred out where it quotes something, and what `more` finds there.
fn without(text: &str, secret: &[&str], more: impl Fn(&str) -> String) -> String {
    if !text.contains('`') {
        return text.to_owned();
    }
    // Backquotes in it would make quotations of what is none.
    let odd = secret.iter().filter(|word| word.contains('`'));
    let text = odd.fold(text.to_owned(), |text, word| text.replace(word, &stars(word)));
    let piece = |(at, piece): (usize, &str)| match at % 2 {
        0 => piece.to_owned(),
        _ => secret.iter().fold(more(piece), |text, word| cover(&text, word)),
    };
    text.split('`').enumerate().map(piece).collect::<Vec<_>>().join("`")
}

fn stars(word: &str) -> String {
    "*".repeat(word.chars().count())
}

/// `text` with `word` starred out where it is a whole one.
fn cover(text: &str, word: &str) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(word) {
        let (before, behind) = (&rest[..at], &rest[at + word.len()..]);
        done.push_str(before);
        let is_whole = !done.ends_with(char::is_alphanumeric)
            && !behind.starts_with(|letter: char| letter.is_alphanumeric());
        done.push_str(&if is_whole { stars(word) } else { word.to_owned() });
        rest = behind;
    }
    done + rest
}

#[cfg(test)]
mod tests;
