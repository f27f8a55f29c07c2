//! Firewall rules, set by nft(8): its language is stable, and it knows what each kernel can do.

use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// For a transaction that takes the kernel some milliseconds; a machine may be busy.
const LIMIT: Duration = Duration::from_secs(10);

/// Carries out a script in nft(8)'s language, as one transaction. Waits for it: not for a thread
/// that has deadlines.
///
/// # Errors
/// nft(8) is not installed, or what it said first.
#[allow(clippy::disallowed_methods, reason = "it watches a child process, no core is here")]
pub fn nft(script: &str) -> io::Result<()> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                io::Error::new(error.kind(), "nft is not there (package nftables)")
            }
            _ => error,
        })?;
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    let script = script.to_owned();
    // Both ways at once: it may say something before it has read all.
    let writer = std::thread::spawn(move || input.map(|mut to| to.write_all(script.as_bytes())));
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = errors.map(|from| from.take(4096).read_to_string(&mut text));
        text
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nft did not end within 10 s"));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let said = reader.join().unwrap_or_default();
    drop(writer);
    if status.success() { Ok(()) } else { Err(io::Error::other(first_line(&said))) }
}

fn first_line(said: &str) -> String {
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nft failed");
    // `/dev/stdin:1:1-24: Error: …` is a place in a text nobody has seen.
    line.split_once("Error: ").map_or(line, |(_, error)| error).trim().to_owned()
}
