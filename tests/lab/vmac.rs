//! `use_vmac` and `use_ipvlan`: interfaces of their own, with the virtual router's MAC address.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use crate::configs::{LB1, LB2, Pair, SOON, VIP, instance, with_globals};
use crate::for_each_pair;
use crate::harness::Program::{self, Mainstay};
use crate::harness::{Director, Host, Lab, eventually, eventually_eq, run, throughout};
use crate::vrrp_transports::{Way, tell_the_story};

for_each_pair!(
    vmacs_take_over_and_give_back_with_the_virtual_mac_address,
    a_vmac_and_a_plain_interface_are_one_virtual_router,
    ipv6_vmacs_take_over_and_give_back,
    vmacs_take_over_in_time,
    ipv6_vmacs_take_over_in_time,
);

/// RFC 9568 §7.3, for VRID 50.
const VIRTUAL: [u8; 6] = [0, 0, 0x5e, 0, 1, 50];
const VIRTUAL6: [u8; 6] = [0, 0, 0x5e, 0, 2, 50];
const VMAC: &str = "vrrp.50";

fn links(host: &Host) -> String {
    host.run("ip -o link")
}

fn has_vmac(host: &Host) -> bool {
    links(host).contains(VMAC)
}

/// What is left of kernel settings that a VMAC needs otherwise.
fn settings(host: &Host) -> Vec<String> {
    let of = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{name}");
        host.enter(|| fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}")))
    };
    let names = ["eth0/arp_ignore", "eth0/arp_filter", "eth0/rp_filter", "all/rp_filter"];
    names.iter().chain(&["default/rp_filter"]).map(|name| of(name)).collect()
}

fn vmacs_take_over_and_give_back_with_the_virtual_mac_address(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let pair = Pair::new(lab);
    for host in [&pair.r1, &pair.r2] {
        host.sysctl("net.ipv4.conf.all.rp_filter", "1");
    }
    let before = (settings(&pair.r1), settings(&pair.r2));
    let (one, two) = pair.start(first, second, "    use_vmac");
    eventually("r2 has its VMAC as BACKUP", SOON, || has_vmac(&pair.r2));
    let (_, status) = one.stop();
    assert!(status.success(), "r1 ended with {status}");
    two.wait_for_state(0, "MASTER");
    eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP) && pair.r2.holds(VIP));
    assert!(!has_vmac(&pair.r1), "{}", links(&pair.r1));

    let (from, from_two) = (pair.r1.read("log").len(), two.log().len());
    let one = Director::start_again(&pair.r1, first);
    one.wait_for_state(from, "MASTER");
    two.wait_for_state(from_two, "BACKUP");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
    one.kill9();
    two.wait_for_state(from_two, "MASTER");
    eventually("r2 holds the VIP", SOON, || pair.r2.holds(VIP));
    two.stop();

    for source in [LB1, LB2] {
        let macs = pair.capture.advert_macs_of(source);
        assert_eq!(macs, BTreeSet::from([VIRTUAL]), "adverts of {source}");
    }
    let garps = pair.capture.garps_for(VIP);
    assert!(garps.iter().all(|(_, mac)| *mac == VIRTUAL), "{garps:?}");
    assert!(!has_vmac(&pair.r2), "{}", links(&pair.r2));

    if second == Mainstay {
        assert_eq!(settings(&pair.r2), before.1, "r2's settings after a stop");
    }
    if first == Mainstay {
        assert!(has_vmac(&pair.r1), "a killed director cannot delete its VMAC");
        let from = pair.r1.read("log").len();
        let one = Director::start_again(&pair.r1, first);
        one.wait_for_state(from, "MASTER");
        one.stop();
        assert!(!has_vmac(&pair.r1), "{}", links(&pair.r1));
        assert_eq!(settings(&pair.r1), before.0, "r1's settings after kill -9, start and stop");
    }
}

