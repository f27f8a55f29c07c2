//! A TLS session over a stream, by the side of rustls that leaves buffers to its user, so that what is held is
//! one record, which is read where it was decrypted. Its other side, and tokio-rustls with it, keeps up to 64 kB of
//! a handshake, and later a record in a buffer that doubles as it grows.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::handshake::{Format, Handshake};
use super::watched;

/// Kind, version and length stand before the contents of a record (RFC 8446 §5.1).
const HEADER: usize = 5;

/// Octets in one record (RFC 8446 §5.1).
const MAX_CONTENTS: usize = 16_384;

/// Longest record: encryption may add this much (RFC 8446 §5.2). TLS 1.2 would allow for more, of which no
/// cipher that we offer has need.
const MAX_RECORD: usize = HEADER + MAX_CONTENTS + 256;

/// Kinds of records (RFC 8446 §5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// A session over `S`.
pub struct TlsStream<S> {
    stream: S,
    /// Boxed, since the stream is handed on from future to future, each of which has room for it.
    session: Box<UnbufferedClientConnection>,
    /// The record on its way, behind those that have the beginning of its handshake message.
    incoming: Vec<u8>,
    /// Octets of `incoming` that belong to that record, and what its header says.
    arrived: usize,
    header: [u8; HEADER],
    /// What of `incoming` is for the application and has not been read, which is gone together.
    contents: Range<usize>,
    /// The handshake as long as it is not encrypted.
    handshake: Option<Handshake>,
    /// Octets for the server, sent up to `sent`.
    outgoing: Vec<u8>,
    sent: usize,
    /// The server said that no more comes (close_notify); we did.
    ended: bool,
    closed: bool,
}

/// What a session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// More of the handshake.
    Handshake,
    /// Whatever comes, and what is to be sent.
    Ready,
    /// Nothing: it has done something, and may have more to do.
    Busy,
}

