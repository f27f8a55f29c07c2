//! The ways adverts can travel, with Mainstay and keepalived on either end: version 3 over IPv4 and
//! IPv6, and unicast. Each pair runs through the same story: wait, heed, take over, give back.
//!
//! Times at 1 s: master-down 3.805 s at priority 50 (3 × 1 s + 206/256 s), skew 0.805 s.

use std::time::Duration;

use crate::configs::{LB1, LB2, Pair, SOON, VIP, with_globals};
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Lab, Program, eventually, run, seconds, throughout, undisturbed};
use crate::{for_each_pair, for_each_program};

for_each_pair!(
    unicast_peers_take_over_and_give_back,
    version_3_routers_take_over_and_give_back,
    version_3_routers_at_a_tenth_of_a_second_take_over_in_time,
    ipv6_routers_take_over_and_give_back,
    a_version_3_backup_learns_the_interval,
);

/// Seconds a takeover may be later than the protocol's wait; a guest's clock ticks at 10 ms.
const MARGIN: f64 = 0.1;

pub const LINK_LOCAL_1: &str = "fe80::11";
pub const LINK_LOCAL_2: &str = "fe80::12";
pub const VIP6: &str = "fe80::142";
const VIP6_GLOBAL: &str = "2001:db8::142";

for_each_program!(an_ipv6_master_announces_each_address_and_advertises_to_all_routers);

/// What one kind of pair differs in.
pub struct Way {
    /// Further lines for r1's and for r2's instance.
    pub lines: [String; 2],
    pub advert_int: &'static str,
    pub addresses: &'static [&'static str],
    /// Adverts of r1 and r2 come from here.
    pub sources: [&'static str; 2],
    /// What r2 waits after the last advert, and after a priority 0.
    pub down: f64,
    pub skew: f64,
}

impl Way {
    pub fn configuration(&self, priority: u8) -> String {
        let (lines, list) = (&self.lines[usize::from(priority < 100)], self.addresses.join("\n"));
        with_globals(&format!(
            "vrrp_instance KAV_1 {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 50\n    \
             priority {priority}\n    advert_int {}\n{lines}\n    virtual_ipaddress {{\n{list}\n    }}\n}}\n",
            self.advert_int
        ))
    }
}

fn unicast_peers_take_over_and_give_back(lab: &Lab, first: Program, second: Program) {
    let lines = |own, other| {
        format!(
            "    unicast_src_ip {own}\n    unicast_peer {{\n        {other}\n    }}\n    check_unicast_src"
        )
    };
    let way = Way {
        lines: [lines(LB1, LB2), lines(LB2, LB1)],
        advert_int: "1",
        addresses: &[VIP],
        sources: [LB1, LB2],
        down: 3.805,
        skew: 0.805,
    };
    tell_the_story(lab, first, second, &way);
}