fn a_vmac_and_a_plain_interface_are_one_virtual_router(lab: &Lab, first: Program, second: Program) {
    let pair = Pair::new(lab);
    let one = Director::start(&pair.r1, first, instance(100, "    use_vmac"));
    one.wait_for_state(0, "MASTER");
    let two = Director::start(&pair.r2, second, instance(50, ""));
    let listening = two.wait_for_state(0, "BACKUP");
    pair.capture.first_advert_after(LB1, listening);
    one.stop();
    two.wait_for_state(0, "MASTER");
    eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP) && pair.r2.holds(VIP));

    let (from, from_two) = (pair.r1.read("log").len(), two.log().len());
    let one = Director::start_again(&pair.r1, first);
    one.wait_for_state(from, "MASTER");
    two.wait_for_state(from_two, "BACKUP");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
    assert_eq!(pair.capture.advert_macs_of(LB1), BTreeSet::from([VIRTUAL]));
    assert!(!pair.capture.advert_macs_of(LB2).contains(&VIRTUAL));
}

const LINK_LOCAL_1: &str = "fe80::11";
const LINK_LOCAL_2: &str = "fe80::12";
const VIP6: &str = "2001:db8::142";

fn ipv6_vmacs_take_over_and_give_back(lab: &Lab, first: Program, second: Program) {
    let pair = Pair::new(lab);
    pair.r1.ip(&format!("addr add {LINK_LOCAL_1}/64 dev eth0 nodad"));
    pair.r2.ip(&format!("addr add {LINK_LOCAL_2}/64 dev eth0 nodad"));
    let configuration = |priority: u8| {
        with_globals(&format!(
            "vrrp_instance KAV_1 {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 50\n    \
             priority {priority}\n    advert_int 1\n    use_vmac\n    \
             virtual_ipaddress {{\n        fe80::142\n        {VIP6}/64\n    }}\n}}\n"
        ))
    };
    let one = Director::start(&pair.r1, first, configuration(100));
    one.wait_for_state(0, "MASTER");
    let two = Director::start(&pair.r2, second, configuration(50));
    let listening = two.wait_for_state(0, "BACKUP");
    pair.capture.first_advert_after(LINK_LOCAL_1, listening);
    one.stop();
    two.wait_for_state(0, "MASTER");
    eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP6) && pair.r2.holds(VIP6));

    let (from, from_two) = (pair.r1.read("log").len(), two.log().len());
    let one = Director::start_again(&pair.r1, first);
    one.wait_for_state(from, "MASTER");
    two.wait_for_state(from_two, "BACKUP");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP6) && !pair.r2.holds(VIP6));
    two.stop();
    one.stop();
    for source in [LINK_LOCAL_1, LINK_LOCAL_2] {
        let macs = pair.capture.advert_macs_of(source);
        assert_eq!(macs, BTreeSet::from([VIRTUAL6]), "adverts of {source}");
    }
    let announced = pair.capture.advertisements_for(VIP6);
    assert!(!announced.is_empty(), "the address is announced");
    assert!(announced.iter().all(|(_, _, mac)| *mac == VIRTUAL6), "{announced:?}");
    for host in [&pair.r1, &pair.r2] {
        assert!(!has_vmac(host), "{}", links(host));
    }
}

/// Exactly one MASTER, in time after a kill and after a stop, and tshark finds nothing wrong.
fn vmacs_take_over_in_time(lab: &Lab, first: Program, second: Program) {
    let lines = "    version 3\n    use_vmac".to_owned();
    let way = Way {
        lines: [lines.clone(), lines],
        advert_int: "1",
        addresses: &[VIP],
        sources: [LB1, LB2],
        down: 3.805,
        skew: 0.805,
    };
    tell_the_story(lab, first, second, &way);
}

fn ipv6_vmacs_take_over_in_time(lab: &Lab, first: Program, second: Program) {
    let way = Way {
        lines: ["    use_vmac".into(), "    use_vmac".into()],
        advert_int: "1",
        addresses: &["fe80::142", VIP6],
        sources: [LINK_LOCAL_1, LINK_LOCAL_2],
        down: 3.805,
        skew: 0.805,
    };
    tell_the_story(lab, first, second, &way);
}

