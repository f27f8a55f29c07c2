//! Reading an HTTP reply as keepalived does: raw, tolerant, in constant memory.
//!
//! Not an HTTP implementation on purpose. Digests in the field were made over the body's bytes as they
//! arrive, chunk framing included, and pages are served by things that barely speak HTTP: nothing but
//! the status code and Content-Length is looked at. So it also does without a header parser, which
//! would refuse what keepalived lets pass.

use super::bounds::{KEPT, keep};

/// Longest header that is accepted (keepalived: 4096).
pub const MAX_HEADER: usize = KEPT;

/// What a reply's header said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// 0–999 as sent; `None`: there are no three digits after the first space of the first line.
    pub status: Option<u16>,
    pub content_length: Option<u64>,
}

/// Why a reply's header cannot be used. Worded for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    #[error("HTTP header is longer than {MAX_HEADER} bytes")]
    TooLong,
}

/// Takes a reply piece by piece, however it is cut.
#[derive(Debug, Default)]
pub struct Response {
    header: Vec<u8>,
    parsed: Option<Header>,
    /// Bytes of the body so far that count: never more than Content-Length.
    body_len: u64,
    /// Nothing follows the header, whatever it says (RFC 9110 §9.3.2).
    header_only: bool,
}

impl Response {
    /// The reply to a HEAD.
    pub fn to_head() -> Self {
        Self { header_only: true, ..Self::default() }
    }

    /// Takes the next bytes; gives those of them that belong to the body, less any beyond
    /// Content-Length.
    ///
    /// # Errors
    /// When the header turns out unusable. Nothing useful follows.
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], BadHeader> {
        let body = match self.parsed {
            Some(_) => bytes,
            None => self.feed_header(bytes)?,
        };
        let left = self.missing().unwrap_or(u64::MAX);
        let body = &body[..body.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        self.body_len += body.len() as u64;
        Ok(body)
    }

    /// Collects the header; gives what of `bytes` comes after it.
    fn feed_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], BadHeader> {
        let before = self.header.len();
        let room = MAX_HEADER - before;
        keep(&mut self.header, &bytes[..bytes.len().min(room)], MAX_HEADER);
        // The end may straddle the cut by up to three bytes.
        let Some(end) = header_end(&self.header, before.saturating_sub(3)) else {
            return if bytes.len() > room { Err(BadHeader::TooLong) } else { Ok(&[]) };
        };
        self.header.truncate(end);
        self.parsed = Some(parse_header(&self.header));
        Ok(&bytes[end - before..])
    }

    /// The header, once it is complete.
    pub fn header(&self) -> Option<&Header> {
        self.parsed.as_ref()
    }

    /// The header's bytes so far, with the empty line that ends it, until they are forgotten.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header
    }

    /// Gives the header's bytes back; what they said stays known.
    pub fn forget_header(&mut self) {
        self.header = Vec::new();
    }

    /// Bytes of the body so far.
    pub fn body_len(&self) -> u64 {
        self.body_len
    }

    /// Whether Content-Length is satisfied, so that nothing more needs to come.
    pub fn is_complete(&self) -> bool {
        self.missing() == Some(0)
    }

    /// Bytes that Content-Length promises and that have not come.
    fn missing(&self) -> Option<u64> {
        let header = self.parsed.as_ref()?;
        let length = if self.header_only { 0 } else { header.content_length? };
        Some(length.saturating_sub(self.body_len))
    }
}

/// Index after the first empty line at or after `from`. Lines end in CRLF or LF alone (RFC 9112 §2.2 allows
/// it; keepalived does not see such an end).
fn header_end(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).find_map(|at| match &bytes[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

fn parse_header(bytes: &[u8]) -> Header {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let status = lines.next().and_then(status);
    Header { status, content_length: lines.find_map(content_length) }
}

/// Three digits after the first space. The reason phrase may be missing with its space (keepalived
/// wants the space).
fn status(line: &[u8]) -> Option<u16> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    match &line[space + 1..] {
        [a, b, c] | [a, b, c, b' ', ..] => u16::try_from(number(&[*a, *b, *c])?).ok(),
        _ => None,
    }
}

/// Value of a `Content-Length` line, whatever its case (keepalived knows only this spelling).
fn content_length(line: &[u8]) -> Option<u64> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !name.eq_ignore_ascii_case(b"content-length") {
        return None;
    }
    number(value.trim_ascii())
}

/// Digits only; a number that does not fit is no number.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
