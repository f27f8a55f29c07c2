//! SMTP: the conversation that SMTP_CHECK holds and that mails are sent by (RFC 5321).

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::SmtpProbe;
use super::bounds::{far_away, step_until};
use super::connect::{Seconds, open, sentence};
use super::http::ATTEMPT_SPAN;
use crate::check::Outcome;

/// `helo_name` where none is given.
pub const DEFAULT_HELO: &str = "smtpchecker.keepalived.org";

/// Longest reply, all its lines together. RFC 5321 §4.5.3.1.5 gives a line 512 octets.
pub const MAX_REPLY: usize = 16_384;

/// One complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 0–999 as sent.
    pub code: u16,
    /// Text of the last line, for people.
    pub text: String,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// Why what came is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    #[error("a reply line does not begin with three digits")]
    NoCode,
    #[error("the lines of one reply have different codes")]
    MixedCodes,
    #[error("a reply is longer than {MAX_REPLY} bytes")]
    TooLong,
}

/// Takes replies piece by piece, however they are cut.
#[derive(Debug, Default)]
pub struct Replies {
    pending: Vec<u8>,
    /// Octets of `pending` known to hold no whole line.
    searched: usize,
    /// Code of the lines so far of a reply that goes on, and their length.
    unfinished: Option<(u16, usize)>,
}

impl Replies {
    pub fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next complete reply; `None`: more must come first. `220-` goes on, `220 ` and `220` end one
    /// (RFC 5321 §4.2.1; keepalived refuses replies of several lines).
    ///
    /// # Errors
    /// See [`BadReply`]. Nothing useful follows.
    pub fn take(&mut self) -> Result<Option<Reply>, BadReply> {
        while let Some((line, octets)) = self.line()? {
            let (code, last, text) = parse_line(&line).ok_or(BadReply::NoCode)?;
            let length = match self.unfinished {
                Some((before, _)) if before != code => return Err(BadReply::MixedCodes),
                Some((_, length)) => length + octets,
                None => octets,
            };
            if length > MAX_REPLY {
                return Err(BadReply::TooLong);
            }
            if last {
                self.unfinished = None;
                return Ok(Some(Reply { code, text }));
            }
            self.unfinished = Some((code, length));
        }
        Ok(None)
    }

    /// Takes one line, without its end and blanks before that, and the number of octets it had with them.
    fn line(&mut self) -> Result<Option<(Vec<u8>, usize)>, BadReply> {
        let found = self.pending[self.searched..].iter().position(|octet| *octet == b'\n');
        let Some(end) = found.map(|at| self.searched + at) else {
            self.searched = self.pending.len();
            return if self.searched > MAX_REPLY { Err(BadReply::TooLong) } else { Ok(None) };
        };
        let mut line: Vec<u8> = self.pending.drain(..=end).collect();
        self.searched = 0;
        let octets = line.len();
        line.truncate(line.trim_ascii_end().len());
        Ok(Some((line, octets)))
    }
}

/// Code, whether it is the last line, and text.
fn parse_line(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    let code = code.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| 10 * sum + u16::from(digit - b'0'))
    })?;
    let last = match rest.first() {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    Some((code, last, printable(rest.get(1..).unwrap_or_default())))
}

/// For a log line: no control characters, and not endless.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|letter| !letter.is_control()).take(80).collect()
}

/// Why a conversation broke off. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("cannot send {what}: {}", sentence(.source))]
    Send { what: String, source: io::Error },
    #[error("cannot read the reply to {what}: {}", sentence(.source))]
    Receive { what: String, source: io::Error },
    #[error("no reply to {what} within {}", Seconds(*.silence))]
    Silent { what: String, silence: Duration },
    #[error("connection closed instead of a reply to {what}")]
    Closed { what: String },
    #[error("{what}: {source}")]
    BadReply { what: String, source: BadReply },
    #[error("{what} answered with {reply}, expected {expected}")]
    Refused { what: String, reply: Reply, expected: u16 },
}

/// One side of an SMTP connection: ours.
#[derive(Debug)]
pub struct Conversation<S> {
    stream: S,
    replies: Replies,
    /// Longest wait for each step.
    silence: Duration,
    /// When everything must be over.
    until: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub fn new(stream: S, silence: Duration) -> Self {
        let until = Instant::now().checked_add(silence.saturating_mul(ATTEMPT_SPAN));
        Self { stream, replies: Replies::default(), silence, until }
    }

    /// Sends `line` and waits for its reply, which must have code `expected`.
    ///
    /// # Errors
    /// See [`Broken`].
    pub async fn say(&mut self, line: &str, expected: u16) -> Result<(), Broken> {
        let what = line.split(' ').next().unwrap_or(line);
        self.send(what, format!("{line}\r\n").as_bytes()).await?;
        self.expect(what, expected).await
    }

    /// Sends `bytes`, called `what` in errors.
    ///
    /// # Errors
    /// See [`Broken`].
    pub async fn send(&mut self, what: &str, bytes: &[u8]) -> Result<(), Broken> {
        let what = || what.to_owned();
        let sent = step_until(self.step_end(), self.stream.write_all(bytes)).await;
        let sent = sent.ok_or(Broken::Silent { what: what(), silence: self.silence })?;
        sent.map_err(|source| Broken::Send { what: what(), source })
    }

    /// Waits for the reply to `what`, which must have code `expected`.
    ///
    /// # Errors
    /// See [`Broken`].
    pub async fn expect(&mut self, what: &str, expected: u16) -> Result<(), Broken> {
        let reply = self.reply(what).await?;
        if reply.code == expected {
            return Ok(());
        }
        Err(Broken::Refused { what: what.to_owned(), reply, expected })
    }

    /// Waits for the reply to `what`, whatever its code.
    ///
    /// # Errors
    /// See [`Broken`], except `Refused`.
    pub async fn reply(&mut self, what: &str) -> Result<Reply, Broken> {
        let what = || what.to_owned();
        let end = self.step_end();
        let mut buffer = [0; 1024];
        loop {
            let whole = self.replies.take();
            if let Some(reply) =
                whole.map_err(|source| Broken::BadReply { what: what(), source })?
            {
                return Ok(reply);
            }
            let read = step_until(end, self.stream.read(&mut buffer)).await;
            let read = read.ok_or(Broken::Silent { what: what(), silence: self.silence })?;
            match read.map_err(|source| Broken::Receive { what: what(), source })? {
                0 => return Err(Broken::Closed { what: what() }),
                length => self.replies.feed(&buffer[..length]),
            }
        }
    }

    fn step_end(&self) -> Instant {
        let step = Instant::now().checked_add(self.silence);
        // A silence beyond the clock's range is no limit but the conversation's.
        step.into_iter().chain(self.until).min().unwrap_or_else(far_away)
    }
}

/// The conversation of SMTP_CHECK: whatever follows QUIT is the end of it, as in keepalived.
pub(super) async fn attempt(probe: &SmtpProbe) -> Outcome {
    let stream = match open(&probe.connect).await {
        Ok(stream) => stream,
        Err(error) => return error.into(),
    };
    match converse(Conversation::new(stream, probe.connect.timeout), &probe.helo).await {
        Ok(()) => Outcome::Success,
        Err(broken) => Outcome::Failure(broken.to_string()),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut conversation: Conversation<S>,
    helo: &str,
) -> Result<(), Broken> {
    conversation.expect("the greeting", 220).await?;
    conversation.say(&format!("HELO {helo}"), 250).await?;
    conversation.send("QUIT", b"QUIT\r\n").await?;
    conversation.reply("QUIT").await.map(drop)
}

#[cfg(test)]
mod tests;
