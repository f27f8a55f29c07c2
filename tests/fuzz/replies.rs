//! What checks do with replies of servers, likewise: whole, and cut into pieces, which must lead to the same.

use std::net::{IpAddr, Ipv4Addr};

use mainstay::check::Outcome;
use mainstay::probe::pattern::{Options, Pattern, Search};
use mainstay::probe::response::{BadHeader, Header, MAX_HEADER, Response};
use mainstay::probe::smtp::{BadReply, MAX_REPLY, Replies, Reply};
use mainstay::probe::{dns, grpc, ping};

/// Lengths of pieces that a reply may come in.
const PIECES: [usize; 3] = [1, 7, 4_095];

/// An HTTP reply: status and length of the body, or the reason why not; and whether `ok` is in it.
pub fn http(octets: &[u8]) -> String {
    let pattern = Pattern::new("o+k", Options::default()).expect("a pattern");
    let whole = read_page(octets, octets.len().max(1), &pattern);
    for piece in PIECES {
        assert_eq!(read_page(octets, piece, &pattern), whole, "in pieces of {piece}");
    }
    match whole {
        Ok((None, ..)) => "no-header".to_owned(),
        Ok((Some(header), length, found)) => {
            let status = header.status.map_or("no-status".to_owned(), |status| status.to_string());
            format!("{status}-{length}{}", if found { "-found" } else { "" })
        }
        Err(BadHeader::TooLong) => "too-long".to_owned(),
    }
}

type Read = Result<(Option<Header>, u64, bool), BadHeader>;

fn read_page(octets: &[u8], piece: usize, pattern: &Pattern) -> Read {
    let (mut response, mut search) = (Response::default(), Search::new(pattern));
    for part in octets.chunks(piece) {
        search.feed(response.feed(part)?);
        assert!(response.header_bytes().len() <= MAX_HEADER);
    }
    Ok((response.header().cloned(), response.body_len(), search.finish()))
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
    let v4 = ping::is_reply(IpAddr::V4(Ipv4Addr::LOCALHOST), Some(1), ping::without_header(packet));
    let v6 = ping::is_reply("::1".parse().expect("an address"), Some(1), packet);
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
