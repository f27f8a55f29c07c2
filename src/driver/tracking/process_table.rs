//! Which processes are those that are tracked, as /proc shows them.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use crate::config::plan::{ProcessMatch, TrackProcess};
use crate::kernel::ProcessEvent;

/// Longest name of a process (TASK_COMM_LEN, less its NUL).
const NAME_LEN: usize = 15;

/// Which definitions a process fits, by their places.
type Fits = Vec<usize>;

/// Every process that fits a definition.
pub(super) struct Table {
    matcher: Arc<Matcher>,
    processes: HashMap<i32, Fits>,
    counts: Vec<usize>,
}

/// The definitions.
pub(super) struct Matcher {
    definitions: Vec<TrackProcess>,
    /// Whether command lines are needed at all.
    by_line: bool,
}

/// What of a process is compared.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    name: Vec<u8>,
    /// Empty when nobody asks for it.
    line: Vec<Vec<u8>>,
}

impl Table {
    pub fn new(definitions: Vec<TrackProcess>) -> Self {
        let counts = vec![0; definitions.len()];
        let by_line = definitions.iter().any(|each| each.matching != ProcessMatch::Name);
        let matcher = Arc::new(Matcher { definitions, by_line });
        Self { matcher, processes: HashMap::new(), counts }
    }

    pub fn matcher(&self) -> Arc<Matcher> {
        self.matcher.clone()
    }

    /// How many fit the definition at `place`.
    pub fn count(&self, place: usize) -> usize {
        self.counts[place]
    }

    /// Forgets what was known for what `found` says.
    pub fn replace(&mut self, found: HashMap<i32, Fits>) {
        self.counts.fill(0);
        found.values().flatten().for_each(|&place| self.counts[place] += 1);
        self.processes = found;
    }

    /// Takes in an event; looks at the process if need be.
    pub fn take(&mut self, event: ProcessEvent) {
        match event {
            ProcessEvent::Forked { parent, child } => {
                let fits = self.processes.get(&parent).cloned().unwrap_or_default();
                self.set(child, fits);
            }
            ProcessEvent::Changed(pid) => {
                let fits = self.matcher.look_at(pid);
                self.set(pid, fits);
            }
            ProcessEvent::Ended(pid) => self.set(pid, Fits::new()),
            ProcessEvent::Overrun => {}
        }
    }

    fn set(&mut self, pid: i32, fits: Fits) {
        fits.iter().for_each(|&place| self.counts[place] += 1);
        let before = match fits.is_empty() {
            true => self.processes.remove(&pid),
            false => self.processes.insert(pid, fits),
        };
        before.into_iter().flatten().for_each(|place| self.counts[place] -= 1);
    }
}

/// Looks at all processes when called, from where waiting is allowed.
pub(super) fn scan(matcher: Arc<Matcher>) -> impl FnOnce() -> HashMap<i32, Fits> + Send {
    move || {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.map(|pid| (pid, matcher.look_at(pid))).filter(|(_, fits)| !fits.is_empty()).collect()
    }
}

impl Matcher {
    pub fn definitions(&self) -> &[TrackProcess] {
        &self.definitions
    }

    /// What it fits; nothing if it is gone, or gone but for its parent's taking notice.
    fn look_at(&self, pid: i32) -> Fits {
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some(name) = running_name(&stat) else { return Fits::new() };
        let line = match self.by_line {
            true => words(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()),
            false => Vec::new(),
        };
        let process = Process { name: name.to_vec(), line };
        let fitting = self.definitions.iter().enumerate().filter(|(_, each)| process.fits(each));
        fitting.map(|(place, _)| place).collect()
    }
}

/// The name between the parentheses of /proc/PID/stat (proc_pid_stat(5)); `None` for a zombie.
fn running_name(stat: &[u8]) -> Option<&[u8]> {
    let open = stat.iter().position(|octet| *octet == b'(')?;
    let close = stat.iter().rposition(|octet| *octet == b')')?;
    let state = *stat.get(close + 2)?;
    (!matches!(state, b'Z' | b'X' | b'x')).then(|| &stat[open + 1..close])
}

/// The arguments in /proc/PID/cmdline.
fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    if line.is_empty() {
        return Vec::new();
    }
    line.split(|octet| *octet == 0).map(<[u8]>::to_vec).collect()
}

impl Process {
    fn fits(&self, wanted: &TrackProcess) -> bool {
        let command = wanted.command.as_bytes();
        if wanted.matching == ProcessMatch::Name {
            return self.name == command[..command.len().min(NAME_LEN)];
        }
        let Some((first, rest)) = self.line.split_first() else { return false };
        if first != command || rest.len() < wanted.parameters.len() {
            return false;
        }
        let equal = |(found, wanted): (&Vec<u8>, &String)| found == wanted.as_bytes();
        let begins = |(found, wanted): (&Vec<u8>, &String)| found.starts_with(wanted.as_bytes());
        let mut pairs = rest.iter().zip(&wanted.parameters);
        match wanted.matching {
            ProcessMatch::Name => false,
            ProcessMatch::Exact => rest.len() == wanted.parameters.len() && pairs.all(equal),
            ProcessMatch::Partial => pairs.all(equal),
            ProcessMatch::Initial => {
                let last = pairs.next_back();
                pairs.all(equal) && last.is_none_or(begins)
            }
        }
    }
}

#[cfg(test)]
mod tests;
