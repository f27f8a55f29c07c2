//! Routes, rules and addresses of all kinds: there while MASTER, gone afterwards, and back when
//! somebody else removes them. What is shown of them is compared with Debian's keepalived.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;

use crate::configs::{Pair, SOON, VIP, fight, instance};
use crate::for_each_program;
use crate::harness::Program::{Keepalived, Mainstay};
use crate::harness::{Director, Host, Lab, Program, eventually, eventually_eq, run, throughout};

for_each_program!(
    routes_and_rules_are_there_while_master,
    static_addresses_are_there_from_start_to_stop,
);

/// With every option that this kernel knows and keepalived 2.2.7 gets into it.
const MANY: &str = "
    virtual_ipaddress_excluded {
        198.51.100.1/24 dev eth0 noprefixroute
        198.51.100.2/28 brd + dev eth0 label eth0:x scope site
        203.0.113.1 peer 203.0.113.2 dev eth0
        2001:db8:77::1/64 dev eth0 home mngtmpaddr
        2001:db8:78::1 peer 2001:db8:78::2 dev eth0
        2001:db8:79::1/128 dev eth0 preferred_lft forever
    }
    virtual_routes {
        10.1.0.0/16 dev eth0
        10.2.0.0/16 via 192.0.2.12
        src 192.0.2.142 to 10.3.0.0/16 via 192.0.2.12 dev eth0
        blackhole 10.4.0.0/16
        10.6.0.0/16 nexthop via 192.0.2.12 dev eth0 weight 3 nexthop via 192.0.2.13 dev eth0 onlink
        10.8.0.0/16 dev eth0 mtu lock 1000 rtt 500ms rto_min 1s ssthresh lock 107 hoplimit 100 initcwnd 109 initrwnd 110 features ecn quickack 1
        10.9.0.0/16 dev eth0 tos 0x10 metric 5 scope link table 100
        10.10.0.0/16 dev eth0 advmss 101 reordering 104 window 105 cwnd 106 realms 3/7
        throw 10.12.0.0/16 table 100
        default via 192.0.2.12 dev eth0 table 70000
        10.13.0.0/16 dev eth0 protocol bird no_track
        2001:db8:9::/64 dev eth0
        2001:db8:10::/64 via 2001:db8:77::9 dev eth0 pref high
        unreachable 2001:db8:11::/64
        2001:db8:14::/64 nexthop via 2001:db8:77::9 dev eth0 nexthop via 2001:db8:77::8 dev eth0
    }
    virtual_rules {
        from 192.0.2.142 table 100
        to 10.0.0.0/8 table 70000 priority 50
        from 2001:db8::/32 table 100
        fwmark 5/0xf blackhole preference 60
        iif eth0 oif lo goto 100 priority 61
        from 10.0.0.0/8 sport 10-20 ipproto udp table 100 priority 62
        not from 10.0.0.0/8 lookup main suppress_prefixlength 0 order 63
        uidrange 1000-1999 tos 0x10 prohibit priority 64
        to 10.1.0.0/16 table 100 realms 3/7 priority 65
    }
";

const ROUTES: &str = "
    virtual_routes {
        10.2.0.0/16 via 192.0.2.12
        src 192.0.2.142 to 10.3.0.0/16 via 192.0.2.12 dev eth0
        2001:db8:9::/64 dev eth0
        10.5.0.0/16 dev eth0 no_track
        10.6.0.0/16 nexthop via 192.0.2.12 nexthop via 192.0.2.13 dev eth0
    }
    virtual_rules {
        from 192.0.2.142 table 100 priority 50
        from 2001:db8::/32 blackhole priority 51
        to 10.5.0.0/16 table 101 priority 52 no_track
    }
";

/// Everything of ours that iproute2 shows of a host, less what differs from run to run.
fn shown(host: &Host) -> String {
    let all = ["-4", "-6"].map(|family| {
        let routes = host.run(&format!("ip -d {family} route show table all proto 18"));
        let bird = host.run(&format!("ip -d {family} route show table all proto bird"));
        let rules = host.run(&format!("ip {family} rule"));
        format!("{routes}{bird}{rules}")
    });
    let mut addresses: Vec<String> = host
        .run("ip address show dev eth0")
        .lines()
        .filter(|line| line.contains("inet"))
        // From Linux 5.18 on it says who added an address, which keepalived 2.2.7 does not.
        .map(|line| line.replace(" proto keepalived", "").replace(" proto 18", ""))
        .collect();
    addresses.sort();
    format!("{}{}", all.concat(), addresses.join("\n"))
}

