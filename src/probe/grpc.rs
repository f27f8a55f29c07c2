//! GRPC_CHECK: the health protocol of gRPC, `grpc.health.v1.Health/Check`.

use tokio::io::{AsyncRead, AsyncWrite};

use super::GrpcProbe;
use super::bounds::deadline;
use super::connect::{Seconds, open};
use super::fetch::{self, FetchError, Patience, default_host};
use super::http::ATTEMPT_SPAN;
use super::http2::{self, Fields, Http2Error, Request, Seen};
use super::tls::{TlsError, shake_hands};
use crate::check::Outcome;

const METHOD: &str = "/grpc.health.v1.Health/Check";

/// Longest reply: a message of one number. What a newer version adds will not be much.
pub const MAX_MESSAGE: usize = 1_024;

/// A flag and a length stand before each message (gRPC over HTTP2, Length-Prefixed-Message).
const PREFIX: usize = 5;

/// How a service says it is (grpc.health.v1, HealthCheckResponse.ServingStatus).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving(pub u64);

/// Why what came is no health message. Worded for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    #[error("there is no message in the reply")]
    Nothing,
    #[error("the reply is compressed, which was not asked for")]
    Compressed,
    #[error("the reply is not as long as it says")]
    Length,
    #[error("the reply is longer than {MAX_MESSAGE} bytes")]
    TooLong,
    #[error("the reply is no health message")]
    Malformed,
}

/// The question for `service`; the empty name is the server as a whole.
pub fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(service.len() + 8);
    if !service.is_empty() {
        // Field 1, of octets with their number in front.
        message.push(0x0a);
        write_number(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.append(&mut message);
    framed
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads the body of a reply: one message, of which field 1 is the status.
///
/// # Errors
/// See [`BadMessage`].
pub fn read(body: &[u8]) -> Result<Serving, BadMessage> {
    if body.len() > MAX_MESSAGE {
        return Err(BadMessage::TooLong);
    }
    let (prefix, mut message) = body.split_first_chunk::<PREFIX>().ok_or(BadMessage::Nothing)?;
    let [flag, length @ ..] = *prefix;
    if flag != 0 {
        return Err(BadMessage::Compressed);
    }
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err(BadMessage::Length);
    }
    // A field that is not there is 0; of one that is there twice the last counts (protobuf encoding).
    let mut serving = Serving(0);
    while !message.is_empty() {
        let tag = take_number(&mut message).ok_or(BadMessage::Malformed)?;
        match (tag >> 3, tag & 7) {
            (0, _) => return Err(BadMessage::Malformed),
            (1, 0) => serving = Serving(take_number(&mut message).ok_or(BadMessage::Malformed)?),
            (_, kind) => skip(&mut message, kind).ok_or(BadMessage::Malformed)?,
        }
    }
    Ok(serving)
}

/// Seven bits an octet, the lowest first, of which ten at most.
fn take_number(from: &mut &[u8]) -> Option<u64> {
    let end = from.iter().take(10).position(|octet| octet & 0x80 == 0)?;
    let (octets, rest) = from.split_at(end + 1);
    *from = rest;
    let bits = octets.iter().rev().fold(0_u128, |sum, octet| sum << 7 | u128::from(octet & 0x7f));
    Some(bits as u64)
}

/// Passes over a field that we do not know.
fn skip(from: &mut &[u8], kind: u64) -> Option<()> {
    let length = match kind {
        0 => return take_number(from).map(drop),
        1 => 8,
        2 => usize::try_from(take_number(from)?).ok()?,
        5 => 4,
        _ => return None,
    };
    *from = from.get(length..)?;
    Some(())
}

/// What the status means.
pub fn judge(serving: Serving) -> Outcome {
    let name = match serving.0 {
        1 => return Outcome::Success,
        0 => "UNKNOWN",
        2 => "NOT_SERVING",
        3 => "SERVICE_UNKNOWN",
        other => return Outcome::Failure(format!("the service says that it is {other}")),
    };
    Outcome::Failure(format!("the service says that it is {name}"))
}

/// The end of a call: its number and its words, in the trailers, or in the headers if that is all there is.
fn call_failed(fields: &Fields) -> Option<Outcome> {
    let code = fields.get("grpc-status")?;
    if code == "0" {
        return None;
    }
    let name = code.parse().ok().and_then(|code: usize| CODES.get(code)).unwrap_or(&"an error");
    let message: String = fields.get("grpc-message").unwrap_or_default().chars().take(80).collect();
    let message = if message.is_empty() { message } else { format!(": {message}") };
    Some(Outcome::Failure(format!("the call ended with {code} ({name}){message}")))
}

/// gRPC status codes.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(super) async fn attempt(probe: &GrpcProbe) -> Outcome {
    let connect = &probe.connect;
    let patience = Patience {
        silence: connect.timeout,
        until: deadline(connect.timeout.saturating_mul(ATTEMPT_SPAN)),
    };
    let stream = match open(connect).await {
        Ok(stream) => stream,
        Err(error) => return error.into(),
    };
    // Each way in a box of its own, which is there only while it is gone.
    let Some(tls) = &probe.tls else {
        return Box::pin(ask(stream, probe, "http", patience)).await;
    };
    let session = tls.session(probe.authority.as_deref()).with_http2();
    let shaken = Box::pin(shake_hands(stream, connect.target.ip(), &session, connect.timeout));
    match shaken.await {
        Ok(stream) => Box::pin(ask(stream, probe, "https", patience)).await,
        Err(TlsError::Local(reason)) => Outcome::NotTried(reason),
        Err(error) => Outcome::Failure(error.to_string()),
    }
}

/// Calls the method over an open `stream`, and judges the reply.
pub async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    probe: &GrpcProbe,
    scheme: &'static str,
    patience: Patience,
) -> Outcome {
    let host = probe.authority.clone().unwrap_or_else(|| default_host(probe.connect.target));
    let fields = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", fetch::USER_AGENT),
    ];
    let question = question(&probe.service);
    let request = Request {
        method: "POST",
        scheme,
        authority: host,
        path: METHOD,
        fields: fields.map(|(name, value)| (name, value.into())).into(),
        body: &question,
    };
    let (mut failed, mut body) = (None, Vec::new());
    let exchanged = http2::exchange(stream, &request, patience, |part| match part {
        Seen::Header(200, fields) | Seen::End(fields) => {
            failed = call_failed(fields);
            failed.is_none()
        }
        Seen::Header(status, _) => {
            failed = Some(Outcome::Failure(format!("HTTP status {status}, expected 200")));
            false
        }
        Seen::Body(octets) => {
            // One octet more shows that it is too long.
            let room = MAX_MESSAGE + 1 - body.len();
            body.extend_from_slice(&octets[..octets.len().min(room)]);
            body.len() <= MAX_MESSAGE
        }
    });
    match (exchanged.await, failed) {
        (Ok(()), Some(failed)) => failed,
        (Ok(()), None) => read(&body).map_or_else(|bad| Outcome::Failure(bad.to_string()), judge),
        (Err(error @ Http2Error::Request(_)), _) => Outcome::NotTried(error.to_string()),
        (Err(Http2Error::Time(FetchError::Endless { .. })), _) => {
            let span = Seconds(patience.silence.saturating_mul(ATTEMPT_SPAN));
            Outcome::Failure(format!("reply not finished within {span}"))
        }
        (Err(error), _) => Outcome::Failure(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
