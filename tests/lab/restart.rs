//! A director that was killed leaves its addresses and its table in the kernel. Its successor deals
//! with what is its own and with nothing else.

use std::time::Duration;

use crate::configs::{Farm, Pair, SOON, VIP, tutorial, with_globals};
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Host, Lab, Program, eventually, eventually_eq, run, throughout};
use crate::{for_each_pair, for_each_program};

for_each_pair!(a_restarted_backup_does_not_keep_the_address_its_predecessor_left);
for_each_program!(after_kill_9_and_restart_foreign_entries_are_untouched);

const HTTP: &str = "TCP 192.0.2.142:80";
const BOTH: &str = "192.0.2.101:80/1 192.0.2.102:80/1";

fn a_restarted_backup_does_not_keep_the_address_its_predecessor_left(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let pair = Pair::new(lab);
    let (one, two) = pair.start(first, second, "    nopreempt");
    one.kill9();
    assert!(pair.r1.holds(VIP), "a killed director cannot remove its address");
    two.wait_for_state(0, "MASTER");
    let before = pair.r1.read("log").len();
    let one = Director::start_again(&pair.r1, first);
    one.wait_for_state(before, "BACKUP");
    eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP) && pair.r2.holds(VIP));
    throughout("r2 keeps it", Duration::from_secs(5), || {
        match (pair.r1.holds(VIP), pair.r2.holds(VIP)) {
            (false, true) => Ok(()),
            held => Err(format!("(r1, r2) hold it: {held:?}")),
        }
    });
}

fn after_kill_9_and_restart_foreign_entries_are_untouched(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let lb1 = &farm.lb1;
    add_foreign_entries(lb1);
    let director = Director::start(lb1, program, tutorial(100));
    director.wait_for_state(0, "MASTER");
    eventually_eq("the table", SOON, BOTH, || lb1.ipvs().servers(HTTP));
    director.kill9();
    assert_eq!(lb1.ipvs().servers(HTTP), BOTH, "the kernel keeps a killed director's table");
    assert!(lb1.holds(VIP));

    let before = lb1.read("log").len();
    let director = Director::start_again(lb1, program);
    let intact = || foreign_entries_are_intact(lb1);
    eventually("it is MASTER again", SOON, || {
        intact().expect("foreign entries stay");
        director.log().get(before..).is_some_and(|new| new.contains("Entering MASTER STATE"))
    });
    eventually_eq("the table", SOON, BOTH, || lb1.ipvs().servers(HTTP));
    eventually("it holds the VIP", SOON, || lb1.holds(VIP));

    director.stop();
    intact().expect("foreign entries outlive a clean stop");
    assert_eq!(lb1.ipvs().0.len(), 1, "ours is gone after a clean stop: {}", lb1.ipvs());
    assert!(!lb1.holds(VIP));
}

/// What the predecessor's service has and the new file has not, is ours to remove; what differs, to
/// correct. keepalived leaves both as they are.
#[test]
fn a_successor_corrects_the_table_it_finds() {
    run("restart::corrects", |lab: &Lab| {
        let farm = Farm::new(lab);
        let lb1 = &farm.lb1;
        add_foreign_entries(lb1);
        let config = |scheduler: &str, servers: &[&str]| {
            let real = |address: &&str| {
                format!(
                    "    real_server {address} 80 {{\n        weight 1\n        TCP_CHECK {{\n        }}\n    }}\n"
                )
            };
            let servers: String = servers.iter().map(real).collect();
            with_globals(&format!(
                "virtual_server {VIP} 80 {{\n    delay_loop 2\n    lb_algo {scheduler}\n    lb_kind DR\n    protocol TCP\n{servers}}}\n"
            ))
        };
        let director =
            Director::start(lb1, Mainstay, config("rr", &["192.0.2.101", "192.0.2.102"]));
        eventually_eq("the table", SOON, BOTH, || lb1.ipvs().servers(HTTP));
        director.kill9();
        lb1.run("ipvsadm -e -t 192.0.2.142:80 -r 192.0.2.102:80 -g -w 5");

        let _director = Director::start(lb1, Mainstay, config("wrr", &["192.0.2.102"]));
        eventually_eq("the corrected table", SOON, "192.0.2.102:80/1", || lb1.ipvs().servers(HTTP));
        let scheduler = || {
            lb1.ipvs().service(HTTP).map(|service| service.scheduler.clone()).unwrap_or_default()
        };
        eventually_eq("the scheduler", SOON, "wrr", scheduler);
        foreign_entries_are_intact(lb1).expect("foreign entries stay");
    });
}

/// An operator's own service, on the same address, and an own address in the VIP's network.
fn add_foreign_entries(host: &Host) {
    host.ip("addr add 192.0.2.77/24 dev eth0");
    host.run("ipvsadm -A -t 192.0.2.142:8080 -s sh");
    host.run("ipvsadm -a -t 192.0.2.142:8080 -r 192.0.2.101:8080 -g -w 9");
}

fn foreign_entries_are_intact(host: &Host) -> Result<(), String> {
    match (host.holds("192.0.2.77"), host.ipvs().servers("TCP 192.0.2.142:8080").as_str()) {
        (true, "192.0.2.101:8080/9") => Ok(()),
        (held, servers) => Err(format!("address held: {held}; servers: {servers}")),
    }
}
