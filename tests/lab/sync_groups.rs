//! `vrrp_sync_group`: two virtual routers on two links that are MASTER together or not at all.

use crate::configs::{LB1, LB2, SOON, with_globals};
use crate::harness::{Capture, Director, Host, Lab, Lan, Program, eventually, wait_for};
use crate::{for_each_pair, for_each_program};

for_each_pair!(
    members_are_taken_over_together_and_given_back_together,
    a_failure_of_one_member_moves_the_whole_group,
);
for_each_program!(a_group_tells_its_scripts_where_it_stands);

const VIPS: [&str; 2] = ["192.0.2.142", "198.51.100.142"];

/// Two hosts, each on the two links `eth0` and `eth1`.
struct Links {
    _lans: [Lan; 2],
    captures: [Capture; 2],
    r1: Host,
    r2: Host,
}

impl Links {
    fn new(lab: &Lab) -> Links {
        let (outside, inside) = (lab.lan(), lab.lan());
        let r1 = outside.host("r1", &format!("{LB1}/24"));
        let r2 = outside.host("r2", &format!("{LB2}/24"));
        r1.plug_into(&inside, "eth1", "198.51.100.11/24");
        r2.plug_into(&inside, "eth1", "198.51.100.12/24");
        let captures = [outside.capture(), inside.capture()];
        Links { _lans: [outside, inside], captures, r1, r2 }
    }
}

fn group(priority: u8, lines: &str) -> String {
    let member = |name: &str, interface: &str, vrid: u8, vip: &str| {
        format!(
            "vrrp_instance {name} {{\n    state BACKUP\n    interface {interface}\n    \
             virtual_router_id {vrid}\n    priority {priority}\n    advert_int 1\n    \
             virtual_ipaddress {{\n        {vip}\n    }}\n}}\n"
        )
    };
    with_globals(&format!(
        "vrrp_sync_group G {{\n    group {{\n        KAV_1\n        KAV_2\n    }}\n{lines}\n}}\n{}{}",
        member("KAV_1", "eth0", 50, VIPS[0]),
        member("KAV_2", "eth1", 51, VIPS[1])
    ))
}

fn holds(host: &Host) -> [bool; 2] {
    VIPS.map(|vip| host.holds(vip))
}

fn only(what: &str, holder: &Host, other: &Host) {
    wait_for(what, SOON, || match (holds(holder), holds(other)) {
        ([true, true], [false, false]) => Ok(()),
        held => Err(format!("{held:?}")),
    });
}

fn started(links: &Links, first: Program, second: Program) -> (Director<'_>, Director<'_>) {
    let one = Director::start(&links.r1, first, group(100, ""));
    one.wait_for_state(0, "MASTER");
    eventually("r1 holds both", SOON, || holds(&links.r1) == [true, true]);
    let two = Director::start(&links.r2, second, group(50, ""));
    let listening = two.wait_for_state(0, "BACKUP");
    // It has heard the other on both links.
    for (capture, source) in links.captures.iter().zip([LB1, "198.51.100.11"]) {
        capture.first_advert_after(source, listening);
    }
    only("r2 heeds r1", &links.r1, &links.r2);
    (one, two)
}

fn members_are_taken_over_together_and_given_back_together(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let links = Links::new(lab);
    let (one, two) = started(&links, first, second);
    one.stop();
    only("r2 takes both over", &links.r2, &links.r1);
    two.wait_for_log(0, "VRRP_Group(G) Syncing instances to MASTER state", SOON);
    let one = Director::start_again(&links.r1, first);
    only("r1 has both back", &links.r1, &links.r2);
    drop(one);
}

fn a_failure_of_one_member_moves_the_whole_group(lab: &Lab, first: Program, second: Program) {
    let links = Links::new(lab);
    let (one, _two) = started(&links, first, second);
    links.r1.ip("link set eth1 down");
    one.wait_for_state(0, "FAULT");
    only("r2 has both", &links.r2, &links.r1);
    links.r1.ip("link set eth1 up");
    only("r1 has both back", &links.r1, &links.r2);
}

/// keepalived.conf(5), vrrp_sync_group, `notify`: the word GROUP, and a 0 for a priority.
fn a_group_tells_its_scripts_where_it_stands(lab: &Lab, program: Program) {
    let links = Links::new(lab);
    let calls = links.r1.dir.join("calls");
    let script = links.r1.script("told", &format!("echo \"$@\" >>{}", calls.display()));
    let notify = format!("    notify {0}\n    notify_master \"{0} master\"", script.display());
    let director = Director::start(&links.r1, program, group(100, &notify));
    director.wait_for_state(0, "MASTER");
    let said = |line: &str| links.r1.read("calls").lines().any(|said| said == line);
    for line in ["GROUP G BACKUP 0", "master", "GROUP G MASTER 0"] {
        eventually(line, SOON, || said(line));
    }
    links.r1.ip("link set eth1 down");
    eventually("GROUP G FAULT 0", SOON, || said("GROUP G FAULT 0"));
    director.stop();
    eventually("GROUP G STOP 0", SOON, || said("GROUP G STOP 0"));
}
