use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::check::Outcome;
use crate::notify::ScriptRules;
use crate::probe::{Connect, HttpProbe, Pages, Probe, Url, run};

/// What a server of a test does with each connection once it has read the request.
type Behaviour = fn(TcpStream) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn serve(behaviour: Behaviour) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap() == 0 {
                break;
            }
            request.push(byte[0]);
        }
        behaviour(stream).await;
        request
    });
    (address, task)
}

/// Checks a page with `timeout` ms of patience; gives the outcome and the whole ms it took.
async fn check(address: SocketAddr, timeout_ms: u64) -> (Outcome, u128) {
    let connect =
        Connect { target: address, origin: None, timeout: Duration::from_millis(timeout_ms) };
    let url = Url {
        path: "/p".to_owned(),
        virtual_host: None,
        digest: None,
        status: vec![(200, 299)],
        pattern: None,
        tls_compliant: false,
        wishes: None,
    };
    let probe = Probe::Http(HttpProbe {
        connect,
        pages: Arc::new(Pages {
            version: HttpVersion::Http10,
            urls: vec![url],
            fast_recovery: false,
            tls: None,
        }),
    });
    let begun = Instant::now();
    let outcome = run(&probe, 0, &ScriptRules::default()).await;
    (outcome, begun.elapsed().as_millis())
}

fn failure(reason: &str) -> Outcome {
    Outcome::Failure(reason.to_owned())
}

#[test]
fn request_is_keepaliveds_byte_for_byte() {
    let plain = b"GET /i HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.1:80\r\n\r\n";
    let close =
        b"GET /i HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: w\r\n\r\n";
    let newer =
        b"GET /i HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: w\r\n\r\n";
    assert_eq!(request(HttpVersion::Http10, "/i", "10.0.0.1:80", None), plain);
    assert_eq!(request(HttpVersion::Http10Close, "/i", "w", None), close);
    assert_eq!(request(HttpVersion::Http11, "/i", "w", None), newer);
}

#[test]
fn wishes_come_behind_our_own_headers_or_in_their_place() {
    let wishes = Wishes {
        method: Some("PUT".to_owned()),
        headers: vec![
            ("Accept".to_owned(), "text/html".to_owned()),
            ("user-agent".to_owned(), "probe/1".to_owned()),
        ],
        body: Some("a=1&b=\u{e9}".to_owned()),
        ..Wishes::default()
    };
    let asked = request(HttpVersion::Http11, "/i", "w", Some(&wishes));
    let expected = "PUT /i HTTP/1.1\r\nConnection: close\r\nHost: w\r\nAccept: text/html\r\n\
                    user-agent: probe/1\r\nContent-Length: 8\r\n\r\na=1&b=\u{e9}";
    assert_eq!(String::from_utf8(asked).unwrap(), expected);
}

/// The length in a reply to HEAD is that of a page that does not come.
#[tokio::test]
async fn a_reply_to_head_ends_with_its_header() {
    let mut stream = pipe_that_says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await;
    let request = request(
        HttpVersion::Http11,
        "/",
        "w",
        Some(&Wishes { method: Some("HEAD".to_owned()), ..Wishes::default() }),
    );
    let patience = Patience { silence: Duration::from_secs(5), until: None };
    let page = fetch(&mut stream, &request, patience, |_| {}).await.unwrap();
    assert_eq!((page.header.content_length, page.body_len), (Some(9), 0));
}

/// One end of a pipe whose other end says this and stays open.
async fn pipe_that_says(says: &'static [u8]) -> tokio::io::DuplexStream {
    let (ours, mut theirs) = tokio::io::duplex(4_096);
    tokio::spawn(async move {
        theirs.write_all(says).await.unwrap();
        std::future::pending::<()>().await;
    });
    ours
}

#[test]
fn default_host_is_address_and_port_with_ipv6_in_brackets() {
    let address = |text: &str, port| SocketAddr::new(text.parse::<IpAddr>().unwrap(), port);
    assert_eq!(default_host(address("192.0.2.1", 80)), "192.0.2.1:80");
    assert_eq!(default_host(address("2001:db8::1", 8080)), "[2001:db8::1]:8080");
}

