use crate::config::plan::{Plan, VirtualRoute, VirtualRule};
use crate::config::{Loaded, parse_text};
use crate::routing::{Encapsulation, Hop, Placement, RuleAction};

fn load(blocks: &str) -> Loaded {
    parse_text(
        "t",
        format!(
            "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n \
         virtual_ipaddress {{\n 192.0.2.10/24\n }}\n{blocks}\n}}\n"
        ),
    )
}

fn plan(blocks: &str) -> (Plan, Vec<&'static str>) {
    let loaded = load(blocks);
    let codes = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    (loaded.plan, codes)
}

/// A line that is fine.
fn route(line: &str) -> VirtualRoute {
    let (plan, codes) = plan(&format!("virtual_routes {{\n{line}\n}}"));
    assert_eq!(codes, [""; 0], "{line}");
    plan.vrrp_instances[0].routes.last().cloned().unwrap_or_else(|| panic!("no route: {line}"))
}

fn rule(line: &str) -> VirtualRule {
    let (plan, codes) = plan(&format!("virtual_rules {{\n{line}\n}}"));
    assert_eq!(codes, [""; 0], "{line}");
    plan.vrrp_instances[0].rules.last().cloned().unwrap_or_else(|| panic!("no rule: {line}"))
}

fn hop(route: &VirtualRoute) -> &Hop {
    assert_eq!(route.route.hops.len(), 1);
    &route.route.hops[0]
}

#[test]
fn a_route_has_destination_gateway_and_interface_in_any_order() {
    for line in [
        "src 192.0.2.10 to 198.51.100.0/24 via 192.0.2.254 dev eth1",
        "198.51.100.0/24 dev eth1 via 192.0.2.254 src 192.0.2.10",
        "unicast 198.51.100.0/24 oif eth1 via inet 192.0.2.254 src 192.0.2.10",
    ] {
        let route = route(line);
        assert_eq!(route.route.destination, "198.51.100.0/24".parse().unwrap(), "{line}");
        assert_eq!(hop(&route).via, Some("192.0.2.254".parse().unwrap()));
        assert_eq!(hop(&route).device.as_deref(), Some("eth1"));
        assert_eq!(route.route.preferred_source, Some("192.0.2.10".parse().unwrap()));
        assert_eq!((route.route.protocol, route.route.table), (18, 254));
        assert_eq!(route.route.text.to_string(), line);
    }
}

#[test]
fn a_default_route_is_of_the_family_that_the_line_speaks_of() {
    let destination = |line: &str| route(line).route.destination.to_string();
    assert_eq!(destination("default via 192.0.2.254"), "0.0.0.0/0");
    assert_eq!(destination("default via 2001:db8::1"), "::/0");
    assert_eq!(destination("inet6 default dev eth1"), "::/0");
    assert_eq!(destination("0.0.0.0/0 via 192.0.2.1 table 100"), "0.0.0.0/0");
    assert_eq!(destination("default via inet6 fe80::1 dev eth1"), "0.0.0.0/0");
}

#[test]
fn types_lead_nowhere_or_somewhere() {
    assert_eq!(route("blackhole 198.51.100.0/24").route.kind, 6);
    assert_eq!(route("unreachable 2001:db8::/64").route.kind, 7);
    assert_eq!(route("throw 198.51.100.0/24 table 100").route.table, 100);
    let local = route("local 198.51.100.1 dev eth1");
    assert_eq!((local.route.kind, local.route.scope), (2, 254));
}

#[test]
fn metrics_are_locked_and_times_have_units() {
    let route = route(
        "198.51.100.0/24 dev eth1 mtu lock 1000 ssthresh lock 107 rtt 300ms rttvar 1.5s rto_min 250ms \
         hoplimit 100 initcwnd 109 initrwnd 110 features ecn quickack 1 congctl lock cubic metric 7 \
         window 105 cwnd 106 advmss 101 reordering 104 fastopen_no_cookie 1",
    );
    let locks = 1 << 2 | 1 << 6 | 1 << 16;
    let wanted = vec![
        (1, locks),
        (2, 1000),
        (3, 105),
        (4, 2400),
        (5, 6000),
        (6, 107),
        (7, 106),
        (8, 101),
        (9, 104),
        (10, 100),
        (11, 109),
        (12, 1),
        (13, 250),
        (14, 110),
        (15, 1),
        (17, 1),
    ];
    assert_eq!(route.route.metrics, wanted);
    assert_eq!(route.route.congestion_control.as_deref(), Some("cubic"));
    assert_eq!(route.route.metric, Some(7));
}

