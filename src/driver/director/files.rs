//! The files of FILE_CHECK: their numbers, and who is told when one changes.
//!
//! A task of the work runtime watches them and reports over a bounded channel; a report that finds no
//! room waits. It ends when it is replaced by a reload, or when the director ends.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::config::plan::{LONGEST, Plan, ServerIdentity};
use crate::kernel::FileWatch;
use crate::probe::Probe;
use crate::probe::file::{MAX_LENGTH, value};

/// How often all files are looked at when they cannot be watched: a directory is missing, or the
/// kernel has no watch left.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Changes waiting for the director.
const CHANGES: usize = 64;

/// One file has another number now.
#[derive(Debug)]
pub struct Changed {
    pub path: PathBuf,
    pub value: i32,
}

/// A checker that depends on a file: its place in its virtual server.
#[derive(Debug, Clone)]
pub struct User {
    pub service: ServerIdentity,
    pub server: usize,
    pub checker: usize,
}

/// The files of one plan.
#[derive(Debug)]
pub struct Files {
    values: HashMap<PathBuf, i32>,
    users: HashMap<PathBuf, Vec<User>>,
    task: Option<AbortHandle>,
    changes: mpsc::Sender<Changed>,
}

impl Files {
    /// None yet; changes come out of the receiver.
    pub fn new() -> (Self, mpsc::Receiver<Changed>) {
        let (changes, receive) = mpsc::channel(CHANGES);
        let none = Self { values: HashMap::new(), users: HashMap::new(), task: None, changes };
        (none, receive)
    }

    /// Reads the files of `plan` and begins to watch them on `work`, instead of those before.
    pub fn follow(&mut self, plan: &Plan, work: &runtime::Handle) {
        self.users = users(plan);
        let before = std::mem::take(&mut self.values);
        self.values = self
            .users
            .keys()
            .map(|path| {
                let former = before.get(path).copied().unwrap_or(0);
                (path.clone(), read(path, former))
            })
            .collect();
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if !self.values.is_empty() {
            let known = self.values.iter().map(|(path, value)| (path.clone(), *value)).collect();
            self.task = Some(work.spawn(watch(known, self.changes.clone())).abort_handle());
        }
    }

    /// The number in the file at `path`; 0 for one that nobody depends on.
    pub fn value(&self, path: &Path) -> i32 {
        self.values.get(path).copied().unwrap_or(0)
    }

    /// Takes a change in; gives the checkers that depend on the file.
    pub fn take_in(&mut self, change: &Changed) -> Vec<User> {
        let Some(value) = self.values.get_mut(&change.path) else { return Vec::new() };
        *value = change.value;
        self.users.get(&change.path).cloned().unwrap_or_default()
    }

    /// All checkers that depend on a file.
    pub fn all_users(&self) -> Vec<User> {
        self.users.values().flatten().cloned().collect()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn users(plan: &Plan) -> HashMap<PathBuf, Vec<User>> {
    let mut users: HashMap<PathBuf, Vec<User>> = HashMap::new();
    for virtual_server in &plan.virtual_servers {
        let service = virtual_server.identity();
        for (server, real) in virtual_server.real_servers.iter().enumerate() {
            for (checker, each) in real.checkers.iter().enumerate() {
                if let Probe::File(file) = &each.probe {
                    let user = User { service: service.clone(), server, checker };
                    users.entry(file.path.clone()).or_default().push(user);
                }
            }
        }
    }
    users
}

async fn watch(mut known: BTreeMap<PathBuf, i32>, changes: mpsc::Sender<Changed>) {
    let mut watch = FileWatch::new(known.keys().map(PathBuf::as_path));
    if let Err(error) = &watch {
        tracing::warn!("cannot watch track_files: {error}; looking at them every {LOOK_AGAIN:?}");
    }
    loop {
        // Also at once: something may have changed between the first look and the watch.
        let Ok(looked) = tokio::task::spawn_blocking(move || look(known)).await else { return };
        known = looked.0;
        for change in looked.1 {
            if changes.send(change).await.is_err() {
                return;
            }
        }
        match &mut watch {
            Ok(watch) => {
                let limit = if watch.watch_missing() { LOOK_AGAIN } else { LONGEST };
                // The time is up or something changed: either way all are looked at.
                let _ = tokio::time::timeout(limit, watch.changed()).await;
            }
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Reads all files again; gives them with their numbers, and those that changed.
fn look(mut known: BTreeMap<PathBuf, i32>) -> (BTreeMap<PathBuf, i32>, Vec<Changed>) {
    let mut changed = Vec::new();
    for (path, before) in &mut known {
        let value = read(path, *before);
        if value != std::mem::replace(before, value) {
            changed.push(Changed { path: path.clone(), value });
        }
    }
    (known, changed)
}

/// The number in the file; 0 if there is no such file, `before` if it has a number that we cannot hold.
fn read(path: &Path, before: i32) -> i32 {
    let text = match contents(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!("cannot read track_file {}: {error}; taken as 0", path.display());
            Vec::new()
        }
    };
    value(&text).unwrap_or_else(|| {
        tracing::warn!("track_file {}: the number does not fit, {before} it stays", path.display());
        before
    })
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would keep us waiting for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut text = Vec::new();
    fs::File::open(path)?.take(MAX_LENGTH as u64).read_to_end(&mut text)?;
    Ok(text)
}
