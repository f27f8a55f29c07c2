use std::net::SocketAddr;

use proptest::prelude::*;
use tokio::net::UdpSocket;

use super::*;
use crate::notify::ScriptRules;
use crate::probe::fixtures::to;
use crate::probe::{Probe, run};

fn any_reply() -> Expectation {
    Expectation { pattern: vec![], min_length: 0, max_length: MAX_REPLY_LENGTH }
}

async fn check_at(address: SocketAddr, expect: Option<Expectation>) -> Outcome {
    let payload = default_payload(DEFAULT_LENGTH);
    let probe = UdpProbe { connect: to(address), payload, expect };
    run(&Probe::Udp(Box::new(probe)), 0, &ScriptRules::default()).await
}

/// Judges a server that answers the default payload with `reply`; `None`: it says nothing.
async fn check(reply: Option<&'static [u8]>, expect: Option<Expectation>) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"keepalived check - keepalived ch");
        if let Some(reply) = reply {
            socket.send_to(reply, peer).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let outcome = check_at(address, expect).await;
    server.abort();
    outcome
}

fn failure(reason: &str) -> Outcome {
    Outcome::Failure(reason.to_owned())
}

#[tokio::test]
async fn without_require_reply_only_an_unreachable_port_fails() {
    assert_eq!(check(None, None).await, Outcome::Success, "silence");
    assert_eq!(check(Some(b"x"), None).await, Outcome::Success, "whatever is said");
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(check_at(closed, None).await, failure("connection refused"));
}

#[tokio::test]
async fn with_require_reply_silence_fails_and_any_reply_passes() {
    assert_eq!(check(None, Some(any_reply())).await, failure("no reply within 0.5s"));
    assert_eq!(check(Some(b""), Some(any_reply())).await, Outcome::Success);
}

#[tokio::test]
async fn replies_that_are_too_long_are_seen_to_be_so() {
    let expect = Expectation { max_length: 4, ..any_reply() };
    let outcome = check(Some(&[0; 400]), Some(expect)).await;
    assert_eq!(outcome, failure("reply has 5 bytes, expected 0 to 4"));
}

#[test]
fn a_pattern_is_compared_over_the_shorter_length_where_its_mask_has_bits() {
    let expect = Expectation { pattern: vec![(0x0a, 0xff), (0x30, 0xf0)], ..any_reply() };
    for reply in [&[][..], &[0x0a], &[0x0a, 0x3f], &[0x0a, 0x30, 0x99]] {
        assert_eq!(judge(&expect, reply), Outcome::Success, "{reply:?}");
    }
    let differs = "reply differs from what was expected in byte 2";
    assert_eq!(judge(&expect, &[0x0a, 0x40]), failure(differs));
}

#[test]
fn lengths_count_without_a_pattern_too() {
    let expect = Expectation { min_length: 2, max_length: 3, ..any_reply() };
    assert_eq!(judge(&expect, b"ab"), Outcome::Success);
    assert_eq!(judge(&expect, b"a"), failure("reply has 1 bytes, expected 2 to 3"));
}

proptest! {
    #[test]
    fn any_reply_gives_a_verdict(
        reply in prop::collection::vec(any::<u8>(), 0..20),
        pattern in prop::collection::vec(any::<(u8, u8)>(), 0..20),
    ) {
        judge(&Expectation { pattern, ..any_reply() }, &reply);
    }
}