/// keepalived goes to FAULT and starts over; nobody needs to notice.
#[test]
fn a_vmac_deleted_by_somebody_comes_back_and_nobody_else_takes_over() {
    run("vmac::deleted", |lab: &Lab| {
        let pair = Pair::new(lab);
        let (one, two) = pair.start(Mainstay, Mainstay, "    use_vmac");
        let from = one.log().len();
        pair.r1.ip(&format!("link delete {VMAC}"));
        eventually("r1 holds the VIP again", SOON, || pair.r1.holds(VIP));
        let back = std::time::SystemTime::now();
        pair.capture.first_advert_after(LB1, back);
        assert!(!one.log()[from..].contains("FAULT"), "{}", &one.log()[from..]);
        assert!(!two.log().contains("Entering MASTER"), "{}", two.log());

        pair.r1.ip(&format!("link set {VMAC} down"));
        one.wait_for_log(from, "vrrp.50 was set down by someone else: set up again", SOON);
        let back = std::time::SystemTime::now();
        pair.capture.first_advert_after(LB1, back);
        assert!(pair.r1.holds(VIP), "{:?}", pair.r1.addresses());
        assert!(!one.log()[from..].contains("FAULT"), "{}", &one.log()[from..]);

        pair.r1.ip("link delete eth0");
        one.wait_for_state(from, "FAULT");
        two.wait_for_state(0, "MASTER");
        pair.r1.plug_into(&pair.lan, "eth0", &format!("{LB1}/24"));
        one.wait_for_state(from, "MASTER");
        eventually("the VMAC is back with its parent", SOON, || has_vmac(&pair.r1));
        eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
    });
}

#[test]
fn a_reload_makes_and_deletes_vmacs_and_leaves_the_others_alone() {
    run("vmac::reload", |lab: &Lab| {
        let pair = Pair::new(lab);
        let other = |lines: &str| {
            let block = "vrrp_instance OTHER {\n    interface eth0\n    virtual_router_id 60\n    priority 90\n";
            format!(
                "{}{block}{lines}\n    virtual_ipaddress {{\n        192.0.2.160\n    }}\n}}\n",
                instance(100, "    use_vmac")
            )
        };
        let one = Director::start(&pair.r1, Mainstay, other(""));
        one.wait_for_state(0, "MASTER");
        eventually("it holds both", SOON, || pair.r1.holds(VIP) && pair.r1.holds("192.0.2.160"));
        let from = one.log().len();
        one.reload(other("    use_vmac extra0"));
        eventually("the new VMAC is there", SOON, || links(&pair.r1).contains("extra0"));
        let there = || {
            pair.r1
                .addresses()
                .iter()
                .any(|(name, ip)| name == "extra0" && ip.to_string() == "192.0.2.160")
        };
        eventually("the address has moved to it", SOON, there);
        one.reload(other(""));
        eventually("it is gone", SOON, || !links(&pair.r1).contains("extra0"));
        eventually("the address is back", SOON, || pair.r1.holds("192.0.2.160"));
        assert!(has_vmac(&pair.r1) && pair.r1.holds(VIP));
        assert!(!one.log()[from..].contains("(KAV_1) Entering"), "{}", &one.log()[from..]);
    });
}

/// What stands in the way is not ours to delete.
#[test]
fn an_interface_of_another_kind_by_that_name_is_left_alone_and_named_in_the_log() {
    run("vmac::taken", |lab: &Lab| {
        let pair = Pair::new(lab);
        pair.r1.ip(&format!("link add {VMAC} type dummy"));
        let one = Director::start(&pair.r1, Mainstay, instance(100, "    use_vmac"));
        one.wait_for_log(
            0,
            "cannot have vrrp.50 on eth0: there is another interface of that name",
            SOON,
        );
        one.wait_for_state(0, "FAULT");
        pair.r1.ip(&format!("link delete {VMAC}"));
        one.wait_for_state(0, "MASTER");
        eventually("it holds the VIP", SOON, || pair.r1.holds(VIP));
        one.stop();
        assert!(!has_vmac(&pair.r1));
    });
}

/// A macvlan of that name that somebody made in bridge mode and with another address is put right.
#[test]
fn a_macvlan_that_is_there_is_used_and_put_right() {
    run("vmac::reused", |lab: &Lab| {
        let pair = Pair::new(lab);
        pair.r1.ip(&format!("link add {VMAC} link eth0 type macvlan mode bridge"));
        let index = |host: &Host| {
            links(host)
                .lines()
                .find(|l| l.contains(VMAC))
                .map(|l| l.split(':').next().unwrap().to_owned())
        };
        let before = index(&pair.r1);
        let one = Director::start(&pair.r1, Mainstay, instance(100, "    use_vmac"));
        one.wait_for_state(0, "MASTER");
        assert_eq!(index(&pair.r1), before, "the same interface");
        let shown = pair.r1.run(&format!("ip -d link show {VMAC}"));
        assert!(shown.contains("mode private") && shown.contains("00:00:5e:00:01:32"), "{shown}");
        eventually("it advertises", SOON, || !pair.capture.adverts_of(LB1).is_empty());
        assert_eq!(pair.capture.advert_macs_of(LB1), BTreeSet::from([VIRTUAL]));
    });
}

