use std::borrow::Cow;

use proptest::prelude::*;

use super::super::hpack::BadBlock;
use super::super::message::tests::request;
use super::*;

fn frame(kind: u8, flags: u8, stream: u8, contents: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (contents.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags, 0, 0, 0, stream], contents].concat()
}

/// A block of these fields.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        hpack::write(&mut block, name, value, false);
    }
    block
}

fn header(flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags, 1, &block(fields))
}

const OK: &[(&str, &str)] = &[(":status", "200")];

/// What is behind the server's settings, in pieces of this length: the words of the header, the body, the words
/// behind it; and what is sent after the request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Heard {
    header: Option<(u16, String)>,
    body: Vec<u8>,
    end: Option<String>,
    sent: Vec<u8>,
}

fn hear(request: &Request<'_>, octets: &[u8], piece: usize) -> Result<Heard, Fault> {
    let mut conversation = Conversation::new(request);
    conversation.take_outgoing();
    let greeting = frame(SETTINGS, 0, 0, &[]);
    let mut heard = Heard::default();
    let text = |fields: Fields| String::from_utf8(fields.lines().to_vec()).unwrap();
    for mut rest in [&greeting, octets].into_iter().flat_map(|part| part.chunks(piece)) {
        loop {
            let (taken, event) = conversation.take(rest)?;
            match event {
                Some(Event::Header(status, fields)) => heard.header = Some((status, text(fields))),
                Some(Event::Body(range)) => heard.body.extend_from_slice(&rest[range]),
                Some(Event::End(fields)) => {
                    heard.end = Some(text(fields));
                    return Ok(heard);
                }
                None => {
                    assert_eq!(taken, rest.len());
                    break;
                }
            }
            rest = &rest[taken..];
        }
        heard.sent.append(&mut conversation.take_outgoing());
    }
    Ok(heard)
}

/// However it is cut, it says the same.
fn heard(octets: &[u8]) -> Result<Heard, Fault> {
    let whole = hear(&request(b""), octets, 100_000);
    for piece in [1, 2, 7, 4_095] {
        assert_eq!(
            hear(&request(b""), octets, piece).map(|heard| (heard.header, heard.body, heard.end)),
            whole.clone().map(|heard| (heard.header, heard.body, heard.end)),
            "in pieces of {piece}"
        );
    }
    whole
}

#[test]
fn a_request_is_settings_and_a_header() {
    let secret = ("Authorization", Cow::Borrowed(" Basic eA== "));
    let mut conversation = Conversation::new(&Request { fields: vec![secret], ..request(b"") });
    let sent = conversation.take_outgoing();
    let settings = frame(SETTINGS, 0, 0, b"\0\x01\0\0\0\0\0\x02\0\0\0\0\0\x06\0\0\x20\0");
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":authority", "www.example"), (":path", "/")];
    let mut block = block(&fields);
    hpack::write(&mut block, "authorization", "Basic eA==", true);
    let header = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
    assert_eq!(sent, [PREFACE, &settings, &header].concat());
    assert_eq!(conversation.take_outgoing(), b"");
}

#[test]
fn a_header_of_any_length_is_sent_in_frames() {
    let fields = vec![("x", Cow::Owned("y".repeat(40_000)))];
    let sent = Conversation::new(&Request { fields, ..request(b"") }).take_outgoing();
    let mut rest = &sent[PREFACE.len()..];
    let mut frames = Vec::new();
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        frames.push((head[3], head[4], length));
        rest = &behind[length..];
    }
    assert_eq!(frames[1..3], [(HEADERS, END_STREAM, MAX_FRAME), (CONTINUATION, 0, MAX_FRAME)]);
    assert_eq!(frames[3].1, END_HEADERS);
    assert_eq!(frames.len(), 4);
}

