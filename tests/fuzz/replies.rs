//! What checks do with replies of servers, likewise: whole, and cut into pieces, which must lead to the same.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mainstay::check::Outcome;
use mainstay::probe::fetch::Patience;
use mainstay::probe::http2::{Event, Seen};
use mainstay::probe::pattern::{Options, Pattern, Search};
use mainstay::probe::response::{BadHeader, Header, MAX_HEADER, Response};
use mainstay::probe::smtp::{BadReply, MAX_REPLY, Replies, Reply};
use mainstay::probe::tls::handshake::{Format, Handshake, TooMuch};
use mainstay::probe::wishes::ExpectedHeader;
use mainstay::probe::{Connect, GrpcProbe, Wishes, dns, grpc, http2, ping, udp};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Lengths of pieces that a reply may come in.
const PIECES: [usize; 3] = [1, 7, 4_095];

/// An HTTP reply: status and length of the body, or the reason why not; whether `ok` is in it, and whether its
/// header has the server's state.
pub fn http(octets: &[u8]) -> String {
    let pattern = Pattern::new("o+k", Options::default()).expect("a pattern");
    let whole = read_page(octets, octets.len().max(1), &pattern);
    for piece in PIECES {
        assert_eq!(read_page(octets, piece, &pattern), whole, "in pieces of {piece}");
    }
    match whole {
        Ok((None, ..)) => "no-header".to_owned(),
        Ok((Some(header), length, found, stated)) => {
            let status = header.status.map_or("no-status".to_owned(), |status| status.to_string());
            let word = |said: bool, word: &'static str| if said { word } else { "" };
            format!("{status}-{length}{}{}", word(found, "-found"), word(stated, "-stated"))
        }
        Err(BadHeader::TooLong) => "too-long".to_owned(),
    }
}

type Read = Result<(Option<Header>, u64, bool, bool), BadHeader>;

fn read_page(octets: &[u8], piece: usize, pattern: &Pattern) -> Read {
    let (mut response, mut search) = (Response::default(), Search::new(pattern));
    for part in octets.chunks(piece) {
        search.feed(response.feed(part)?);
        assert!(response.header_bytes().len() <= MAX_HEADER);
    }
    let stated = state_is_well().lacking(response.header_bytes()).is_none();
    Ok((response.header().cloned(), response.body_len(), search.finish(), stated))
}

/// `expect_header X-State ^well$`, and any `Date`.
fn state_is_well() -> Wishes {
    let pattern = Pattern::new("^well$", Options::default()).expect("a pattern");
    let expected = |name: &str, pattern| ExpectedHeader { name: name.to_owned(), pattern };
    Wishes {
        expected: vec![expected("X-State", Some(pattern)), expected("Date", None)],
        ..Wishes::default()
    }
}

/// Sources of patterns that differ in what the cut of a body could do to them.
const SOURCES: [&str; 8] =
    ["ok", "^ok$", "a.*b", r"\bok\b", r"^\s*$", r"(?:ab|a)+c?\z", "[^x]{3,5}y", r"k\Z"];

/// The search for a pattern in a body; the first octets are the number of the pattern, its options, and how
/// often the rest is the body, which makes it longer than what is kept of one.
pub fn search(octets: &[u8]) -> String {
    let Some((&[number, bits, times], rest)) = octets.split_first_chunk::<3>() else {
        return "cut short".to_owned();
    };
    let bit = |place: u8| bits & (1 << place) != 0;
    let options = Options {
        caseless: bit(0),
        multiline: bit(1),
        dotall: bit(2),
        dollar_endonly: bit(3),
        first_line: bit(4),
        ..Options::default()
    };
    let source = SOURCES[usize::from(number) % SOURCES.len()];
    let mut pattern = Pattern::new(source, options).expect("a pattern");
    let body = rest.repeat(1 + usize::from(times & 0x1f) * 64);
    if bit(5) {
        (pattern.min_offset, pattern.max_offset) = (u64::from(number), Some(u64::from(times) * 9));
    }
    let found = |piece: usize| {
        let mut search = Search::new(&pattern);
        body.chunks(piece).for_each(|part| search.feed(part));
        search.finish()
    };
    let whole = found(body.len().max(1));
    for piece in PIECES {
        assert_eq!(found(piece), whole, "{source} in pieces of {piece}");
    }
    let bounded = bit(5) || options.first_line;
    if !bounded && body.len() < MAX_HEADER {
        assert_eq!(pattern.is_in(&body), whole, "{source} in a body that is kept whole");
    }
    if whole { "found" } else { "not-found" }.to_owned()
}