/// As keepalived 2.2.7 does, which says so and sets 200 ms.
#[test]
fn times_below_200_ms_are_raised_and_told() {
    let (plan, codes) = plan("virtual_routes {\n198.51.100.0/24 dev eth1 rtt 102 rto_min 108\n}");
    assert_eq!(codes, ["number-out-of-range"; 2]);
    assert_eq!(plan.vrrp_instances[0].routes[0].route.metrics, [(4, 1600), (13, 200)]);
}

#[test]
fn a_route_of_several_hops_has_their_weights() {
    let route = route(
        "192.168.100.0/24 table 6909 nexthop via 192.168.101.1 dev wlan0 onlink weight 1 \
         nexthop via 192.168.101.2 dev wlan0 onlink weight 2 realms 3/7",
    );
    let weights: Vec<_> = route.route.hops.iter().map(|hop| (hop.weight, hop.on_link)).collect();
    assert_eq!(weights, [(1, true), (2, true)]);
    assert_eq!(route.route.hops[1].realms, Some(3 << 16 | 7));
    assert_eq!(route.route.table, 6909);
}

#[test]
fn the_old_or_is_two_next_hops() {
    let (plan, codes) =
        plan("virtual_routes {\n198.51.100.0/24 via 192.0.2.253 or 192.0.2.254 dev eth1\n}");
    assert_eq!(codes, ["deprecated"]);
    let hops = &plan.vrrp_instances[0].routes[0].route.hops;
    let gateways: Vec<_> = hops.iter().map(|hop| hop.via.unwrap().to_string()).collect();
    assert_eq!(gateways, ["192.0.2.253", "192.0.2.254"]);
    assert!(hops.iter().all(|hop| hop.device.as_deref() == Some("eth1")));
}

#[test]
fn encapsulations_are_read() {
    let of = |words: &str| {
        let route = route(&format!("198.51.100.0/24 dev eth1 encap {words}"));
        hop(&route).encapsulation.clone().unwrap()
    };
    let Encapsulation::Ip(tunnel) =
        of("ip id 42 dst 192.0.2.9 src 192.0.2.1 tos 0x10 ttl 9 flags 4")
    else {
        panic!("no ip tunnel");
    };
    assert_eq!(
        (tunnel.id, tunnel.tos, tunnel.ttl, tunnel.flags),
        (Some(42), Some(16), Some(9), Some(4))
    );
    let Encapsulation::Ip6(tunnel) = of("ip6 dst 2001:db8::9 tc 3 hoplimit 7") else {
        panic!("no ip6 tunnel");
    };
    assert_eq!((tunnel.tos, tunnel.ttl), (Some(3), Some(7)));
    assert_eq!(of("mpls 100/0x20"), Encapsulation::Mpls(vec![100, 32]));
    assert_eq!(of("ila 1:2:3:ffff"), Encapsulation::Ila(0x0001_0002_0003_ffff));
}

#[test]
fn placement_protocol_and_tracking() {
    let free = route("198.51.100.0/24 dev eth1 protocol bird append no_track");
    assert_eq!((free.route.protocol, free.no_track), (12, true));
    assert_eq!(free.route.placement, Placement::Append);
    assert_eq!(route("198.51.100.0/24 dev eth1 add").route.placement, Placement::Add);
    let (plan, codes) = plan("virtual_routes {\n198.51.100.0/24 dev eth1 protocol bird\n}");
    assert_eq!(codes, ["protocol-forced"]);
    assert_eq!(plan.vrrp_instances[0].routes[0].route.protocol, 18);
}

#[test]
fn what_only_ipv6_has() {
    let route = route("2001:db8:1::/64 from 2001:db8:2::/64 dev eth1 expires 600 pref high");
    assert_eq!((route.route.expires, route.route.preference), (Some(600), Some(1)));
    assert_eq!(route.route.source, Some("2001:db8:2::/64".parse().unwrap()));
}