#[test]
fn a_reply_is_header_body_and_trailers() {
    let octets = [
        // An interim response first.
        header(END_HEADERS, &[(":status", "103"), ("link", "x")]),
        header(END_HEADERS, &[(":status", "200"), ("x-state", "well"), ("content-length", "9")]),
        frame(DATA, 0, 1, b"all "),
        frame(DATA, PADDED, 1, b"\x03is \0\0\0"),
        frame(DATA, 0, 1, b""),
        frame(DATA, PADDED, 1, b"\x01we\0"),
        header(END_HEADERS | END_STREAM, &[("x-end", "now")]),
    ];
    let heard = heard(&octets.concat()).unwrap();
    let lines = "x-state: well\r\ncontent-length: 9\r\n".to_owned();
    assert_eq!(heard.header, Some((200, lines)));
    assert_eq!(heard.body, b"all is we");
    assert_eq!(heard.end.as_deref(), Some("x-end: now\r\n"));
    assert_eq!(heard.sent, frame(SETTINGS, ACK, 0, &[]));
}

#[test]
fn a_header_may_come_in_many_frames_with_padding_and_priority() {
    let block = block(&[(":status", "200"), ("x", "y")]);
    let (first, second) = block.split_at(7);
    let begin = [&[2, 0, 0, 0, 0, 9][..], first, &[0, 0]].concat();
    let octets = [
        frame(HEADERS, PADDED | WITH_PRIORITY | END_STREAM, 1, &begin),
        frame(CONTINUATION, 0, 1, &[]),
        frame(CONTINUATION, END_HEADERS, 1, second),
    ];
    let heard = heard(&octets.concat()).unwrap();
    assert_eq!(
        (heard.header, heard.end),
        (Some((200, "x: y\r\n".to_owned())), Some(String::new()))
    );
}

#[test]
fn what_is_no_matter_of_ours_is_passed_over() {
    let octets = [
        frame(PING, 0, 0, b"are you?"),
        frame(PING, ACK, 0, b"are you?"),
        frame(SETTINGS, ACK, 0, &[]),
        frame(SETTINGS, 0, 0, b"\0\x03\0\0\0\x64\0\x63\0\0\0\0"),
        frame(PRIORITY, 0, 3, b"\0\0\0\0\x09"),
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01"),
        frame(77, 0xff, 9, b"of another time"),
        frame(GOAWAY, 0, 0, b"\0\0\0\x01\0\0\0\0bye"),
        header(END_HEADERS | END_STREAM, OK),
    ];
    let octets = octets.concat();
    assert_eq!(heard(&octets).unwrap().header, Some((200, String::new())));
    // Cut before the end, so that what is sent is seen.
    let sent = hear(&request(b""), &octets[..octets.len() - 1], 1).unwrap().sent;
    let ack = frame(SETTINGS, ACK, 0, &[]);
    assert_eq!(
        sent,
        [&ack, &frame(PING, ACK, 0, b"are you?"), &ack].map(|each| &each[..]).concat()
    );
}

#[test]
fn the_window_is_opened_again_and_held_to() {
    let ok = header(END_HEADERS, OK);
    let data = frame(DATA, 0, 1, &[b'x'; MAX_FRAME]);
    let half = [&ok[..], &data, &data].concat();
    let heard = hear(&request(b""), &half, 4_096).unwrap();
    assert_eq!(heard.body.len(), 2 * MAX_FRAME);
    let by = (2 * MAX_FRAME as u32).to_be_bytes();
    let opened = [frame(WINDOW_UPDATE, 0, 0, &by), frame(WINDOW_UPDATE, 0, 1, &by)].concat();
    assert!(heard.sent.ends_with(&opened), "{:?}", heard.sent);
    // A server that sends on and on without being told is not heard to the end of a frame too many: here the
    // window is opened each time, so one frame is made longer than all of it.
    let mut conversation = Conversation::new(&request(b""));
    conversation.take(&[frame(SETTINGS, 0, 0, &[]), ok].concat()).unwrap();
    conversation.allowed = MAX_FRAME as i64 - 1;
    assert_eq!(conversation.take(&data), Err(Fault::Flow));
}

