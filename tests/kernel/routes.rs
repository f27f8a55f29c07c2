//! Routes and rules: what we ask for is what the kernel then has, and says that it has.

use std::net::IpAddr;
use std::time::Duration;

use mainstay::kernel::{
    Assignment, ChangeFailure, KernelChange, KernelEvent, Rtnl, RtnlMonitor, interface_index,
};
use mainstay::routing::{
    Encapsulation, Hop, InstalledRoute, Placement, Route, Rule, RuleAction, Tunnel,
};

use crate::network::{
    cpu_time, eventually, in_own_network, in_own_network_async, ip, output, veth_pair, without_ipv6,
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn hop(via: &str, device: &str) -> Hop {
    let via = (!via.is_empty()).then(|| address(via));
    let device = (!device.is_empty()).then(|| device.to_owned());
    Hop { via, device, ..Hop::new() }
}

fn route(destination: &str, hops: &[Hop]) -> Route {
    let network = destination.parse().unwrap();
    Route { hops: hops.to_vec(), ..Route::new(network, destination) }
}

fn resolve(route: &Route) -> Route<u32> {
    let find = |name: &str| interface_index(name).ok().map(|index| (index, None));
    route.resolve(find).unwrap()
}

fn assert_none(failures: &[ChangeFailure]) {
    let told: Vec<_> = failures.iter().map(|f| format!("{}: {f}", f.index)).collect();
    assert!(told.is_empty(), "{told:?}");
}

/// Two interfaces with an address of each family, so that gateways are reachable.
fn network() -> Rtnl {
    veth_pair("v0", "v1");
    ip("link set lo up");
    ip("address add 192.0.2.1/24 dev v0");
    ip("address add 2001:db8::1/64 dev v0 nodad");
    ip("address add 198.51.100.1/24 dev v1");
    ip("address add 2001:db8:1::1/64 dev v1 nodad");
    Rtnl::open().unwrap()
}

fn tunnel(destination: &str) -> Tunnel {
    Tunnel {
        id: Some(42),
        destination: Some(address(destination)),
        ttl: Some(9),
        ..Tunnel::default()
    }
}

/// Every kind of route, with what `ip route` must say of it besides `proto keepalived`.
fn every_route() -> Vec<(Route, &'static [&'static str])> {
    let through = |encapsulation| Hop { encapsulation: Some(encapsulation), ..hop("", "v0") };
    let of_kind = |kind, destination| Route { kind, ..route(destination, &[]) };
    vec![
        (route("203.0.113.0/24", &[hop("192.0.2.254", "")]), &["via 192.0.2.254 dev v0"]),
        (
            Route {
                preferred_source: Some(address("198.51.100.1")),
                ..route("10.1.0.0/16", &[hop("", "v1")])
            },
            &["10.1.0.0/16 dev v1", "src 198.51.100.1"],
        ),
        (
            Route {
                table: 6909,
                metric: Some(12),
                tos: 4,
                scope: 253,
                metrics: vec![(2, 1000), (3, 105), (6, 107), (7, 106), (8, 101), (12, 1), (15, 1)],
                congestion_control: Some("reno".to_owned()),
                ..route("10.2.0.0/16", &[hop("", "v0")])
            },
            &[
                "tos 0x04",
                "scope link",
                "metric 12",
                "mtu 1000",
                "window 105",
                "advmss 101",
                "congctl reno",
            ],
        ),
        (
            route(
                "10.3.0.0/16",
                &[Hop { weight: 2, ..hop("192.0.2.2", "") }, hop("198.51.100.2", "v1")],
            ),
            &["nexthop via 192.0.2.2 dev v0 weight 2", "nexthop via 198.51.100.2 dev v1 weight 1"],
        ),
        (
            route("10.4.0.0/16", &[Hop { on_link: true, ..hop("203.0.113.77", "v0") }]),
            &["via 203.0.113.77 dev v0", "onlink"],
        ),
        (
            route("10.5.0.0/16", &[Hop { realms: Some(3 << 16 | 7), ..hop("192.0.2.2", "") }]),
            &["realms 3/7"],
        ),
        (route("10.6.0.0/16", &[hop("2001:db8::2", "v0")]), &["via inet6 2001:db8::2 dev v0"]),
        (of_kind(6, "10.7.0.0/16"), &["blackhole 10.7.0.0/16"]),
        (of_kind(7, "10.8.0.0/16"), &["unreachable 10.8.0.0/16"]),
        (of_kind(8, "10.9.0.0/16"), &["prohibit 10.9.0.0/16"]),
        (of_kind(9, "10.10.0.0/16"), &["throw 10.10.0.0/16"]),
        (
            Route { kind: 2, scope: 254, ..route("10.11.0.1/32", &[hop("", "v0")]) },
            &["local 10.11.0.1 dev v0"],
        ),
        (route("0.0.0.0/0", &[hop("192.0.2.254", "")]), &["default via 192.0.2.254"]),
        (route("::/0", &[hop("2001:db8::fe", "")]), &["default via 2001:db8::fe dev v0"]),
        (
            Route { preference: Some(1), ..route("2001:db8:2::/64", &[hop("", "v0")]) },
            &["2001:db8:2::/64 dev v0", "metric 1024", "pref high"],
        ),
        (Route { expires: Some(600), ..route("2001:db8:3::/64", &[hop("", "v0")]) }, &["expires"]),
        (
            Route {
                source: Some("2001:db8:9::/64".parse().unwrap()),
                ..route("2001:db8:4::/64", &[hop("", "v0")])
            },
            &["from 2001:db8:9::/64"],
        ),
        (
            route("2001:db8:5::/64", &[hop("2001:db8::2", ""), hop("2001:db8:1::2", "v1")]),
            &["nexthop via 2001:db8::2", "nexthop via 2001:db8:1::2"],
        ),
        (of_kind(6, "2001:db8:6::/64"), &["blackhole 2001:db8:6::/64"]),
        (
            route("10.20.0.0/16", &[through(Encapsulation::Ip(tunnel("192.0.2.9")))]),
            &["encap ip id 42", "dst 192.0.2.9", "ttl 9"],
        ),
        (
            route("10.21.0.0/16", &[through(Encapsulation::Ip6(tunnel("2001:db8::9")))]),
            &["encap ip6 id 42", "dst 2001:db8::9", "hoplimit 9"],
        ),
        (
            route("10.22.0.0/16", &[through(Encapsulation::Mpls(vec![100, 200]))]),
            &["encap mpls", "100/200"],
        ),
        (
            route("2001:db8:7::/96", &[through(Encapsulation::Ila(0x0001_0002_0003_0004))]),
            &["encap ila"],
        ),
    ]
}