/// A reply to UDP_CHECK that wants `01`, then four bits `2`, in 2 to 9 octets.
pub fn udp(reply: &[u8]) -> String {
    let pattern = vec![(0x01, 0xff), (0x20, 0xf0)];
    let expect = udp::Expectation { pattern, min_length: 2, max_length: 9 };
    match udp::judge(&expect, reply) {
        Outcome::Success => "fine".to_owned(),
        Outcome::Failure(reason) if reason.contains("differs") => "differs".to_owned(),
        Outcome::Failure(_) => "length".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// What a server of HTTP/2 sends, before it hears anything: what GRPC_CHECK makes of it, and how long a page it
/// is. Nothing is waited for: when the octets end, the connection does.
pub fn http2(octets: &[u8]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let patience = Patience { silence: Duration::from_secs(60), until: None };
    let target = (Ipv4Addr::LOCALHOST, 80).into();
    let request = http2::Request {
        method: "GET",
        scheme: "http",
        authority: "www.example".to_owned(),
        path: "/",
        fields: vec![],
        body: b"",
    };
    let whole = hear(octets, octets.len().max(1), &request);
    for piece in PIECES {
        assert_eq!(hear(octets, piece, &request), whole, "in pieces of {piece}");
    }
    let (mut status, mut body_len) = (None, 0);
    let seen = |part: Seen<'_>| {
        match part {
            Seen::Header(number, _) => status = Some(number),
            Seen::Body(data) => body_len += data.len() as u64,
            Seen::End(_) => {}
        }
        true
    };
    let exchanged = runtime.block_on(http2::exchange(Canned(octets), &request, patience, seen));
    assert_eq!(whole.ok().flatten(), exchanged.is_ok().then_some((status, body_len)));
    let page = match (exchanged, status) {
        (Ok(()), Some(status)) => format!("{status}-{body_len}"),
        _ => "broken".to_owned(),
    };
    let connect = Connect { target, timeout: patience.silence, origin: None };
    let probe = GrpcProbe { connect, service: String::new(), authority: None, tls: None };
    match runtime.block_on(grpc::ask(Canned(octets), &probe, "http", patience)) {
        Outcome::Success => format!("{page} serving"),
        Outcome::Failure(_) => page,
        other => panic!("{other:?}"),
    }
}

/// Status and length of the body; `None`: it does not end.
type Heard = Result<Option<(Option<u16>, u64)>, http2::Fault>;

fn hear(octets: &[u8], piece: usize, request: &http2::Request<'_>) -> Heard {
    let mut conversation = http2::Conversation::new(request);
    let (mut status, mut body_len) = (None, 0);
    for mut rest in octets.chunks(piece) {
        loop {
            let (taken, event) = conversation.take(rest)?;
            rest = &rest[taken..];
            match event {
                Some(Event::Header(number, _)) => status = Some(number),
                Some(Event::Body(range)) => body_len += range.len() as u64,
                Some(Event::End(_)) => return Ok(Some((status, body_len))),
                None => break,
            }
        }
        assert!(conversation.take_outgoing().len() < 70_000, "it piles up");
    }
    Ok(None)
}

/// Messages of a TLS handshake, in the formats of both versions.
pub fn handshake(octets: &[u8]) -> String {
    let follow = |format, piece| {
        let mut handshake = Handshake::new(format);
        octets.chunks(piece).try_for_each(|octets| handshake.follow(octets))
    };
    let judged = [Format::Tls12, Format::Tls13].map(|format| {
        let whole = follow(format, octets.len().max(1));
        for piece in PIECES {
            assert_eq!(follow(format, piece), whole, "in pieces of {piece}");
        }
        match whole {
            Ok(()) => "fine",
            Err(TooMuch::Octets) => "too-long",
            Err(TooMuch::Certificates) => "certificates",
            Err(TooMuch::Names) => "names",
        }
    });
    judged.join(" ")
}

/// A connection on which these octets come, whatever is sent.
struct Canned<'o>(&'o [u8]);

