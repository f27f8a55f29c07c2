//! A FIFO that events are written to, and the script that reads it.
//!
//! A task of the work runtime owns the open FIFO and its script. It ends when it is told to finish:
//! what has not been read then is lost with the FIFO. Writers never wait: lines go into a bounded
//! backlog, out of which they are written as the pipe takes them.

use std::collections::VecDeque;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::stat::Mode;
use tokio::net::unix::pipe::Sender;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::account;
use super::script::{Exit, Invocation, run_until};
use super::security::ScriptRules;
use crate::config::plan::{Fifo, Script};

/// Lines waiting for a pipe that is full (it holds 64 KiB by itself): four transitions for each of
/// 4,000 instances. Beyond it the oldest are dropped and counted: the newest state is what matters.
const BACKLOG: usize = 16_384;

/// How long the end of the program waits for the reader to take the last lines, and then for the
/// script to notice that the FIFO is closed.
const LAST_LINES: Duration = Duration::from_secs(1);

/// keepalived's: 0644 less the umask, which is 0177 unless set.
const MODE: u32 = 0o644;
const UMASK: u32 = 0o177;

/// Why a FIFO cannot be used. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum FifoError {
    #[error("its user: {0}")]
    Account(#[from] account::AccountError),
    #[error("cannot create it: {0}")]
    Create(io::Error),
    #[error("cannot give it to uid {uid}, gid {gid}: {source}")]
    Give { uid: u32, gid: u32, source: io::Error },
    #[error("cannot open it: {0}")]
    Open(io::Error),
    #[error("there is something else of that name, not a FIFO")]
    NotAFifo,
    #[error("it is there already and belongs to uid {owner}, neither to us nor to uid {user}")]
    ForeignOwner { owner: u32, user: u32 },
}

/// The way to one FIFO.
#[derive(Debug)]
pub struct FifoWriter {
    fifo: Fifo,
    backlog: Arc<Backlog>,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Command {
    RestartScript(Option<Script>, ScriptRules),
    Finish,
}

impl FifoWriter {
    /// Opens the FIFO, making it if need be, and starts its script, all on the current runtime.
    /// What goes wrong is logged, and lines are then lost.
    pub fn start(fifo: Fifo, rules: ScriptRules) -> Self {
        let (commands, receive) = mpsc::channel(2);
        let backlog = Arc::new(Backlog::new(fifo.path.display().to_string()));
        let task = tokio::spawn(serve(fifo.clone(), rules, backlog.clone(), receive));
        Self { fifo, backlog, commands, task }
    }

    /// What takes the lines; it outlives the FIFO.
    pub fn backlog(&self) -> Arc<Backlog> {
        self.backlog.clone()
    }

    /// Whether it goes on as `fifo`: the same path and owner, and it works.
    pub fn serves(&self, fifo: &Fifo) -> bool {
        let same = self.fifo.path == fifo.path && self.fifo.user == fifo.user;
        same && !self.task.is_finished()
    }

    /// Ends the script, and starts the one that is configured now. Lines submitted after this are
    /// read by the new one.
    pub async fn restart_script(&mut self, script: Option<Script>, rules: ScriptRules) {
        self.fifo.script.clone_from(&script);
        let _ = self.commands.send(Command::RestartScript(script, rules)).await;
    }

    /// Lets the reader have the last lines, ends the script, and removes the FIFO if we made it.
    pub async fn finish(self) {
        let _ = self.commands.send(Command::Finish).await;
        let _ = self.task.await;
    }
}

/// Lines on their way into one FIFO.
#[derive(Debug)]
pub struct Backlog {
    path: String,
    state: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<String>,
    /// Dropped since the pipe last took all.
    lost: u64,
}

impl Backlog {
    fn new(path: String) -> Self {
        Self { path, state: Mutex::default(), news: Notify::new() }
    }

