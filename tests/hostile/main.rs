//! Servers that mean harm: whatever they send, a check costs its own time and less than 64 kB, and the checks of
//! other servers go on.
//!
//! Memory is counted where the attempt runs, octet by octet: its thread has an allocator that counts.

#![expect(clippy::disallowed_methods, reason = "tests against real sockets wait in real time")]

mod measured;
mod others;
mod servers;

use std::time::Duration;

use mainstay::check::Outcome;
use rustls::version::{TLS12, TLS13};

use measured::{Cost, measure};
use servers::{
    Certificates, Flood, datagrams, drops, fast, gzip_bomb, slow, stream, tls, unanswered,
};

/// What a busy machine may take beyond a check's own time. Less than what any check would take that had
/// another's: five times its own for one of a single step.
const SLACK: Duration = Duration::from_secs(2);

/// Octets that an attempt may hold at a time.
const MEMORY: isize = 65_536;

/// The check must fail for a reason that has `reason` in it, in time and within its memory.
fn fails(what: &str, check: &str, port: u16, reason: &str) {
    let Cost { outcome, own_time, time, memory } = measure(check, port);
    let Outcome::Failure(why) = outcome else { panic!("{what}: {outcome:?}") };
    println!("{what}: {time:?}, {memory} octets: {why}");
    assert!(why.contains(reason), "{what}: {why}");
    assert!(time < own_time + SLACK, "{what}: {time:?}, and may take {own_time:?}");
    assert!(memory < MEMORY, "{what}: {memory} octets");
}

/// A page that is searched and hashed: all that can be asked of one.
const GET: &str = "HTTP_GET {\n url {\n path /\n digest 00000000000000000000000000000000\n \
                   regex nowhere\n }\n";
const SSL_GET: &str = "SSL_GET {\n url {\n path /\n digest 00000000000000000000000000000000\n \
                       regex nowhere\n }\n";

#[test]
fn http_headers_and_bodies_without_end() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let body = "HTTP/1.1 200 OK\r\n\r\n";
    for (what, flood, reason) in [
        ("header lines", fast(ok, "X-More: of the same\r\n"), "header is longer than"),
        ("one header line", fast("HTTP/1.1 200 OK\r\nX: ", "x"), "header is longer than"),
        ("status line", fast("HTTP/1.1 200 ", "O"), "header is longer than"),
        ("line ends", fast("HTTP/1.1 200 OK", "\r"), "header is longer than"),
        ("body", fast(body, "all is well\n"), "not finished within"),
        ("body in drops", slow(body, "x"), "not finished within"),
        ("header in drops", slow(ok, "x"), "not finished within"),
        ("nothing", slow("", ""), "no answer within"),
        ("continue for ever", fast("", "HTTP/1.1 100 Continue\r\n\r\n"), "not finished within"),
        ("noise", fast("\0\u{1}\u{2}\u{ff}", "\u{fffd}"), "header is longer than"),
    ] {
        fails(what, GET, stream(flood), reason);
    }
}

/// What a length says is not believed: not a chunk's, and of the page only that no more is to be read.
#[test]
fn http_lengths_that_are_lies() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (what, flood, reason) in [
        ("huge chunk", fast(&format!("{chunked}ffffffffffffffff\r\n"), "x"), "not finished within"),
        ("negative chunk", Flood::once(&format!("{chunked}-1\r\nx\r\n0\r\n\r\n")), "MD5 digest"),
        ("no chunk", Flood::once(&format!("{chunked}zz\r\n")), "MD5 digest"),
        ("chunks of 0", fast(chunked, "0\r\n\r\n"), "not finished within"),
        (
            "huge length",
            Flood::once("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nx"),
            "MD5 digest",
        ),
        (
            "length beyond numbers",
            Flood::once("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx"),
            "MD5 digest",
        ),
        ("negative length", Flood::once("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"), "MD5"),
        (
            "two lengths",
            Flood::once("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nxxxx"),
            "of 1 bytes",
        ),
    ] {
        fails(what, GET, stream(flood), reason);
    }
}

/// 100 MB of zeroes, compressed: hashed and searched as it comes.
#[test]
fn a_gzip_bomb_is_not_unpacked() {
    let Some(bomb) = gzip_bomb() else { return eprintln!("skipped: there is no gzip") };
    let length = bomb.len();
    let header =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n");
    let flood = Flood { first: [header.into_bytes(), bomb].concat(), ..Flood::default() };
    fails("gzip bomb", GET, stream(flood), &format!("of {length} bytes"));
}

