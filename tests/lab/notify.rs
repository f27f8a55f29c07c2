//! Notify scripts: their arguments and order, and that a script that hangs costs nothing.

use std::time::{Duration, SystemTime};

use crate::configs::{LB1, Pair, SOON, VIP, instance};
use crate::for_each_program;
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Lab, Program, alive, eventually, eventually_eq, longest_gap, run};

for_each_program!(
    scripts_are_told_instance_name_state_and_priority,
    stop_is_told_before_the_director_ends,
    each_state_has_its_own_script_with_only_its_own_arguments,
);

fn scripts_are_told_instance_name_state_and_priority(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let told = pair.r1.dir.join("told");
    let script = pair.r1.script("notify", &format!("echo \"$@\" >>{}", told.display()));
    let config = instance(100, &format!("    notify {}", script.display()));
    let _director = Director::start(&pair.r1, program, config);
    // Each step waits for the one before: keepalived lets one script overtake another.
    let told = |states: &[&str]| {
        let expected: String =
            states.iter().map(|state| format!("INSTANCE KAV_1 {state} 100\n")).collect();
        eventually_eq("what the script was told", SOON, expected, || pair.r1.read("told"));
    };
    told(&["BACKUP", "MASTER"]);
    pair.lan.pull_cable(&pair.r1);
    told(&["BACKUP", "MASTER", "FAULT"]);
    pair.lan.mend_cable(&pair.r1);
    told(&["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"]);
}

fn stop_is_told_before_the_director_ends(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let told = pair.r1.dir.join("told");
    let script = pair.r1.script("notify", &format!("echo \"$@\" >>{}", told.display()));
    let stop = pair.r1.script("stop", &format!("echo stop >>{}.stop", told.display()));
    let extra = format!("    notify {}\n    notify_stop {}", script.display(), stop.display());
    let director = Director::start(&pair.r1, program, instance(100, &extra));
    director.wait_for_state(0, "MASTER");
    eventually("MASTER is told", SOON, || pair.r1.read("told").contains("MASTER"));
    director.stop();
    assert!(
        pair.r1.read("told").ends_with("INSTANCE KAV_1 STOP 100\n"),
        "told: {:?}",
        pair.r1.read("told")
    );
    assert_eq!(pair.r1.read("told.stop"), "stop\n");
}

fn each_state_has_its_own_script_with_only_its_own_arguments(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let told = pair.r1.dir.join("told");
    let mut extra = String::new();
    for state in ["master", "backup", "fault"] {
        let script = pair.r1.script(state, &format!("echo {state} $# \"$@\" >>{}", told.display()));
        // With an argument of the operator's own, which is passed on.
        extra += &format!("    notify_{state} \"{} own\"\n", script.display());
    }
    let _director = Director::start(&pair.r1, program, instance(100, &extra));
    let told = |expected: &str| {
        eventually_eq("what the scripts were told", SOON, expected, || pair.r1.read("told"))
    };
    told("backup 1 own\nmaster 1 own\n");
    pair.lan.pull_cable(&pair.r1);
    told("backup 1 own\nmaster 1 own\nfault 1 own\n");
}

/// keepalived starts them without waiting, so a slow one may be overtaken.
#[test]
fn a_slow_script_is_not_overtaken_by_the_next_one() {
    run("notify::slow", |lab: &Lab| {
        let pair = Pair::new(lab);
        let told = pair.r1.dir.join("told");
        let body = format!(
            "echo \"begin $3\" >>{0}\n[ $3 = MASTER ] && sleep 2\necho \"end $3\" >>{0}",
            told.display()
        );
        let script = pair.r1.script("notify", &body);
        let director = Director::start(
            &pair.r1,
            Mainstay,
            instance(100, &format!("    notify {}", script.display())),
        );
        director.wait_for_state(0, "MASTER");
        pair.lan.pull_cable(&pair.r1);
        director.wait_for_state(0, "FAULT");
        let expected =
            "begin BACKUP\nend BACKUP\nbegin MASTER\nend MASTER\nbegin FAULT\nend FAULT\n";
        eventually_eq("begin and end of each script", SOON, expected, || pair.r1.read("told"));
    });
}

/// The script starts a grandchild, which is in its process group, and neither ever ends.
#[test]
fn a_script_that_hangs_is_killed_with_its_process_group_while_adverts_go_on() {
    run("notify::hangs", |lab: &Lab| {
        let pair = Pair::new(lab);
        let pids = pair.r1.dir.join("pids");
        // Both ignore the polite signals.
        let body = format!(
            "trap '' TERM HUP\n[ $3 = MASTER ] || exit 0\n(trap '' TERM HUP; while :; do sleep 1; done) &\n\
             echo $$ $! >{}\nwhile :; do sleep 1; done",
            pids.display()
        );
        let script = pair.r1.script("notify", &body);
        let director = Director::start(
            &pair.r1,
            Mainstay,
            instance(100, &format!("    notify {}", script.display())),
        );
        director.wait_for_state(0, "MASTER");
        let began = SystemTime::now();
        eventually("the script hangs", SOON, || pair.r1.read("pids").contains('\n'));
        let group: Vec<i32> =
            pair.r1.read("pids").split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        assert!(
            group.len() == 2 && group.iter().all(|&pid| alive(pid)),
            "{group:?} are not both alive"
        );
        let gone = || !group.iter().any(|&pid| alive(pid));
        eventually("script and grandchild are killed", Duration::from_secs(120), gone);

        assert!(pair.r1.holds(VIP), "the director lost its address over a script");
        let adverts = pair.capture.adverts_of(LB1).into_iter().map(|(at, _)| at);
        let longest = longest_gap(&adverts.filter(|at| *at > began).collect::<Vec<_>>());
        assert!(longest < 1.1, "the MASTER was silent for {longest:.3} s; its interval is 1 s");
    });
}

#[test]
fn the_programs_own_scripts_run_before_and_after_everything_with_ordinary_limits() {
    run("notify::own", |lab: &Lab| {
        let pair = Pair::new(lab);
        let told = pair.r1.dir.join("told");
        let body = |word: &str| {
            let vip = format!("ip -o address | grep -c {VIP}");
            format!("echo {word} $(ulimit -n) $({vip}) >>{}", told.display())
        };
        let globals = format!(
            "global_defs {{\n    startup_script {}\n    shutdown_script {}\n",
            pair.r1.script("startup", &body("start")).display(),
            pair.r1.script("shutdown", &body("end")).display()
        );
        let configuration = instance(100, "").replacen("global_defs {\n", &globals, 1);
        let director = Director::start(&pair.r1, Mainstay, configuration);
        director.wait_for_state(0, "MASTER");
        director.stop();
        let (ours, most) =
            nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
        assert!(ours < most, "the director has nothing to raise: this shows nothing");
        assert_eq!(pair.r1.read("told"), format!("start {ours} 0\nend {ours} 0\n"));
    });
}

#[test]
fn a_startup_script_that_hangs_is_ended_and_the_director_starts() {
    run("notify::hanging_start", |lab: &Lab| {
        let pair = Pair::new(lab);
        let globals = format!(
            "global_defs {{\n    startup_script {}\n    startup_script_timeout 1\n",
            pair.r1.script("startup", "exec sleep 1000").display(),
        );
        let configuration = instance(100, "").replacen("global_defs {\n", &globals, 1);
        let director = Director::start(&pair.r1, Mainstay, configuration);
        director.wait_for_log(0, "startup_script: ended after", SOON);
        director.wait_for_state(0, "MASTER");
    });
}
