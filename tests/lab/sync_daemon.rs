//! lvs_sync_daemon: the kernel's sync daemons as it has them, and what they are for.

use std::time::SystemTime;

use crate::configs::{Farm, LB2, Pair, SOON, VIP, instance};
use crate::for_each_pair;
use crate::harness::Program::{Keepalived, Mainstay};
use crate::harness::{Director, Host, Lab, Program, eventually, eventually_eq, longest_gap, run};
use crate::held::{Held, echo};

for_each_pair!(a_held_connection_survives_its_director);

const ALL: &str = "lvs_sync_daemon eth0 id 7 maxlen 1400 port 8000 ttl 3 group 224.0.0.82";

/// A server is needed, or keepalived starts nothing that could have a sync daemon.
const SERVICE: &str = "virtual_server 192.0.2.142 80 {\n    lvs_sched rr\n    lvs_method DR\n    protocol TCP\n    \
                       real_server 192.0.2.101 80 {\n    }\n}\n";

fn globals(line: &str) -> String {
    format!("global_defs {{\n    script_user root\n    {line}\n}}\n")
}

/// The daemons as ipvsadm tells of them, one a line.
fn daemons(host: &Host) -> String {
    host.run("ipvsadm -L --daemon").trim().to_owned()
}

fn expected(role: &str, id: u8) -> String {
    format!("{role} sync daemon (mcast=eth0, syncid={id}, ")
}

/// Exactly one, of that role and id.
fn has_one(host: &Host, role: &str, id: u8) -> bool {
    let daemons = daemons(host);
    daemons.starts_with(&expected(role, id)) && daemons.lines().count() == 1
}

#[test]
fn without_an_instance_both_run_with_all_attributes_until_the_stop() {
    run("sync_daemon::without_an_instance", |lab: &Lab| {
        let pair = Pair::new(lab);
        for line in [ALL, "lvs_sync_daemon eth0"] {
            let config = globals(line) + SERVICE;
            let theirs = Director::start(&pair.r2, Keepalived, &config);
            eventually("keepalived has both", SOON, || daemons(&pair.r2).lines().count() == 2);
            let ours = Director::start(&pair.r1, Mainstay, &config);
            eventually_eq("ours are the same", SOON, daemons(&pair.r2), || daemons(&pair.r1));
            assert!(ours.dump().contains(" Sync daemon = master on eth0, id "), "{}", ours.dump());
            let (_, status) = ours.stop();
            assert!(status.success(), "it ended with {status}");
            assert_eq!(daemons(&pair.r1), "");
            theirs.stop();
        }
    });
}

/// Adverts go on while the kernel takes its second to stop a daemon.
#[test]
fn the_state_of_the_instance_decides_and_no_advert_waits() {
    run("sync_daemon::state_decides", |lab: &Lab| {
        let pair = Pair::new(lab);
        let config = |priority| {
            let sync = "global_defs {\n    lvs_sync_daemon eth0 KAV_1";
            instance(priority, "").replace("global_defs {", sync)
        };
        let (one, two) = (config(100), config(50));
        let first = Director::start(&pair.r1, Mainstay, &one);
        eventually("a master, once it is MASTER", SOON, || has_one(&pair.r1, "master", 50));
        let second = Director::start(&pair.r2, Mainstay, &two);
        eventually("a backup", SOON, || has_one(&pair.r2, "backup", 50));

        pair.lan.pull_cable(&pair.r1);
        let began = second.wait_for_state(0, "MASTER");
        eventually("FAULT: a backup", SOON, || has_one(&pair.r1, "backup", 50));
        eventually("MASTER: a master", SOON, || has_one(&pair.r2, "master", 50));
        let known = |count: usize| {
            let sent = pair.capture.adverts_of(LB2);
            let times = sent.into_iter().map(|(at, _)| at).filter(|at| *at >= began);
            let times: Vec<SystemTime> = times.collect();
            (times.len() > count).then_some(times)
        };
        eventually("r2 advertises", SOON, || known(5).is_some());
        let longest = longest_gap(&known(5).expect("seen just now"));
        assert!(longest < 1.2, "r2 was silent for {longest:.3} s");

        pair.lan.mend_cable(&pair.r1);
        eventually("r1 is back", SOON, || has_one(&pair.r1, "master", 50));
        eventually("r2 hears again", SOON, || has_one(&pair.r2, "backup", 50));
        assert!(first.dump().contains(" Sync daemon = master on eth0, id 50"), "{}", first.dump());
        first.stop();
        assert_eq!(daemons(&pair.r1), "");
    });
}