#[test]
fn redirects_are_not_followed() {
    let flood = Flood::once("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    let (heard, port) = servers::counted(flood);
    fails("redirect", GET, port, "HTTP status 302");
    // The first attempt is not measured.
    assert_eq!(heard.load(std::sync::atomic::Ordering::SeqCst), 2, "one connection an attempt");
}

/// Records of TLS whose contents are none, and handshakes that go on.
#[test]
fn tls_that_is_none() {
    let hello = [22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff];
    let more = [&[22, 3, 3, 0x40, 0][..], &[0; 0x4000]].concat();
    let warning = vec![21, 3, 3, 0, 2, 1, 90];
    let change = vec![20, 3, 3, 0, 1, 1];
    let empty = vec![22, 3, 3, 0, 0];
    let length = vec![22, 3, 3, 0xff, 0xff];
    for (what, first, again) in [
        ("noise", vec![], vec![0xa5; 1000]),
        ("HTTP", vec![], b"HTTP/1.1 400 Bad Request\r\n".to_vec()),
        ("a server hello of 16 MB", hello.to_vec(), more),
        ("warnings", vec![], warning),
        ("change cipher spec", vec![], change),
        ("empty records", vec![], empty),
        ("records that are too long", vec![], length),
    ] {
        let flood = Flood { first, again, ..Flood::default() };
        fails(what, SSL_GET, stream(flood), "TLS handshake");
    }
    fails("TLS in drops", SSL_GET, stream(slow("\u{16}\u{3}\u{3}", "\0")), "TLS handshake");
    fails("silence", SSL_GET, stream(slow("", "")), "TLS handshake not finished within");
}

/// The same inside a session that is in order.
#[test]
fn pages_without_end_over_tls() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (what, flood, reason) in [
        ("header lines", fast(ok, "X-More: of the same\r\n"), "header is longer than"),
        ("body", fast("HTTP/1.1 200 OK\r\n\r\n", "all is well\n"), "not finished within"),
        ("body in drops", slow("HTTP/1.1 200 OK\r\n\r\n", "x"), "not finished within"),
        ("nothing", slow("", ""), "no answer within"),
    ] {
        fails(what, SSL_GET, tls(&TLS13, &Certificates::default(), flood.clone()), reason);
        fails(
            &format!("{what}, TLS 1.2"),
            SSL_GET,
            tls(&TLS12, &Certificates::default(), flood),
            reason,
        );
    }
}

/// A chain of certificates, and names of CAs, are kept as long as a session lasts. For each there is a structure,
/// so that many small ones take far more than they have octets.
#[test]
fn certificates_without_end() {
    let body = fast("HTTP/1.1 200 OK\r\n\r\n", "all is well\n");
    let chain = |number: usize, length: usize| Certificates {
        chain: vec![vec![0; length]; number],
        ..Certificates::default()
    };
    let names = |number: usize, length: usize| Certificates {
        names: vec![vec![0; length]; number],
        ..Certificates::default()
    };
    for version in [&TLS12, &TLS13] {
        for (what, certificates, reason) in [
            ("60 kB", chain(3, 20_000), "TLS handshake failed: more than"),
            ("15 kB", chain(1, 15_000), "not finished within"),
            ("30 certificates", chain(29, 520), "not finished within"),
            (
                "2,600 certificates",
                chain(2_600, 1),
                "TLS handshake failed: more than 30 certificates",
            ),
            ("500 names", names(500, 28), "not finished within"),
            ("5,000 names", names(5_000, 1), "TLS handshake failed: names of more than 500 CAs"),
            (
                "both",
                Certificates { names: vec![vec![0; 900]; 10], ..chain(1, 13_000) },
                "TLS handshake failed: more than",
            ),
        ] {
            let what = format!("{what}, {:?}", version.version);
            fails(&what, SSL_GET, tls(version, &certificates, body.clone()), reason);
        }
    }
}

#[test]
fn smtp_replies_without_end() {
    let padded = format!("220-{}\r\n", " ".repeat(2_000));
    for (what, flood, reason) in [
        ("lines of one reply", fast("", "220-more\r\n"), "a reply is longer than"),
        ("lines of blanks", fast("", &padded), "a reply is longer than"),
        ("one line", fast("220 ", "x"), "a reply is longer than"),
        ("line ends", fast("", "\n"), "does not begin with three digits"),
        ("noise", fast("\0\u{1}", "\u{fffd}\n"), "does not begin with three digits"),
        ("other codes", fast("220-a\r\n", "250-b\r\n"), "different codes"),
        ("greetings", fast("", "220 mx\r\n"), "HELO answered with 220"),
        ("drops", slow("220-", "x"), "no reply to the greeting within"),
        ("drops of lines", slow("", "220-x\r\n"), "no reply to the greeting within"),
        ("nothing", slow("", ""), "no reply to the greeting within"),
    ] {
        fails(what, "SMTP_CHECK {\n", stream(flood), reason);
    }
}

#[test]
fn dns_garbage() {
    let check = "DNS_CHECK {\n";
    let port = datagrams(|query, _| query.to_vec());
    fails("our own query", check, port, "no reply");
    let port = datagrams(|_, round| vec![round as u8; 60_000]);
    fails("datagrams of 60 kB", check, port, "no reply");
    let port = datagrams(|_, _| Vec::new());
    fails("empty datagrams", check, port, "no reply");
    let port = datagrams(|query, _| {
        let mut other = query.to_vec();
        (other[0], other[2]) = (!other[0], 0x80);
        other
    });
    fails("replies to others", check, port, "no reply");
    let port = datagrams(|query, _| [&query[..2], &[0x80, 0x0f]].concat().repeat(3));
    fails("a code that is none", check, port, "reply has code 15");
    fails("replies to others in drops", check, drops(b"\0\0\0\0 no reply"), "no reply within");
    fails("nothing", check, drops(b""), "no reply within");
}

