use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::plan::ScriptUser;

fn log(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("mainstay-queue-{name}-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// A shell script of one line; `$0` is the log, `$1`… the added words.
fn job(log: &Path, text: &str, added: &[&str]) -> Job {
    let log = log.to_string_lossy().into_owned();
    let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned(), log];
    Job {
        script: Script { argv, user: None },
        added: added.iter().map(ToString::to_string).collect(),
    }
}

fn queue(limits: Limits) -> (NotifyQueue, mpsc::Receiver<Report>) {
    let own = nix::unistd::geteuid().as_raw().to_string();
    let rules = ScriptRules {
        user: Some(ScriptUser { user: own, group: None }),
        enforce: false,
        ..ScriptRules::default()
    };
    NotifyQueue::new(rules, limits)
}

async fn finish(queue: &NotifyQueue, log: &Path) -> String {
    assert!(queue.shutdown(Duration::from_secs(20)).await, "everything ran to its end");
    let text = fs::read_to_string(log).unwrap_or_default();
    let _ = fs::remove_file(log);
    text
}

async fn ended(reports: &mut mpsc::Receiver<Report>, count: usize) -> Vec<Exit> {
    let mut exits = Vec::new();
    while exits.len() < count {
        if let Some(Report::Ended { exit, .. }) = reports.recv().await {
            exits.push(exit);
        }
    }
    exits
}

#[tokio::test]
async fn scripts_of_one_key_run_in_order_and_never_at_once() {
    let (log, (queue, mut reports)) = (log("order"), queue(Limits::default()));
    let text = "echo \"begin $*\" >> \"$0\"; sleep 0.05; echo \"end $*\" >> \"$0\"";
    for state in ["BACKUP", "MASTER", "FAULT"] {
        let words = ["INSTANCE", "VI_1", state, "100"];
        queue.submit("VI_1", [job(&log, text, &[state]), job(&log, text, &words)]);
    }
    assert_eq!(ended(&mut reports, 6).await, vec![Exit::Status(0); 6]);
    let expected: String = ["BACKUP", "MASTER", "FAULT"]
        .iter()
        .flat_map(|state| [(*state).to_owned(), format!("INSTANCE VI_1 {state} 100")])
        .map(|words| format!("begin {words}\nend {words}\n"))
        .collect();
    assert_eq!(finish(&queue, &log).await, expected);
}

#[tokio::test]
async fn other_keys_do_not_wait() {
    let (log, (queue, mut reports)) = (log("keys"), queue(Limits::default()));
    queue.submit("slow", [job(&log, "sleep 1; echo slow >> \"$0\"", &[])]);
    queue.submit("fast", [job(&log, "echo fast >> \"$0\"", &[])]);
    ended(&mut reports, 2).await;
    assert_eq!(finish(&queue, &log).await, "fast\nslow\n");
}

#[tokio::test]
async fn script_over_its_deadline_is_killed_and_the_line_goes_on() {
    let limits = Limits { deadline: Duration::from_secs(2), ..Limits::default() };
    let (log, (queue, mut reports)) = (log("hang"), queue(limits));
    queue.submit("a", [job(&log, "sleep 60", &[]), job(&log, "echo next >> \"$0\"", &[])]);
    let exits = ended(&mut reports, 2).await;
    assert_eq!(exits, [Exit::TimedOut(limits.deadline), Exit::Status(0)]);
    assert_eq!(finish(&queue, &log).await, "next\n");
}

#[tokio::test]
async fn full_line_drops_the_oldest_that_has_not_begun() {
    let limits = Limits { waiting_per_key: 2, ..Limits::default() };
    let (log, (queue, mut reports)) = (log("full"), queue(limits));
    // Nothing runs before this task waits: all five are in the line first.
    for number in ["1", "2", "3", "4", "5"] {
        queue.submit("a", [job(&log, "echo $1 >> \"$0\"", &[number])]);
    }
    assert_eq!(queue.dropped(), 3);
    ended(&mut reports, 2).await;
    assert_eq!(finish(&queue, &log).await, "4\n5\n");
}

#[tokio::test]
async fn shutdown_runs_the_last_script_of_a_line_even_behind_one_that_hangs() {
    let (log, (queue, mut reports)) = (log("stop"), queue(Limits::default()));
    queue.submit("a", [job(&log, "echo begun >> \"$0\"; sleep 60", &[])]);
    queue.submit("a", [job(&log, "echo stale >> \"$0\"", &[])]);
    queue.submit("a", [job(&log, "echo stop >> \"$0\"", &[])]);
    while !log.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    assert!(queue.shutdown(Duration::from_secs(2)).await);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(fs::read_to_string(&log).unwrap(), "begun\nstop\n");
    assert!(matches!(ended(&mut reports, 1).await[0], Exit::TimedOut(_)));
    queue.submit("a", [job(&log, "echo late >> \"$0\"", &[])]);
    assert_eq!(queue.dropped(), 2);
    let _ = fs::remove_file(&log);
}

/// 3 s for three: one second each, and not all of it for those in front.
#[tokio::test]
async fn shutdown_gives_each_script_of_a_line_its_share_of_the_time() {
    let (log, (queue, mut reports)) = (log("share"), queue(Limits::default()));
    queue.submit("a", [job(&log, "echo begun >> \"$0\"; sleep 60", &[])]);
    let stop = job(&log, "sleep 0.3; echo stop >> \"$0\"", &[]);
    queue.submit("a", [stop, job(&log, "echo last >> \"$0\"", &[])]);
    while !log.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(queue.shutdown(Duration::from_secs(3)).await);
    assert_eq!(fs::read_to_string(&log).unwrap(), "begun\nstop\nlast\n");
    assert!(matches!(ended(&mut reports, 1).await[0], Exit::TimedOut(_)));
    let _ = fs::remove_file(&log);
}

#[tokio::test]
async fn shutdown_kills_what_does_not_end_in_time() {
    let (log, (queue, _reports)) = (log("kill"), queue(Limits::default()));
    queue.submit("a", [job(&log, "echo $$ > \"$0\"; sleep 60", &[])]);
    while fs::read_to_string(&log).unwrap_or_default().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!queue.shutdown(Duration::from_millis(200)).await);
    let pid = fs::read_to_string(&log).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    let is_running = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    // A signal takes a moment.
    let until = Instant::now() + Duration::from_secs(5);
    while is_running() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!is_running());
    let _ = fs::remove_file(&log);
}