#[test]
fn a_reload_restarts_it_only_for_another_attribute() {
    run("sync_daemon::reload", |lab: &Lab| {
        let pair = Pair::new(lab);
        let config = |line: &str| {
            instance(100, "").replace("global_defs {", &format!("global_defs {{\n    {line}"))
        };
        let director = Director::start(&pair.r1, Mainstay, config("lvs_sync_daemon eth0 KAV_1"));
        eventually("a master", SOON, || has_one(&pair.r1, "master", 50));
        director.wait_for_log(0, "sync daemon master on eth0", SOON);
        let started = || director.log().matches("sync daemon master on eth0").count();
        let before = started();
        let from = director.log().len();
        director.reload(config("lvs_sync_daemon eth0 KAV_1\n    lvs_timeouts tcp 1000"));
        let shown = || pair.r1.run("ipvsadm -L --timeout").contains("1000 120 300");
        director.wait_for_log(from, "reloaded", SOON);
        eventually("the reload is through", SOON, shown);
        assert!(director.dump().contains(" Sync daemon = master"), "{}", director.dump());
        assert_eq!(started(), before, "{}", director.log());

        director.reload(config("lvs_sync_daemon eth0 KAV_1 id 9"));
        eventually("another id, the same role", SOON, || has_one(&pair.r1, "master", 9));
        director.reload(config("lvs_timeouts tcp 1000"));
        eventually_eq("none", SOON, "", || daemons(&pair.r1));
    });
}

/// What it is all for: connections are known to the director that takes over.
fn a_held_connection_survives_its_director(lab: &Lab, first: Program, second: Program) {
    let farm = Farm::new(lab);
    let lb2 = farm.lan.host("lb2", &format!("{LB2}/24"));
    echo(&farm.web1);
    let config = |priority| {
        let sync = "global_defs {\n    lvs_sync_daemon eth0 KAV_1";
        let service = SERVICE.replace(" 80 {", " 7 {");
        instance(priority, "").replace("global_defs {", sync) + &service
    };
    let one = Director::start(&farm.lb1, first, config(100));
    eventually("lb1 tells", SOON, || has_one(&farm.lb1, "master", 50));
    let two = Director::start(&lb2, second, config(50));
    eventually("lb2 hears", SOON, || has_one(&lb2, "backup", 50));
    eventually("lb1 holds the VIP", SOON, || farm.lb1.holds(VIP));

    let mut held = Held::connect(&farm.client, VIP);
    // The kernel tells of a connection that has had some packets (sync_threshold).
    eventually("lb2 knows of the connection", SOON, || {
        held.say("hello", SOON).expect("the connection is there");
        lb2.run("ipvsadm -Lnc").contains("ESTABLISHED")
    });
    farm.lan.pull_cable(&farm.lb1);
    one.kill9();
    two.wait_for_state(0, "MASTER");
    eventually("lb2 holds the VIP", SOON, || lb2.holds(VIP));
    assert_eq!(held.say("still there?", SOON).expect("it is known to lb2"), "still there?");
}

#[test]
fn what_the_kernel_refuses_is_told_and_tried_again() {
    run("sync_daemon::refused", |lab: &Lab| {
        let pair = Pair::new(lab);
        let config = globals("lvs_sync_daemon late0") + SERVICE;
        let director = Director::start(&pair.r1, Mainstay, config);
        director.wait_for_log(0, "cannot start the sync daemon master on late0", SOON);
        let trouble = "The sync daemons are not as wanted: cannot start the sync daemon";
        assert!(director.dump().contains(trouble), "{}", director.dump());
        pair.r1
            .ip("link add late0 type dummy\naddr add 198.51.100.1/24 dev late0\nlink set late0 up");
        eventually("they run once it is there", SOON, || daemons(&pair.r1).lines().count() == 2);
    });
}
