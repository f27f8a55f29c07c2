//! What HTTP_GET, SSL_GET and their urls may ask beyond keepalived.

use std::time::Duration;

use super::super::super::diagnostic::Diagnostic;
use super::super::super::keywords::Keyword;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::global::replace;
use super::super::script;
use crate::probe::Pattern;
use crate::probe::pattern::Options;
use crate::probe::wishes::{ExpectedHeader, Wishes, basic_authorization};

/// What one level said: the checker, or the url, which comes first.
#[derive(Debug, Default, Clone)]
pub(super) struct WishesDraft {
    method: Option<String>,
    headers: Vec<(String, String)>,
    authorization: Option<String>,
    body: Option<String>,
    expected: Vec<ExpectedHeader>,
    limit: Option<Duration>,
}

impl WishesDraft {
    /// Takes the keyword if it is about these.
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "method" => replace(&mut self.method, method(cx, at)),
            "header" => self.headers.extend(header(cx, at)),
            "basic_auth" => replace(&mut self.authorization, basic_auth(cx, at)),
            "body" => replace(&mut self.body, script::read_word(cx, at)),
            "expect_header" => self.expected.extend(expect_header(cx, at)),
            "max_response_time" => replace(&mut self.limit, cx.duration(at, keyword)),
            _ => return false,
        }
        true
    }

    /// Fills the gaps from the checker; headers of the url take the place of its.
    pub fn or(mut self, outer: &Self) -> Self {
        let own: Vec<String> = self.headers.iter().map(|(name, _)| name.clone()).collect();
        let is_new = |name: &str| !own.iter().any(|other| other.eq_ignore_ascii_case(name));
        let inherited = outer.headers.iter().filter(|(name, _)| is_new(name));
        self.headers.splice(..0, inherited.cloned());
        self.expected.splice(..0, outer.expected.iter().cloned());
        self.method = self.method.or_else(|| outer.method.clone());
        self.authorization = self.authorization.or_else(|| outer.authorization.clone());
        self.body = self.body.or_else(|| outer.body.clone());
        self.limit = self.limit.or(outer.limit);
        self
    }

    /// `None` if nothing was asked.
    pub fn finish(self) -> Option<Box<Wishes>> {
        let authorization = self.authorization.map(|value| ("Authorization".to_owned(), value));
        let wishes = Wishes {
            method: self.method,
            headers: authorization.into_iter().chain(self.headers).collect(),
            body: self.body,
            expected: self.expected,
            limit: self.limit,
        };
        (wishes != Wishes::default()).then(|| Box::new(wishes))
    }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    !text.is_empty() && text.bytes().all(fits)
}

fn method(cx: &mut Context<'_>, at: &Statement) -> Option<String> {
    let word = cx.only_argument(at)?;
    let text = cx.text(word.span);
    if is_token(text) && !text.bytes().any(|octet| octet.is_ascii_lowercase()) {
        return Some(text.to_owned());
    }
    let place = cx.place(at);
    let message = format!("`{text}` is no request method");
    let finding = Diagnostic::error("bad-value", word.span, message).label(place);
    let upper = text.to_ascii_uppercase();
    cx.push(finding.help(if is_token(text) {
        format!("methods are of upper case: method {upper}")
    } else {
        "method HEAD".to_owned()
    }));
    None
}

/// The name in front, with or without a colon, and the rest of the line.
fn header(cx: &mut Context<'_>, at: &Statement) -> Option<(String, String)> {
    let words = script::read_words(cx, at)?;
    let (name, value) = words.split_first()?;
    // One word with everything in it is how curl and others take it: "Accept: text/html".
    let (name, rest) = name.split_once(':').unwrap_or((name, ""));
    let value = [rest.trim(), &value.join(" ")].join(" ").trim().to_owned();
    if !is_token(name) {
        // Where the colon is missing, the value is part of the word, and may be secret.
        let first = name.split_whitespace().next().unwrap_or_default();
        let rest = if first == name { "" } else { " …" };
        cx.bad("bad-value", at, at.raw, format!("`{first}{rest}` is no name of a header"));
        return None;
    }
    if ["Content-Length", "Transfer-Encoding"].iter().any(|own| own.eq_ignore_ascii_case(name)) {
        cx.bad(
            "bad-value",
            at,
            at.raw,
            format!("{name} is not to be set: it follows from the body"),
        );
        return None;
    }
    if value.contains(char::is_control) {
        cx.bad("bad-value", at, at.raw, "the value of a header has no control characters");
        return None;
    }
    if value.is_empty() {
        cx.warn("bad-value", at, at.raw, format!("header {name} is sent without a value"));
    }
    Some((name.to_owned(), value))
}

fn basic_auth(cx: &mut Context<'_>, at: &Statement) -> Option<String> {
    let words = script::read_words(cx, at)?;
    match words.as_slice() {
        [user, password] if !user.contains(':') => Some(basic_authorization(user, password)),
        [user, _] => {
            let message = format!("the user `{user}` has a colon in it, which ends a user's name");
            cx.bad("bad-value", at, at.raw, message);
            None
        }
        _ => {
            let place = cx.place(at);
            let message = "basic_auth takes a user and a password";
            let finding = Diagnostic::error("bad-value", at.raw, message).label(place);
            cx.push(finding.help("basic_auth probe \"pass word\""));
            None
        }
    }
}

fn expect_header(cx: &mut Context<'_>, at: &Statement) -> Option<ExpectedHeader> {
    let words = script::read_words(cx, at)?;
    let name = words.first()?.trim_end_matches(':');
    if !is_token(name) {
        cx.bad("bad-value", at, at.raw, format!("`{name}` is no name of a header"));
        return None;
    }
    if words.len() > 2 {
        let message = "the pattern is one word: quotes make it one".to_owned();
        cx.warn("surplus-words", at, at.raw, message);
    }
    let compile = |source: &String| Pattern::new(source, Options::default());
    let pattern = match words.get(1).map(compile).transpose() {
        Ok(pattern) => pattern,
        Err(bad) => {
            let why = bad.to_string();
            let why = why.lines().last().unwrap_or_default();
            let message = format!("the pattern for header {name} cannot be used: {why}");
            cx.bad("bad-regex", at, at.raw, message);
            return None;
        }
    };
    Some(ExpectedHeader { name: name.to_owned(), pattern })
}
