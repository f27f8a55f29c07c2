//! Runs tracked scripts and watches tracked files, each in a task of its own on the work runtime, and
//! counts tracked processes in one.
//!
//! A task owns its script's process or its file's watch. It ends when a reload no longer wants it
//! as it is, which also kills a script that still runs, or with the vrrp thread. Readings go
//! to the vrrp thread through its bounded channel; a task that finds it full waits, and so sends the
//! newest reading late rather than not at all.

mod process_table;
mod processes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::scripts;
use super::vrrp_thread::Command;
use crate::config::plan::{Plan, TrackFile, TrackProcess, TrackScript};
use crate::kernel::FileWatch;
use crate::notify::script::Running;
use crate::notify::{Exit, Invocation, ScriptRules};
use crate::vrrp::{Reading, RiseFall, Tracked};

/// How long until a directory that cannot be watched is tried again.
const WATCH_AGAIN: Duration = Duration::from_secs(5);

/// Everything that is tracked by a task.
pub struct Trackers {
    vrrp: mpsc::Sender<Command>,
    tasks: HashMap<Tracked, Task>,
    /// What is counted, by which task.
    processes: (Vec<TrackProcess>, Option<JoinHandle<()>>),
}

/// What it was started for, and what it said last.
struct Task {
    definition: Definition,
    last: Last,
    handle: JoinHandle<()>,
}

/// What a task was started for: the same again, it goes on.
#[derive(Debug, Clone, PartialEq)]
enum Definition {
    Script(TrackScript, ScriptRules),
    File(TrackFile),
}

impl Definition {
    /// Whether what `former` found still holds, as keepalived has it: the same command, run by the
    /// same user.
    fn goes_on(&self, former: &Self) -> bool {
        match (self, former) {
            (Self::Script(new, new_rules), Self::Script(old, old_rules)) => {
                new.script == old.script && new_rules.user == old_rules.user
            }
            (Self::Script(..) | Self::File(_), _) => false,
        }
    }
}

impl Trackers {
    pub fn new(vrrp: mpsc::Sender<Command>) -> Self {
        Self { vrrp, tasks: HashMap::new(), processes: (Vec::new(), None) }
    }

    /// Tracks what `plan` asks for, and no more. What is asked for as before is left alone.
    pub fn follow(&mut self, plan: &Plan) {
        self.follow_processes(&plan.track_processes);
        let rules = scripts::rules(&plan.global);
        let scripts = plan.track_scripts.iter().map(|script| {
            let definition = Definition::Script(script.clone(), rules.clone());
            (Tracked::Script(script.name.clone()), definition)
        });
        let files = plan
            .track_files
            .iter()
            .map(|file| (Tracked::File(file.name.clone()), Definition::File(file.clone())));
        let wanted: HashMap<_, _> = scripts.chain(files).collect();
        let ended = self.tasks.extract_if(|what, task| wanted.get(what) != Some(&task.definition));
        let mut ended: HashMap<Tracked, Task> = ended.collect();
        ended.values().for_each(|task| task.handle.abort());
        for (what, definition) in wanted {
            if !self.tasks.contains_key(&what) {
                let former =
                    ended.remove(&what).filter(|task| definition.goes_on(&task.definition));
                let last = former.map(|task| task.last).unwrap_or_default();
                let handle = self.start(what.clone(), definition.clone(), last.clone());
                self.tasks.insert(what, Task { definition, last, handle });
            }
        }
    }

    fn follow_processes(&mut self, wanted: &[TrackProcess]) {
        let (counted, task) = &mut self.processes;
        if counted == wanted {
            return;
        }
        task.take().inspect(JoinHandle::abort);
        *counted = wanted.to_vec();
        if !wanted.is_empty() {
            *task = Some(tokio::spawn(processes::track(wanted.to_vec(), self.vrrp.clone())));
        }
    }

    fn start(&self, what: Tracked, definition: Definition, last: Last) -> JoinHandle<()> {
        let to = Readings::new(what, self.vrrp.clone(), last);
        match definition {
            Definition::Script(script, rules) => tokio::spawn(track_script(script, rules, to)),
            Definition::File(file) => tokio::spawn(track_file(file, to)),
        }
    }
}

impl Drop for Trackers {
    fn drop(&mut self) {
        self.tasks.values().for_each(|task| task.handle.abort());
        self.processes.1.take().inspect(JoinHandle::abort);
    }
}

/// The way of one thing's readings to the vrrp thread; what was said last is not said again.
struct Readings {
    what: Tracked,
    vrrp: mpsc::Sender<Command>,
    last: Last,
}

/// What was said last; it outlives its task, so that the next one can go on from there.
type Last = Arc<Mutex<Option<Reading>>>;

impl Readings {
    fn new(what: Tracked, vrrp: mpsc::Sender<Command>, last: Last) -> Self {
        Self { what, vrrp, last }
    }