fn routes(host: &Host) -> String {
    ["-4", "-6"]
        .map(|family| host.run(&format!("ip {family} route show table all proto 18")))
        .concat()
}

fn rules(host: &Host) -> String {
    ["-4", "-6"].map(|family| host.run(&format!("ip {family} rule"))).concat()
}

/// Message types and groups of rtnetlink(7): routes and rules of both families.
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWRULE: u16 = 32;
const GROUPS: [u32; 4] = [7, 8, 11, 19];

/// A socket on which the kernel tells of routes and rules.
fn listen(host: &Host) -> Socket {
    host.enter(|| {
        let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
        socket.bind_auto().expect("bind");
        let limit = TimeVal::new(SOON.as_secs() as i64, 0);
        setsockopt(&socket, ReceiveTimeout, &limit).expect("set SO_RCVTIMEO");
        for group in GROUPS {
            socket.add_membership(group).expect("join a group");
        }
        socket
    })
}

/// How long what `removal` (arguments of ip(8)) takes away was away, at most: from when a running
/// `ip` is told of it until the kernel tells that it is there again.
fn away_for(host: &Host, family: &str, removal: &str) -> Duration {
    let socket = listen(host);
    let mut command = host.command("ip");
    command.args([family, "-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut ip = host.spawn(&mut command).expect("ip -batch");
    let mut input = ip.stdin.take().expect("its input");
    writeln!(input, "link show lo").expect("tell ip");
    let mut answer = BufReader::new(ip.stdout.take().expect("its output"));
    answer.read_line(&mut String::new()).expect("it runs");
    let before = Instant::now();
    writeln!(input, "{removal}").expect("tell ip");
    let back = when_back(&socket);
    drop(input);
    ip.wait().expect("ip ends");
    let back = back.unwrap_or_else(|why| panic!("`ip {family} {removal}`: not back: {why}"));
    back.duration_since(before)
}

/// When the kernel tells of a new route or rule.
fn when_back(socket: &Socket) -> std::io::Result<Instant> {
    loop {
        let (message, _) = socket.recv_from_full()?;
        // struct nlmsghdr: the length, then the type.
        if [RTM_NEWROUTE, RTM_NEWRULE].contains(&u16::from_ne_bytes([message[4], message[5]])) {
            return Ok(Instant::now());
        }
    }
}

fn alone<'h>(host: &'h Host, program: Program, extra: &str) -> Director<'h> {
    let director = Director::start(host, program, instance(100, extra));
    director.wait_for_state(0, "MASTER");
    eventually("it holds the VIP", SOON, || host.holds(VIP));
    director
}

#[test]
fn the_kernel_shows_the_same_of_both_programs() {
    run("routing::same", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        let before = shown(host);
        let with = |program| {
            let director = alone(host, program, MANY);
            eventually("its last rule is there", SOON, || rules(host).contains("16384:"));
            let with = shown(host);
            director.stop();
            if program == Keepalived {
                // keepalived 2.2.7 cannot remove an address with a peer.
                host.ip("addr del 203.0.113.1 peer 203.0.113.2 dev eth0");
            }
            eventually_eq(&format!("after {program:?}"), SOON, before.clone(), || shown(host));
            with
        };
        let theirs = with(Keepalived);
        let ours = with(Mainstay);
        assert!(ours.contains("10.6.0.0/16"), "{ours}");
        assert_eq!(ours, theirs);
    });
}

fn routes_and_rules_are_there_while_master(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let host = &pair.r2;
    // The backup has none of it; the master's death brings it.
    let (one, two) = pair.start(program, program, ROUTES);
    assert_eq!(routes(host), "");
    assert!(!rules(host).contains("lookup 100"));
    one.kill9();
    two.wait_for_state(0, "MASTER");
    eventually("its routes are there", SOON, || {
        let routes = routes(host);
        ["10.2.0.0/16", "10.3.0.0/16", "2001:db8:9::/64", "10.6.0.0/16"]
            .iter()
            .all(|each| routes.contains(each))
    });
    eventually("its rules are there", SOON, || {
        let rules = rules(host);
        rules.contains("lookup 100") && rules.contains("blackhole")
    });
    two.stop();
    eventually_eq("no route is left", SOON, "", || routes(host));
    eventually("no rule is left", SOON, || !rules(host).contains("lookup 10"));
}

