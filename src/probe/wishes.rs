//! What a url may ask beyond keepalived: method, headers and body of the request, and of the reply a header
//! and a time.

use std::time::Duration;

use super::Pattern;

/// Boxed in its url: of 100,000 pages hardly one has any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Wishes {
    /// `method`; `None`: POST with a body, else GET.
    pub method: Option<String>,
    /// `header`, in the order of the file. One that we send of our own accord takes its place.
    pub headers: Vec<(String, String)>,
    /// `body`, sent with its length.
    pub body: Option<String>,
    /// `expect_header`: all of them.
    pub expected: Vec<ExpectedHeader>,
    /// `max_response_time`: from the start of the attempt to the end of the page.
    pub limit: Option<Duration>,
}

/// A header that the reply must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExpectedHeader {
    pub name: String,
    /// What must be in its value; `None`: whatever it says.
    pub pattern: Option<Pattern>,
}

impl Wishes {
    pub fn method(&self) -> &str {
        match (&self.method, &self.body) {
            (Some(method), _) => method,
            (None, Some(_)) => "POST",
            (None, None) => "GET",
        }
    }

    /// Whether a header called `name` is to be sent, so that ours gives way.
    pub fn sends(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// Says which expected header is not in `header`, the reply's up to its empty line, if one is not.
    pub fn lacking(&self, header: &[u8]) -> Option<String> {
        self.expected.iter().find_map(|expected| expected.lacking(header))
    }
}

impl ExpectedHeader {
    fn lacking(&self, header: &[u8]) -> Option<String> {
        let mut values = fields(header).filter(|(name, _)| self.is_called(name)).peekable();
        let Some(pattern) = &self.pattern else {
            return values.next().is_none().then(|| format!("header {} is not there", self.name));
        };
        if values.peek().is_none() {
            return Some(format!("header {} is not there", self.name));
        }
        let found = values.any(|(_, value)| pattern.is_in(value));
        let source = pattern.source();
        (!found).then(|| format!("`{source}` is not in header {}", self.name))
    }

    fn is_called(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name.as_bytes())
    }
}

/// Names and values of the lines behind the first.
fn fields(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = header.split(|octet| *octet == b'\n').skip(1);
    lines.filter_map(|line| {
        let colon = line.iter().position(|octet| *octet == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// What `Authorization` says for a user and a password (RFC 7617).
pub fn basic_authorization(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

/// RFC 4648 §4.
fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(octets.len().div_ceil(3) * 4);
    for three in octets.chunks(3) {
        let octet = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place > three.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests;