#[tokio::test]
async fn healthy_page_passes_and_the_request_arrives_whole() {
    let (address, server) = serve(|mut stream| {
        Box::pin(async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await.unwrap();
        })
    })
    .await;
    assert_eq!(check(address, 1000).await.0, Outcome::Success);
    let expected =
        format!("GET /p HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: {address}\r\n\r\n");
    assert_eq!(server.await.unwrap(), expected.into_bytes());
}

#[tokio::test]
async fn satisfied_content_length_ends_the_page_on_an_open_connection() {
    let (address, _server) = serve(|mut stream| {
        Box::pin(async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
            std::future::pending::<()>().await;
        })
    })
    .await;
    let (outcome, took) = check(address, 10_000).await;
    assert_eq!(outcome, Outcome::Success);
    assert!(took < 9_000, "{took} ms");
}

#[tokio::test]
async fn silent_server_fails_after_connect_timeout() {
    let (address, _server) = serve(|stream| {
        Box::pin(async move {
            let _open = stream;
            std::future::pending::<()>().await;
        })
    })
    .await;
    let (outcome, took) = check(address, 200).await;
    assert_eq!(outcome, failure("url /p: no answer within 0.2s"));
    assert!((200..10_000).contains(&took), "{took} ms");
}

#[tokio::test]
async fn server_that_stops_in_the_page_fails_by_silence() {
    let (address, _server) = serve(|mut stream| {
        Box::pin(async move {
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhel").await.unwrap();
            std::future::pending::<()>().await;
        })
    })
    .await;
    let (outcome, _) = check(address, 200).await;
    assert_eq!(outcome, failure("url /p: no more data within 0.2s after 22 bytes"));
}

#[tokio::test]
async fn server_that_drips_bytes_is_cut_off_at_six_timeouts() {
    let (address, _server) = serve(|mut stream| {
        Box::pin(async move {
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    })
    .await;
    let (outcome, took) = check(address, 500).await;
    let Outcome::Failure(reason) = outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("url /p: page not finished within 3s, after "), "{reason}");
    assert!((3_000..15_000).contains(&took), "{took} ms");
}

#[tokio::test]
async fn endless_body_is_cut_off_at_six_timeouts() {
    let (address, _server) = serve(|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
        })
    })
    .await;
    let (outcome, took) = check(address, 50).await;
    let Outcome::Failure(reason) = outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("url /p: page not finished within 0.3s"), "{reason}");
    assert!((300..10_000).contains(&took), "{took} ms");
}

#[tokio::test]
async fn endless_header_fails_when_the_limit_is_reached() {
    let (address, _server) = serve(|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n").await;
            while stream.write_all(b"X-More: of the same\r\n").await.is_ok() {}
        })
    })
    .await;
    let (outcome, _) = check(address, 2000).await;
    assert_eq!(outcome, failure("url /p: HTTP header is longer than 16384 bytes"));
}

#[tokio::test]
async fn connection_closed_too_early_says_where() {
    let (address, _server) = serve(|stream| Box::pin(async move { drop(stream) })).await;
    let nothing = failure("url /p: connection closed without a reply");
    assert_eq!(check(address, 1000).await.0, nothing);
    let (address, _server) = serve(|mut stream| {
        Box::pin(async move { stream.write_all(b"HTTP/1.0 200 OK\r\nSer").await.unwrap() })
    })
    .await;
    let cut = failure("url /p: connection closed in the HTTP header, after 20 bytes");
    assert_eq!(check(address, 1000).await.0, cut);
}

#[tokio::test]
async fn url_that_is_not_there_is_not_held_against_the_server() {
    let (address, _server) = serve(|_| Box::pin(async {})).await;
    let connect = Connect { target: address, origin: None, timeout: Duration::from_secs(1) };
    let http = HttpProbe {
        connect,
        pages: Arc::new(Pages {
            version: HttpVersion::Http10,
            urls: Vec::new(),
            fast_recovery: false,
            tls: None,
        }),
    };
    let outcome = run(&Probe::Http(http), 0, &ScriptRules::default()).await;
    assert!(matches!(outcome, Outcome::NotTried(_)), "{outcome:?}");
}