    /// Takes `line`, which ends with a newline. Never waits; callable from any thread.
    pub fn push(&self, line: &str) {
        let mut state = self.state();
        if state.lines.len() >= BACKLOG {
            state.lines.pop_front();
            state.lost += 1;
            if state.lost == 1 {
                let path = &self.path;
                tracing::error!(
                    "FIFO {path} is not read: {BACKLOG} lines wait, older ones are lost"
                );
            }
        }
        state.lines.push_back(line.to_owned());
        self.news.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<String> {
        let mut state = self.state();
        let line = state.lines.pop_front();
        if line.is_none() && state.lost > 0 {
            let (path, lost) = (&self.path, std::mem::take(&mut state.lost));
            tracing::warn!("FIFO {path} is read again: {lost} lines were lost");
        }
        line
    }

    /// Whether nothing waits any more; what does is counted as lost.
    fn give_up(&self) -> u64 {
        let mut state = self.state();
        let left = state.lines.len() as u64;
        state.lines.clear();
        left + std::mem::take(&mut state.lost)
    }
}

/// The open end of the FIFO, and the line that it has taken a part of.
struct Pipe {
    sender: Sender,
    line: Vec<u8>,
}

impl Pipe {
    /// Writes all that waits, and what comes. Cancel-safe: a line once begun is gone on with.
    async fn write(&mut self, backlog: &Backlog) -> io::Error {
        loop {
            if let Err(error) = self.flush(backlog).await {
                return error;
            }
            backlog.news.notified().await;
        }
    }

