//! What scripts print: their first lines, for whoever looks for a mistake in them.
//!
//! Only while details are logged is there a pipe at all: what a script starts in the background and
//! leaves behind would have nobody to write to once we end. A task of its own drains the pipe
//! until the last writer is gone, so that nobody is held up by what we do not want to know.

use std::io::{self, PipeReader, PipeWriter};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;

/// Lines that are logged of each run.
const LINES: usize = 20;
/// Longest part of a line that is logged, in octets.
const LENGTH: u64 = 400;

/// A pipe for what a script prints, if anybody is interested.
pub(super) fn capture() -> io::Result<Option<(PipeReader, PipeWriter)>> {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return Ok(None);
    }
    io::pipe().map(Some)
}

/// Logs what comes out of the pipe.
pub(super) fn log(name: String, pipe: Option<PipeReader>) {
    let Some(pipe) = pipe else { return };
    match Receiver::from_owned_fd(pipe.into()) {
        Ok(pipe) => drop(tokio::spawn(drain(name, pipe))),
        Err(error) => tracing::debug!("{name}: cannot read its output: {error}"),
    }
}

async fn drain(name: String, pipe: Receiver) {
    let mut pipe = BufReader::new(pipe);
    for _ in 0..LINES {
        let mut line = Vec::new();
        match (&mut pipe).take(LENGTH).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::debug!("{name} says: {}", printable(&line)),
        }
    }
    tracing::debug!("{name} says more, which is not logged");
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
}

/// As text without control characters, which would write the log for us.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line.trim_ascii_end());
    text.chars().map(|letter| if letter.is_control() { '.' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_cannot_forge_log_lines() {
        assert_eq!(printable(b"a\x1b[31m\rb\n"), "a.[31m.b");
        assert_eq!(printable("für \u{85}x".as_bytes()), "für .x");
    }
}
