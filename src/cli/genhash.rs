//! `genhash`: the digest of a page, as HTTP_GET computes it (genhash(1)).
//!
//! Output and exit status are keepalived's, down to a failed connection being no failure.

mod arguments;
mod report;

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use arguments::{Arguments, parse};
use report::Report;

use crate::probe::fetch::{FetchError, Page, Patience, Piece, default_host, fetch, request};
use crate::probe::tls::{Session, shake_hands};
use crate::probe::{Connect, ConnectError, Origin, open};

/// Without `--timeout`: as long as 32 bits of microseconds last, as in keepalived.
const DEFAULT_TIMEOUT: Duration = Duration::from_micros(u32::MAX as u64);

/// Runs genhash with `args` (without the program's name); gives the exit status.
pub fn run(args: impl Iterator<Item = OsString>) -> i32 {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    // Nothing can be told any more when these cannot be written: a closed pipe, usually.
    run_with(args, &mut out, &mut err).unwrap_or(1)
}

fn run_with(
    args: impl Iterator<Item = OsString>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<i32> {
    let arguments = match parse(args.map(|arg| arg.to_string_lossy().into_owned())) {
        Ok(arguments) => arguments,
        Err(refusal) => {
            write!(err, "{refusal}")?;
            return Ok(1);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(generate(&arguments, out, err))?;
    out.flush()?;
    Ok(0)
}

async fn generate(
    arguments: &Arguments,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the time it took is part of the report")]
    let begun = Instant::now();
    let mut report = Report::new(out, arguments.verbose);
    match page(arguments, &mut report).await {
        Ok(page) => report.digest(Some(&page.md5))?,
        Err(Failure::NoData) => {
            report.digest(None)?;
            writeln!(err, "no data received from remote webserver")?;
        }
        Err(Failure::Reason(reason)) => report.line(&reason)?,
    }
    report.time(&arguments.url, begun.elapsed())
}

enum Failure {
    /// The connection ended before there was a complete header.
    NoData,
    /// A sentence for stdout.
    Reason(String),
}

async fn page<W: Write>(
    arguments: &Arguments,
    report: &mut Report<'_, W>,
) -> Result<Page, Failure> {
    let connect = Connect {
        target: arguments.target,
        origin: Origin { fwmark: arguments.fwmark, ..Origin::default() }.boxed(),
        timeout: arguments.timeout.unwrap_or(DEFAULT_TIMEOUT),
    };
    let stream = open(&connect).await.map_err(|error| Failure::Reason(not_connected(&error)))?;
    let host = arguments.virtual_host.clone().unwrap_or_else(|| default_host(connect.target));
    let request = request(arguments.version, &arguments.url, &host, None);
    let patience = Patience { silence: connect.timeout, until: None };
    let seen = |piece: Piece<'_>| report.piece(piece);
    let fetched = if arguments.use_ssl {
        let name = arguments.virtual_host.as_deref().filter(|_| arguments.use_sni);
        let session = Session { name, ..Session::default() };
        let shaken = shake_hands(stream, connect.target.ip(), &session, connect.timeout).await;
        let mut stream = shaken.map_err(|error| Failure::Reason(error.to_string()))?;
        fetch(&mut stream, &request, patience, seen).await
    } else {
        let mut stream = stream;
        fetch(&mut stream, &request, patience, seen).await
    };
    fetched.map_err(|error| not_fetched(&error, arguments))
}

/// keepalived's words, and ours where it has only one sentence for everything.
fn not_connected(error: &ConnectError) -> String {
    match error {
        ConnectError::Refused(source) if is_unreachable(source) => {
            "HTTP_CHECK - network unreachable".to_owned()
        }
        ConnectError::Refused(_) => "Connection failed".to_owned(),
        ConnectError::NoAnswer(_) => "Timeout connecting".to_owned(),
        ConnectError::Local { .. } => format!("Connection failed: {error}"),
    }
}

fn is_unreachable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable)
}

fn not_fetched(error: &FetchError, arguments: &Arguments) -> Failure {
    Failure::Reason(match error {
        FetchError::Nothing | FetchError::HeaderCut(_) | FetchError::BadHeader(_) => {
            return Failure::NoData;
        }
        FetchError::Silent(_) => "Timeout WEB read".to_owned(),
        FetchError::Stalled { .. } | FetchError::Endless { .. } => "Timeout HTTP read".to_owned(),
        FetchError::Send(_) | FetchError::Receive(_) => {
            format!("Read error with [{}]: {error}", arguments.target)
        }
    })
}

#[cfg(test)]
mod tests;
