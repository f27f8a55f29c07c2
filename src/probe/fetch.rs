//! Fetching one page over an open stream: shared by HTTP_GET and genhash.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::HttpVersion;
use super::bounds::{deadline, step_until};
use super::connect::{Seconds, sentence};
use super::response::{BadHeader, Header, Response};
use super::wishes::Wishes;

/// Read size; genhash dumps what each read brought, and keepalived reads this much.
pub(super) const CHUNK: usize = 4095;

/// keepalived's: servers' logs and rules know it.
pub const USER_AGENT: &str = "KeepAliveClient";

/// The request; without `wishes` byte for byte keepalived's.
pub fn request(version: HttpVersion, path: &str, host: &str, wishes: Option<&Wishes>) -> Vec<u8> {
    let (digit, close) = match version {
        HttpVersion::Http10 => (0, None),
        HttpVersion::Http10Close => (0, Some("close")),
        // HTTP/2 has its own way to ask.
        HttpVersion::Http11 | HttpVersion::Http2 => (1, Some("close")),
    };
    let method = wishes.map_or("GET", Wishes::method);
    let mut text = format!("{method} {path} HTTP/1.{digit}\r\n");
    let ours = [("User-Agent", Some(USER_AGENT)), ("Connection", close), ("Host", Some(host))];
    let ours = ours.into_iter().filter(|(name, _)| wishes.is_none_or(|all| !all.sends(name)));
    let ours = ours.filter_map(|(name, value)| Some((name, value?)));
    let asked = wishes.into_iter().flat_map(|all| &all.headers);
    for (name, value) in ours.chain(asked.map(|(name, value)| (name.as_str(), value.as_str()))) {
        // Writing to a String does not fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    match wishes.and_then(|all| all.body.as_deref()) {
        Some(body) => text += &format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        None => text += "\r\n",
    }
    text.into_bytes()
}

/// The Host of a request without `virtualhost`: `address:port`, IPv6 in brackets.
pub fn default_host(target: SocketAddr) -> String {
    match target {
        SocketAddr::V4(target) => target.to_string(),
        // Not Display: a scope id has no place in a Host.
        SocketAddr::V6(target) => format!("[{}]:{}", target.ip(), target.port()),
    }
}

/// How long a page may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Longest silence: for the request to leave, for the first byte, between bytes.
    pub silence: Duration,
    /// When everything must be over, however busily bytes come; `None`: never.
    pub until: Option<Instant>,
}

/// A page as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub header: Header,
    /// Octets of body that were hashed.
    pub body_len: u64,
    pub md5: [u8; 16],
}

/// Why there is no page. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot send the request: {}", sentence(.0))]
    Send(io::Error),
    #[error("cannot read the reply: {}", sentence(.0))]
    Receive(io::Error),
    #[error("no answer within {}", Seconds(*.0))]
    Silent(Duration),
    #[error("no more data within {} after {received} bytes", Seconds(*.silence))]
    Stalled { silence: Duration, received: u64 },
    #[error("page not finished after {received} bytes, when the time for the attempt was over")]
    Endless { received: u64 },
    #[error("connection closed without a reply")]
    Nothing,
    #[error("connection closed in the HTTP header, after {0} bytes")]
    HeaderCut(usize),
    #[error(transparent)]
    BadHeader(#[from] BadHeader),
}

/// What is seen of a page on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The complete header with its empty line; once, first.
    Header(&'a [u8]),
    /// Body bytes, as they came.
    Body(&'a [u8]),
}

/// Sends `request` and reads the reply until Content-Length is satisfied or the stream ends; a body shorter
/// than announced is hashed as it is. Memory does not depend on the page.
///
/// # Errors
/// See [`FetchError`].
pub async fn fetch(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
    patience: Patience,
    mut seen: impl FnMut(Piece<'_>),
) -> Result<Page, FetchError> {
    let sent = patience.wait(stream.write_all(request)).await;
    sent.ok_or(FetchError::Silent(patience.silence))?.map_err(FetchError::Send)?;
    let mut response =
        if request.starts_with(b"HEAD ") { Response::to_head() } else { Response::default() };
    let mut md5 = Md5::new();
    let (mut buffer, mut received) = (vec![0; CHUNK], 0_u64);
    while !response.is_complete() {
        let read = patience.wait(stream.read(&mut buffer)).await;
        let read = read.ok_or_else(|| patience.verdict(received))?;
        let read = match read {
            // The end of a TLS stream that was not announced (close_notify); keepalived takes it too.
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read.map_err(FetchError::Receive)?,
        };
        if read == 0 {
            break;
        }
        received += read as u64;
        let in_header = response.header().is_none();
        let body = response.feed(&buffer[..read])?;
        if in_header && response.header().is_some() {
            seen(Piece::Header(response.header_bytes()));
            // Room for what is kept of the body.
            response.forget_header();
        }
        if !body.is_empty() {
            md5.update(body);
            seen(Piece::Body(body));
        }
    }
    match response.header() {
        Some(header) => Ok(Page {
            header: header.clone(),
            body_len: response.body_len(),
            md5: md5.finalize().into(),
        }),
        None if received == 0 => Err(FetchError::Nothing),
        None => Err(FetchError::HeaderCut(response.header_bytes().len())),
    }
}

impl Patience {
    /// Waits for one step; `None` when time is up.
    pub(super) async fn wait<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        match deadline(self.silence).into_iter().chain(self.until).min() {
            Some(earliest) => step_until(earliest, step).await,
            None => Some(step.await),
        }
    }

    /// Words the end of patience after `received` bytes.
    pub(super) fn verdict(&self, received: u64) -> FetchError {
        match received {
            _ if self.until.is_some_and(|until| Instant::now() >= until) => {
                FetchError::Endless { received }
            }
            0 => FetchError::Silent(self.silence),
            _ => FetchError::Stalled { silence: self.silence, received },
        }
    }
}

#[cfg(test)]
mod tests;
