use std::io::Read as _;
use std::path::PathBuf;

use super::*;

/// A directory of its own for each test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("mainstay-fifo-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn fifo(&self) -> Fifo {
        Fifo { path: self.0.join("fifo"), user: None, script: None }
    }

    fn script(&self, text: &str) -> Option<Script> {
        let path = self.0.join("script");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Some(Script { argv: vec![path.to_str().unwrap().to_owned(), "own".to_owned()], user: None })
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn rules() -> ScriptRules {
    let user = nix::unistd::geteuid().to_string();
    let user = crate::config::plan::ScriptUser { user, group: None };
    ScriptRules { user: Some(user), ..ScriptRules::default() }
}

async fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: not within 10 s");
}

#[test]
fn a_fifo_that_is_made_has_mode_0600_and_one_that_is_there_is_used_as_it_is() {
    let scratch = Scratch::new("mode");
    let (_file, made) = open(&scratch.fifo(), &rules()).unwrap();
    let mode = std::fs::metadata(scratch.fifo().path).unwrap().permissions().mode();
    assert_eq!((made, mode & 0o7777), (true, 0o600));
    let (_file, made) = open(&scratch.fifo(), &rules()).unwrap();
    assert!(!made, "it was there");
}

#[test]
fn the_configured_umask_takes_its_bits_from_0644() {
    let scratch = Scratch::new("umask");
    let rules = ScriptRules { umask: Some(0o002), ..rules() };
    open(&scratch.fifo(), &rules).unwrap();
    let mode = std::fs::metadata(scratch.fifo().path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn something_else_of_that_name_is_not_written_to() {
    let scratch = Scratch::new("file");
    std::fs::write(scratch.fifo().path, "precious").unwrap();
    let error = open(&scratch.fifo(), &rules()).unwrap_err();
    assert_eq!(error.to_string(), "there is something else of that name, not a FIFO");
    assert_eq!(scratch.read("fifo"), "precious");
}

/// Needs root, to give it away.
#[test]
fn a_foreign_fifo_is_not_written_to() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: not root");
    }
    let scratch = Scratch::new("foreign");
    let path = scratch.fifo().path;
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
    let error = open(&scratch.fifo(), &rules()).unwrap_err().to_string();
    let expected = "it is there already and belongs to uid 12345, neither to us nor to uid 0";
    assert_eq!(error, expected);
    let user = crate::config::plan::ScriptUser { user: "12345".to_owned(), group: None };
    open(&Fifo { user: Some(user), ..scratch.fifo() }, &rules()).expect("the user's own");
}

#[tokio::test]
async fn lines_wait_for_a_slow_reader_and_none_is_lost() {
    let scratch = Scratch::new("slow");
    let writer = FifoWriter::start(scratch.fifo(), rules());
    // More than the pipe's 64 KiB.
    let lines: Vec<String> =
        (0..10_000).map(|n| format!("INSTANCE \"VI_{n}\" MASTER 100\n")).collect();
    lines.iter().for_each(|line| writer.backlog().push(line));
    eventually("the FIFO is there", || scratch.fifo().path.exists()).await;
    let path = scratch.fifo().path;
    let wanted = lines.concat();
    let length = wanted.len();
    let reading = tokio::task::spawn_blocking(move || {
        let mut read = vec![0; length];
        File::open(path).unwrap().read_exact(&mut read).unwrap();
        String::from_utf8(read).unwrap()
    });
    assert!(reading.await.unwrap() == wanted, "what is read is what was written");
    writer.finish().await;
    assert!(!scratch.fifo().path.exists(), "we made it, so it goes");
}

#[test]
fn without_a_reader_the_oldest_lines_are_lost_and_counted() {
    let backlog = Backlog::new("fifo".to_owned());
    (0..BACKLOG + 3).for_each(|n| backlog.push(&format!("{n}\n")));
    assert_eq!(backlog.next().as_deref(), Some("3\n"));
    assert_eq!(backlog.give_up(), BACKLOG as u64 - 1 + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_script_gets_the_path_last_and_every_line_to_the_end() {
    let scratch = Scratch::new("script");
    let at = scratch.0.display();
    let script = format!("#!/bin/sh\necho \"$@\" >>{at}/started\ncat \"$2\" >>{at}/read\n");
    let fifo = Fifo { script: scratch.script(&script), ..scratch.fifo() };
    let mut writer = FifoWriter::start(fifo.clone(), rules());
    writer.backlog().push("one\n");
    eventually("the first line is read", || scratch.read("read") == "one\n").await;
    writer.restart_script(fifo.script.clone(), rules()).await;
    writer.backlog().push("two\n");
    let started = format!("own {}\n", fifo.path.display()).repeat(2);
    eventually("it is started again", || scratch.read("started") == started).await;
    writer.backlog().push("three\n");
    writer.finish().await;
    assert_eq!(scratch.read("read"), "one\ntwo\nthree\n");
}
