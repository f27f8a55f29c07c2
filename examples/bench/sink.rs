//! Where a director's log goes, and how it stalls: a pipe, or syslog's socket.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

/// How a director logs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Log {
    Off,
    /// To standard output and error, which are a pipe.
    Pipe,
    /// To `/dev/log`.
    Syslog,
}

/// How its log is read.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Reading {
    Freely,
    /// What is there, and then nothing for a second.
    BySeconds,
    NotAtAll,
    Ended,
}

/// The far end of a log.
pub struct Sink(Arc<AtomicU8>);

impl Sink {
    /// The sink, and what the director is to have as its standard output and error. `dev` is its `/dev`.
    pub fn open(log: Log, dev: &Path, reading: Reading) -> io::Result<(Sink, OwnedFd)> {
        let mode = Arc::new(AtomicU8::new(reading as u8));
        let null = || File::options().write(true).open("/dev/null").map(OwnedFd::from);
        let output = match log {
            Log::Off => null()?,
            Log::Pipe => {
                let (mut reader, writer) = io::pipe()?;
                read_on(mode.clone(), move |buffer| reader.read(buffer));
                writer.into()
            }
            Log::Syslog => {
                let path = dev.join("log");
                let _ = fs::remove_file(&path);
                let socket = UnixDatagram::bind(path)?;
                // So that the end is noticed.
                socket.set_read_timeout(Some(Duration::from_secs(1)))?;
                read_on(mode.clone(), move |buffer| match socket.recv(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(1),
                    other => other,
                });
                null()?
            }
        };
        Ok((Sink(mode), output))
    }

    pub fn set(&self, reading: Reading) {
        self.0.store(reading as u8, Ordering::Relaxed);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.set(Reading::Ended);
    }
}

/// Reads until the writer is gone or the sink is dropped.
fn read_on(
    mode: Arc<AtomicU8>,
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize> + Send + 'static,
) {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match mode.load(Ordering::Relaxed) {
                now if now == Reading::Ended as u8 => return,
                now if now == Reading::NotAtAll as u8 => {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
                now if now == Reading::BySeconds as u8 => thread::sleep(Duration::from_secs(1)),
                _ => {}
            }
            if !matches!(read(&mut buffer), Ok(1..)) {
                return;
            }
        }
    });
}