    fn replace(&self, reading: Reading) -> Option<Reading> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(reading)
    }

    fn last(&self) -> Option<Reading> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was news.
    async fn tell(&self, reading: Reading) -> bool {
        let news = self.replace(reading) != Some(reading);
        if news {
            let _ = self.vrrp.send(Command::Tracked(self.what.clone(), reading)).await;
        }
        news
    }
}

/// Runs the script at each interval, never two at once. One that may not be run at all is as if
/// it were not tracked, as keepalived has it.
async fn track_script(script: TrackScript, rules: ScriptRules, to: Readings) {
    let name = script.name.clone();
    let invocation = match Invocation::prepare(&script.script, &[], &rules, None).await {
        Ok(invocation) => invocation,
        Err(finding) => {
            tracing::error!("vrrp_script {name} is not tracked: {finding}");
            to.tell(Reading::Untracked).await;
            return;
        }
    };
    let TrackScript { rise, fall, init_fail, .. } = script;
    let mut core = match to.last() {
        Some(up @ (Reading::Good | Reading::Bad)) => {
            RiseFall::resumed(rise, fall, up == Reading::Good)
        }
        _ => RiseFall::new(rise, fall, init_fail),
    };
    if init_fail && to.last().is_none() {
        to.tell(Reading::Bad).await;
    }
    let mut ticks = interval(script.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let due = ticks.tick().await;
        let (exit, overdue) = attempt(&invocation, script.timeout).await;
        let up = core.result(exit == Exit::Status(0));
        if to.tell(if up { Reading::Good } else { Reading::Bad }).await {
            let verdict = if up { "succeeds" } else { "fails" };
            tracing::info!("vrrp_script {name} {verdict}: {exit}");
        }
        // Its time was over for the verdict; it may take some more to end it.
        if let Some(mut overdue) = overdue {
            overdue.end().await;
        }
        if due.elapsed() > script.interval {
            let took = crate::status::human(due.elapsed());
            tracing::debug!("vrrp_script {name} took {took}: runs were left out");
        }
    }
}

/// One run: how it ended, and itself if it has not.
async fn attempt(invocation: &Invocation, limit: Duration) -> (Exit, Option<Running>) {
    let mut running = match Running::start(invocation) {
        Ok(running) => running,
        Err(exit) => return (exit, None),
    };
    match tokio::time::timeout(limit, running.ended()).await {
        Ok(exit) => (exit, None),
        Err(_) => (Exit::TimedOut(limit), Some(running)),
    }
}

/// Reads the file at first and whenever something happens in its directory.
async fn track_file(file: TrackFile, mut to: Readings) {
    let TrackFile { name, path, init } = &file;
    if let Some(init) = init
        && (init.overwrite || !path.exists())
        && let Err(error) = std::fs::write(path, format!("{}\n", init.value))
    {
        tracing::error!("track_file {name}: cannot write {}: {error}", path.display());
    }
    loop {
        // Watched before it is read: a change in between is then seen twice, not missed.
        let watch = FileWatch::new([path.as_path()]);
        read_file(&file, &mut to).await;
        match watch {
            Ok(watch) => follow(&file, watch, &mut to).await,
            Err(error) => tracing::warn!("track_file {name}: cannot watch it: {error}"),
        }
        tokio::time::sleep_until(Instant::now() + WATCH_AGAIN).await;
    }
}

/// Reads the file on each change, until its directory goes or cannot be watched.
async fn follow(file: &TrackFile, mut watch: FileWatch, to: &mut Readings) {
    while !watch.watch_missing() && watch.changed().await.is_ok() {
        read_file(file, to).await;
        let directory = file.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if directory.is_some_and(|directory| !directory.exists()) {
            return;
        }
    }
}

async fn read_file(file: &TrackFile, to: &mut Readings) {
    let path = file.path.clone();
    let text = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
    let value = match text {
        Ok(Ok(text)) => number(&text),
        // A missing file is a 0.
        Ok(Err(_)) | Err(_) => 0,
    };
    if to.tell(Reading::Value(value)).await {
        tracing::info!("track_file {} is now {value}", file.name);
    }
}

/// The integer that `text` begins with, in the base its prefix tells as strtol(3) has it; 0 for
/// anything else.
fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        _ => (10, digits),
    };
    let value = digits
        .iter()
        .map_while(|octet| char::from(*octet).to_digit(base))
        .fold(0i64, |value, digit| value.saturating_mul(base.into()).saturating_add(digit.into()));
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::number;

    /// strtol(3) with base 0.
    #[test]
    fn a_files_number_is_read_as_c_does() {
        let cases = [
            ("12\n", 12),
            (" -7 rest", -7),
            ("0x1f", 31),
            ("010", 8),
            ("0", 0),
            ("", 0),
            ("abc", 0),
            ("99999999999999999999", i64::MAX),
        ];
        for (text, value) in cases {
            assert_eq!(number(text.as_bytes()), value, "{text:?}");
        }
    }
}