/// What somebody removes is back at once, and the MASTER goes on as if nothing had been. A removal
/// that the machine held up says nothing; that it held all of them up is not to be believed.
#[test]
fn what_somebody_removes_comes_back_within_50_ms() {
    run("routing::drift", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        let (one, two) = pair.start(Mainstay, Mainstay, ROUTES);
        eventually("all is there", SOON, || rules(host).contains("52:"));
        let before = (routes(host), rules(host));
        let quiet = two.log().len();
        let mut taken = Vec::new();
        for (family, removal) in [
            ("-4", "route del 10.2.0.0/16"),
            ("-4", "route del 10.3.0.0/16"),
            ("-6", "route del 2001:db8:9::/64"),
            ("-4", "route del 10.6.0.0/16"),
            ("-4", "rule del priority 50"),
            ("-6", "rule del priority 51"),
        ] {
            let log = one.log().len();
            taken.push(away_for(host, family, removal));
            one.wait_for_log(log, "was removed by someone else: putting it back", SOON);
            eventually_eq(removal, SOON, before.clone(), || (routes(host), rules(host)));
            // So far apart that they are no fight.
            thread::sleep(Duration::from_millis(2100));
        }
        println!("away for {taken:.1?}");
        let at_once = taken.iter().filter(|away| **away < Duration::from_millis(50)).count();
        assert!(at_once >= 3, "{taken:?}");
        assert!(!one.log().contains("Entering FAULT"));
        assert!(!two.log()[quiet..].contains("Entering"), "adverts went on: {}", two.log());
        assert!(one.counter("Repairs") >= 6);
    });
}

#[test]
fn what_is_not_tracked_stays_away_until_the_next_transition() {
    run("routing::no_track", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        let director = alone(host, Mainstay, ROUTES);
        eventually("all is there", SOON, || rules(host).contains("52:"));
        host.ip("route del 10.5.0.0/16\nrule del priority 52");
        throughout("they stay away", Duration::from_secs(2), || {
            match (routes(host).contains("10.5.0.0/16"), rules(host).contains("52:")) {
                (false, false) => Ok(()),
                there => Err(format!("(route, rule) are there: {there:?}")),
            }
        });
        let before = director.log().len();
        host.ip("link set eth0 down");
        director.wait_for_state(before, "FAULT");
        host.ip("link set eth0 up");
        director.wait_for_state(before, "MASTER");
        eventually("they are there again", SOON, || {
            routes(host).contains("10.5.0.0/16") && rules(host).contains("52:")
        });
    });
}

/// The kernel takes IPv4 routes off with the address they prefer, and says nothing (before 6.6).
#[test]
fn routes_that_went_with_their_source_address_come_back_with_it() {
    run("routing::source", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        let _director = alone(host, Mainstay, ROUTES);
        eventually("the route is there", SOON, || routes(host).contains("10.3.0.0/16"));
        host.ip(&format!("addr del {VIP}/32 dev eth0"));
        eventually("the VIP is back", SOON, || host.holds(VIP));
        eventually("and its route", SOON, || routes(host).contains("10.3.0.0/16"));
    });
}

/// A route over another interface than the instance's own goes and comes back with that.
#[test]
fn routes_over_another_interface_come_back_with_it() {
    run("routing::side", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        host.ip("link add side0 type dummy\nlink set side0 up");
        let extra = "virtual_routes {\n10.77.0.0/16 dev side0\n}";
        let director = alone(host, Mainstay, extra);
        let there = || routes(host).contains("10.77.0.0/16");
        eventually("the route is there", SOON, there);
        host.ip("link set side0 down");
        eventually("it is gone", SOON, || !there());
        host.ip("link set side0 up");
        eventually("it is back", SOON, there);
        host.ip("link delete side0");
        eventually("it is gone again", SOON, || !there());
        host.ip("link add side0 type dummy\nlink set side0 up");
        eventually("it is back again", SOON, there);
        assert!(!director.log().contains("Entering FAULT"), "{}", director.log());
        let log = director.log();
        assert!(log.contains("cannot add route 10.77.0.0/16 dev side0"), "{log}");
    });
}