#[test]
fn a_body_goes_as_the_windows_let_it() {
    let body = vec![b'x'; 100_000];
    let mut conversation = Conversation::new(&Request { method: "POST", ..request(&body) });
    let mut sent = conversation.take_outgoing().len();
    let frames = |conversation: &mut Conversation<'_>| {
        let mut lengths = Vec::new();
        loop {
            let octets = conversation.take_outgoing();
            match octets.last_chunk::<1>() {
                Some(b"x") => lengths.push(octets.len() - HEAD),
                Some(_) => {}
                None => return lengths,
            }
        }
    };
    sent -= PREFACE.len() + 3 * HEAD + 18;
    assert!(sent > MAX_FRAME, "the first frame goes with the header");
    assert_eq!(frames(&mut conversation), [MAX_FRAME, MAX_FRAME, MAX_FRAME - 1]);
    // The stream may have less, but what it has is still no more than what the connection has.
    let settings = |window: u32| {
        let value = [&[0, 4][..], &window.to_be_bytes()].concat();
        frame(SETTINGS, 0, 0, &value)
    };
    let update = |stream, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    conversation.take(&settings(65_536)).unwrap();
    assert!(frames(&mut conversation).is_empty());
    conversation.take(&update(0, 10)).unwrap();
    assert_eq!(frames(&mut conversation), [1]);
    conversation.take(&settings(65_530)).unwrap();
    conversation.take(&update(1, 7)).unwrap();
    assert_eq!(frames(&mut conversation), [1], "six octets were too many");
    conversation.take(&[update(0, 60_000), update(1, 60_000)].concat()).unwrap();
    let last = frames(&mut conversation);
    assert_eq!(last.iter().sum::<usize>(), 100_000 - 65_535 - 2);
    for bad in [settings(0x8000_0000), update(0, 0), update(1, MAX_WINDOW as u32)] {
        let mut conversation = Conversation::new(&request(b""));
        let greeted = conversation.take(&frame(SETTINGS, 0, 0, &[]));
        assert!(matches!(greeted, Ok((HEAD, None))));
        assert!(matches!(conversation.take(&bad), Err(Fault::BadFrame(_))), "{bad:?}");
    }
}

#[test]
fn what_breaks_the_rules_is_told() {
    let ok = header(END_HEADERS, OK);
    let after = |frames: Vec<u8>| [ok.clone(), frames].concat();
    let long = block(&[(":status", "200"), ("x", &"y".repeat(MAX_HEADER))]);
    let (long, rest) = long.split_at(100);
    let long = [frame(HEADERS, 0, 1, long), frame(CONTINUATION, END_HEADERS, 1, rest)].concat();
    for (octets, fault) in [
        (frame(DATA, 0, 1, b"x"), Fault::Unexpected(DATA)),
        (frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02\x82"), Fault::Unexpected(PUSH_PROMISE)),
        (frame(CONTINUATION, END_HEADERS, 1, b"\x88"), Fault::Unexpected(CONTINUATION)),
        (frame(HEADERS, END_HEADERS, 3, b"\x88"), Fault::Unexpected(HEADERS)),
        (frame(PING, 0, 1, &[0; 8]), Fault::Unexpected(PING)),
        (frame(SETTINGS, 0, 1, &[]), Fault::Unexpected(SETTINGS)),
        (
            [frame(HEADERS, 0, 1, b"\x88"), frame(PING, 0, 0, &[0; 8])].concat(),
            Fault::Unexpected(PING),
        ),
        (frame(PING, 0, 0, &[0; 7]), Fault::BadFrame(PING)),
        (frame(PING, 0, 0, &[0; 9]), Fault::BadFrame(PING)),
        (frame(SETTINGS, 0, 0, &[0; 7]), Fault::BadFrame(SETTINGS)),
        (frame(SETTINGS, ACK, 0, &[0; 6]), Fault::BadFrame(SETTINGS)),
        (frame(GOAWAY, 0, 0, &[0; 7]), Fault::BadFrame(GOAWAY)),
        (after(frame(DATA, PADDED, 1, b"\x04xxx")), Fault::BadFrame(DATA)),
        (frame(DATA, 0, 1, &[0; MAX_FRAME + 1]), Fault::LongFrame(MAX_FRAME + 1)),
        (long, Fault::LongHeader),
        (header(END_HEADERS, &[(":status", "200"), ("x", &"y".repeat(8_180))]), Fault::LongHeader),
        (frame(HEADERS, END_HEADERS, 1, b"\xbe"), Fault::Header(BadBlock::NoSuchField)),
        (frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]), Fault::Reset(7)),
        (frame(GOAWAY, 0, 0, &[0; 8]), Fault::GoAway(0)),
        (after(frame(GOAWAY, 0, 0, b"\0\0\0\x01\0\0\0\x0b")), Fault::GoAway(11)),
    ] {
        assert_eq!(heard(&octets), Err(fault), "{fault}");
    }
    for first in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &frame(SETTINGS, ACK, 0, &[]), &ok] {
        assert_eq!(Conversation::new(&request(b"")).take(first), Err(Fault::Foreign));
    }
}

