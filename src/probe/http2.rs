//! One request over HTTP/2 (RFC 9113): `http_protocol 2` and GRPC_CHECK. Its frames are [`conversation`]'s matter; here
//! is what reads and writes them.

pub mod conversation;
mod fault;
pub mod hpack;
mod huffman;
mod message;

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Url;
use super::connect::sentence;
use super::fetch::{self, CHUNK, FetchError, Page, Patience, Piece, default_host};
use super::response::Header;
pub use conversation::{Conversation, Event};
pub use fault::Fault;
pub use message::{Fields, Request};

/// Why there is no reply. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum Http2Error {
    #[error(transparent)]
    Time(#[from] FetchError),
    #[error("HTTP/2: {0}")]
    Protocol(#[from] Fault),
    #[error("HTTP/2: {}", sentence(.0))]
    Stream(#[from] io::Error),
    #[error("HTTP/2: connection closed")]
    Closed,
    /// Our own request cannot be made: says nothing about the server.
    #[error("HTTP/2 has no way to say `{0}`")]
    Request(String),
}

/// What is seen of a reply on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Its status and fields; once, first.
    Header(u16, &'a Fields),
    /// Of its body, as it came.
    Body(&'a [u8]),
    /// That was all; behind the body came these.
    End(&'a Fields),
}

/// Sends `request` and reads the reply; `seen` has it piece by piece, and may stop the rest by saying `false`.
///
/// # Errors
/// See [`Http2Error`].
pub async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
    patience: Patience,
    mut seen: impl FnMut(Seen<'_>) -> bool,
) -> Result<(), Http2Error> {
    if let Some(fault) = request.fault() {
        return Err(Http2Error::Request(fault.to_owned()));
    }
    let mut talk = Talk {
        stream,
        conversation: Conversation::new(request),
        buffer: vec![0; CHUNK],
        unread: 0..0,
    };
    let mut received = 0;
    loop {
        let event = patience.wait(talk.next()).await;
        let goes_on = match event.ok_or_else(|| patience.verdict(received))?? {
            Event::Header(status, fields) => seen(Seen::Header(status, &fields)),
            Event::Body(range) => {
                received += range.len() as u64;
                seen(Seen::Body(&talk.buffer[range]))
            }
            Event::End(fields) => {
                seen(Seen::End(&fields));
                false
            }
        };
        if !goes_on {
            return Ok(());
        }
    }
}

/// A conversation over a stream.
struct Talk<'a, S> {
    stream: S,
    conversation: Conversation<'a>,
    buffer: Vec<u8>,
    /// Of the buffer, what has not been taken.
    unread: Range<usize>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    /// The next event; that of a body is where it is in the buffer.
    async fn next(&mut self) -> Result<Event, Http2Error> {
        loop {
            let (taken, event) = self.conversation.take(&self.buffer[self.unread.clone()])?;
            let at = self.unread.start;
            self.unread.start += taken;
            match event {
                Some(Event::Body(Range { start, end })) => {
                    return Ok(Event::Body(at + start..at + end));
                }
                Some(event) => return Ok(event),
                None => self.read().await?,
            }
        }
    }

    /// Reads more, after everything has been sent: so the server's questions cannot pile up.
    async fn read(&mut self) -> Result<(), Http2Error> {
        loop {
            let outgoing = self.conversation.take_outgoing();
            if outgoing.is_empty() {
                break;
            }
            self.stream.write_all(&outgoing).await?;
        }
        self.stream.flush().await?;
        let read = match self.stream.read(&mut self.buffer).await {
            // The end of a TLS stream that was not announced (close_notify).
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        self.unread = 0..read;
        if read == 0 { Err(Http2Error::Closed) } else { Ok(()) }
    }
}

/// Fetches a page as [`fetch::fetch`] does.
///
/// # Errors
/// See [`Http2Error`].
pub async fn fetch(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
    patience: Patience,
    mut seen: impl FnMut(Piece<'_>),
) -> Result<Page, Http2Error> {
    let (mut md5, mut body_len) = (Md5::new(), 0_u64);
    let mut header = Header { status: None, content_length: None };
    exchange(stream, request, patience, |part| {
        match part {
            Seen::Header(status, fields) => {
                let content_length =
                    fields.get("content-length").and_then(|text| text.parse().ok());
                header = Header { status: Some(status), content_length };
                seen(Piece::Header(&as_text(status, fields)));
            }
            Seen::Body(body) => {
                md5.update(body);
                body_len += body.len() as u64;
                seen(Piece::Body(body));
            }
            Seen::End(_) => {}
        }
        true
    })
    .await?;
    Ok(Page { header, body_len, md5: md5.finalize().into() })
}

/// The header as HTTP/1.1 would have it.
fn as_text(status: u16, fields: &Fields) -> Vec<u8> {
    [format!("HTTP/2 {status}\r\n").as_bytes(), fields.lines(), b"\r\n"].concat()
}

/// The request for a url: the same as over HTTP/1.1 as far as HTTP/2 has it.
pub fn request<'a>(url: &'a Url, target: SocketAddr, scheme: &'static str) -> Request<'a> {
    let wishes = url.wishes.as_deref();
    let asked = wishes.map_or(&[][..], |wishes| &wishes.headers);
    let host = asked.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host.map(|(_, value)| value.clone()).or_else(|| url.virtual_host.clone());
    let body = wishes.and_then(|wishes| wishes.body.as_deref()).unwrap_or_default().as_bytes();
    let asked = asked.iter().map(|(name, value)| (&**name, Cow::Borrowed(&**value)));
    let mut fields: Vec<_> = asked.filter(|(name, _)| !is_of_connections(name)).collect();
    let asks = |fields: &[(&str, _)], name| {
        fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    if !asks(&fields, "user-agent") {
        fields.push(("user-agent", Cow::Borrowed(fetch::USER_AGENT)));
    }
    if !body.is_empty() && !asks(&fields, "content-length") {
        fields.push(("content-length", Cow::Owned(body.len().to_string())));
    }
    Request {
        method: wishes.map_or("GET", super::Wishes::method),
        scheme,
        authority: host.unwrap_or_else(|| default_host(target)),
        path: &url.path,
        fields,
        body,
    }
}

/// RFC 9113 §8.2.2, and Host, which is `:authority` here.
fn is_of_connections(name: &str) -> bool {
    ["connection", "keep-alive", "proxy-connection", "upgrade", "host", "te"]
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests;
