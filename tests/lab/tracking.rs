//! Scripts, interfaces and files that an instance is tied to (keepalived.conf(5), `track_*`).

use crate::configs::{Pair, SOON, VIP, with_globals};
use crate::harness::{Director, Host, Lab, Program, eventually, wait_for};
use crate::{for_each_pair, for_each_program};

for_each_program!(
    an_unweighted_script_that_fails_is_fault_until_it_succeeds,
    a_tracked_interface_that_goes_down_is_fault,
    it_takes_fall_failures_to_believe_a_script,
);
for_each_pair!(
    a_weighted_script_that_fails_hands_the_vip_over_and_takes_it_back,
    a_number_in_a_file_moves_the_vip,
);

/// An instance with definitions before it.
fn tracking(definitions: &str, priority: u8, lines: &str) -> String {
    with_globals(&format!(
        "{definitions}\nvrrp_instance KAV_1 {{\n    state BACKUP\n    interface eth0\n    \
         virtual_router_id 50\n    priority {priority}\n    advert_int 1\n    \
         virtual_ipaddress {{\n        {VIP}\n    }}\n{lines}\n}}\n"
    ))
}

/// A script that succeeds while the host has a file `well`.
fn check(host: &Host, options: &str) -> String {
    let flag = host.dir.join("well");
    let script = host.script("check", &format!("test -e {}", flag.display()));
    format!(
        "vrrp_script chk {{\n    script \"{}\"\n    interval 1\n    timeout 10\n{options}\n}}\n",
        script.display()
    )
}

fn set_well(host: &Host, well: bool) {
    if well {
        host.write("well", "");
    } else {
        std::fs::remove_file(host.dir.join("well")).expect("remove the flag");
    }
}

const TRACK_SCRIPT: &str = "    track_script {\n        chk\n    }";

fn an_unweighted_script_that_fails_is_fault_until_it_succeeds(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    set_well(&pair.r1, true);
    let configuration = tracking(&check(&pair.r1, ""), 100, TRACK_SCRIPT);
    let director = Director::start(&pair.r1, program, configuration);
    director.wait_for_state(0, "MASTER");
    assert!(!director.log().contains("Entering FAULT"), "waiting for the first result is no fault");
    set_well(&pair.r1, false);
    director.wait_for_state(0, "FAULT");
    eventually("the VIP is gone", SOON, || !pair.r1.holds(VIP));

    let before = director.log().len();
    set_well(&pair.r1, true);
    director.wait_for_state(before, "BACKUP");
    director.wait_for_state(before, "MASTER");
    eventually("the VIP is back", SOON, || pair.r1.holds(VIP));
}

fn it_takes_fall_failures_to_believe_a_script(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    set_well(&pair.r1, true);
    let configuration = tracking(&check(&pair.r1, "    fall 4\n    rise 2"), 100, TRACK_SCRIPT);
    let director = Director::start(&pair.r1, program, configuration);
    let active = director.wait_for_state(0, "MASTER");
    set_well(&pair.r1, false);
    let fault = director.wait_for_state(0, "FAULT");
    // Four runs at one a second: the fourth comes about three seconds after the first.
    let waited = crate::harness::seconds(active, fault);
    assert!(waited >= 2.5, "FAULT {waited:.1} s after it went bad");
}

fn a_tracked_interface_that_goes_down_is_fault(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    pair.r1.ip("link add dum0 type dummy\nlink set dum0 up");
    let lines = "    track_interface {\n        dum0\n    }";
    let director = Director::start(&pair.r1, program, tracking("", 100, lines));
    director.wait_for_state(0, "MASTER");
    pair.r1.ip("link set dum0 down");
    director.wait_for_state(0, "FAULT");
    let before = director.log().len();
    pair.r1.ip("link set dum0 up");
    director.wait_for_state(before, "MASTER");
}

fn a_weighted_script_that_fails_hands_the_vip_over_and_takes_it_back(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let pair = Pair::new(lab);
    set_well(&pair.r1, true);
    let configuration = tracking(&check(&pair.r1, "    weight -60"), 100, TRACK_SCRIPT);
    let one = Director::start(&pair.r1, first, configuration);
    one.wait_for_state(0, "MASTER");
    let two = Director::start(&pair.r2, second, tracking("", 50, ""));
    two.wait_for_state(0, "BACKUP");

    let before = one.log().len();
    set_well(&pair.r1, false);
    two.wait_for_state(0, "MASTER");
    one.wait_for_state(before, "BACKUP");
    if first == Program::Mainstay {
        let line = "script chk is bad, weight -60: priority -60";
        assert!(one.dump().contains(line), "{}", one.dump());
    }
    // It said so before it had to yield: 100 − 60.
    wait_for("r1 advertises 40", SOON, || {
        let priorities = pair.capture.adverts_of(crate::configs::LB1);
        if priorities.iter().any(|(_, priority)| *priority == 40) {
            Ok(())
        } else {
            Err(format!("{priorities:?}"))
        }
    });
    let before = one.log().len();
    set_well(&pair.r1, true);
    one.wait_for_state(before, "MASTER");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
}

fn a_number_in_a_file_moves_the_vip(lab: &Lab, first: Program, second: Program) {
    let pair = Pair::new(lab);
    let file = pair.r1.write("number", "0\n");
    let definition = format!("track_file number {{\n    file {}\n    weight 1\n}}", file.display());
    let lines = "    track_file {\n        number\n    }";
    let one = Director::start(&pair.r1, first, tracking(&definition, 100, lines));
    one.wait_for_state(0, "MASTER");
    let two = Director::start(&pair.r2, second, tracking("", 50, ""));
    two.wait_for_state(0, "BACKUP");
    pair.r1.write("number", "-80\n");
    two.wait_for_state(0, "MASTER");
    eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP) && pair.r2.holds(VIP));
    let before = one.log().len();
    std::fs::remove_file(&file).expect("remove it: a missing file is 0");
    one.wait_for_state(before, "MASTER");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
}