/// Each mistake is one finding, at its word, and costs that line alone.
#[test]
fn mistakes_in_routes_are_told_where_they_are() {
    for (line, code, at) in [
        ("dev eth1", "missing-destination", "dev eth1"),
        ("198.51.100.0/24", "missing-next-hop", "198.51.100.0/24"),
        ("198.51.100.0/33 dev eth1", "number-out-of-range", "198.51.100.0/33"),
        ("198.51.100.0/24 via 192.0.2.1 table nowhere", "unknown-name", "nowhere"),
        ("198.51.100.0/24 via", "missing-value", "via"),
        ("198.51.100.0/24 via x.x.x.x", "placeholder", "x.x.x.x"),
        ("2001:db8::/64 via 192.0.2.1", "address-family-mismatch", "2001:db8::/64 via 192.0.2.1"),
        ("198.51.100.0/24 src 2001:db8::1 dev eth1", "address-family-mismatch", "src"),
        (
            "198.51.100.0/24 dev an_interface_name_too_long",
            "bad-value",
            "an_interface_name_too_long",
        ),
        ("198.51.100.0/24 dev eth1 metrc 5", "unknown-keyword", "metrc"),
        ("198.51.100.0/24 dev eth1 metric high", "not-a-number", "high"),
        ("198.51.100.0/24 dev eth1 encap gre", "bad-value", "gre"),
        ("198.51.100.0/24 dev eth1 encap ip ttl 5", "bad-value", "ip"),
        ("198.51.100.0/24 dev eth1 encap mpls 1048576", "bad-value", "1048576"),
        ("198.51.100.0/24 dev eth1 expires 5", "address-family-mismatch", "expires"),
        ("blackhole 198.51.100.0/24 dev eth1", "bad-value", "blackhole 198.51.100.0/24 dev eth1"),
        ("198.51.100.0/24 nexthop weight 4", "bad-value", "nexthop"),
        ("198.51.100.0/24 198.51.101.0/24 dev eth1", "unknown-keyword", "198.51.101.0/24"),
        ("198.51.100.0/24 dev eth1 rtt 5min", "not-a-number", "5min"),
    ] {
        let loaded = load(&format!("virtual_routes {{\n{line}\n203.0.113.0/24 dev eth1\n}}"));
        let found: Vec<_> = loaded.diagnostics.iter().collect();
        let [finding] = found[..] else { panic!("{line}: {found:?}") };
        assert_eq!(finding.code, code, "{line}: {}", finding.message);
        let span = finding.span.unwrap();
        assert_eq!(loaded.diagnostics.sources.text(span), at, "{line}");
        let routes = &loaded.plan.vrrp_instances[0].routes;
        assert_eq!(routes.len(), 1, "{line}: the other line is there");
    }
}

#[test]
fn host_bits_are_cut_off_with_a_warning() {
    let (plan, codes) = plan("virtual_routes {\n198.51.100.7/24 dev eth1\n}");
    assert_eq!(codes, ["host-bits"]);
    let destination = plan.vrrp_instances[0].routes[0].route.destination;
    assert_eq!(destination.to_string(), "198.51.100.0/24");
}

#[test]
fn a_rule_has_its_selectors_and_its_action() {
    let rule = rule(
        "not from 192.168.28.0/24 to 192.168.29.0/26 iif p33p1 oif wlan0 tos 22 fwmark 24/12 preference 39 \
         lookup main sup_pl 0 sup_group 3 realms 30/20 tunnel-id 9 uidrange 10000-19999 ipproto UDP sport 10-20 dport 53",
    ).rule;
    assert!(rule.invert);
    assert_eq!(rule.from, Some("192.168.28.0/24".parse().unwrap()));
    assert_eq!(rule.to, Some("192.168.29.0/26".parse().unwrap()));
    assert_eq!((rule.tos, rule.mark, rule.priority), (22, Some((24, 12)), 39));
    assert_eq!(rule.action, RuleAction::Table(254));
    assert_eq!((rule.suppress_prefix_length, rule.suppress_group), (Some(0), Some(3)));
    assert_eq!((rule.realms, rule.tunnel_id), (Some(30 << 16 | 20), Some(9)));
    assert_eq!((rule.users, rule.ip_protocol), (Some((10_000, 19_999)), Some(17)));
    assert_eq!((rule.source_ports, rule.destination_ports), (Some((10, 20)), Some((53, 53))));
}

#[test]
fn actions_other_than_a_table() {
    for (words, action) in [
        ("goto 100", RuleAction::Goto(100)),
        ("type blackhole", RuleAction::Blackhole),
        ("unreachable", RuleAction::Unreachable),
        ("prohibit", RuleAction::Prohibit),
        ("nop", RuleAction::Nop),
        ("l3mdev", RuleAction::L3Master),
    ] {
        assert_eq!(rule(&format!("from any {words} priority 50")).rule.action, action, "{words}");
    }
}

