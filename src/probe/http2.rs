//! One request over HTTP/2 (RFC 9113): `http_protocol 2` and GRPC_CHECK.
//!
//! The window is small and frames are as short as the protocol allows, so that what a server can make us hold is
//! bounded by them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Url;
use super::connect::sentence;
use super::fetch::{self, FetchError, Page, Patience, Piece, default_host};
use super::response::Header;

/// Longest frame that is read: with its head, what the library reads at a time.
const LONGEST: u32 = 8_192 - HEAD as u32;

/// What the server is told of it, for want of a smaller number (RFC 9113 §4.2).
const MAX_FRAME: u32 = 16_384;

/// Octets of body that may be on their way to us.
const WINDOW: u32 = LONGEST;

/// Longest header, as HTTP/2 counts it: 32 octets more for each field (RFC 9113 §6.5.2). A field that comes as one
/// octet takes the library twice that.
const MAX_HEADER: u32 = 8_192;

/// Why there is no reply. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum Http2Error {
    #[error(transparent)]
    Time(#[from] FetchError),
    #[error("HTTP/2: {}", words(.0))]
    Protocol(#[from] h2::Error),
    /// Our own request cannot be made: says nothing about the server.
    #[error("{0}")]
    Request(String),
}

/// The library's words for it, or those of what is behind it.
fn words(error: &h2::Error) -> String {
    match (error.get_io(), error.reason()) {
        (Some(io), _) if io.kind() == io::ErrorKind::BrokenPipe => "connection closed".to_owned(),
        (Some(io), _) => sentence(io),
        // What h2 makes of octets that are no HTTP/2.
        (_, Some(Reason::PROTOCOL_ERROR | Reason::FRAME_SIZE_ERROR)) => {
            format!("what the server sends is none ({error})")
        }
        _ => error.to_string(),
    }
}

/// A reply less its body.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// What came behind the body.
    pub trailers: Option<HeaderMap>,
}

/// Sends `request` with `body` and reads the reply; `seen` has its headers first and then what of the body
/// comes, and may stop the rest by saying `false`.
///
/// # Errors
/// See [`Http2Error`].
pub async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<()>,
    body: Option<Bytes>,
    patience: Patience,
    seen: impl FnMut(&Reply, &[u8]) -> bool,
) -> Result<Reply, Http2Error> {
    let handshake = Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADER)
        .header_table_size(4_096)
        .max_concurrent_reset_streams(1)
        .max_send_buffer_size(65_536)
        .enable_push(false)
        .handshake::<_, Bytes>(Frames::new(stream));
    let shaken = patience.wait(handshake).await.ok_or_else(|| patience.verdict(0))?;
    let (sender, connection) = shaken?;
    let conversation = converse(sender, request, body, patience, seen);
    tokio::pin!(conversation, connection);
    let mut open = true;
    loop {
        // When the connection has ended, what has come is still to be read. What is read of a frame is to be gone
        // before the next one comes.
        tokio::select! {
            biased;
            reply = &mut conversation => return reply,
            _ = &mut connection, if open => open = false,
        }
    }
}

/// Length, kind, flags and stream stand before the contents of a frame (RFC 9113 §4.1).
const HEAD: usize = 9;

/// A stream that is read frame by frame. The library reads as long as something comes, and keeps what it
/// understands until it is asked for; so we ask in between, or a flood of interim responses (RFC 9110 §15.2),
/// of which it counts none, would fill all memory there is. And were it to see the head of the next frame, it
/// would make room for that beside the one that we still read.
struct Frames<S> {
    stream: S,
    /// The head of the frame on its way, and how many octets of the frame have come.
    head: [u8; HEAD],
    arrived: usize,
    /// A frame has come, and nobody else has had a turn since.
    full: bool,
}

impl<S> Frames<S> {
    fn new(stream: S) -> Self {
        Self { stream, head: [0; HEAD], arrived: 0, full: false }
    }

    /// Octets in the frame on its way, behind its head.
    fn contents(&self) -> u32 {
        let [high, middle, low, ..] = self.head;
        u32::from_be_bytes([0, high, middle, low])
    }

    /// Octets until the end of the head, or of the frame.
    fn wanted(&self) -> usize {
        let end = if self.arrived < HEAD { HEAD } else { HEAD + self.contents() as usize };
        end - self.arrived
    }

