use bytes::Bytes;
use h2::server;
use http::{HeaderMap, Request, Response};
use proptest::prelude::*;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::notify::ScriptRules;
use crate::probe::fixtures::to;
use crate::probe::{Probe, run};

/// What a server answers: headers, messages, trailers; and whether it goes on for ever.
#[derive(Clone, Default)]
struct Answer {
    status: Option<u16>,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    endless: bool,
    trailers: Option<Vec<(&'static str, &'static str)>>,
}

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// Serves one call and gives what was asked.
async fn serve(stream: TcpStream, answer: Answer) -> Option<(Request<()>, Vec<u8>)> {
    let mut connection = server::handshake(stream).await.ok()?;
    let (request, mut respond) = connection.accept().await?.ok()?;
    let call = async move {
        let (head, mut incoming) = request.into_parts();
        let mut asked = Vec::new();
        while let Some(Ok(data)) = incoming.data().await {
            asked.extend_from_slice(&data);
        }
        let mut response = Response::new(());
        *response.status_mut() = answer.status.unwrap_or(200).try_into().unwrap();
        *response.headers_mut() = map(&answer.headers);
        let only = answer.body.is_empty() && answer.trailers.is_none() && !answer.endless;
        let mut sending = respond.send_response(response, only).ok()?;
        if !answer.body.is_empty() {
            sending.send_data(Bytes::from(answer.body), false).ok()?;
        }
        if answer.endless {
            loop {
                sending.reserve_capacity(1_000);
                let granted = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await?.ok()?;
                sending.send_data(Bytes::from(vec![0; granted]), false).ok()?;
            }
        }
        if let Some(trailers) = &answer.trailers {
            sending.send_trailers(map(trailers)).ok()?;
        }
        Some((Request::from_parts(head, ()), asked))
    };
    let call = tokio::spawn(call);
    while connection.accept().await.is_some() {}
    call.await.ok()?
}

async fn check(service: &str, answer: Answer) -> (Outcome, Option<(Request<()>, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = to(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, answer).await
    });
    let probe = GrpcProbe { connect, service: service.to_owned(), authority: None, tls: None };
    let outcome = run(&Probe::Grpc(Box::new(probe)), 0, &ScriptRules::default()).await;
    (outcome, server.await.unwrap())
}

fn says(status: u8) -> Answer {
    let trailers = Some(vec![("grpc-status", "0")]);
    let body = if status == 0 { vec![0; 5] } else { vec![0, 0, 0, 0, 2, 8, status] };
    Answer { body, trailers, ..Answer::default() }
}

fn failure(reason: &str) -> Outcome {
    Outcome::Failure(reason.to_owned())
}

#[tokio::test]
async fn a_service_that_serves_passes_and_is_asked_as_the_protocol_has_it() {
    let (outcome, asked) = check("pkg.Web", says(1)).await;
    assert_eq!(outcome, Outcome::Success);
    let (request, body) = asked.unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert!(request.uri().authority().unwrap().as_str().starts_with("127.0.0.1:"));
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
    assert_eq!(body, b"\0\0\0\0\x09\x0a\x07pkg.Web");
}

#[tokio::test]
async fn everything_else_that_it_says_fails() {
    for (status, name) in [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN"), (9, "9")] {
        let expected = failure(&format!("the service says that it is {name}"));
        assert_eq!(check("", says(status)).await.0, expected);
    }
}

#[tokio::test]
async fn a_call_that_fails_says_how() {
    let trailers = Some(vec![("grpc-status", "14"), ("grpc-message", "going down")]);
    let outcome = check("", Answer { trailers, ..says(1) }).await.0;
    assert_eq!(outcome, failure("the call ended with 14 (UNAVAILABLE): going down"));
    // Nothing but headers.
    let headers = vec![("grpc-status", "5")];
    let outcome = check("x", Answer { headers, ..Answer::default() }).await.0;
    assert_eq!(outcome, failure("the call ended with 5 (NOT_FOUND)"));
    let outcome = check("", Answer { status: Some(503), ..says(1) }).await.0;
    assert_eq!(outcome, failure("HTTP status 503, expected 200"));
    let outcome = check("", Answer { body: vec![], ..says(1) }).await.0;
    assert_eq!(outcome, failure("there is no message in the reply"));
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let outcome = check("", Answer { endless: true, ..says(1) }).await.0;
    assert_eq!(outcome, failure("the reply is longer than 1024 bytes"));
}

#[test]
fn messages_that_are_none_are_told_apart() {
    for (body, bad) in [
        (&b""[..], BadMessage::Nothing),
        (b"\0\0\0\0", BadMessage::Nothing),
        (b"\x01\0\0\0\x02\x08\x01", BadMessage::Compressed),
        (b"\0\0\0\0\x03\x08\x01", BadMessage::Length),
        (b"\0\0\0\0\x01\x08\x01", BadMessage::Length),
        (b"\0\xff\xff\xff\xff\x08\x01", BadMessage::Length),
        (b"\0\0\0\0\x01\x08", BadMessage::Malformed),
        (b"\0\0\0\0\x02\x0a\x7f", BadMessage::Malformed),
        (b"\0\0\0\0\x02\x00\x01", BadMessage::Malformed),
    ] {
        assert_eq!(read(body), Err(bad), "{body:?}");
    }
    assert_eq!(read(&[0; MAX_MESSAGE + 1]), Err(BadMessage::TooLong));
    // Fields of a newer version, and the last of two.
    assert_eq!(read(b"\0\0\0\0\x09\x12\x01x\x08\x02\x18\x05\x08\x01"), Ok(Serving(1)));
}

#[test]
fn names_of_more_than_127_octets_have_their_length_in_two() {
    let framed = question(&"x".repeat(300));
    assert_eq!(framed[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
    assert_eq!(framed.len(), 5 + 3 + 300);
    assert_eq!(question(""), [0; 5]);
}

proptest! {
    #[test]
    fn any_octets_are_a_message_or_a_reason(octets in prop::collection::vec(any::<u8>(), 0..40)) {
        let length = u32::try_from(octets.len()).unwrap().to_be_bytes();
        let _ = read(&octets);
        let _ = read(&[&[0][..], &length, &octets].concat());
    }
}