/// As keepalived has it, each family by itself.
#[test]
fn rules_without_preference_get_one_from_16384_downwards() {
    let (plan, codes) = plan(
        "virtual_rules {\nfrom 192.0.2.1 table 100\nfrom 2001:db8::1 table 100\nto 192.0.2.2 table 101\n}",
    );
    assert_eq!(codes, ["defaulted"; 3]);
    let priorities: Vec<_> =
        plan.vrrp_instances[0].rules.iter().map(|each| each.rule.priority).collect();
    assert_eq!(priorities, [16384, 16384, 16383]);
}

#[test]
fn mistakes_in_rules_are_told_where_they_are() {
    for (line, code, at) in [
        ("from 192.0.2.0/24 priority 5", "missing-action", "from 192.0.2.0/24 priority 5"),
        ("table 0 priority 5", "bad-value", "table"),
        ("table 100 blackhole priority 5", "bad-value", "blackhole"),
        ("goto 5 priority 50", "bad-value", "goto"),
        (
            "from 192.0.2.1 to 2001:db8::1 table 5 priority 5",
            "address-family-mismatch",
            "2001:db8::1",
        ),
        ("fwmark five table 5 priority 5", "not-a-number", "five"),
        ("uidrange 9-1 table 5 priority 5", "bad-value", "9-1"),
        ("sport 70000 table 5 priority 5", "bad-value", "70000"),
        ("ipproto nonsense table 5 priority 5", "bad-value", "nonsense"),
        ("blackhole sup_pl 0 priority 5", "bad-value", "blackhole sup_pl 0 priority 5"),
        ("from 192.0.2.1 tabel 5", "unknown-keyword", "tabel"),
    ] {
        let loaded = load(&format!("virtual_rules {{\n{line}\n}}"));
        let found: Vec<_> = loaded.diagnostics.iter().collect();
        let [finding] = found[..] else { panic!("{line}: {found:?}") };
        assert_eq!(finding.code, code, "{line}: {}", finding.message);
        assert_eq!(loaded.diagnostics.sources.text(finding.span.unwrap()), at, "{line}");
        assert!(loaded.plan.vrrp_instances[0].rules.is_empty(), "{line}");
    }
}

#[test]
fn static_objects_and_their_track_groups() {
    let text = "track_group G {\n group {\n VI_1\n VI_9\n }\n}\n\
                static_ipaddress {\n 192.0.2.77/24 dev eth1 track_group G\n 192.0.2.78/24\n}\n\
                static_routes {\n 198.51.100.0/24 via 192.0.2.1 track_group G\n}\n\
                static_rules {\n from 192.0.2.77 table 100 priority 9 track_group H\n}\n\
                global_defs {\n default_interface eth2\n}\n\
                vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n \
                virtual_ipaddress {\n 192.0.2.10/24\n }\n}\n";
    let loaded = parse_text("t", text);
    let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["unknown-instance", "unknown-group"]);
    let plan = loaded.plan;
    let places: Vec<_> =
        plan.static_objects.addresses.iter().map(|each| each.interface.as_deref()).collect();
    assert_eq!(places, [Some("eth1"), Some("eth2")]);
    assert_eq!(plan.static_objects.routes[0].track_group.as_deref(), Some("G"));
    assert_eq!(plan.track_groups[0].members, ["VI_1"]);
}

#[test]
fn one_address_in_two_instances_is_told() {
    let text = |name: &str, vrid: u8| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n \
                 virtual_ipaddress {{\n 192.0.2.10/24\n }}\n}}\n"
        )
    };
    let loaded = parse_text("t", text("VI_1", 1) + &text("VI_2", 2));
    let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["duplicate-vip"]);
}

#[test]
fn addresses_have_peers_and_flags() {
    let loaded = load(
        "virtual_ipaddress_excluded {\n 203.0.113.1 peer 203.0.113.2 noprefixroute no_track\n \
         2001:db8::1/64 home mngtmpaddr\n 203.0.113.9/24 peer 2001:db8::2\n 203.0.113.10/24 peer 203.0.113.11\n}",
    );
    let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["address-family-mismatch", "bad-value"]);
    let addresses = &loaded.plan.vrrp_instances[0].excluded_addresses;
    assert_eq!(addresses[0].peer, Some("203.0.113.2".parse().unwrap()));
    assert_eq!((addresses[0].flags, addresses[0].no_track), (0x200, true));
    assert_eq!(addresses[1].flags, 0x110);
    assert_eq!(addresses[2].address.to_string(), "203.0.113.10/32");
}
