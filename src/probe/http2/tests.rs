use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server;
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::check::Outcome;
use crate::notify::ScriptRules;
use crate::probe::fixtures::to;
use crate::probe::pattern::Options;
use crate::probe::wishes::ExpectedHeader;
use crate::probe::{HttpProbe, HttpVersion, Pages, Pattern, Probe, Wishes, run};

/// Serves one page, and notes what was asked.
async fn serve(stream: TcpStream, page: &'static [u8]) -> Option<(Request<()>, Vec<u8>)> {
    let mut connection = server::handshake(stream).await.ok()?;
    let (request, mut respond) = connection.accept().await?.ok()?;
    let call = tokio::spawn(async move {
        let (head, mut incoming) = request.into_parts();
        let mut body = Vec::new();
        while let Some(Ok(data)) = incoming.data().await {
            body.extend_from_slice(&data);
        }
        let response = Response::builder().header("x-state", "well").body(()).unwrap();
        let mut sending = respond.send_response(response, false).ok()?;
        sending.send_data(Bytes::from_static(page), true).ok()?;
        Some((Request::from_parts(head, ()), body))
    });
    while connection.accept().await.is_some() {}
    call.await.ok()?
}

fn url(wishes: Wishes) -> Url {
    Url {
        path: "/p?a=1".to_owned(),
        virtual_host: Some("www.example".to_owned()),
        digest: None,
        status: vec![(200, 299)],
        tls_compliant: false,
        pattern: None,
        wishes: Some(Box::new(wishes)),
    }
}

fn probe(target: SocketAddr, url: Url) -> Probe {
    Probe::Http(HttpProbe {
        connect: to(target),
        pages: Arc::new(Pages {
            version: HttpVersion::Http2,
            urls: vec![url],
            fast_recovery: false,
            tls: None,
        }),
    })
}

async fn check(url: Url, page: &'static [u8]) -> (Outcome, Option<(Request<()>, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0, page).await });
    let outcome = run(&probe(target, url), 0, &ScriptRules::default()).await;
    (outcome, server.await.unwrap())
}

fn header(name: &str, pattern: &str) -> ExpectedHeader {
    let pattern = Some(Pattern::new(pattern, Options::default()).unwrap());
    ExpectedHeader { name: name.to_owned(), pattern }
}

#[tokio::test]
async fn a_page_is_asked_for_and_judged_as_over_http_1() {
    let wishes = Wishes {
        headers: vec![
            ("Accept".to_owned(), "text/html".to_owned()),
            ("Connection".to_owned(), "close".to_owned()),
        ],
        body: Some("ping".to_owned()),
        expected: vec![header("X-State", "^well$")],
        ..Wishes::default()
    };
    let pattern = Pattern::new("l.*l", Options::default()).unwrap();
    let hello = [
        0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5,
        0x92,
    ];
    let url = Url { pattern: Some(pattern), digest: Some(hello), ..url(wishes) };
    let (outcome, asked) = check(url, b"hello").await;
    assert_eq!(outcome, Outcome::Success);
    let (request, body) = asked.unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "http://www.example/p?a=1");
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("user-agent"), Some("KeepAliveClient"));
    assert_eq!(header("accept"), Some("text/html"));
    assert_eq!((header("connection"), header("content-length")), (None, Some("4")));
    assert_eq!(body, b"ping");
}

#[tokio::test]
async fn what_is_lacking_fails_with_its_name() {
    let expected = vec![header("x-state", "ill")];
    let outcome = check(url(Wishes { expected, ..Wishes::default() }), b"hello").await.0;
    let reason = "url /p?a=1: `ill` is not in header x-state";
    assert_eq!(outcome, Outcome::Failure(reason.to_owned()));
}

/// Hundreds of windows long.
#[tokio::test]
async fn a_page_of_any_length_is_hashed_as_it_comes() {
    let page: &'static [u8] = vec![b'x'; 3_000_000].leak();
    let mut pattern = Pattern::new("^x+y", Options::default()).unwrap();
    pattern.absent = true;
    let digest = Some(Md5::digest(page).into());
    let url = Url { pattern: Some(pattern), digest, ..url(Wishes::default()) };
    assert_eq!(check(url, page).await.0, Outcome::Success);
}

#[tokio::test]
async fn a_header_is_taken_up_to_a_length() {
    for (length, reason) in [(7_000, None), (9_000, Some("HTTP/2: "))] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let stream = listener.accept().await.unwrap().0;
            let mut connection = server::handshake(stream).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            let response = Response::builder().header("x-long", "y".repeat(length)).body(());
            respond.send_response(response.unwrap(), true).unwrap();
            while connection.accept().await.is_some() {}
        });
        let probe = probe(target, url(Wishes::default()));
        match (run(&probe, 0, &ScriptRules::default()).await, reason) {
            (Outcome::Success, None) => {}
            (Outcome::Failure(why), Some(reason)) => assert!(why.contains(reason), "{why}"),
            (other, _) => panic!("{length}: {other:?}"),
        }
    }
}

/// Servers that speak something else, or nothing.
#[tokio::test]
async fn what_is_no_http_2_fails() {
    for (says, reason) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP/2: "),
        (b"\0\0\0\x04\0\0\0\0\0", "no answer within 0.5s"),
        (b"", "no answer within 0.5s"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, says).await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
        });
        let probe = probe(target, url(Wishes::default()));
        match run(&probe, 0, &ScriptRules::default()).await {
            Outcome::Failure(why) => assert!(why.contains(reason), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_http_2_cannot_say_is_not_held_against_the_server() {
    let target = "192.0.2.1:80".parse().unwrap();
    let bad = Url { path: "/a b".to_owned(), ..url(Wishes::default()) };
    assert_eq!(request(&bad, target, "http").fault(), Some("/a b"));
    let plain = Url { path: "/".to_owned(), virtual_host: None, wishes: None, ..bad };
    let plain = request(&plain, target, "https");
    assert_eq!((plain.fault(), &*plain.authority, plain.body), (None, "192.0.2.1:80", &b""[..]));
}