#[test]
fn with_vmac_xmit_base_adverts_have_the_interfaces_mac_address_and_garps_the_virtual_one() {
    run("vmac::xmit_base", |lab: &Lab| {
        let pair = Pair::new(lab);
        let one =
            Director::start(&pair.r1, Mainstay, instance(100, "    use_vmac\n    vmac_xmit_base"));
        one.wait_for_state(0, "MASTER");
        eventually("it announces the VIP", SOON, || !pair.capture.garps_for(VIP).is_empty());
        assert_eq!(pair.capture.advert_macs_of(LB1), BTreeSet::from([[2, 0, 0, 0, 1, b'0']]));
        assert!(pair.capture.garps_for(VIP).iter().all(|(_, mac)| *mac == VIRTUAL));
    });
}

/// keepalived.conf(5), `garp_extra_if`: only where no adverts keep switches informed.
#[test]
fn garp_extra_if_announces_again_and_again_where_no_adverts_go_out() {
    run("vmac::garp_extra", |lab: &Lab| {
        let pair = Pair::new(lab);
        let lines = "    garp_master_delay 1\n    garp_extra_if 1\n    use_vmac";
        let one = Director::start(
            &pair.r1,
            Mainstay,
            instance(100, &format!("{lines}\n    vmac_xmit_base")),
        );
        one.wait_for_state(0, "MASTER");
        eventually("more than the two blocks of five", SOON, || {
            pair.capture.garps_for(VIP).len() >= 13
        });
        one.stop();
        let before = pair.capture.garps_for(VIP).len();
        let one = Director::start(&pair.r2, Mainstay, instance(100, lines));
        one.wait_for_state(0, "MASTER");
        eventually("the second block", SOON, || pair.capture.garps_for(VIP).len() >= before + 10);
        throughout("no more on the VMAC that adverts keep known", Duration::from_secs(4), || {
            match pair.capture.garps_for(VIP).len() - before {
                10 => Ok(()),
                other => Err(format!("{other} gratuitous ARPs")),
            }
        });
    });
}

#[test]
fn ipvlans_take_over_and_give_back_from_their_own_addresses() {
    run("vmac::ipvlan", |lab: &Lab| {
        let pair = Pair::new(lab);
        let (own1, own2) = ("192.0.2.21", "192.0.2.22");
        let lines = |own: &str| format!("    use_ipvlan ipv0 {own}/24 private");
        let one = Director::start(&pair.r1, Mainstay, instance(100, &lines(own1)));
        one.wait_for_state(0, "MASTER");
        let two = Director::start(&pair.r2, Mainstay, instance(50, &lines(own2)));
        let listening = two.wait_for_state(0, "BACKUP");
        pair.capture.first_advert_after(own1, listening);
        let on_ipvlan = |host: &Host| {
            host.addresses().iter().any(|(name, ip)| name == "ipv0" && ip.to_string() == VIP)
        };
        eventually("r1 holds the VIP on its ipvlan", SOON, || on_ipvlan(&pair.r1));
        one.stop();
        two.wait_for_state(0, "MASTER");
        eventually("r2 holds the VIP on its ipvlan", SOON, || on_ipvlan(&pair.r2));
        two.stop();
        for host in [&pair.r1, &pair.r2] {
            assert!(!links(host).contains("ipv0"), "{}", links(host));
        }
    });
}

/// What a VMAC is made on may be in a VRF; the VMAC belongs there, too.
#[test]
fn a_vmac_is_in_its_parents_vrf() {
    run("vmac::vrf", |lab: &Lab| {
        let pair = Pair::new(lab);
        pair.r1.ip("link add blue type vrf table 10\nlink set blue up\nlink set eth0 master blue");
        let one = Director::start(&pair.r1, Mainstay, instance(100, "    use_vmac group 5"));
        one.wait_for_state(0, "MASTER");
        eventually_eq("who belongs to the VRF", SOON, true, || {
            links(&pair.r1)
                .lines()
                .any(|l| l.contains(VMAC) && l.contains("master blue") && l.contains("group 5"))
        });
        eventually("it advertises", SOON, || !pair.capture.adverts_of(LB1).is_empty());
    });
}