#[test]
fn five_fights_over_a_route_are_lost_to_the_other_router() {
    run("routing::fight", |lab: &Lab| {
        let pair = Pair::new(lab);
        let (one, two) = pair.start(Mainstay, Mainstay, ROUTES);
        eventually("the route is there", SOON, || routes(&pair.r1).contains("10.2.0.0/16"));
        fight(&one, "route del 10.2.0.0/16");
        let log = one.log();
        assert!(log.contains("keeps removing its addresses, routes or rules"), "{log}");
        two.wait_for_state(0, "MASTER");
        eventually("only r2 has the route", SOON, || {
            routes(&pair.r1).is_empty() && routes(&pair.r2).contains("10.2.0.0/16")
        });
    });
}

const STATIC: &str = "
static_ipaddress {
    192.0.2.77/24 dev eth0
    2001:db8:5::1/64 dev eth0
}
static_routes {
    10.50.0.0/16 via 192.0.2.12 dev eth0
}
static_rules {
    from 192.0.2.77 table 100 priority 40
}
";

fn static_addresses_are_there_from_start_to_stop(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let host = &pair.r2;
    let _one = Director::start(&pair.r1, program, instance(100, ""));
    let config = instance(50, "") + STATIC;
    let two = Director::start(host, program, config);
    let all = || {
        host.holds("192.0.2.77")
            && host.holds("2001:db8:5::1")
            && routes(host).contains("10.50.0.0/16 via 192.0.2.12 dev eth0")
            && rules(host).contains("40:\tfrom 192.0.2.77 lookup 100")
    };
    two.wait_for_state(0, "BACKUP");
    eventually("they are there in a BACKUP", SOON, all);
    host.ip("addr del 192.0.2.77/24 dev eth0");
    eventually("the address is back", SOON, || host.holds("192.0.2.77"));
    two.stop();
    eventually("nothing is left", SOON, || {
        !host.holds("192.0.2.77")
            && !host.holds("2001:db8:5::1")
            && routes(host).is_empty()
            && !rules(host).contains("40:")
    });
}

/// keepalived 2.2.7 does not restore routes and rules.
#[test]
fn static_routes_and_rules_that_somebody_removes_come_back() {
    run("routing::static", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        let director = Director::start(host, Mainstay, instance(100, "") + STATIC);
        let all = || routes(host).contains("10.50.0.0/16") && rules(host).contains("40:");
        eventually("they are there", SOON, all);
        host.ip("route del 10.50.0.0/16");
        eventually("the route is back", SOON, all);
        host.ip("rule del priority 40");
        eventually("the rule is back", SOON, all);
        assert!(director.log().contains(
            "(static) route 10.50.0.0/16 via 192.0.2.12 dev eth0 was removed by someone else"
        ));
        assert!(director.dump().contains("Static Routes = 1"));

        let changed =
            STATIC.replace("10.50.0.0/16", "10.51.0.0/16").replace("priority 40", "priority 41");
        director.reload(instance(100, "") + &changed);
        eventually("the reload exchanges them", SOON, || {
            let (routes, rules) = (routes(host), rules(host));
            routes.contains("10.51")
                && !routes.contains("10.50")
                && rules.contains("41:")
                && !rules.contains("40:")
        });
        assert!(host.holds("192.0.2.77"), "what is the same stays");
        director.reload(instance(100, ""));
        eventually("and takes them off", SOON, || {
            routes(host).is_empty() && !rules(host).contains("41:") && !host.holds("192.0.2.77")
        });
    });
}

#[test]
fn a_track_group_without_its_static_route_is_fault_until_that_is_back() {
    run("routing::track_group", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        host.ip("link add side0 type dummy\nlink set side0 up");
        let more = "track_group G {\n group {\n KAV_1\n }\n}\n\
                    static_routes {\n 10.60.0.0/16 dev side0 track_group G\n}\n";
        let director = Director::start(host, Mainstay, instance(100, "") + more);
        director.wait_for_state(0, "MASTER");
        let before = director.log().len();
        host.ip("link set side0 down");
        director.wait_for_state(before, "FAULT");
        assert!(
            director
                .log()
                .contains("a static address, route or rule of its track_group is missing")
        );
        let before = director.log().len();
        host.ip("link set side0 up");
        director.wait_for_state(before, "MASTER");
        eventually("the route is back", SOON, || routes(host).contains("10.60.0.0/16"));
    });
}

