use std::net::SocketAddr;

use proptest::prelude::*;
use tokio::net::UdpSocket;

use super::*;
use crate::notify::ScriptRules;
use crate::probe::fixtures::to;
use crate::probe::{Probe, run};

/// Judges a server that makes its reply, or none, of each query.
async fn check(answer: fn(&[u8]) -> Vec<Vec<u8>>) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut query = [0; 512];
        let (length, peer) = socket.recv_from(&mut query).await.unwrap();
        for reply in answer(&query[..length]) {
            socket.send_to(&reply, peer).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let outcome = ask_at(address).await;
    server.abort();
    outcome
}

async fn ask_at(address: SocketAddr) -> Outcome {
    let probe = DnsProbe { connect: to(address), name: Name::root(), record: Record::Soa };
    run(&Probe::Dns(Box::new(probe)), 0, &ScriptRules::default()).await
}

/// The query sent back as its own reply, with this code.
fn reply(query: &[u8], code: u8) -> Vec<u8> {
    let mut reply = query.to_vec();
    (reply[2], reply[3]) = (0x81, 0x80 | code);
    reply
}

#[test]
fn query_is_keepaliveds_octet_for_octet() {
    let root = query(0x1234, &Name::root(), Record::Soa);
    assert_eq!(root, [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1], "17 octets");
    let named = query(1, &Name::parse("a.example.").unwrap(), Record::Aaaa);
    assert_eq!(named[12..], *b"\x01a\x07example\x00\x00\x1c\x00\x01");
}

#[test]
fn names_have_labels_of_1_to_63_octets_and_255_in_all() {
    assert_eq!(Name::parse("."), Ok(Name::root()));
    assert_eq!(Name::parse("a.b"), Name::parse("a.b."));
    assert_eq!(Name::parse("a..b"), Err(BadName::EmptyLabel));
    assert_eq!(Name::parse(""), Err(BadName::EmptyLabel));
    assert_eq!(Name::parse(&"x".repeat(64)), Err(BadName::LongLabel));
    // Four labels of 63 and their lengths are 256 octets already; 61 in the last makes 254 and the root.
    let long = |last: usize| format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(last));
    assert!(Name::parse(&long(61)).is_ok());
    assert_eq!(Name::parse(&long(62)), Err(BadName::TooLong));
}

#[tokio::test]
async fn a_reply_without_error_passes_and_one_with_an_error_fails_at_once() {
    assert_eq!(check(|query| vec![reply(query, 0)]).await, Outcome::Success);
    let outcome = check(|query| vec![reply(query, 3)]).await;
    assert_eq!(outcome, Outcome::Failure("reply has code 3 (NXDOMAIN)".to_owned()));
}

#[tokio::test]
async fn what_is_no_reply_to_our_question_is_passed_over() {
    let garbage = |query: &[u8]| {
        let mut other = reply(query, 3);
        other[0] ^= 0xff;
        vec![vec![], vec![0; 11], query.to_vec(), other]
    };
    let outcome = check(garbage).await;
    assert_eq!(outcome, Outcome::Failure("no reply within 0.5s".to_owned()));
    let outcome = check(|query| vec![query.to_vec(), vec![7; 900], reply(query, 0)]).await;
    assert_eq!(outcome, Outcome::Success);
}

#[tokio::test]
async fn a_closed_port_fails_at_once() {
    let address = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(ask_at(address).await, Outcome::Failure("connection refused".to_owned()));
}

proptest! {
    #[test]
    fn any_datagram_gives_a_verdict_or_is_passed_over(octets in prop::collection::vec(any::<u8>(), 0..40)) {
        let verdict = judge(7, &octets);
        prop_assert_eq!(verdict.is_some(), octets.len() >= 12 && octets[..2] == [0, 7] && octets[2] >= 0x80);
    }

    #[test]
    fn any_text_is_a_name_or_a_reason(text in ".{0,300}") {
        if let Ok(name) = Name::parse(&text) {
            prop_assert!(name.0.len() <= 255 && name.0.last() == Some(&0));
        }
    }
}
