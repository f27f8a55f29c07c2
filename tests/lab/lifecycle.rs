//! Start, reload and stop: what changes, and above all what does not.

use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::configs::{Farm, LB1, Pair, SOON, VIP, instance, tutorial, with_globals};
use crate::for_each_program;
use crate::harness::Program::Mainstay;
use crate::harness::{
    Director, Lab, Program, alive, eventually, eventually_eq, longest_gap, mainstay, run,
    throughout,
};

for_each_program!(
    a_clean_stop_leaves_nothing_of_ours_behind,
    a_reload_adds_and_removes_a_vip_without_flapping,
    a_reload_adds_and_removes_a_server_without_touching_the_other,
    sigint_stops_like_sigterm,
    pid_files_are_written_and_removed,
);

const HTTP: &str = "TCP 192.0.2.142:80";
const BOTH: &str = "192.0.2.101:80/1 192.0.2.102:80/1";

fn a_clean_stop_leaves_nothing_of_ours_behind(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let before = farm.lb1.addresses();
    let director = Director::start(&farm.lb1, program, tutorial(100));
    director.wait_for_state(0, "MASTER");
    eventually_eq("the table", SOON, BOTH, || farm.lb1.ipvs().servers(HTTP));
    let (_, status) = director.stop();
    assert!(status.success(), "it ended with {status}");
    assert_eq!(farm.lb1.addresses(), before);
    assert_eq!(farm.lb1.ipvs().to_string(), "(empty)");
}

fn sigint_stops_like_sigterm(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let mut director = Director::start(&pair.r1, program, instance(100, ""));
    director.wait_for_state(0, "MASTER");
    eventually("it holds the VIP", SOON, || pair.r1.holds(VIP));
    director.signal(Signal::SIGINT);
    assert!(director.wait_for_end(SOON).success());
    assert!(!pair.r1.holds(VIP), "it left the VIP behind");
}

fn pid_files_are_written_and_removed(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let director = Director::start(&farm.lb1, program, tutorial(100));
    director.wait_for_state(0, "MASTER");
    eventually_eq("the pid file", SOON, format!("{}\n", director.pid()), || farm.lb1.read("pid"));
    for file in ["vrrp.pid", "checkers.pid"] {
        let pid: i32 = farm.lb1.read(file).trim().parse().expect("a number in a pid file");
        assert!(alive(pid), "{file} names a process that does not run");
    }
    director.stop();
    for file in ["pid", "vrrp.pid", "checkers.pid"] {
        assert!(!farm.lb1.dir.join(file).exists(), "{file} is left behind");
    }
}

/// Nobody may notice: no priority 0, no gap between advertisements, the old address never away.
fn a_reload_adds_and_removes_a_vip_without_flapping(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let (mut one, two) = pair.start(program, program, "");
    let began = SystemTime::now();
    let more = |config: String| {
        config.replace(&format!("{VIP}\n"), &format!("{VIP}\n        192.0.2.143\n"))
    };
    // The backup first: a 2.2.7 in that place refuses advertisements with a list that is not its own.
    one.reload(more(instance(100, "")));
    two.reload(more(instance(50, "")));
    eventually("r1 holds the new address", SOON, || pair.r1.holds("192.0.2.143"));
    throughout("r1 holds the old address", Duration::from_secs(3), || match pair.r1.holds(VIP) {
        true => Ok(()),
        false => Err(format!("{:?}", pair.r1.addresses())),
    });
    one.reload(instance(100, ""));
    two.reload(instance(50, ""));
    eventually("r1 lets the new address go", SOON, || !pair.r1.holds("192.0.2.143"));
    throughout("r1 holds the old address", Duration::from_secs(3), || match pair.r1.holds(VIP) {
        true => Ok(()),
        false => Err(format!("{:?}", pair.r1.addresses())),
    });
    one.assert_alive();
    let sent = pair.capture.adverts_of(LB1);
    assert!(sent.iter().all(|(_, priority)| *priority == 100), "r1 resigned: {sent:?}");
    let longest = longest_gap(
        &sent.into_iter().map(|(at, _)| at).filter(|at| *at > began).collect::<Vec<_>>(),
    );
    assert!(longest < 1.2, "r1 was silent for {longest:.3} s");
    assert!(!two.log().contains("Entering MASTER"), "r2 took over");
}

