use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// A directory of its own for each test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn script(&self, text: &str) -> PathBuf {
        let path = self.0.join("script");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ours() -> Credentials {
    let gid = nix::unistd::getegid();
    Credentials { uid: nix::unistd::geteuid(), gid, groups: vec![gid] }
}

fn invocation(program: &Path, arguments: &[&str], deadline_ms: u64) -> Invocation {
    let name = program.to_string_lossy().into_owned();
    Invocation {
        program: program.to_owned(),
        argv: std::iter::once(name).chain(arguments.iter().map(ToString::to_string)).collect(),
        credentials: ours(),
        deadline: Some(Duration::from_millis(deadline_ms)),
        umask: None,
    }
}

/// Whether the process is gone, or only waits to be reaped; a signal may take a moment.
async fn ends(pid: &str) -> bool {
    assert!(!pid.is_empty());
    let stat = format!("/proc/{}/stat", pid.trim());
    let is_running = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    let until = Instant::now() + Duration::from_secs(5);
    while is_running() && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
    !is_running()
}

#[tokio::test]
async fn exit_status_and_signal_are_told_apart() {
    let shell = Path::new("/bin/sh");
    let run_it = async |text| run(&invocation(shell, &["-c", text], 5000)).await;
    assert_eq!(run_it("exit 0").await, Exit::Status(0));
    assert_eq!(run_it("exit 7").await, Exit::Status(7));
    assert_eq!(run_it("kill -9 $$").await, Exit::Signal(9));
}

#[tokio::test]
async fn arguments_group_umask_and_streams_are_as_documented() {
    let scratch = Scratch::new("env");
    let out = scratch.0.join("out");
    let path = scratch.script(
        "#!/bin/sh\nO=$1; shift\n{ echo \"$#:$1:$2\"; umask; cut -d' ' -f5 /proc/$$/stat; echo $$; \
         readlink /proc/$$/fd/0 /proc/$$/fd/2; grep SigIgn /proc/$$/status; } > \"$O\"\n",
    );
    let exit = run(&invocation(&path, &[&out.to_string_lossy(), "a b", ""], 5000)).await;
    assert_eq!(exit, Exit::Status(0));
    let text = scratch.read("out");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "2:a b:");
    assert_eq!(lines[1], "0077");
    assert_eq!(lines[2], lines[3], "leader of its own process group");
    assert_eq!(&lines[4..6], ["/dev/null"; 2]);
    let ignored = u64::from_str_radix(lines[6].trim_start_matches("SigIgn:\t"), 16).unwrap();
    // 32 and 33 are the threading library's.
    assert_eq!(ignored & !(0b11 << 31), 0);
}

#[tokio::test]
async fn text_without_interpreter_line_runs_through_the_shell() {
    let scratch = Scratch::new("text");
    let path = scratch.script("exit 3\n");
    assert_eq!(run(&invocation(&path, &[], 5000)).await, Exit::Status(3));
}

#[tokio::test]
async fn what_cannot_be_executed_is_not_started() {
    let exit = run(&invocation(Path::new("/no/such/script"), &[], 1000)).await;
    let reason = "script /no/such/script: cannot run: No such file or directory (os error 2)";
    assert_eq!(exit, Exit::NotStarted(reason.to_owned()));
}

#[tokio::test]
async fn script_that_hangs_is_killed_with_its_whole_group() {
    let scratch = Scratch::new("hang");
    let path = scratch.script("#!/bin/sh\ncd \"$1\"\nsleep 60 & echo $! > child\nsleep 60\n");
    let directory = scratch.0.to_string_lossy().into_owned();
    let begun = Instant::now();
    let exit = run(&invocation(&path, &[&directory], 2000)).await;
    assert_eq!(exit, Exit::TimedOut(Duration::from_millis(2000)));
    assert!(begun.elapsed() < Duration::from_millis(2000) + TERM_TO_KILL, "SIGTERM was enough");
    assert!(ends(&scratch.read("child")).await);
}

#[tokio::test]
async fn script_that_ignores_sigterm_is_killed_two_seconds_later() {
    let scratch = Scratch::new("deaf");
    let path = scratch.script(
        "#!/bin/sh\ncd \"$1\"\ntrap '' TERM\nsleep 60 & echo $! > child\necho $$ > leader\nwait\n",
    );
    let directory = scratch.0.to_string_lossy().into_owned();
    let begun = Instant::now();
    let exit = run(&invocation(&path, &[&directory], 2000)).await;
    assert_eq!(exit, Exit::TimedOut(Duration::from_millis(2000)));
    let took = begun.elapsed();
    assert!((4000..20_000).contains(&took.as_millis()), "{took:?}");
    for name in ["child", "leader"] {
        assert!(ends(&scratch.read(name)).await, "{name} is still there");
    }
}

#[tokio::test]
async fn dropping_the_run_kills_the_group() {
    let scratch = Scratch::new("drop");
    let path = scratch.script("#!/bin/sh\ncd \"$1\"\nsleep 60 & echo $! > child\nsleep 60\n");
    let directory = scratch.0.to_string_lossy().into_owned();
    let invocation = invocation(&path, &[&directory], 60_000);
    assert!(timeout(Duration::from_millis(2000), run(&invocation)).await.is_err());
    assert!(ends(&scratch.read("child")).await);
}

#[tokio::test]
async fn user_and_groups_are_switched() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let wanted = crate::config::plan::ScriptUser { user: "nobody".to_owned(), group: None };
    let credentials = super::super::account::look_up(&wanted).unwrap();
    let text = "test \"$(id -u):$(id -G)\" = \"65534:65534\"";
    let mut invocation = invocation(Path::new("/bin/sh"), &["-c", text], 5000);
    invocation.credentials = credentials;
    assert_eq!(run(&invocation).await, Exit::Status(0));
}