/// With `interface`, in whose VRF the instance then is, and with `vrf` instead of it.
#[test]
fn unicast_routers_in_a_vrf_take_over_and_give_back() {
    for (name, link) in [("vrf_interface", "    interface eth0"), ("vrf_alone", "    vrf blue")] {
        run(&format!("vrrp_transports::{name}"), |lab: &Lab| {
            let pair = Pair::new(lab);
            pair.lan.watch_unicast();
            let config = |priority: u8, own: &str, other: &str| {
                with_globals(&format!(
                    "vrrp_instance KAV_1 {{\n{link}\n    virtual_router_id 50\n    priority {priority}\n    \
                     unicast_src_ip {own}\n    unicast_peer {{\n        {other}\n    }}\n    \
                     virtual_ipaddress {{\n        {VIP} dev eth0\n    }}\n}}\n"
                ))
            };
            for host in [&pair.r1, &pair.r2] {
                host.ip(
                    "link add blue type vrf table 10\nlink set blue up\nlink set eth0 master blue",
                );
            }
            let one = Director::start(&pair.r1, Mainstay, config(100, LB1, LB2));
            one.wait_for_state(0, "MASTER");
            eventually("r1 holds the VIP", SOON, || pair.r1.holds(VIP));
            let two = Director::start(&pair.r2, Mainstay, config(50, LB2, LB1));
            two.wait_for_state(0, "BACKUP");
            eventually("r2 hears three adverts", SOON, || two.counter("advert_rcvd") >= 3);
            assert_eq!(pair.capture.adverts_of(LB2), [], "{name}: one of them advertises");
            let (from, from_one) = (two.log().len(), one.log().len());
            one.stop();
            two.wait_for_state(from, "MASTER");
            eventually("r2 holds it", SOON, || pair.r2.holds(VIP) && !pair.r1.holds(VIP));
            let from = two.log().len();
            let one = Director::start_again(&pair.r1, Mainstay);
            one.wait_for_state(from_one, "MASTER");
            two.wait_for_state(from, "BACKUP");
            eventually("r1 has it back", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
            no_packet_was_rejected(&two);
            pair.capture.assert_tshark_agrees(&[LB1, LB2]);
        });
    }
}

fn version_3_routers_take_over_and_give_back(lab: &Lab, first: Program, second: Program) {
    let way = Way {
        lines: ["    version 3".into(), "    version 3".into()],
        advert_int: "1",
        addresses: &[VIP, "192.0.2.143/24"],
        sources: [LB1, LB2],
        down: 3.805,
        skew: 0.805,
    };
    tell_the_story(lab, first, second, &way);
}

/// 0.3 s + 206/256 × 0.1 s = 0.380 s; skew 0.080 s.
fn version_3_routers_at_a_tenth_of_a_second_take_over_in_time(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let way = Way {
        lines: ["    version 3".into(), "    version 3".into()],
        advert_int: "0.1",
        addresses: &[VIP],
        sources: [LB1, LB2],
        down: 0.380,
        skew: 0.080,
    };
    tell_the_story(lab, first, second, &way);
}

fn ipv6_routers_take_over_and_give_back(lab: &Lab, first: Program, second: Program) {
    tell_the_story(lab, first, second, &ipv6());
}

/// With an excluded address of the other family, which is held and not advertised.
fn ipv6() -> Way {
    let excluded = "    virtual_ipaddress_excluded {\n        192.0.2.142\n    }";
    Way {
        lines: [excluded.into(), excluded.into()],
        advert_int: "1",
        addresses: &[VIP6, VIP6_GLOBAL],
        sources: [LINK_LOCAL_1, LINK_LOCAL_2],
        down: 3.805,
        skew: 0.805,
    }
}

/// RFC 9568 §5.2, worked out by hand: version 3, one second, two addresses; the checksum is the
/// kernel's on keepalived's side, so it is compared by what peers make of it.
fn an_ipv6_master_announces_each_address_and_advertises_to_all_routers(
    lab: &Lab,
    program: Program,
) {
    let way = ipv6();
    let pair = pair_with_link_local_addresses(lab);
    let one = Director::start(&pair.r1, program, way.configuration(100));
    one.wait_for_state(0, "MASTER");
    for address in [VIP6, VIP6_GLOBAL] {
        eventually("five neighbour advertisements", SOON, || {
            pair.capture.advertisements_for(address).len() >= 5
        });
        // Override, neither solicited nor a router; the harness gave r1 this MAC.
        for (_, flags, mac) in pair.capture.advertisements_for(address) {
            assert_eq!((flags, mac), (0x20, [2, 0, 0, 0, 1, b'0']));
        }
    }
    let (_, advert) = pair.capture.advert_octets_of(LINK_LOCAL_1).remove(0);
    assert_eq!(advert[..6], [0x31, 50, 100, 2, 0, 100]);
    let lists: Vec<u8> = [VIP6, VIP6_GLOBAL]
        .iter()
        .flat_map(|address| address.parse::<std::net::Ipv6Addr>().expect("an address").octets())
        .collect();
    assert_eq!(advert[8..], lists);
}

/// r1 waits and takes the addresses, r2 heeds it; r1 dies, r2 takes over in time; r1 returns and
/// has them back; r1 stops, r2 takes over within its skew. Nobody rejects a packet.
pub fn tell_the_story(lab: &Lab, first: Program, second: Program, way: &Way) {
    let gap = undisturbed(|| {
        let pair = pair_with_link_local_addresses(lab);
        let (one, two) = start(&pair, first, second, way);
        throughout("r2 heeds r1", Duration::from_secs(2), || {
            let log = two.log();
            if log.contains("Entering MASTER") { Err(log) } else { Ok(()) }
        });
        no_packet_was_rejected(&two);
        let killed = one.kill9();
        two.wait_for_state(0, "MASTER");
        eventually("r2 holds the addresses", SOON, || holds(&pair.r2, way));
        let last = pair.capture.adverts_of(way.sources[0]).last().expect("adverts from r1").0;
        let taken = pair.capture.first_advert_after(way.sources[1], killed);
        ((last, taken), seconds(last, taken))
    });
    assert!(gap <= way.down + MARGIN, "r2 took over {gap:.3} s after r1's death");

    let gap = undisturbed(|| {
        let pair = pair_with_link_local_addresses(lab);
        let (one, two) = start(&pair, first, second, way);
        let (asked, status) = one.stop();
        assert!(status.success(), "r1 ended with {status}");
        two.wait_for_state(0, "MASTER");
        eventually("r2 holds the addresses", SOON, || holds(&pair.r2, way));
        // From r1's word on: how soon a busy machine lets it speak is not r2's doing.
        let resigned = pair.capture.adverts_of(way.sources[0]).last().expect("adverts from r1").0;
        let taken = pair.capture.first_advert_after(way.sources[1], asked);
        assert!(!holds(&pair.r1, way), "r1 left an address behind");

        let (before, before_two) = (pair.r1.read("log").len(), two.log().len());
        let one = Director::start_again(&pair.r1, first);
        one.wait_for_state(before, "MASTER");
        two.wait_for_state(before_two, "BACKUP");
        eventually("only r1 holds the addresses", SOON, || {
            holds(&pair.r1, way) && !holds(&pair.r2, way)
        });
        no_packet_was_rejected(&one);
        // Of the trailer of auth_hmac tshark knows nothing.
        if !way.lines[0].contains("auth_hmac") {
            pair.capture.assert_tshark_agrees(&way.sources);
        }
        ((resigned, taken), seconds(resigned, taken))
    });
    assert!(gap <= way.skew + MARGIN, "r2 took over {gap:.3} s after r1 resigned");
}

fn pair_with_link_local_addresses(lab: &Lab) -> Pair {
    let pair = Pair::new(lab);
    pair.lan.watch_unicast();
    pair.r1.ip(&format!("addr add {LINK_LOCAL_1}/64 dev eth0 nodad"));
    pair.r2.ip(&format!("addr add {LINK_LOCAL_2}/64 dev eth0 nodad"));
    pair
}

fn start<'p>(
    pair: &'p Pair,
    first: Program,
    second: Program,
    way: &Way,
) -> (Director<'p>, Director<'p>) {
    let one = Director::start(&pair.r1, first, way.configuration(100));
    one.wait_for_state(0, "MASTER");
    eventually("r1 holds the addresses", SOON, || holds(&pair.r1, way));
    let two = Director::start(&pair.r2, second, way.configuration(50));
    let listening = two.wait_for_state(0, "BACKUP");
    // It has heard it.
    pair.capture.first_advert_after(way.sources[0], listening);
    (one, two)
}