#[test]
fn udp_replies_as_long_as_can_be() {
    let port = datagrams(|_, _| vec![7; 65_000]);
    let check = "UDP_CHECK {\n require_reply 01\n";
    fails("65 kB", check, port, "reply has 256 bytes");
    fails("nothing", check, drops(b""), "no reply within");
}

#[test]
fn connections_that_never_stand() {
    let Some((port, _queue)) = unanswered() else {
        return println!("skipped: the kernel takes connections that it has no room for");
    };
    for check in ["TCP_CHECK {\n", "SMTP_CHECK {\n", GET, SSL_GET, "GRPC_CHECK {\n"] {
        fails("no connection", check, port, "no answer within");
    }
}

/// Connections that are taken and closed, or reset, at once.
#[test]
fn connections_that_break_off() {
    for (check, reason) in
        [(GET, "without a reply"), (SSL_GET, "TLS handshake"), ("SMTP_CHECK {\n", "instead of")]
    {
        fails("end at once", check, stream(Flood::once("")), reason);
        let reset = Flood { reset: true, ..Flood::default() };
        fails("reset", check, stream(reset), "");
    }
}

/// A frame of HTTP/2: kind, flags, stream, payload.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    let [_, length @ ..] = length.to_be_bytes();
    [&length[..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// What is sent first, and again and again.
fn floods_of_frames() -> Vec<(&'static str, Flood)> {
    let settings = frame(4, 0, 0, &[]);
    // `:status: 200`, with and without an end of the header.
    let (header, begun) = (frame(1, 4, 1, &[0x88]), frame(1, 0, 1, &[0x88]));
    let long = [&[0x40, 1, b'x', 0x7f, 0xa0, 0x0f][..], &[b'y'; 2_100]].concat();
    // Headers of one octet each, all the same and all of the table.
    let same = frame(1, 4, 1, &[&[0x88][..], &[0x90; 8_000]].concat());
    let all: Vec<u8> = (0x8f..=0xbd).cycle().take(8_000).collect();
    let all = frame(1, 4, 1, &[&[0x88][..], &all].concat());
    let kinds = [
        ("settings", vec![], settings.clone()),
        ("pings", settings.clone(), frame(6, 0, 0, &[7; 8])),
        ("continuations", [&settings[..], &begun].concat(), frame(9, 0, 1, &long)),
        ("empty continuations", [&settings[..], &begun].concat(), frame(9, 0, 1, &[])),
        ("empty data", [&settings[..], &header].concat(), frame(0, 0, 1, &[])),
        ("data", [&settings[..], &header].concat(), frame(0, 0, 1, &[0; 9_000])),
        ("windows", settings.clone(), frame(8, 0, 0, &[0, 0, 0, 1])),
        ("informational", settings.clone(), frame(1, 4, 1, &[0x08, 3, b'1', b'0', b'3'])),
        ("pushes", settings.clone(), frame(5, 4, 1, &[0, 0, 0, 2, 0x82])),
        ("resets", settings.clone(), frame(3, 0, 1, &[0, 0, 0, 2])),
        ("data of 8 kB", [&settings[..], &header].concat(), frame(0, 0, 1, &[0; 8_183])),
        ("data of 16 kB", [&settings[..], &header].concat(), frame(0, 0, 1, &[0; 16_384])),
        ("one header again", [&settings[..], &same].concat(), frame(0, 0, 1, &[0; 16_384])),
        ("all headers", [&settings[..], &all].concat(), frame(0, 0, 1, &[0; 16_384])),
        ("frames of 16 MB", settings.clone(), vec![0xff; 9_000]),
    ];
    let flood = |(what, first, again): (_, _, Vec<u8>)| {
        let again = again.repeat(1 + 60_000 / again.len());
        (what, Flood { first, again, ..Flood::default() })
    };
    kinds.into_iter().map(flood).collect()
}

#[test]
fn http2_frames_without_end() {
    for (what, flood) in floods_of_frames() {
        let get = "HTTP_GET {\n http_protocol 2\n url {\n path /\n regex nowhere\n }\n";
        fails(what, "GRPC_CHECK {\n", stream(flood.clone()), "");
        fails(what, get, stream(flood), "");
    }
}

#[test]
fn http2_frames_without_end_over_tls() {
    for (what, flood) in floods_of_frames() {
        let get = "SSL_GET {\n http_protocol 2\n url {\n path /\n regex nowhere\n }\n";
        let what = format!("{what}, TLS");
        let port = tls(&TLS13, &Certificates::default(), flood.clone());
        fails(&what, "GRPC_CHECK {\n tls\n", port, "");
        fails(&what, get, tls(&TLS13, &Certificates::default(), flood), "");
    }
}
