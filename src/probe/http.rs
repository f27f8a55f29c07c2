//! HTTP_GET and SSL_GET: one page, judged.

use std::fmt::Write as _;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::bounds::{deadline, step_until};
use super::connect::{Seconds, open};
use super::fetch::{FetchError, Page, Patience, Piece, default_host, fetch, request};
use super::http2::{self, Http2Error};
use super::pattern::Search;
use super::tls::{TlsError, shake_hands};
use super::{HttpProbe, HttpVersion, Tls, Url};
use crate::check::Outcome;

/// A whole attempt may take this many times `connect_timeout`, of which connecting, waiting for the first
/// byte and each silence may take one each. keepalived has no bound on the whole: there a server that
/// sends a byte now and then is never judged.
pub const ATTEMPT_SPAN: u32 = 6;

/// Fetches and judges the url with index `target`.
pub(super) async fn attempt(probe: &HttpProbe, target: usize) -> Outcome {
    let Some(url) = probe.pages.urls.get(target) else {
        return Outcome::NotTried(format!("there is no url number {target}"));
    };
    let Some(limit) = url.wishes.as_ref().and_then(|wishes| wishes.limit) else {
        return visit(probe, url, None).await;
    };
    let over =
        || Outcome::Failure(about(url, &format!("no complete page within {}", Seconds(limit))));
    match deadline(limit) {
        Some(until) => step_until(until, visit(probe, url, Some(until))).await.unwrap_or_else(over),
        None => visit(probe, url, None).await,
    }
}

/// Connects, and talks. `until`: when everything must be over at the latest.
async fn visit(probe: &HttpProbe, url: &Url, until: Option<Instant>) -> Outcome {
    let connect = &probe.connect;
    let span = deadline(connect.timeout.saturating_mul(ATTEMPT_SPAN));
    let patience =
        Patience { silence: connect.timeout, until: span.into_iter().chain(until).min() };
    let stream = match open(connect).await {
        Ok(stream) => stream,
        Err(error) => return error.into(),
    };
    match &probe.pages.tls {
        None => converse(stream, probe, url, patience).await,
        // In a box of its own: thousands wait at a time, most of them without TLS.
        Some(tls) => Box::pin(secured(stream, tls, probe, url, patience)).await,
    }
}

/// Talks over TLS.
async fn secured(
    stream: TcpStream,
    tls: &Tls,
    probe: &HttpProbe,
    url: &Url,
    patience: Patience,
) -> Outcome {
    let connect = &probe.connect;
    let session = tls.session(url.virtual_host.as_deref());
    let session = if is_http2(probe) { session.with_http2() } else { session };
    match shake_hands(stream, connect.target.ip(), &session, connect.timeout).await {
        Ok(mut stream) => {
            let outcome = converse(&mut stream, probe, url, patience).await;
            if tls.compliant || url.tls_compliant {
                // As with any goodbye, nothing depends on its being heard.
                let _ = timeout(connect.timeout, stream.shutdown()).await;
            }
            outcome
        }
        Err(TlsError::Local(reason)) => Outcome::NotTried(reason),
        Err(error) => Outcome::Failure(about(url, &error.to_string())),
    }
}

fn is_http2(probe: &HttpProbe) -> bool {
    probe.pages.version == HttpVersion::Http2
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    probe: &HttpProbe,
    url: &Url,
    patience: Patience,
) -> Outcome {
    let mut search = url.pattern.as_ref().map(Search::new);
    let mut lacking = None;
    let seen = |piece: Piece<'_>| match piece {
        Piece::Header(header) => {
            lacking = url.wishes.as_ref().and_then(|wishes| wishes.lacking(header));
        }
        Piece::Body(body) => {
            if let Some(search) = &mut search {
                search.feed(body);
            }
        }
    };
    let page = if is_http2(probe) {
        let scheme = if probe.pages.tls.is_some() { "https" } else { "http" };
        let request = http2::request(url, probe.connect.target, scheme);
        Box::pin(http2::fetch(stream, &request, patience, seen)).await
    } else {
        let host = url.virtual_host.clone().unwrap_or_else(|| default_host(probe.connect.target));
        let request = request(probe.pages.version, &url.path, &host, url.wishes.as_deref());
        fetch(&mut stream, &request, patience, seen).await.map_err(Http2Error::Time)
    };
    match page {
        Ok(page) => judge(url, &page, search.map(Search::finish), lacking.as_deref()),
        Err(error @ Http2Error::Request(_)) => Outcome::NotTried(about(url, &error.to_string())),
        Err(error) => Outcome::Failure(about(url, &reason(&error, patience))),
    }
}

/// Judges a page, in keepalived's order: status code, then digest, then whether its pattern was `found`; and
/// behind the status what its header is `lacking`.
pub fn judge(url: &Url, page: &Page, found: Option<bool>, lacking: Option<&str>) -> Outcome {
    let Some(status) = page.header.status else {
        return Outcome::Failure(about(url, "HTTP status line has no three-digit code"));
    };
    if !url.status.iter().any(|(low, high)| (*low..=*high).contains(&status)) {
        let expected = ranges(&url.status);
        return Outcome::Failure(about(url, &format!("HTTP status {status}, expected {expected}")));
    }
    if let Some(lacking) = lacking {
        return Outcome::Failure(about(url, lacking));
    }
    match url.digest {
        Some(expected) if expected != page.md5 => {
            let (found, expected) = (hex(&page.md5), hex(&expected));
            let length = page.body_len;
            let reason = format!("MD5 digest {found} of {length} bytes instead of {expected}");
            return Outcome::Failure(about(url, &reason));
        }
        Some(_) | None => {}
    }
    match (&url.pattern, found) {
        (Some(pattern), Some(found)) if found == pattern.absent => {
            let (source, length) = (pattern.source(), page.body_len);
            let what = if found { "is" } else { "is not" };
            let reason = format!("`{source}` {what} in the page of {length} bytes");
            Outcome::Failure(about(url, &reason))
        }
        _ => Outcome::Success,
    }
}

fn reason(error: &Http2Error, patience: Patience) -> String {
    match error {
        Http2Error::Time(FetchError::Endless { received }) => {
            let span = Seconds(patience.silence.saturating_mul(ATTEMPT_SPAN));
            format!("page not finished within {span}, after {received} bytes")
        }
        other => other.to_string(),
    }
}

fn about(url: &Url, reason: &str) -> String {
    format!("url {}: {reason}", url.path)
}

fn ranges(status: &[(u16, u16)]) -> String {
    let words = status.iter().map(|(low, high)| match low == high {
        true => low.to_string(),
        false => format!("{low}-{high}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