#[test]
fn fields_that_are_none_are_refused() {
    for fields in [
        &[("x", "y")][..],
        &[("x", "y"), (":status", "200")],
        &[(":status", "200"), (":status", "200")],
        &[(":status", "200"), (":path", "/")],
        &[(":status", "20")],
        &[(":status", "2000")],
        &[(":status", "099")],
        &[(":status", "+20")],
        &[(":status", "101")],
        &[(":status", "200"), ("X", "y")],
        &[(":status", "200"), ("", "y")],
        &[(":status", "200"), ("a b", "y")],
        &[(":status", "200"), ("x", "y\r\nz: w")],
        &[(":status", "200"), ("x", "\0")],
        &[(":status", "200"), ("content-length", "-1")],
    ] {
        assert_eq!(heard(&header(END_HEADERS, fields)), Err(Fault::Field), "{fields:?}");
    }
    let ok = header(END_HEADERS, OK);
    for trailers in [header(END_HEADERS, &[("x", "y")]), header(END_HEADERS | END_STREAM, OK)] {
        assert_eq!(heard(&[ok.clone(), trailers].concat()), Err(Fault::Field));
    }
    // An interim response is never the last (RFC 9113 §8.1).
    let interim = header(END_HEADERS | END_STREAM, &[(":status", "100")]);
    assert_eq!(heard(&interim), Err(Fault::Field));
}

/// RFC 9113 §8.1.1.
#[test]
fn a_body_is_as_long_as_its_header_says() {
    let said =
        |status, length| header(END_HEADERS, &[(":status", status), ("content-length", length)]);
    let data = frame(DATA, END_STREAM, 1, b"all");
    assert_eq!(heard(&[said("200", "3"), data.clone()].concat()).unwrap().body, b"all");
    for (length, found) in [("2", 3), ("4", 3)] {
        let octets = [said("200", length), data.clone()].concat();
        assert_eq!(heard(&octets), Err(Fault::Length(found)));
    }
    let none = frame(DATA, END_STREAM, 1, b"");
    let octets = [said("200", "9"), none].concat();
    let head = Request { method: "HEAD", ..request(b"") };
    assert!(hear(&head, &octets, 100).unwrap().end.is_some());
    assert_eq!(heard(&octets), Err(Fault::Length(0)));
    let not_modified =
        header(END_HEADERS | END_STREAM, &[(":status", "304"), ("content-length", "9")]);
    assert!(heard(&not_modified).unwrap().end.is_some());
}

proptest! {
    #[test]
    fn any_frames_are_a_reply_or_a_fault_however_they_are_cut(
        frames in prop::collection::vec(
            (0_u8..11, any::<u8>(), 0_u8..3, prop::collection::vec(any::<u8>(), 0..40)),
            0..8,
        ),
        begun: bool,
    ) {
        let begin = if begun { header(END_HEADERS, OK) } else { vec![] };
        let frames = frames.iter().map(|(kind, flags, stream, contents)| frame(*kind, *flags, *stream, contents));
        let _ = heard(&[begin, frames.collect::<Vec<_>>().concat()].concat());
    }
}