/// `ip route` knows keepalived's number by name, in its newer versions, or shows it as it is.
fn shown(args: &str) -> String {
    let text = output("ip", args);
    text.replace("proto 18 ", "proto keepalived ")
}

#[test]
fn every_kind_of_route_is_added_found_and_removed() {
    in_own_network(|| {
        let mut rtnl = network();
        for (wanted, words) in every_route() {
            let wanted = resolve(&wanted);
            let failures = rtnl.change(&[KernelChange::add(wanted.clone())]);
            if let Some(failure) = failures
                .first()
                .filter(|_| wanted.hops.iter().any(|hop| hop.encapsulation.is_some()))
            {
                println!("{}: this kernel has no such encapsulation: {failure}", wanted.text);
                continue;
            }
            assert_none(&failures);
            let family = if wanted.is_ipv6() { "-6" } else { "-4" };
            let ours = shown(&format!("{family} route show table all proto 18"));
            for word in words {
                assert!(ours.contains(word), "{}: no `{word}` in {ours}", wanted.text);
            }
            let found = rtnl.routes().unwrap();
            assert_eq!(found.len(), 1, "{}: {found:?}", wanted.text);
            assert!(wanted.is(&found[0]), "{wanted:?} is not {found:?}");

            assert_none(&rtnl.change(&[KernelChange::add(wanted.clone())]));
            assert_none(&rtnl.change(&[KernelChange::remove(wanted.clone())]));
            assert_eq!(rtnl.routes().unwrap(), [], "{}", wanted.text);
            assert_none(&rtnl.change(&[KernelChange::remove(wanted)]));
        }
    });
}

/// Somebody else's route to the same place is not ours to touch.
#[test]
fn routes_of_other_protocols_are_neither_seen_nor_removed() {
    in_own_network(|| {
        let mut rtnl = network();
        ip("route add 203.0.113.0/24 via 192.0.2.254");
        assert_eq!(rtnl.routes().unwrap(), []);
        let ours = resolve(&route("203.0.113.0/24", &[hop("192.0.2.254", "")]));
        assert_none(&rtnl.change(&[KernelChange::remove(ours)]));
        assert!(output("ip", "route").contains("203.0.113.0/24"));
    });
}