    /// Returns when nothing waits.
    async fn flush(&mut self, backlog: &Backlog) -> io::Result<()> {
        loop {
            if self.line.is_empty() {
                let Some(next) = backlog.next() else { return Ok(()) };
                self.line = next.into_bytes();
            }
            self.sender.writable().await?;
            match self.sender.try_write(&self.line) {
                Ok(written) => drop(self.line.drain(..written)),
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns when the reader has taken everything out of the pipe.
    async fn drained(&self) {
        while crate::kernel::unread(&self.sender).is_ok_and(|octets| octets > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn serve(
    fifo: Fifo,
    rules: ScriptRules,
    backlog: Arc<Backlog>,
    mut commands: mpsc::Receiver<Command>,
) {
    let path = fifo.path.clone();
    let (wanted, for_opening) = (fifo.clone(), rules.clone());
    let opened = tokio::task::spawn_blocking(move || open(&wanted, &for_opening)).await;
    let opened = opened.unwrap_or_else(|error| Err(FifoError::Open(io::Error::other(error))));
    let sender = opened
        .and_then(|(file, made)| Ok((Sender::from_file(file).map_err(FifoError::Open)?, made)));
    let (sender, made) = match sender {
        Ok(opened) => opened,
        Err(error) => {
            let path = path.display();
            return tracing::error!("FIFO {path} is not written to: {error}; a reload tries again");
        }
    };
    let mut pipe = Pipe { sender, line: Vec::new() };
    let mut reader = Reader::start(&path, fifo.script.as_ref(), &rules).await;
    loop {
        tokio::select! {
            // First, so that lines that came after an order are for whom the order started.
            biased;
            command = commands.recv() => match command {
                Some(Command::RestartScript(script, rules)) => {
                    reader.end(Duration::ZERO).await;
                    reader = Reader::start(&path, script.as_ref(), &rules).await;
                }
                Some(Command::Finish) | None => break,
            },
            error = pipe.write(&backlog) => {
                tracing::error!("FIFO {} is no longer written to: {error}", path.display());
                break;
            }
        }
    }
    finish(pipe, &backlog, reader, &path).await;
    if made && let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!("cannot remove FIFO {}: {error}", path.display());
    }
}

async fn finish(mut pipe: Pipe, backlog: &Backlog, reader: Reader, path: &Path) {
    let last = async {
        let _ = pipe.flush(backlog).await;
        // A reader that is not ours keeps what is in the pipe for as long as it has it open.
        if reader.runs() {
            pipe.drained().await;
        }
    };
    let in_time = timeout(LAST_LINES, last).await.is_ok();
    let lost = backlog.give_up();
    if lost > 0 || (!in_time && !pipe.line.is_empty()) {
        tracing::warn!("FIFO {}: {lost} lines were not taken by anybody", path.display());
    }
    // The end of the file tells the script that it can end.
    drop(pipe);
    reader.end(LAST_LINES).await;
}

/// Opens the FIFO for both directions, so that neither this nor a write waits for a reader; says
/// whether we made it.
fn open(fifo: &Fifo, rules: &ScriptRules) -> Result<(File, bool), FifoError> {
    let own = fifo.user.as_ref();
    let owner = account::resolve(own, rules.user.as_ref(), false)?;
    let mode = MODE & !rules.umask.unwrap_or(UMASK);
    let made = match nix::unistd::mkfifo(&fifo.path, Mode::from_bits_truncate(mode)) {
        Ok(()) => true,
        Err(nix::errno::Errno::EEXIST) => false,
        Err(error) => return Err(FifoError::Create(error.into())),
    };
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&fifo.path);
    let file = file.map_err(FifoError::Open)?;
    let found = file.metadata().map_err(FifoError::Open)?;
    if made {
        give(&file, mode, owner.uid, owner.gid)?;
    } else {
        acceptable(&found, owner.uid.as_raw())?;
    }
    Ok((file, made))
}

/// The mode as meant, whatever the umask of the process is, and the owner.
fn give(
    file: &File,
    mode: u32,
    uid: nix::unistd::Uid,
    gid: nix::unistd::Gid,
) -> Result<(), FifoError> {
    let failed =
        |source: io::Error| FifoError::Give { uid: uid.as_raw(), gid: gid.as_raw(), source };
    file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    if nix::unistd::geteuid().is_root() {
        nix::unistd::fchown(file, Some(uid), Some(gid)).map_err(|errno| failed(errno.into()))?;
    }
    Ok(())
}

fn acceptable(found: &Metadata, user: u32) -> Result<(), FifoError> {
    if !found.file_type().is_fifo() {
        return Err(FifoError::NotAFifo);
    }
    let owner = found.uid();
    if owner != user && owner != nix::unistd::geteuid().as_raw() {
        return Err(FifoError::ForeignOwner { owner, user });
    }
    Ok(())
}

/// The script that reads the FIFO, if there is one and it runs.
struct Reader(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Reader {
    async fn start(path: &Path, script: Option<&Script>, rules: &ScriptRules) -> Self {
        let Some(script) = script else { return Self(None) };
        let path = path.display().to_string();
        let added = std::slice::from_ref(&path);
        match Invocation::prepare(script, added, rules, None).await {
            Ok(invocation) => {
                let (end, ended) = oneshot::channel();
                Self(Some((end, tokio::spawn(read(invocation, path, ended)))))
            }
            Err(finding) => {
                tracing::error!("FIFO {path} has no reader: {finding}");
                Self(None)
            }
        }
    }

    fn runs(&self) -> bool {
        self.0.as_ref().is_some_and(|(_, task)| !task.is_finished())
    }

    /// Ends the script, which has `grace` to end by itself.
    async fn end(self, grace: Duration) {
        let Some((end, mut task)) = self.0 else { return };
        if timeout(grace, &mut task).await.is_err() {
            let _ = end.send(());
            let _ = task.await;
        }
    }
}

async fn read(invocation: Invocation, path: String, ended: oneshot::Receiver<()>) {
    let program = invocation.program.display();
    match run_until(&invocation, ended).await {
        // By our order, or because the FIFO is closed.
        None | Some(Exit::Status(0)) => tracing::debug!("FIFO {path}: {program} has ended"),
        Some(exit) => tracing::error!(
            "FIFO {path}: {program} has ended ({exit}); nobody reads on before a reload"
        ),
    }
}

#[cfg(test)]
mod tests;