fn holds(host: &crate::harness::Host, way: &Way) -> bool {
    way.addresses.iter().all(|address| host.holds(address.split('/').next().unwrap_or(address)))
}

pub fn no_packet_was_rejected(director: &Director<'_>) {
    if director.program == Program::Keepalived {
        let log = director.log().to_lowercase();
        for complaint in
            ["invalid", "bogus", "mismatch", "incorrect", "checksum", "ah:", "sequence"]
        {
            assert!(!log.contains(complaint), "keepalived complains of {complaint}: {log}");
        }
        return;
    }
    let dump = director.dump();
    for reason in [
        "packet_len_err",
        "ip_ttl_err",
        "addr_list_err",
        "authtype_mismatch",
        "auth_failure",
        "vers_err",
        "chk_err",
        "unicast_src_err",
        "auth_ext_missing",
        "auth_ext_malformed",
        "auth_ext_stale",
        "auth_ext_unknown_key",
        "auth_ext_invalid",
        "auth_ext_replay",
    ] {
        assert!(dump.contains(&format!("{reason} = 0\n")), "{reason}:\n{dump}");
    }
}

/// RFC 9568 §6.1: r1 advertises each 3 s, so r2, itself at 1 s, waits 9 s + 206/256 × 3 s = 11.414 s.
fn a_version_3_backup_learns_the_interval(lab: &Lab, first: Program, second: Program) {
    let way = |advert_int| Way {
        lines: ["    version 3".into(), "    version 3".into()],
        advert_int,
        addresses: &[VIP],
        sources: [LB1, LB2],
        down: 0.0,
        skew: 0.0,
    };
    let pair = Pair::new(lab);
    let one = Director::start(&pair.r1, first, way("3").configuration(100));
    one.wait_for_state(0, "MASTER");
    let two = Director::start(&pair.r2, second, way("1").configuration(50));
    let began = two.wait_for_state(0, "BACKUP");
    pair.capture.first_advert_after(LB1, began);
    if second == Mainstay {
        two.wait_for_log(0, "accepted, though its advertisement interval is 3", SOON);
    }
    let killed = one.kill9();
    two.wait_for_state(0, "MASTER");
    let last = pair.capture.adverts_of(LB1).last().expect("advertisements from r1").0;
    let gap = seconds(last, pair.capture.first_advert_after(LB2, killed));
    // Coarse, so that a busy machine does no harm: without learning it were 3.8 s.
    assert!((11.3..=12.5).contains(&gap), "r2 took over {gap:.3} s after the last advert");
}