#[test]
fn placement_is_the_kernels_order() {
    in_own_network(|| {
        let mut rtnl = network();
        let to = |gateway, placement| {
            KernelChange::add(resolve(&Route {
                placement,
                ..route("10.0.0.0/8", &[hop(gateway, "")])
            }))
        };
        let changes = [
            to("192.0.2.2", Placement::Prepend),
            to("192.0.2.3", Placement::Prepend),
            to("192.0.2.4", Placement::Append),
            to("192.0.2.5", Placement::Add),
        ];
        assert_none(&rtnl.change(&changes));
        let gateways: Vec<_> =
            rtnl.routes().unwrap().iter().map(|found| found.hops[0].0.unwrap()).collect();
        assert_eq!(gateways, ["192.0.2.3", "192.0.2.2", "192.0.2.4"].map(address));
    });
}

/// Every selector and action, with what `ip rule` must say of it.
fn every_rule() -> Vec<(Rule, &'static [&'static str])> {
    let to_table = |table| Rule::new(false, 100, RuleAction::Table(table), "rule");
    let of = |action| Rule::new(false, 100, action, "rule");
    let net = |text: &str| Some(text.parse().unwrap());
    vec![
        (Rule { from: net("192.0.2.0/24"), ..to_table(100) }, &["from 192.0.2.0/24 lookup 100"]),
        (
            Rule { to: net("192.0.2.0/25"), invert: true, ..to_table(70000) },
            &["not from all to 192.0.2.0/25 lookup 70000"],
        ),
        (Rule { tos: 0x10, mark: Some((0x18, 0xc)), ..to_table(100) }, &["tos", "fwmark 0x18/0xc"]),
        (Rule { mark: Some((5, u32::MAX)), ..to_table(100) }, &["fwmark 0x5"]),
        (
            Rule {
                input_interface: Some("v0".into()),
                output_interface: Some("v1".into()),
                ..to_table(100)
            },
            &["iif v0", "oif v1"],
        ),
        (Rule { users: Some((10_000, 19_999)), ..to_table(100) }, &["uidrange 10000-19999"]),
        (
            Rule {
                ip_protocol: Some(17),
                source_ports: Some((10, 20)),
                destination_ports: Some((53, 53)),
                ..to_table(100)
            },
            &["ipproto udp", "sport 10-20", "dport 53"],
        ),
        (Rule { tunnel_id: Some(7), ..to_table(100) }, &["tun_id 7"]),
        (Rule { realms: Some(3 << 16 | 7), ..to_table(100) }, &["realms 3/7"]),
        (
            Rule { suppress_prefix_length: Some(0), suppress_group: Some(4), ..to_table(100) },
            &["suppress_prefixlength 0", "suppress_ifgroup 4"],
        ),
        (of(RuleAction::L3Master), &["lookup [l3mdev-table]"]),
        (of(RuleAction::Goto(200)), &["goto 200"]),
        (of(RuleAction::Nop), &["nop"]),
        (of(RuleAction::Blackhole), &["blackhole"]),
        (of(RuleAction::Unreachable), &["unreachable"]),
        (of(RuleAction::Prohibit), &["prohibit"]),
        (
            Rule {
                from: net("2001:db8:7::/96"),
                to: net("2001:db8::/64"),
                ..Rule::new(true, 39, RuleAction::Table(6908), "rule")
            },
            &["39:", "from 2001:db8:7::/96 to 2001:db8::/64 lookup 6908"],
        ),
    ]
}

#[test]
fn every_kind_of_rule_is_added_found_and_removed() {
    in_own_network(|| {
        let mut rtnl = network();
        for (wanted, words) in every_rule() {
            let failures = rtnl.change(&[KernelChange::add(wanted.clone())]);
            if wanted.action == RuleAction::L3Master && !failures.is_empty() {
                println!("this kernel has no l3mdev: {}", failures[0]);
                continue;
            }
            assert_none(&failures);
            let family = if wanted.ipv6 { "-6" } else { "-4" };
            let ours = shown(&format!("{family} rule show"));
            for word in words {
                assert!(ours.contains(word), "{wanted:?}: no `{word}` in {ours}");
            }
            assert_eq!(rtnl.rules().unwrap(), std::slice::from_ref(&wanted));

            assert_none(&rtnl.change(&[KernelChange::add(wanted.clone())]));
            assert_eq!(rtnl.rules().unwrap().len(), 1, "added once");
            assert_none(&rtnl.change(&[KernelChange::remove(wanted.clone())]));
            assert_eq!(rtnl.rules().unwrap(), []);
            assert_none(&rtnl.change(&[KernelChange::remove(wanted)]));
        }
    });
}

