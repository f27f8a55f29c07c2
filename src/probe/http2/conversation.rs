//! One request and its reply as frames of HTTP/2 (RFC 9113): octets in, what they say out, without any input or
//! output of its own. There is one stream, number 1; what is held of the reply is its header while that comes.

use std::ops::Range;

use super::fault::Fault;
use super::hpack;
use super::message::{Fields, Request, is_secret};

/// Each side begins with octets of its own; the server's are its settings (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Length, kind, flags and stream stand before the contents of a frame (RFC 9113 §4.1).
const HEAD: usize = 9;

/// Longest contents of a frame, for both sides: what holds as long as nobody sets more (RFC 9113 §4.2).
pub(super) const MAX_FRAME: usize = 16_384;

/// Octets of body that may be on their way at first, in either direction (RFC 9113 §6.9.2), and the most that the
/// other may be allowed (§6.9.1).
const WINDOW: i64 = 65_535;
const MAX_WINDOW: i64 = 0x7fff_ffff;

/// Longest header, encoded, and as HTTP/2 counts it: 32 octets more for each field (RFC 9113 §6.5.2).
pub const MAX_HEADER: usize = 8_192;

/// Kinds of frames (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Flags, each of some kinds only.
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

/// Settings (RFC 9113 §6.5.2).
const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// The only stream.
const STREAM: u32 = 1;

/// What of a reply has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its status and fields; once, first.
    Header(u16, Fields),
    /// Of the octets given these are of the body.
    Body(Range<usize>),
    /// That was all; behind the body came these.
    End(Fields),
}

/// The frame on its way.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// Octets of its contents that are still to come, padding among them.
    left: usize,
    padding: usize,
}

impl Frame {
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Where in a frame we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    /// As many octets of the contents as are taken together.
    Lead(usize),
    /// What is taken as it comes.
    Rest,
}

/// A request on its way, and its reply.
#[derive(Debug)]
pub struct Conversation<'a> {
    outgoing: Vec<u8>,
    /// Of our body, what has not been sent.
    body: &'a [u8],
    /// Octets of body that we may send: over the connection, over the stream; and what the latter began with.
    windows: [i64; 2],
    initial: i64,
    /// Octets of body that the server may send.
    allowed: i64,

    part: Part,
    frame: Frame,
    /// What is taken together, of which the first `held` octets are there.
    small: [u8; HEAD],
    held: usize,

    /// The server's settings have come.
    greeted: bool,
    /// A header on its way, and the flags of its first frame.
    block: Option<(Vec<u8>, u8)>,
    /// What content-length says, once there is a header; `Some(None)`: nothing.
    expected: Option<Option<u64>>,
    is_head: bool,
    received: u64,
    trailers: Fields,
    ended: bool,
}

impl<'a> Conversation<'a> {
    /// Begins it: what is to be sent is there at once.
    pub fn new(request: &Request<'a>) -> Self {
        let mut this = Self {
            outgoing: PREFACE.to_vec(),
            body: request.body,
            windows: [WINDOW; 2],
            initial: WINDOW,
            allowed: WINDOW,
            part: Part::Head,
            frame: Frame::default(),
            small: [0; HEAD],
            held: 0,
            greeted: false,
            block: None,
            expected: None,
            is_head: request.method == "HEAD",
            received: 0,
            trailers: Fields::default(),
            ended: false,
        };
        this.send_settings();
        this.send_header(request);
        this.send_body();
        this
    }