impl AsyncRead for Canned<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.0.split_at(self.0.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canned<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A datagram to somebody who asked with the id 0x1234.
pub fn dns(datagram: &[u8]) -> String {
    match dns::judge(0x1234, datagram) {
        None => "passed-over".to_owned(),
        Some(Outcome::Success) => "fine".to_owned(),
        Some(Outcome::Failure(reason)) => {
            reason.rsplit(['(', ')']).nth(1).unwrap_or("?").to_owned()
        }
        Some(other) => panic!("{other:?}"),
    }
}

/// Replies of a mail server: their codes, and why there are no more.
pub fn smtp(octets: &[u8]) -> String {
    let (replies, end) = converse(octets, octets.len().max(1));
    for piece in PIECES {
        assert_eq!(converse(octets, piece), (replies.clone(), end), "in pieces of {piece}");
    }
    let codes = replies.iter().map(|reply| {
        assert!(reply.code < 1_000 && reply.text.chars().count() <= 80, "{reply:?}");
        assert!(!reply.text.contains(char::is_control), "{reply:?}");
        reply.code.to_string()
    });
    let end = match end {
        None => "",
        Some(BadReply::NoCode) => "no-code",
        Some(BadReply::MixedCodes) => "mixed-codes",
        Some(BadReply::TooLong) => "too-long",
    };
    let words: Vec<String> = codes.chain((!end.is_empty()).then(|| end.to_owned())).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}

fn converse(octets: &[u8], piece: usize) -> (Vec<Reply>, Option<BadReply>) {
    let (mut replies, mut read) = (Replies::default(), Vec::new());
    for part in octets.chunks(piece.min(MAX_REPLY)) {
        replies.feed(part);
        loop {
            match replies.take() {
                Ok(Some(reply)) => read.push(reply),
                Ok(None) => break,
                Err(bad) => return (read, Some(bad)),
            }
        }
    }
    (read, None)
}

/// A packet on a raw socket that has sent an echo request with the id 1.
pub fn ping(packet: &[u8]) -> String {
    let (label, v6) = (ping::Label { id: 1, sequence: 1 }, "::1".parse().expect("an address"));
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v4 = ping::is_reply(v4, true, label, ping::without_header(packet));
    let v6 = ping::is_reply(v6, true, label, packet);
    match (v4, v6) {
        (true, _) => "reply",
        (_, true) => "reply6",
        _ => "passed-over",
    }
    .to_owned()
}

/// The body of a reply of grpc.health.v1.
pub fn grpc(body: &[u8]) -> String {
    match grpc::read(body) {
        Ok(serving) => match grpc::judge(serving) {
            Outcome::Success => "serving".to_owned(),
            _ => format!("status-{}", serving.0),
        },
        Err(grpc::BadMessage::Nothing) => "nothing".to_owned(),
        Err(grpc::BadMessage::Compressed) => "compressed".to_owned(),
        Err(grpc::BadMessage::Length) => "length".to_owned(),
        Err(grpc::BadMessage::TooLong) => "too-long".to_owned(),
        Err(grpc::BadMessage::Malformed) => "malformed".to_owned(),
    }
}