/// Removed by one and added by the other, in whatever order, they would be missed and repaired.
#[test]
fn two_instances_exchange_their_addresses_in_a_reload() {
    run("lifecycle::exchange", |lab: &Lab| {
        let pair = Pair::new(lab);
        let second = |vip: &str| {
            let other = instance(100, "").replace("KAV_1", "KAV_2").replace(VIP, vip);
            other.replace("virtual_router_id 50", "virtual_router_id 51")
        };
        let other = "192.0.2.143";
        let director = Director::start(&pair.r1, Mainstay, instance(100, "") + &second(other));
        let both = || pair.r1.holds(VIP) && pair.r1.holds(other);
        eventually("it holds both", SOON, both);
        let before = director.log().len();
        director.reload(instance(100, "").replace(VIP, other) + &second(VIP));
        director.wait_for_log(before, "reloaded", SOON);
        eventually("it answers after the reload", SOON, || director.dump().contains(other));
        assert!(both(), "{:?}", pair.r1.addresses());
        assert!(!director.log().contains("removed by someone else"), "{}", director.log());
    });
}

fn a_reload_adds_and_removes_a_server_without_touching_the_other(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let config = |servers: &[&str]| {
        let real = |address: &&str| {
            format!("    real_server {address} 80 {{\n        TCP_CHECK {{\n        }}\n    }}\n")
        };
        let servers: String = servers.iter().map(real).collect();
        with_globals(&format!(
            "virtual_server {VIP} 80 {{\n    delay_loop 2\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n{servers}}}\n"
        ))
    };
    farm.lb1.ip(&format!("addr add {VIP}/32 dev eth0"));
    let director = Director::start(&farm.lb1, program, config(&["192.0.2.102"]));
    eventually_eq("one server", SOON, "192.0.2.102:80/1", || farm.lb1.ipvs().servers(HTTP));
    let stays = || match farm.lb1.ipvs().servers(HTTP) {
        table if table.contains("192.0.2.102:80/1") => Ok(()),
        table => Err(table),
    };
    director.reload(config(&["192.0.2.101", "192.0.2.102"]));
    eventually_eq("two servers", SOON, BOTH, || {
        stays().expect("web2 stays");
        farm.lb1.ipvs().servers(HTTP)
    });
    director.reload(config(&["192.0.2.102"]));
    eventually_eq("one server again", SOON, "192.0.2.102:80/1", || {
        stays().expect("web2 stays");
        farm.lb1.ipvs().servers(HTTP)
    });
    throughout("web2 stays", Duration::from_secs(3), stays);
}

/// keepalived may end on such a file; an operator's mistake must not be an outage.
#[test]
fn a_reload_with_a_broken_file_changes_nothing_and_says_so() {
    run("lifecycle::broken", |lab: &Lab| {
        let pair = Pair::new(lab);
        let (mut one, _two) = pair.start(Mainstay, Mainstay, "");
        let began = SystemTime::now();
        for broken in ["virtual_router_id 300", "interface eth7", "virtual_router_id 51\n    {"] {
            let before = one.log().len();
            one.reload(instance(100, "").replace("virtual_router_id 50", broken));
            one.wait_for_log(before, "keepalived.conf:", SOON);
        }
        let count = || pair.capture.adverts_of(LB1).iter().filter(|(at, _)| *at > began).count();
        let before = count();
        eventually("r1 goes on", SOON, || count() > before + 3);
        one.assert_alive();
        assert!(pair.r1.holds(VIP), "r1 lost its address");
        assert!(
            pair.capture.adverts_of(LB1).iter().all(|(_, priority)| *priority == 100),
            "r1 resigned"
        );

        // And the next good file is taken.
        one.reload(
            instance(100, "")
                .replace(&format!("{VIP}\n"), &format!("{VIP}\n        192.0.2.143\n")),
        );
        eventually("r1 holds the new address", SOON, || pair.r1.holds("192.0.2.143"));
    });
}

#[test]
fn the_run_subcommand_needs_no_other_option_than_the_file() {
    run("lifecycle::run", |lab: &Lab| {
        let pair = Pair::new(lab);
        let file = pair.r1.write("mainstay.conf", instance(100, ""));
        let log = std::fs::File::create(pair.r1.dir.join("log")).expect("the log file");
        let mut command = pair.r1.command(mainstay());
        let mut child =
            pair.r1.spawn(command.arg("run").arg("-f").arg(file).stderr(log)).expect("start it");
        eventually("it holds the VIP", SOON, || pair.r1.holds(VIP));
        eventually("the log says so", SOON, || {
            pair.r1.read("log").contains("(KAV_1) Entering MASTER STATE")
        });
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGTERM)
            .expect("stop it");
        assert!(child.wait().expect("wait for it").success());
        assert!(!pair.r1.holds(VIP));
    });
}
