//! What `keepalived -t` says of a file, and what we say under that name: the same exit status, for
//! every keyword bare, with a value that fits, and with values that do not.
//!
//! Runs Debian's keepalived in a network namespace of its own; "skipped" without root or without
//! keepalived.

mod files;
mod nasty;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sched::{CloneFlags, unshare};

/// One file, and what it is about: `vrrp_instance/priority: 0`.
pub struct Case {
    pub name: String,
    /// The keyword, to tell what keepalived 2.2.7 does not know yet.
    pub keyword: String,
    pub text: String,
}

/// A difference that is meant: the start of the cases' names, and why.
pub type Known = (&'static str, &'static str);

/// Findings of ours that keepalived has no complaint for: status 5 where it gives 0.
const TOLD_BY_US_ONLY: [Known; 16] = [
    ("incomplete-ssl", "it goes on with a key that has no certificate"),
    ("bad-value", "it takes a value that cannot be, or forgets it without a word"),
    ("number-out-of-range", "it multiplies without looking, and the value is another one"),
    ("not-a-number", "it takes 0"),
    ("missing-parameter", "it goes on without"),
    ("missing-value", "it goes on without"),
    ("bad-mail-address", "the server would refuse it"),
    ("mail-goes-nowhere", "it drops the mails"),
    ("deprecated", "later versions complain"),
    ("surplus-words", "it drops the words, and quotes were meant"),
    ("regex-option", "it drops the option"),
    ("empty-garp-group", "it limits nothing"),
    ("nothing-to-track", "there is no source that could be tracked"),
    ("sync-daemon-instance", "it starts no sync daemon"),
    ("rounded", "it takes another value"),
    ("duplicate", "it would serve one twice, the second in vain"),
];

/// How a program ended, with what it said.
#[derive(Debug, Clone)]
struct Said {
    status: Option<i32>,
    text: String,
}

/// Where Debian has it.
const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// A folder for the files, and a network namespace with the interfaces that they name.
struct Place {
    folder: PathBuf,
}

impl Place {
    /// `None` where it cannot be, which has been said.
    fn new(name: &str) -> Option<Self> {
        if !Path::new(KEEPALIVED).exists() {
            eprintln!("skipped: there is no {KEEPALIVED}");
            return None;
        }
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            eprintln!("skipped: no network namespace of our own: {error}");
            return None;
        }
        for (pair, address) in [("eth0", "192.0.2.11/24"), ("eth1", "198.51.100.11/24")] {
            ip(&format!("link add {pair} type veth peer name {pair}p"));
            ip(&format!("address add {address} dev {pair}"));
            ip(&format!("link set {pair} up"));
            ip(&format!("link set {pair}p up"));
        }
        let folder = std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        Some(Self { folder })
    }

    fn ask(&self, program: &str, file: &Path) -> Said {
        let mut command = Command::new(program);
        command.arg0("keepalived").arg("-t").arg("-f").arg(file).current_dir(&self.folder);
        // It does not come back from some files; `timeout` would be one process more each.
        let output = command.stdin(Stdio::null()).output().expect("a program");
        let text = [output.stdout, output.stderr].concat();
        let status = output.status.code().filter(|_| output.status.signal().is_none());
        Said { status, text: String::from_utf8_lossy(&text).into_owned() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().expect("iproute2");
    assert!(status.success(), "ip {words}");
}

/// Asks both programs about each case; the cases whose statuses differ, with what both said.
fn differing(place: &Place, cases: &[Case]) -> Vec<(usize, Said, Said)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = |worker: usize| {
        let file = place.folder.join(format!("{worker}.conf"));
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(number) else { return };
            std::fs::write(&file, &case.text).expect("a file");
            let theirs = place.ask(KEEPALIVED, &file);
            let ours = place.ask(env!("CARGO_BIN_EXE_mainstay"), &file);
            assert!(ours.status.is_some(), "{}: killed: {}", case.name, ours.text);
            if theirs.status != ours.status {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.push((number, theirs, ours));
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().for_each(|worker| worker.join().expect("a worker"));
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(number, ..)| *number);
    found
}

/// Fails for each case that differs for no known reason, and for each reason that has no case.
fn compare(place: &Place, cases: &[Case], known: &[Known]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut faults, mut used) = (String::new(), vec![false; known.len()]);
    for (number, theirs, ours) in differing(place, cases) {
        let case = &cases[number];
        let reason = match known.iter().position(|(name, _)| case.name.starts_with(name)) {
            Some(at) => {
                used[at] = true;
                "meant"
            }
            None if theirs.status.is_none() => "keepalived crashes",
            None if is_unknown(&theirs.text, &case.keyword) => "not in keepalived 2.2.7 yet",
            None if case.name.contains("/GRPC_CHECK/") => "in a block of our own",
            None if ours.text.contains("not supported yet") => "not supported here yet",
            // keepalived(8) of later versions gives 4 for it.
            None if is_missing_interface(&theirs, &ours) => "no such interface: 4 for 5",
            None if told_by_us_only(&theirs, &ours) => "told by us only",
            None => {
                let Case { name, text, .. } = case;
                let _ = writeln!(faults, "== {name}: theirs {theirs:?}\nours {ours:?}\n{text}");
                "fault"
            }
        };
        *counts.entry(reason).or_default() += 1;
    }
    eprintln!("{} files; statuses differ: {counts:?}", cases.len());
    let idle = known.iter().zip(used).filter(|(_, used)| !used).map(|(known, _)| known.0);
    let idle: Vec<_> = idle.collect();
    assert!(faults.is_empty(), "{} differ:\n{faults}", counts["fault"]);
    assert!(idle.is_empty(), "no difference any more: {idle:?}");
}

fn is_missing_interface(theirs: &Said, ours: &Said) -> bool {
    (theirs.status, ours.status) == (Some(5), Some(4)) && theirs.text.contains("doesn't exist")
}

fn told_by_us_only(theirs: &Said, ours: &Said) -> bool {
    let codes = |severity: &'static str| {
        let starts = ours.text.lines().filter_map(move |line| line.strip_prefix(severity));
        starts.filter_map(|rest| rest.split(']').next())
    };
    let mut codes = codes("error[").chain(codes("warning["));
    (theirs.status, ours.status) == (Some(0), Some(5))
        && codes.all(|code| TOLD_BY_US_ONLY.iter().any(|(known, _)| *known == code))
}

fn is_unknown(said: &str, keyword: &str) -> bool {
    said.lines().any(|line| {
        let line = line.to_lowercase();
        line.contains("unknown") && line.contains(&keyword.to_lowercase())
    })
}

#[test]
fn every_keyword_gives_the_status_that_keepalived_gives() {
    let Some(place) = Place::new("verdict") else { return };
    let cases = files::cases();
    assert!(cases.len() > 1500, "{} files", cases.len());
    compare(&place, &cases, &files::KNOWN);
}

#[test]
fn files_as_people_break_them_give_the_status_that_keepalived_gives() {
    let Some(place) = Place::new("nasty") else { return };
    let cases = nasty::cases();
    assert!(cases.len() >= 40, "{} files", cases.len());
    compare(&place, &cases, &nasty::KNOWN);
}
