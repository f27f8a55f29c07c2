//! What is said over HTTP/2: a request, and the fields of a reply.

use std::borrow::Cow;

use super::fault::Fault;

/// What is asked. [`Request::fault`] says what of it cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host, and port unless it is the usual one.
    pub authority: String,
    /// With its query.
    pub path: &'a str,
    /// Further fields; names in whatever case.
    pub fields: Vec<(&'a str, Cow<'a, str>)>,
    /// Empty: none.
    pub body: &'a [u8],
}

/// Fields of a reply, without those whose names begin with a colon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// A line for each, as HTTP/1.1 has them: `name: value\r\n`.
    lines: Vec<u8>,
}

impl Request<'_> {
    /// The first part of it that HTTP/2 has no way to say, if there is one.
    pub fn fault(&self) -> Option<&str> {
        let is_visible = |text: &str| {
            !text.is_empty() && text.bytes().all(|octet| octet > b' ' && octet != 0x7f)
        };
        let is_path = |path: &str| is_visible(path) && (path.starts_with('/') || path == "*");
        let parts = [
            (self.method, self.method.bytes().all(is_token)),
            (&*self.authority, is_visible(&self.authority)),
            (self.path, is_path(self.path)),
        ];
        let fields = self.fields.iter().flat_map(|(name, value)| {
            [
                (*name, !name.is_empty() && name.bytes().all(is_token)),
                (&**value, value.bytes().all(is_text)),
            ]
        });
        parts.into_iter().chain(fields).find_map(|(text, fine)| (!fine).then_some(text))
    }
}

impl Fields {
    /// # Errors
    /// It is none (RFC 9113 §8.2): names are in lower case, and neither could be read as more than one line.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let is_name = |octet: &u8| is_token(*octet) && !octet.is_ascii_uppercase();
        if name.is_empty() || !name.iter().all(is_name) || !value.iter().copied().all(is_text) {
            return Err(Fault::Field);
        }
        for part in [name, b": ", value, b"\r\n"] {
            self.lines.extend_from_slice(part);
        }
        Ok(())
    }

    /// A line for each, as HTTP/1.1 has them: `name: value\r\n`.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Value of the first with this name, which is in lower case; `None` also if it is no text.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.lines.split(|octet| *octet == b'\n');
        let value =
            lines.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"))?;
        std::str::from_utf8(value.trim_ascii()).ok()
    }
}

/// Octets of names and methods (RFC 9110 §5.6.2).
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// Octets of values (RFC 9110 §5.5).
fn is_text(octet: u8) -> bool {
    octet == b'\t' || octet >= b' ' && octet != 0x7f
}

/// Fields that nobody on the way is to keep.
pub(super) fn is_secret(name: &str) -> bool {
    ["authorization", "cookie"].iter().any(|other| name.eq_ignore_ascii_case(other))
}

#[cfg(test)]
pub(super) mod tests;
