use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

use super::*;

fn mail(to: &[&str]) -> Mail {
    Mail {
        server: "192.0.2.25".to_owned(),
        port: 25,
        helo: Some("lb1.example.com".to_owned()),
        from: Some("Keep <keep@example.com>".to_owned()),
        to: to.iter().map(ToString::to_string).collect(),
        timeout: Duration::from_secs(5),
    }
}

fn letter() -> Letter {
    Letter {
        subject: "[RTR] VRRP Instance V1 - Entering MASTER state".to_owned(),
        body: "=> VRRP Instance is now owning VRRP VIPs <=".to_owned(),
    }
}

/// Octet for octet what keepalived 2.2.7 sent for the same event.
#[test]
fn a_mail_is_keepalived_octet_for_octet() {
    let to = ["admin@example.com", "Ops Team <ops@example.com>", "third@example.org"];
    let date = "Wed, 25 Nov 2026 18:02:54 +0000";
    let expected = "Date: Wed, 25 Nov 2026 18:02:54 +0000\r\n\
        From: Keep <keep@example.com>\r\n\
        Subject: [RTR] VRRP Instance V1 - Entering MASTER state\r\n\
        X-Mailer: Keepalived\r\n\
        To: admin@example.com, Ops Team <ops@example.com>, third@example.org\r\n\
        \r\n\
        => VRRP Instance is now owning VRRP VIPs <=\r\n\
        \r\n\
        .\r\n";
    assert_eq!(message(&mail(&to), &letter(), "lb1", date), expected);
}

#[test]
fn many_recipients_are_folded_one_a_line() {
    let to = [
        "first-of-them@example.com",
        "second-of-them@example.com",
        "the-third-of-them@example.com",
    ]
    .map(str::to_owned);
    let folded = "first-of-them@example.com,\r\n second-of-them@example.com,\r\n the-third-of-them@example.com";
    assert_eq!(recipients(&to), folded);
}

#[test]
fn no_text_of_others_ends_a_line_of_ours() {
    let forged = Letter { subject: "a\r\nBcc: x@example.com".to_owned(), body: ".".to_owned() };
    let text = message(&mail(&["a@example.com"]), &forged, "lb1", "");
    assert!(text.contains("Subject: a  Bcc: x@example.com\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n..\r\n\r\n.\r\n"), "{text}");
}

#[test]
fn the_address_of_a_mailbox_is_between_its_brackets() {
    assert_eq!(address("Ops <ops@example.com>"), "ops@example.com");
    assert_eq!(address("ops@example.com"), "ops@example.com");
}

/// A relay that answers what `answers` says, line by line, and gives what it was told.
async fn relay(stream: DuplexStream, answers: Vec<&'static str>) -> Vec<String> {
    let mut stream = BufReader::new(stream);
    let (mut told, mut in_mail) = (Vec::new(), false);
    let mut answers = answers.into_iter();
    let greeting = answers.next().unwrap();
    stream.write_all(greeting.as_bytes()).await.unwrap();
    let mut line = String::new();
    while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
        let said = std::mem::take(&mut line).trim_end().to_owned();
        let ends = said == ".";
        if in_mail && !ends {
            continue;
        }
        in_mail = said == "DATA";
        told.push(said);
        let Some(answer) = answers.next() else { break };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    told
}

async fn talk(answers: Vec<&'static str>) -> (Result<(), DeliveryError>, Vec<String>) {
    let (ours, theirs) = duplex(4096);
    let relay = tokio::spawn(relay(theirs, answers));
    let settings = mail(&["admin@example.com", "Ops <ops@example.com>"]);
    let text = message(&settings, &letter(), "lb1", "");
    let conversation = Conversation::new(ours, Duration::from_secs(5));
    let result = converse(conversation, &settings, "lb1", &text).await;
    (result, relay.await.unwrap())
}

#[tokio::test]
async fn the_conversation_takes_replies_of_several_lines() {
    let ok = "250-first\r\n250 second\r\n";
    let (result, told) =
        talk(vec!["220-welcome\r\n220 ready\r\n", ok, ok, ok, ok, "354 go\r\n", ok, "221 bye\r\n"])
            .await;
    result.unwrap();
    let expected = [
        "HELO lb1.example.com",
        "MAIL FROM:<keep@example.com>",
        "RCPT TO:<admin@example.com>",
        "RCPT TO:<ops@example.com>",
        "DATA",
        ".",
        "QUIT",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn one_refused_recipient_does_not_cost_the_others_their_mail() {
    let ok = "250 ok\r\n";
    let no = "550 no such user\r\n";
    let (result, told) =
        talk(vec!["220 x\r\n", ok, ok, no, ok, "354 go\r\n", ok, "221 x\r\n"]).await;
    result.unwrap();
    assert_eq!(told.last().map(String::as_str), Some("QUIT"));
    let (result, _) = talk(vec!["220 x\r\n", ok, ok, no, no]).await;
    let error = result.unwrap_err().to_string();
    assert!(error.starts_with("no recipient was accepted: admin@example.com: 550"), "{error}");
}

#[tokio::test]
async fn a_relay_that_refuses_is_told_by_its_own_words() {
    let (result, _) = talk(vec!["554 go away\r\n"]).await;
    let expected = "the greeting answered with 554 go away, expected 220";
    assert_eq!(result.unwrap_err().to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_silent_relay_holds_up_the_end_no_longer_than_allowed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (queue, postman) = MailQueue::start();
    let settings = Mail {
        server: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        ..mail(&["a@example.com"])
    };
    queue.set_settings(Some(settings));
    (0..3).for_each(|_| queue.submit(letter()));
    let before = tokio::time::Instant::now();
    queue.finish(postman, Duration::from_secs(2)).await;
    assert_eq!(before.elapsed().as_secs(), 2);
}