    /// Takes what is to be sent. The caller sends it before anything else is read, so that it stays little.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        if self.outgoing.is_empty() {
            self.send_body();
        }
        std::mem::take(&mut self.outgoing)
    }

    /// Takes `octets` up to the first event; gives how many these were. Without an event it has taken all of them.
    ///
    /// # Errors
    /// See [`Fault`]. Nothing useful follows.
    pub fn take(&mut self, octets: &[u8]) -> Result<(usize, Option<Event>), Fault> {
        let mut rest = octets;
        while !self.ended {
            let at = octets.len() - rest.len();
            let part = self.part;
            let event = match part {
                Part::Head if !self.gather(&mut rest, HEAD) => break,
                Part::Head => self.begin_frame()?,
                Part::Lead(length) if !self.gather(&mut rest, length) => break,
                Part::Lead(_) => self.take_lead()?,
                Part::Rest if self.frame.left == 0 => self.end_frame()?,
                Part::Rest if rest.is_empty() => break,
                Part::Rest => {
                    let now = rest.len().min(self.frame.left);
                    let (octets, behind) = rest.split_at(now);
                    rest = behind;
                    self.take_rest(octets, at)?
                }
            };
            if event.is_some() {
                return Ok((octets.len() - rest.len(), event));
            }
        }
        let end = self.ended.then(|| Event::End(std::mem::take(&mut self.trailers)));
        Ok((octets.len() - rest.len(), end))
    }

    /// Adds to the octets that are taken together; whether they are there, `length` of them.
    fn gather(&mut self, from: &mut &[u8], length: usize) -> bool {
        let now = (length - self.held).min(from.len());
        let (octets, rest) = from.split_at(now);
        self.small[self.held..self.held + now].copy_from_slice(octets);
        self.held += now;
        *from = rest;
        let is_there = self.held == length;
        if is_there {
            self.held = 0;
        }
        is_there
    }

    /// Looks at the head of a frame.
    fn begin_frame(&mut self) -> Result<Option<Event>, Fault> {
        let [high, middle, low, kind, flags, stream @ ..] = self.small;
        let left = u32::from_be_bytes([0, high, middle, low]) as usize;
        let stream = u32::from_be_bytes(stream) & MAX_WINDOW as u32;
        self.frame = Frame { kind, flags, stream, left, padding: 0 };
        if !self.greeted && (kind != SETTINGS || self.frame.has(ACK)) {
            return Err(Fault::Foreign);
        }
        if left > MAX_FRAME {
            return Err(Fault::LongFrame(left));
        }
        self.is_expected()?;
        self.greeted = true;
        if kind == DATA {
            self.allowed -= left as i64;
            if self.allowed < 0 {
                return Err(Fault::Flow);
            }
        }
        self.part = match self.lead() {
            0 => Part::Rest,
            lead if lead <= left => Part::Lead(lead),
            _ => return Err(Fault::BadFrame(kind)),
        };
        Ok(None)
    }

    /// Whether the frame may come now, on its stream.
    fn is_expected(&self) -> Result<(), Fault> {
        let Frame { kind, stream, .. } = self.frame;
        let is_ours = match kind {
            // Between the frames of a header there is none (RFC 9113 §4.3).
            CONTINUATION => self.block.is_some() && stream == STREAM,
            _ if self.block.is_some() => false,
            DATA => self.expected.is_some() && stream == STREAM,
            HEADERS | RST_STREAM => stream == STREAM,
            SETTINGS | PING | GOAWAY => stream == 0,
            WINDOW_UPDATE => stream <= STREAM,
            // We did not allow it (RFC 9113 §6.6).
            PUSH_PROMISE => false,
            // It says nothing any more, and what we do not know is passed over (RFC 9113 §5.3.2, §5.5).
            _ => true,
        };
        if is_ours { Ok(()) } else { Err(Fault::Unexpected(kind)) }
    }

    /// Octets of the frame's contents that are taken together first.
    fn lead(&self) -> usize {
        let padded = usize::from(self.frame.has(PADDED));
        match self.frame.kind {
            DATA => padded,
            HEADERS => padded + if self.frame.has(WITH_PRIORITY) { 5 } else { 0 },
            PRIORITY => 5,
            RST_STREAM | WINDOW_UPDATE => 4,
            SETTINGS if self.frame.left > 0 => 6,
            PING | GOAWAY => 8,
            _ => 0,
        }
    }

    /// Takes what is taken together.
    fn take_lead(&mut self) -> Result<Option<Event>, Fault> {
        let Part::Lead(length) = self.part else { return Ok(None) };
        self.frame.left -= length;
        self.part = Part::Rest;
        let Frame { kind, left, .. } = self.frame;
        let [a, b, c, d, e, f, g, h, _] = self.small;
        let (first, second) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        match kind {
            DATA | HEADERS if self.frame.has(PADDED) => {
                self.frame.padding = usize::from(a);
                if self.frame.padding > left {
                    return Err(Fault::BadFrame(kind));
                }
            }
            SETTINGS if self.frame.has(ACK) => return Err(Fault::BadFrame(kind)),
            SETTINGS => {
                self.set(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))?;
                match left {
                    0 => {}
                    6.. => self.part = Part::Lead(6),
                    _ => return Err(Fault::BadFrame(kind)),
                }
            }
            RST_STREAM | WINDOW_UPDATE | PING | PRIORITY if left > 0 => {
                return Err(Fault::BadFrame(kind));
            }
            RST_STREAM => return Err(Fault::Reset(first)),
            WINDOW_UPDATE => self.widen(first & MAX_WINDOW as u32)?,
            PING if !self.frame.has(ACK) => {
                let contents = [a, b, c, d, e, f, g, h];
                self.send(PING, ACK, 0, &contents);
            }
            // What the server may still answer it says with the last stream (RFC 9113 §6.8).
            GOAWAY if second != 0 || first & (MAX_WINDOW as u32) < STREAM => {
                return Err(Fault::GoAway(second));
            }
            _ => {}
        }
        Ok(None)
    }

    /// Takes a setting; all but one concern what we do not do.
    fn set(&mut self, setting: u16, value: u32) -> Result<(), Fault> {
        if setting != INITIAL_WINDOW_SIZE {
            return Ok(());
        }
        let value = i64::from(value);
        self.windows[1] += value - self.initial;
        self.initial = value;
        let is_too_wide = value > MAX_WINDOW || self.windows[1] > MAX_WINDOW;
        if is_too_wide { Err(Fault::BadFrame(SETTINGS)) } else { Ok(()) }
    }

    fn widen(&mut self, by: u32) -> Result<(), Fault> {
        let window = &mut self.windows[self.frame.stream as usize];
        *window += i64::from(by);
        if by == 0 || *window > MAX_WINDOW { Err(Fault::BadFrame(WINDOW_UPDATE)) } else { Ok(()) }
    }

    /// Takes octets as they come, which are the ones from `at` on.
    fn take_rest(&mut self, octets: &[u8], at: usize) -> Result<Option<Event>, Fault> {
        let contents = octets.len().min(self.frame.left.saturating_sub(self.frame.padding));
        self.frame.left -= octets.len();
        match self.frame.kind {
            DATA if contents > 0 => {
                self.received += contents as u64;
                Ok(Some(Event::Body(at..at + contents)))
            }
            HEADERS | CONTINUATION => {
                let (block, _) = self.block.get_or_insert((Vec::new(), self.frame.flags));
                if block.len() + contents > MAX_HEADER {
                    return Err(Fault::LongHeader);
                }
                block.reserve_exact(contents);
                block.extend_from_slice(&octets[..contents]);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn end_frame(&mut self) -> Result<Option<Event>, Fault> {
        self.part = Part::Head;
        let frame = self.frame;
        match frame.kind {
            SETTINGS if !frame.has(ACK) => self.send(SETTINGS, ACK, 0, &[]),
            DATA => {
                self.allow_more();
                if frame.has(END_STREAM) {
                    self.end()?;
                }
            }
            HEADERS | CONTINUATION => {
                let (block, flags) = self.block.take().unwrap_or((Vec::new(), frame.flags));
                if !frame.has(END_HEADERS) {
                    self.block = Some((block, flags));
                    return Ok(None);
                }
                return self.take_header(&block, flags & END_STREAM != 0);
            }
            _ => {}
        }
        Ok(None)
    }

    /// Takes a whole header, or what comes behind the body.
    fn take_header(&mut self, block: &[u8], is_last: bool) -> Result<Option<Event>, Fault> {
        let (mut status, mut fields) = (None, Fields::default());
        hpack::read(block, MAX_HEADER, |name, value| match name {
            b":status" if status.is_none() && fields.lines().is_empty() => {
                status = Some(parse_status(value).ok_or(Fault::Field)?);
                Ok(())
            }
            _ => fields.add(name, value),
        })?;
        match (status, self.expected) {
            // An interim response (RFC 9113 §8.1), of which this version knows no 101 (§8.6).
            (Some(100 | 102..=199), None) if !is_last => Ok(None),
            (Some(status @ 200..), None) => {
                let has_body = !self.is_head && status != 204 && status != 304;
                let length = fields.get("content-length").filter(|_| has_body);
                let length = length.map(|text| text.parse().map_err(|_| Fault::Field));
                self.expected = Some(length.transpose()?);
                if is_last {
                    self.end()?;
                }
                Ok(Some(Event::Header(status, fields)))
            }
            (None, Some(_)) if is_last => {
                self.trailers = fields;
                self.end()?;
                Ok(None)
            }
            _ => Err(Fault::Field),
        }
    }

    /// Nothing more comes.
    fn end(&mut self) -> Result<(), Fault> {
        self.ended = true;
        match self.expected.flatten() {
            Some(length) if length != self.received => Err(Fault::Length(self.received)),
            _ => Ok(()),
        }
    }

    /// Opens the windows of the connection and of the stream again when half of them is used.
    fn allow_more(&mut self) {
        let used = WINDOW - self.allowed;
        if used > WINDOW / 2 {
            for stream in [0, STREAM] {
                self.send(WINDOW_UPDATE, 0, stream, &(used as u32).to_be_bytes());
            }
            self.allowed = WINDOW;
        }
    }

    fn send_settings(&mut self) {
        let settings =
            [(HEADER_TABLE_SIZE, 0), (ENABLE_PUSH, 0), (MAX_HEADER_LIST_SIZE, MAX_HEADER as u32)];
        let octets = settings.map(|(setting, value): (u16, u32)| {
            let ([a, b], [c, d, e, f]) = (setting.to_be_bytes(), value.to_be_bytes());
            [a, b, c, d, e, f]
        });
        self.send(SETTINGS, 0, 0, octets.as_flattened());
    }

    fn send_header(&mut self, request: &Request<'_>) {
        let mut block = Vec::new();
        let Request { method, scheme, authority, path, .. } = request;
        for (name, value) in [
            (":method", method),
            (":scheme", scheme),
            (":authority", &&**authority),
            (":path", path),
        ] {
            hpack::write(&mut block, name, value, false);
        }
        for (name, value) in &request.fields {
            let secret = is_secret(name);
            hpack::write(&mut block, &name.to_ascii_lowercase(), value.trim_ascii(), secret);
        }
        let last = if request.body.is_empty() { END_STREAM } else { 0 };
        let mut parts = block.chunks(MAX_FRAME).peekable();
        let (mut kind, mut flags) = (HEADERS, last);
        while let Some(part) = parts.next() {
            let end = if parts.peek().is_none() { END_HEADERS } else { 0 };
            self.send(kind, flags | end, STREAM, part);
            (kind, flags) = (CONTINUATION, 0);
        }
    }

    /// Sends of the body as much as one frame and the windows hold.
    fn send_body(&mut self) {
        let most = self.windows.into_iter().fold(MAX_FRAME as i64, i64::min).max(0) as usize;
        let (now, rest) = self.body.split_at(self.body.len().min(most));
        if now.is_empty() {
            return;
        }
        let flags = if rest.is_empty() { END_STREAM } else { 0 };
        self.send(DATA, flags, STREAM, now);
        self.windows = self.windows.map(|window| window - now.len() as i64);
        self.body = rest;
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, contents: &[u8]) {
        let [_, length @ ..] = (contents.len() as u32).to_be_bytes();
        for part in [&length[..], &[kind, flags], &stream.to_be_bytes(), contents] {
            self.outgoing.extend_from_slice(part);
        }
    }
}

/// Three digits.
fn parse_status(value: &[u8]) -> Option<u16> {
    let digits = value.iter().all(u8::is_ascii_digit) && value.len() == 3;
    digits.then(|| value.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests;
