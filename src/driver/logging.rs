//! Log lines that can never make anybody wait.
//!
//! An event is formatted where it happens and put into a bounded queue; one thread of its own
//! writes to the sinks. A sink that stalls (a pipe nobody reads, a stopped syslog) fills the
//! queue, and then lines are dropped and counted; the count is logged when the sink is back.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Lines waiting for a slow sink. At the transitions of 4,000 instances with two lines each,
/// this holds them all; beyond it lines are dropped and counted.
const QUEUE: usize = 16_384;

/// How long the end of the program waits for the last lines to be written: a sink that stalls
/// must not keep a stopped director from ending.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often it is looked whether they are.
const LOOK: Duration = Duration::from_millis(5);

/// Where log lines go, and how many.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// To standard error, with time and level.
    pub console: bool,
    /// To syslog's socket, with this facility (RFC 5424 §6.2.1: 3 is daemon, 16–23 local0–7).
    pub syslog: Option<u8>,
    /// Syslog ident.
    pub ident: String,
    pub level: LevelFilter,
}

/// One formatted line on its way to one sink.
enum Line {
    Console(Vec<u8>),
    Syslog(Vec<u8>),
    End,
}

/// Ends the writer: on drop, what is queued is written out, as far as the sink takes it within
/// [`LAST_LINES`].
pub struct LogGuard {
    queue: SyncSender<Line>,
    writer: JoinHandle<()>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let mut told = false;
        for _ in 0..LAST_LINES.as_millis() / LOOK.as_millis() {
            told = told || self.queue.try_send(Line::End).is_ok();
            if self.writer.is_finished() {
                return;
            }
            sleep(LOOK);
        }
    }
}

/// Starts the writer thread and makes `tracing` use it, for the whole process.
///
/// # Errors
/// When a subscriber is set already, or the thread cannot be started.
pub fn start(options: &LogOptions) -> io::Result<LogGuard> {
    let (queue, lines) = sync_channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let sink = Sink { queue: queue.clone(), dropped: dropped.clone() };
    let subscriber = tracing_subscriber::registry()
        .with(options.console.then(|| console_layer(sink.clone())))
        .with(options.syslog.map(|facility| syslog_layer(sink, facility, &options.ident)))
        .with(options.level);
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    let writer = std::thread::Builder::new()
        .name("log".into())
        .spawn(move || Writer { dropped, syslog: None }.write_all(lines))?;
    Ok(LogGuard { queue, writer })
}

fn console_layer<S>(sink: Sink) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(false)
        .with_writer(MakeLine { sink, syslog: None })
}

fn syslog_layer<S>(sink: Sink, facility: u8, ident: &str) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let ident = format!("{ident}[{}]: ", std::process::id());
    tracing_subscriber::fmt::layer()
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .with_writer(MakeLine { sink, syslog: Some((facility, ident)) })
}

/// The way into the queue.
#[derive(Clone)]
struct Sink {
    queue: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

impl Sink {
    fn push(&self, line: Line) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(line) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Hands each event a buffer that becomes one [`Line`].
struct MakeLine {
    sink: Sink,
    /// Facility and `ident[pid]: ` when the line is for syslog.
    syslog: Option<(u8, String)>,
}

impl<'a> MakeWriter<'a> for MakeLine {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        self.line(Level::INFO)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        self.line(*meta.level())
    }
}

impl MakeLine {
    fn line(&self, level: Level) -> LineWriter<'_> {
        let text = match &self.syslog {
            Some((facility, ident)) => {
                format!("<{}>{ident}", facility * 8 + severity(level)).into_bytes()
            }
            None => Vec::new(),
        };
        LineWriter { to: self, text }
    }
}

/// Syslog's severity (RFC 5424 §6.2.1).
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Collects one event's text; the whole line is queued when the event is done.
struct LineWriter<'a> {
    to: &'a MakeLine,
    text: Vec<u8>,
}

impl Write for LineWriter<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter<'_> {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.to.sink.push(match self.to.syslog {
            Some(_) => Line::Syslog(text),
            None => Line::Console(text),
        });
    }
}

/// The only one that touches the sinks, on its own thread.
struct Writer {
    dropped: Arc<AtomicU64>,
    syslog: Option<UnixDatagram>,
}

impl Writer {
    fn write_all(mut self, lines: Receiver<Line>) {
        for line in lines {
            match line {
                Line::Console(text) => self.console(&text),
                Line::Syslog(text) => self.syslog(&text),
                Line::End => return,
            }
        }
    }

    /// A console that is gone is no reason to end a director: its lines are lost.
    fn console(&mut self, text: &[u8]) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text);
        let lost = self.dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(stderr, "{lost} log lines were lost: the log was read too slowly");
        }
    }

    fn syslog(&mut self, text: &[u8]) {
        let text = text.trim_ascii_end();
        if self.syslog.is_none() {
            self.syslog = connect_syslog().ok();
        }
        // A restarted syslog has a new socket: connect anew, once.
        if self.syslog.as_ref().is_some_and(|socket| socket.send(text).is_err()) {
            self.syslog = connect_syslog().ok();
            if let Some(socket) = &self.syslog {
                let _ = socket.send(text);
            }
        }
    }
}

fn connect_syslog() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect("/dev/log")?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