#[test]
fn addresses_have_peers_and_flags() {
    in_own_network(|| {
        let mut rtnl = network();
        let v0 = interface_index("v0").unwrap();
        let plain = |text: &str| Assignment::plain(v0, text.parse().unwrap());
        let wanted = [
            Assignment { peer: Some(address("203.0.113.2")), ..plain("203.0.113.1/32") },
            Assignment { flags: 0x200, ..plain("10.1.1.1/24") },
            Assignment { flags: 0x10 | 0x200, ..plain("2001:db8:5::1/64") },
            Assignment { peer: Some(address("2001:db8:6::2")), ..plain("2001:db8:6::1/128") },
        ];
        let add: Vec<_> = wanted.iter().cloned().map(KernelChange::add).collect();
        assert_none(&rtnl.change(&add));
        let shown = output("ip", "address show dev v0");
        for words in [
            "inet 203.0.113.1 peer 203.0.113.2/32",
            "inet 10.1.1.1/24 scope global proto 18 noprefixroute",
            "inet6 2001:db8:5::1/64 scope global nodad home proto 18 noprefixroute",
            "inet6 2001:db8:6::1 peer 2001:db8:6::2/128",
        ] {
            let words = words.replace(" proto 18", "");
            let shown = shown.replace(" proto 18", "").replace(" proto keepalived", "");
            assert!(shown.contains(&words), "no `{words}` in {shown}");
        }
        let remove: Vec<_> = wanted.into_iter().map(KernelChange::remove).collect();
        assert_none(&rtnl.change(&remove));
        assert!(!output("ip", "address show dev v0").contains("203.0.113.1"));
    });
}

#[test]
fn what_others_do_to_our_routes_and_rules_is_heard() {
    in_own_network_async(async || {
        let mut rtnl = network();
        let mut monitor = RtnlMonitor::open().unwrap();
        monitor.follow_routes(true).unwrap();
        let ours = resolve(&route("203.0.113.0/24", &[hop("192.0.2.254", "")]));
        let rule = Rule::new(false, 100, RuleAction::Table(100), "rule");
        assert_none(
            &rtnl.change(&[KernelChange::add(ours.clone()), KernelChange::add(rule.clone())]),
        );
        ip("route del 203.0.113.0/24");
        ip("rule del priority 100");

        let mut events = Vec::new();
        let mut seen = async |what: &str, wanted: &dyn Fn(&KernelEvent) -> bool| {
            eventually(what, || {
                monitor.drain(&mut events).unwrap();
                events.iter().any(wanted).then_some(())
            })
            .await;
        };
        let is_ours = |found: &InstalledRoute| ours.is(found);
        seen("our route added", &|e| matches!(e, KernelEvent::RouteAdded(r) if is_ours(r))).await;
        seen("our route removed", &|e| matches!(e, KernelEvent::RouteRemoved(r) if is_ours(r)))
            .await;
        seen("our rule added", &|e| matches!(e, KernelEvent::RuleAdded(r) if *r == rule)).await;
        seen("our rule removed", &|e| matches!(e, KernelEvent::RuleRemoved(r) if *r == rule)).await;
    });
}

/// A host with a full BGP table: its churn does not even wake us.
#[test]
fn foreign_routes_are_dropped_in_the_kernel() {
    in_own_network_async(async || {
        without_ipv6();
        veth_pair("v0", "v1");
        let mut monitor = RtnlMonitor::open_with_queue(64 * 1024).unwrap();
        monitor.follow_routes(true).unwrap();
        let mut events = Vec::new();
        let lines: String = (0..20_000u32)
            .map(|n| format!("route add 10.{}.{}.0/24 dev v0 proto bgp\n", n >> 8, n & 0xff))
            .collect();
        let batch = std::env::temp_dir().join(format!("mainstay-routes-{}", std::process::id()));
        std::fs::write(&batch, lines).unwrap();
        ip(&format!("-batch {}", batch.display()));
        std::fs::remove_file(&batch).unwrap();

        let before = cpu_time();
        let woken = tokio::time::timeout(Duration::from_millis(50), monitor.ready()).await;
        monitor.drain(&mut events).unwrap();
        let spent = cpu_time() - before;
        println!("20,000 foreign routes: {spent:?} of CPU to look, {} events", events.len());
        assert!(woken.is_err(), "woken by routes of others: {events:?}");
        assert_eq!(events, []);
        assert_eq!(output("ip", "route").lines().count(), 20_000);
        let mut rtnl = Rtnl::open().unwrap();
        assert_eq!(rtnl.routes().unwrap(), []);
    });
}
