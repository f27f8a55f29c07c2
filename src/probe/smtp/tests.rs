use proptest::prelude::*;
use tokio::net::TcpListener;

use super::*;
use crate::notify::ScriptRules;
use crate::probe::fixtures::to;
use crate::probe::{Probe, run};

/// Judges a server that sends each of `answers` in turn, the first at once and the others after a line each,
/// and then goes on with `end`.
async fn check(answers: &'static [&'static str], end: End) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = String::new();
        for (index, answer) in answers.iter().enumerate() {
            while index > 0 && heard.matches("\r\n").count() < index {
                let mut buffer = [0; 256];
                let length = stream.read(&mut buffer).await.unwrap();
                heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        match end {
            End::Close => {}
            End::Silence => std::future::pending().await,
            End::Endless => while stream.write_all(&[b'2'; 4096]).await.is_ok() {},
            End::Trickle => {
                while stream.write_all(b"2").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
    let probe = SmtpProbe { connect: to(address), helo: "me.example".to_owned() };
    let outcome = run(&Probe::Smtp(Box::new(probe)), 0, &ScriptRules::default()).await;
    server.abort();
    outcome
}

#[derive(Clone, Copy)]
enum End {
    Close,
    Silence,
    Endless,
    Trickle,
}

fn failure(reason: &str) -> Outcome {
    Outcome::Failure(reason.to_owned())
}

#[tokio::test]
async fn greeting_helo_and_quit_pass_whatever_quit_is_answered_with() {
    for last in ["221 bye\r\n", "500 what?\r\n", "221\r\n"] {
        let answers: &'static [&'static str] =
            Vec::leak(vec!["220 mx ESMTP\r\n", "250 mx\r\n", last]);
        assert_eq!(check(answers, End::Close).await, Outcome::Success);
    }
}

/// RFC 5321 §4.2.1: a hyphen behind the code means that more lines follow. keepalived refuses them.
#[tokio::test]
async fn replies_of_several_lines_pass() {
    let answers = &["220-mx\r\n220-be nice\r\n220 go\r\n", "250-mx\r\n250 HELP\r\n", "221 bye\r\n"];
    assert_eq!(check(answers, End::Close).await, Outcome::Success);
}

#[tokio::test]
async fn other_codes_fail_with_what_was_answered() {
    let busy = "the greeting answered with 421 too busy, expected 220";
    assert_eq!(check(&["421 too busy\r\n"], End::Close).await, failure(busy));
    let outcome = check(&["220 mx\r\n", "501 who?\r\n"], End::Close).await;
    assert_eq!(outcome, failure("HELO answered with 501 who?, expected 250"));
}

#[tokio::test]
async fn servers_that_break_off_or_say_nothing_fail() {
    let outcome = check(&[], End::Close).await;
    assert_eq!(outcome, failure("connection closed instead of a reply to the greeting"));
    let outcome = check(&[], End::Silence).await;
    assert_eq!(outcome, failure("no reply to the greeting within 0.5s"));
    let outcome = check(&["220 mx\r\n", "250 mx\r\n"], End::Silence).await;
    assert_eq!(outcome, failure("no reply to QUIT within 0.5s"));
}

#[tokio::test]
async fn endless_lines_cost_no_more_than_the_limit_and_a_trickle_no_more_than_the_time() {
    let outcome = check(&[], End::Endless).await;
    assert_eq!(outcome, failure("the greeting: a reply is longer than 16384 bytes"));
    let begun = Instant::now();
    let outcome = check(&[], End::Trickle).await;
    assert_eq!(outcome, failure("no reply to the greeting within 0.5s"));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn lines_that_are_no_replies_are_told_apart() {
    let judge = |text: &str| {
        let mut replies = Replies::default();
        replies.feed(text.as_bytes());
        replies.take()
    };
    assert_eq!(judge("hello\r\n"), Err(BadReply::NoCode));
    assert_eq!(judge("22\r\n"), Err(BadReply::NoCode));
    assert_eq!(judge("220x\r\n"), Err(BadReply::NoCode));
    assert_eq!(judge("220-a\r\n250 b\r\n"), Err(BadReply::MixedCodes));
    assert_eq!(judge("220-a\r\n"), Ok(None));
    let bare = Reply { code: 220, text: String::new() };
    assert_eq!(judge("220\r\n"), Ok(Some(bare.clone())));
    assert_eq!(judge("220 \n"), Ok(Some(bare)), "a lone LF ends a line too");
}

/// Blanks in front of a line's end are no text, but they have to be read all the same.
#[test]
fn blanks_count_towards_the_length_of_a_reply() {
    let mut replies = Replies::default();
    let line = format!("220-{}\r\n", " ".repeat(8_000));
    for expected in [Ok(None), Ok(None), Err(BadReply::TooLong)] {
        replies.feed(line.as_bytes());
        assert_eq!(replies.take(), expected);
    }
}

proptest! {
    #[test]
    fn any_octets_however_cut_give_replies_or_a_reason(
        octets in prop::collection::vec(prop_oneof![Just(b'\n'), b'0'..=b'9', Just(b'-'), any::<u8>()], 0..300),
        cut in 1_usize..50,
    ) {
        let read = |piece: usize| {
            let (mut replies, mut read) = (Replies::default(), Vec::new());
            for part in octets.chunks(piece) {
                replies.feed(part);
                loop {
                    match replies.take() {
                        Ok(Some(reply)) => read.push(Ok(reply)),
                        Ok(None) => break,
                        Err(bad) => {
                            read.push(Err(bad));
                            return read;
                        }
                    }
                }
            }
            read
        };
        prop_assert_eq!(read(cut), read(octets.len().max(1)));
    }
}