/// What is to be sent over a session.
#[derive(Clone, Copy)]
enum Sending<'a> {
    Contents(&'a [u8]),
    CloseNotify,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Shakes hands over `stream`.
    ///
    /// # Errors
    /// What the stream or the session has against it.
    pub async fn connect(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        stream: S,
    ) -> io::Result<Self> {
        let mut this = Self {
            stream,
            session: Box::new(UnbufferedClientConnection::new(config, name).map_err(invalid)?),
            incoming: Vec::new(),
            arrived: 0,
            header: [0; HEADER],
            contents: 0..0,
            handshake: Some(Handshake::new(Format::Tls12)),
            outgoing: Vec::new(),
            sent: 0,
            ended: false,
            closed: false,
        };
        std::future::poll_fn(|cx| this.poll_handshake(cx)).await?;
        Ok(this)
    }

    /// Whether the server agreed to `protocol` (ALPN).
    pub fn speaks(&self, protocol: &[u8]) -> bool {
        self.session.alpn_protocol() == Some(protocol)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.advance(None) {
                Ok(State::Busy) => {}
                Ok(State::Ready) => return self.poll_send(cx),
                Ok(State::Handshake) => {
                    ready!(self.poll_send(cx))?;
                    ready!(self.poll_fill(cx))?;
                }
                Err(error) => {
                    // The server is told why, if it has ears.
                    let _ = self.poll_send(cx);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Lets the session take its next step; `sending` is left to it as soon as it is ready for that.
    fn advance(&mut self, sending: Option<Sending<'_>>) -> io::Result<State> {
        // What has been decrypted is no record any more.
        let has_contents = !self.contents.is_empty();
        let incoming = if has_contents { &mut [] } else { &mut self.incoming[..] };
        let UnbufferedStatus { discard, state } = self.session.process_tls_records(incoming);
        let (mut next, mut failed) = (State::Busy, None);
        match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(&mut self.outgoing, |room| data.encode(room))?;
            }
            // It is, before anything else is read or written.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::BlockedHandshake) => next = State::Handshake,
            // Its first octet, which is in `incoming` with the others.
            Ok(ConnectionState::ReadTraffic(mut traffic)) => drop(traffic.next_record()),
            Ok(ConnectionState::PeerClosed) => self.ended = true,
            Ok(ConnectionState::Closed) => (self.ended, next) = (true, State::Ready),
            Ok(ConnectionState::WriteTraffic(traffic)) => {
                next = State::Ready;
                if let Some(sending) = sending {
                    sending.write(traffic, &mut self.outgoing)?;
                }
            }
            Ok(other) => return Err(io::Error::other(format!("TLS session in state {other:?}"))),
            Err(error) => failed = Some(error),
        }
        let contents = watched::take_decrypted(&self.incoming).unwrap_or_default();
        if has_contents {
            // It stays until it has been read.
        } else if !contents.is_empty() && failed.is_none() {
            (self.contents, next) = (contents, State::Busy);
        } else if discard == self.incoming.len() {
            self.incoming = Vec::new();
        } else {
            self.incoming.drain(..discard);
        }
        if let Some(error) = failed {
            self.word_alert();
            return Err(invalid(error));
        }
        Ok(next)
    }

    /// After an error: what the server is to be told of it.
    fn word_alert(&mut self) {
        let status = self.session.process_tls_records(&mut self.incoming);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
            // There is an error to be told already.
            let _ = append(&mut self.outgoing, |room| data.encode(room));
        }
    }

    /// Reads what is left of the header of the record on its way, or of the record.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let length = HEADER + usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        let begin = self.incoming.len();
        let wanted = if self.arrived < HEADER { HEADER } else { length } - self.arrived;
        // Behind the beginning of a handshake message, which may come in any number of records, as well.
        if self.arrived >= HEADER && begin + wanted > MAX_RECORD {
            let what = format!("more than {MAX_RECORD} bytes in one record or handshake message");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        self.incoming.reserve_exact(wanted);
        self.incoming.resize(begin + wanted, 0);
        let mut room = ReadBuf::new(&mut self.incoming[begin..]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut room);
        let came = room.filled().len();
        self.incoming.truncate(begin + came);
        ready!(polled)?;
        if came == 0 {
            let what = "connection closed without close_notify";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
        }
        Poll::Ready(self.note_arrival(came))
    }

    /// Keeps the books on the record on its way, of which `came` more octets are there.
    fn note_arrival(&mut self, came: usize) -> io::Result<()> {
        let new = &self.incoming[self.incoming.len() - came..];
        if self.arrived < HEADER {
            self.header[self.arrived..self.arrived + came].copy_from_slice(new);
        }
        self.arrived += came;
        let contents = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        if self.arrived < HEADER || self.arrived < HEADER + contents {
            return Ok(());
        }
        self.arrived = 0;
        self.follow_handshake(contents)
    }

    /// Looks at the record that has come, unless it is encrypted: then that is done behind the decryption.
    fn follow_handshake(&mut self, contents: usize) -> io::Result<()> {
        let octets = &self.incoming[self.incoming.len() - contents..];
        match (self.header[0], &mut self.handshake) {
            (CHANGE_CIPHER_SPEC, _) => self.handshake = None,
            (HANDSHAKE, Some(handshake)) => {
                let followed = handshake.follow(octets);
                followed.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends what is there to be sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outgoing.len() {
            let rest = &self.outgoing[self.sent..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        (self.outgoing, self.sent) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// Puts `sending` behind what is to be sent. The session is ready for that after the handshake.
    fn put(&mut self, sending: Sending<'_>) -> io::Result<()> {
        while self.advance(Some(sending))? == State::Busy {}
        Ok(())
    }
}

impl Sending<'_> {
    fn write(
        self,
        mut traffic: WriteTraffic<'_, ClientConnectionData>,
        outgoing: &mut Vec<u8>,
    ) -> io::Result<()> {
        append(outgoing, |room| match self {
            Self::Contents(contents) => traffic.encrypt(contents, room),
            Self::CloseNotify => traffic.queue_close_notify(room),
        })
    }
}

/// Why something was not written into the room that was there for it.
trait NotWritten: std::error::Error + Send + Sync + 'static {
    /// The room that it needs; `None`: that is not why.
    fn needs(&self) -> Option<usize>;
}

impl NotWritten for EncodeError {
    fn needs(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(size) => Some(size.required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl NotWritten for EncryptError {
    fn needs(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(size) => Some(size.required_size),
            Self::EncryptExhausted => None,
        }
    }
}

/// Appends what `write` writes, which is asked first how much that is.
fn append<E: NotWritten>(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> io::Result<()> {
    let begin = out.len();
    let written = match write(&mut []) {
        Err(error) => {
            let needs = error.needs().ok_or_else(|| io::Error::other(error))?;
            out.reserve_exact(needs);
            out.resize(begin + needs, 0);
            write(&mut out[begin..]).map_err(io::Error::other)?
        }
        Ok(written) => written,
    };
    out.truncate(begin + written);
    Ok(())
}

/// What rustls says, or in our own words what we have against the server.
fn invalid(error: rustls::Error) -> io::Error {
    match error {
        rustls::Error::General(ours) => io::Error::new(io::ErrorKind::InvalidData, ours),
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.contents.is_empty() && !self.ended {
            ready!(self.poll_send(cx))?;
            if self.advance(None)? != State::Busy {
                ready!(self.poll_fill(cx))?;
            }
        }
        let rest = &self.incoming[self.contents.clone()];
        let now = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..now]);
        self.contents.start += now;
        if now > 0 && self.contents.is_empty() {
            (self.incoming, self.contents) = (Vec::new(), 0..0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let now = &octets[..octets.len().min(MAX_CONTENTS)];
        self.put(Sending::Contents(now))?;
        // What does not go at once goes with the next call.
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Says close_notify, and then nothing more.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.closed, true) {
            self.put(Sending::CloseNotify)?;
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