    /// # Errors
    /// A frame is longer than our window, which the server knew before it knew our request, and than the longest
    /// header. The library would read it first, and takes such a body from a server that never confirms our
    /// settings (RFC 9113 §6.5.3).
    fn note_arrival(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.arrived < HEAD {
            self.head[self.arrived..self.arrived + octets.len()].copy_from_slice(octets);
        }
        self.arrived += octets.len();
        if self.wanted() == 0 {
            (self.arrived, self.full) = (0, true);
        } else if self.arrived == HEAD && self.contents() > LONGEST {
            let what = format!("frame of {} bytes, expected at most {LONGEST}", self.contents());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.full) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let most = buffer.remaining().min(self.wanted());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let came = part.filled().len();
        self.note_arrival(part.filled())?;
        buffer.advance(came);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn converse(
    sender: SendRequest<Bytes>,
    request: Request<()>,
    body: Option<Bytes>,
    patience: Patience,
    mut seen: impl FnMut(&Reply, &[u8]) -> bool,
) -> Result<Reply, Http2Error> {
    let late = |received| move || patience.verdict(received);
    let mut sender = patience.wait(sender.ready()).await.ok_or_else(late(0))??;
    let (reply, mut outgoing) = sender.send_request(request, body.is_none())?;
    if let Some(body) = body {
        outgoing.send_data(body, true)?;
    }
    let (head, mut incoming) = patience.wait(reply).await.ok_or_else(late(0))??.into_parts();
    let mut reply = Reply { status: head.status.as_u16(), headers: head.headers, trailers: None };
    let mut received = 0;
    while let Some(data) = next(&mut incoming, patience, received).await? {
        received += data.len() as u64;
        if !seen(&reply, &data) {
            return Ok(reply);
        }
    }
    let trailers = patience.wait(incoming.trailers()).await;
    reply.trailers = trailers.ok_or_else(late(received))??;
    Ok(reply)
}

/// The next of the body, for which more may come then.
async fn next(
    incoming: &mut RecvStream,
    patience: Patience,
    received: u64,
) -> Result<Option<Bytes>, Http2Error> {
    let data = patience.wait(incoming.data()).await.ok_or_else(|| patience.verdict(received))?;
    let data = data.transpose()?;
    if let Some(data) = &data {
        incoming.flow_control().release_capacity(data.len())?;
    }
    Ok(data)
}

/// Fetches a page as [`fetch::fetch`] does.
///
/// # Errors
/// See [`Http2Error`].
pub async fn fetch(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<()>,
    body: Option<Bytes>,
    patience: Patience,
    mut seen: impl FnMut(Piece<'_>),
) -> Result<Page, Http2Error> {
    let (mut md5, mut body_len) = (Md5::new(), 0_u64);
    let mut told = false;
    let reply = exchange(stream, request, body, patience, |reply, data| {
        if !std::mem::replace(&mut told, true) {
            seen(Piece::Header(&as_text(reply)));
        }
        md5.update(data);
        body_len += data.len() as u64;
        seen(Piece::Body(data));
        true
    });
    let reply = reply.await?;
    if !told {
        seen(Piece::Header(&as_text(&reply)));
    }
    let length =
        reply.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let header = Header { status: Some(reply.status), content_length: length };
    Ok(Page { header, body_len, md5: md5.finalize().into() })
}

/// The header as HTTP/1.1 would have it.
fn as_text(reply: &Reply) -> Vec<u8> {
    let mut text = format!("HTTP/2 {}\r\n", reply.status).into_bytes();
    for (name, value) in &reply.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// The request for a url: the same as over HTTP/1.1 as far as HTTP/2 has it.
///
/// # Errors
/// What of it HTTP/2 cannot say.
pub fn request(
    url: &Url,
    target: SocketAddr,
    scheme: &str,
) -> Result<(Request<()>, Option<Bytes>), Http2Error> {
    let wishes = url.wishes.as_deref();
    let asked = wishes.map_or(&[][..], |wishes| &wishes.headers);
    let host = asked.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host.map(|(_, value)| value.clone()).or_else(|| url.virtual_host.clone());
    let host = host.unwrap_or_else(|| default_host(target));
    let method = wishes.map_or("GET", super::Wishes::method);
    let mut request = empty(method, scheme, &host, &url.path)?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(fetch::USER_AGENT));
    for (name, value) in asked.iter().filter(|(name, _)| !is_of_connections(name)) {
        let name = HeaderName::try_from(name.as_str()).map_err(|error| cannot(name, &error))?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|error| cannot(value, &error))?;
        headers.insert(name, value);
    }
    let body = wishes.and_then(|wishes| wishes.body.clone()).map(Bytes::from);
    if let Some(body) = &body {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Ok((request, body))
}

/// A request without headers.
///
/// # Errors
/// When a part of it is none.
pub fn empty(
    method: &str,
    scheme: &str,
    authority: &str,
    path: &str,
) -> Result<Request<()>, Http2Error> {
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
    let uri = uri.map_err(|error| cannot(&format!("{authority}{path}"), &error))?;
    let method = Method::try_from(method).map_err(|error| cannot(method, &error))?;
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    *request.version_mut() = http::Version::HTTP_2;
    Ok(request)
}

fn cannot(what: &str, why: &dyn std::fmt::Display) -> Http2Error {
    Http2Error::Request(format!("HTTP/2 has no way to say `{what}`: {why}"))
}

/// RFC 9113 §8.2.2, and Host, which is `:authority` here.
fn is_of_connections(name: &str) -> bool {
    ["connection", "keep-alive", "proxy-connection", "upgrade", "host", "te"]
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests;