/// Only what is ours goes: what the record or the configuration names, with our protocol number.
#[test]
fn what_a_killed_director_left_is_taken_off_and_nothing_else() {
    run("routing::restart", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        let _two = Director::start(&pair.r2, Mainstay, instance(50, ""));
        let director = Director::start(host, Mainstay, instance(100, ROUTES) + STATIC);
        director.wait_for_state(0, "MASTER");
        eventually("all is there", SOON, || rules(host).contains("52:"));
        host.ip(
            "route add 10.99.0.0/16 via 192.0.2.12\nrule add from 10.9.9.9 table 99 priority 99",
        );
        host.ip("route add 10.98.0.0/16 via 192.0.2.12 proto 18");
        director.kill9();
        assert!(routes(host).contains("10.2.0.0/16"), "the kernel keeps them");

        // Started anew with another file: what the former one had is in the record.
        let before = host.read("log").len();
        let director = Director::start(host, Mainstay, instance(20, "    nopreempt") + STATIC);
        director.wait_for_state(before, "BACKUP");
        eventually("only static ones are left", SOON, || {
            let (routes, rules) = (routes(host), rules(host));
            !["10.2.", "10.3.", "10.6.", "2001:db8:9"].iter().any(|gone| routes.contains(gone))
                && !["50:", "51:", "52:"].iter().any(|gone| rules.contains(gone))
                && routes.contains("10.50.0.0/16")
                && rules.contains("40:")
        });
        assert!(host.run("ip route").contains("10.99.0.0/16"), "a foreign route");
        assert!(routes(host).contains("10.98.0.0/16"), "of our number, but nobody's in the record");
        assert!(rules(host).contains("99:"), "a foreign rule");
    });
}

#[test]
fn secondaries_are_promoted_while_we_run() {
    run("routing::promote", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        let setting = || host.run("cat /proc/sys/net/ipv4/conf/eth0/promote_secondaries");
        assert_eq!(setting().trim(), "0");
        let director = alone(host, Mainstay, "    promote_secondaries");
        assert_eq!(setting().trim(), "1");
        director.reload(instance(100, ""));
        eventually("a reload puts it back", SOON, || setting().trim() == "0");
        director.reload(instance(100, "    promote_secondaries"));
        eventually("and sets it again", SOON, || setting().trim() == "1");
        director.kill9();
        assert_eq!(setting().trim(), "1", "a killed director cannot put it back");
        let from = host.read("log").len();
        let director = Director::start_again(host, Mainstay);
        director.wait_for_state(from, "BACKUP");
        director.stop();
        assert_eq!(setting().trim(), "0", "what it was before the first one");
    });
}

/// A reload of the routes of a MASTER touches what differs, and nothing else.
#[test]
fn a_reload_applies_the_difference_of_routes_and_rules() {
    run("routing::reload", |lab: &Lab| {
        let pair = Pair::new(lab);
        let host = &pair.r1;
        let (one, two) = pair.start(Mainstay, Mainstay, ROUTES);
        eventually("all is there", SOON, || rules(host).contains("52:"));
        let quiet = two.log().len();
        let changed = ROUTES
            .replace("10.2.0.0/16 via 192.0.2.12", "10.2.0.0/16 via 192.0.2.13 mtu 1400")
            .replace("priority 50", "priority 55");
        one.reload(instance(100, &changed));
        eventually("the route and the rule are changed", SOON, || {
            let (routes, rules) = (routes(host), rules(host));
            routes.contains("10.2.0.0/16 via 192.0.2.13 dev eth0 mtu 1400")
                && !routes.contains("10.2.0.0/16 via 192.0.2.12")
                && rules.contains("55:")
                && !rules.contains("50:")
                && routes.contains("10.3.0.0/16")
        });
        assert!(!two.log()[quiet..].contains("Entering"), "{}", two.log());
        one.reload(instance(100, ""));
        eventually_eq("all are gone", SOON, "", || routes(host));
    });
}

#[test]
fn failures_name_the_instance_the_line_and_the_kernels_words() {
    run("routing::failure", |lab: &Lab| {
        let pair = Pair::new(lab);
        let extra = "virtual_routes {\n10.2.0.0/16   via 172.16.9.9\n}";
        let director = alone(&pair.r1, Mainstay, extra);
        let wanted = "(KAV_1) cannot add route 10.2.0.0/16 via 172.16.9.9: ";
        director.wait_for_log(0, wanted, SOON);
        let log = director.log();
        let line = log.lines().find(|line| line.contains(wanted)).expect("just seen");
        assert!(
            line.contains("Nexthop has invalid gateway") || line.contains("unreachable"),
            "{line}"
        );
    });
}
