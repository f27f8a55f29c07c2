use crate::config::parse_text;
use crate::config::plan::{IpvlanMode, OwnLinkKind, VrrpInstance};

const NONE: [&str; 0] = [];

/// One instance for each of (interface, VRID, addresses, further lines), after `globals`.
fn instances(
    globals: &str,
    each: &[(&str, u8, &str, &str)],
) -> (Vec<VrrpInstance>, Vec<&'static str>) {
    let mut text = format!("global_defs {{\n{globals}\n}}\n");
    for (number, (interface, vrid, addresses, lines)) in each.iter().enumerate() {
        text += &format!(
            "vrrp_instance VI_{number} {{\n interface {interface}\n virtual_router_id {vrid}\n{lines}\n \
             virtual_ipaddress {{\n{addresses}\n }}\n}}\n"
        );
    }
    let loaded = parse_text("t", text);
    let codes = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    (loaded.plan.vrrp_instances.iter().map(|each| VrrpInstance::clone(each)).collect(), codes)
}

fn one(lines: &str) -> (Option<VrrpInstance>, Vec<&'static str>) {
    let (mut all, codes) = instances("", &[("eth0", 51, "192.0.2.10/24", lines)]);
    (all.pop(), codes)
}

fn link_names(instances: &[VrrpInstance]) -> Vec<&str> {
    instances.iter().flat_map(VrrpInstance::links).map(|link| &*link.name).collect()
}

#[test]
fn a_vmac_has_the_name_and_the_address_of_its_vrid_unless_it_is_given_others() {
    let vmac = |lines: &str| {
        let (instance, codes) = one(lines);
        assert_eq!(codes, NONE, "{lines}");
        let link = instance.unwrap().link.unwrap();
        let OwnLinkKind::Vmac { mac } = link.kind else { panic!("{link:?}") };
        (link.name, link.parent, mac, link.group, link.notify_parent)
    };
    let own = [0, 0, 0x5e, 0, 1, 51];
    let (name, eth0) = (|name: &str| name.to_owned(), "eth0".to_owned());
    assert_eq!(vmac("use_vmac"), (name("vrrp.51"), eth0.clone(), own, None, false));
    assert_eq!(
        vmac("use_vmac web netlink_notify_msg group 7"),
        (name("web"), eth0.clone(), own, Some(7), true)
    );
    let custom = [2, 1, 2, 3, 4, 5];
    assert_eq!(
        vmac("use_vmac name group 02:01:02:03:04:05"),
        (name("group"), eth0.clone(), custom, None, false)
    );
    assert_eq!(vmac("use_vmac 2:1:2:3:4").2, [2, 1, 2, 3, 4, 51], "the VRID is the sixth");
}

#[test]
fn what_cannot_be_a_name_or_a_mac_address_is_left_out_with_a_finding() {
    for lines in [
        "use_vmac sixteen_letters_",
        "use_vmac a/b",
        "use_vmac 01:00:5e:00:00:01",
        "use_vmac 00:00:5e:00:01:33",
        "use_vmac 00:00:00:00:00:00",
        "use_vmac 02:00:00:00:00:00:01",
        "use_vmac 02:zz:00:00:00:00",
        "use_vmac group nobody_knows_this",
    ] {
        let (instance, codes) = one(lines);
        assert_eq!(codes, ["bad-value"], "{lines}");
        let link = instance.unwrap().link.unwrap();
        assert_eq!((&*link.name, link.group), ("vrrp.51", None), "{lines}");
        assert_eq!(link.kind, OwnLinkKind::Vmac { mac: [0, 0, 0x5e, 0, 1, 51] }, "{lines}");
    }
    assert_eq!(one("use_vmac name").1, ["missing-value"]);
    assert_eq!(one("use_vmac a b").1, ["surplus-words"]);
    assert_eq!(one("use_vmac\nuse_vmac").1, ["duplicate"]);
}

#[test]
fn made_up_names_keep_clear_of_each_other_and_of_given_ones() {
    let (all, codes) = instances(
        "",
        &[
            ("eth0", 51, "192.0.2.10", "use_vmac"),
            ("eth1", 51, "192.0.2.11", "use_vmac"),
            ("eth0", 51, "fe80::10", "use_vmac"),
            ("eth2", 51, "192.0.2.12", "use_vmac vrrp1.51"),
            ("eth3", 51, "192.0.2.13", "use_vmac"),
        ],
    );
    assert_eq!(codes, NONE);
    assert_eq!(link_names(&all), ["vrrp.51", "vrrp2.51", "vrrp6.51", "vrrp1.51", "vrrp3.51"]);

    let (all, codes) = instances(
        "",
        &[
            ("eth0", 51, "192.0.2.10", "use_vmac same"),
            ("eth1", 52, "192.0.2.11", "use_vmac same"),
            ("eth2", 53, "192.0.2.12", "use_vmac eth1"),
        ],
    );
    assert_eq!(codes, ["link-name-taken", "link-name-taken"]);
    assert_eq!(link_names(&all), ["same", "vrrp.52", "vrrp.53"]);
}

#[test]
fn prefixes_of_names_can_be_chosen_and_are_cut_to_what_the_kernel_takes() {
    let each = [
        ("eth0", 5, "192.0.2.10\n192.0.2.11 dev eth1 use_vmac", "use_vmac"),
        ("eth0", 255, "192.0.2.12", "use_vmac"),
    ];
    let (all, codes) = instances("vmac_prefix thirteenchars\nvmac_addr_prefix va", &each);
    assert_eq!(codes, NONE);
    assert_eq!(link_names(&all), ["thirteenchars.5", "va.5", "thirteencha.255"]);
    assert_eq!(instances("vmac_prefix a/b", &[]).1, ["bad-value"]);
    assert_eq!(instances("vmac_prefix a\nvmac_prefix b", &[]).1, ["duplicate"]);
}

#[test]
fn addresses_go_to_the_vmac_and_those_of_other_interfaces_to_their_own_if_asked() {
    let addresses = "192.0.2.10/24\n192.0.2.11/24 dev eth0\n192.0.2.12/24 dev eth1\n\
                     192.0.2.13/24 dev eth2 use_vmac\n192.0.2.14/24 dev eth2 use_vmac";
    let places = |lines: &str| {
        let (all, codes) = instances("", &[("eth0", 51, addresses, lines)]);
        assert_eq!(codes, NONE, "{lines}");
        let instance = &all[0];
        let place = |each: &crate::config::plan::VirtualAddress| {
            each.interface.clone().unwrap_or(instance.address_interface().to_owned())
        };
        instance.addresses.iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(places("use_vmac"), ["vrrp.51", "vrrp.51", "eth1", "vrrp1.51", "vrrp1.51"]);
    assert_eq!(
        places("use_vmac\nuse_vmac_addr"),
        ["vrrp.51", "vrrp.51", "vrrp1.51", "vrrp2.51", "vrrp2.51"]
    );
    assert_eq!(places(""), ["eth0", "eth0", "eth1", "vrrp.51", "vrrp.51"]);
}

/// keepalived.conf(5): without `use_vmac_addr` an address of the other family goes to the
/// instance's VMAC.
#[test]
fn an_excluded_address_of_the_other_family_keeps_ipv6_on_or_gets_its_own_vmac() {
    let lines = "use_vmac\nvirtual_ipaddress_excluded {\n 2001:db8::10/64\n}";
    let (instance, _) = one(lines);
    let instance = instance.unwrap();
    assert!(instance.link.as_ref().unwrap().ipv6, "disable_ipv6 would refuse the address");
    assert_eq!(instance.address_links, []);

    let (instance, codes) = one(&format!("use_vmac_addr\n{lines}"));
    assert_eq!(codes, NONE);
    let instance = instance.unwrap();
    assert!(!instance.link.as_ref().unwrap().ipv6);
    let [of_address] = &instance.address_links[..] else { panic!("{:?}", instance.address_links) };
    assert_eq!(of_address.kind, OwnLinkKind::Vmac { mac: [0, 0, 0x5e, 0, 2, 51] });
    assert_eq!(of_address.parent, "eth0");
}

#[test]
fn adverts_go_by_the_vmac_except_with_unicast_or_when_told_otherwise() {
    let way = |lines: &str, expected: &[&str]| {
        let (instance, codes) = one(lines);
        assert_eq!(codes, expected, "{lines}");
        instance.unwrap().advert_interface().to_owned()
    };
    let unicast = "use_vmac\nunicast_src_ip 192.0.2.1\nunicast_peer {\n 192.0.2.2\n}";
    assert_eq!(way("use_vmac", &[]), "vrrp.51");
    assert_eq!(way("use_vmac\nvmac_xmit_base", &[]), "eth0");
    assert_eq!(way(unicast, &["vmac-unicast-needs-xmit-base"]), "eth0");
    assert_eq!(way(&format!("{unicast}\nvmac_xmit_base"), &[]), "eth0");
    assert_eq!(way("vmac_xmit_base", &["vmac-xmit-base-ignored"]), "eth0");
    assert_eq!(
        way("use_vmac\nvmac_xmit_base\nstrict_mode", &["vmac-xmit-base-ignored"]),
        "vrrp.51"
    );
}

#[test]
fn strict_mode_leaves_the_mac_address_to_the_vrid() {
    let (instance, codes) = one("use_vmac 02:00:00:00:00:01\nstrict_mode");
    assert_eq!(codes, ["strict-forbids-mac"]);
    let link = instance.unwrap().link.unwrap();
    assert_eq!(link.kind, OwnLinkKind::Vmac { mac: [0, 0, 0x5e, 0, 1, 51] });
}

#[test]
fn an_ipvlan_has_an_address_which_is_also_where_adverts_come_from() {
    let (instance, codes) = one("use_ipvlan ipv0 192.0.2.5/24 private");
    assert_eq!(codes, NONE);
    let instance = instance.unwrap();
    assert_eq!(instance.source, Some("192.0.2.5".parse().unwrap()));
    assert_eq!((instance.advert_interface(), instance.source_interface()), ("ipv0", "ipv0"));
    let address = Some("192.0.2.5/24".parse().unwrap());
    let kind = OwnLinkKind::Ipvlan { mode: IpvlanMode::Private, address };
    assert_eq!(instance.link.unwrap().kind, kind);

    let (instance, codes) = one("use_ipvlan");
    assert_eq!((instance, codes), (None, vec!["ipvlan-without-address"]));
    assert_eq!(one("use_ipvlan 192.0.2.5 bridge vepa").1, ["duplicate"]);
    assert_eq!(one("use_ipvlan 192.0.2.5 group").1, ["missing-value"]);
    assert_eq!(one("use_vmac\nuse_ipvlan 192.0.2.5").1, ["duplicate"]);
    let (all, codes) = instances("", &[("eth0", 51, "fe80::10", "use_ipvlan")]);
    assert_eq!((codes, all[0].source), (vec![], None), "the kernel makes a link-local address");
}

/// keepalived.conf(5): an owner is never restricted, strict mode implies `no_accept`.
#[test]
fn packets_are_dropped_with_no_accept_and_in_strict_mode_but_never_for_an_owner() {
    let accepts = |lines: &str| one(lines).0.unwrap().accept;
    assert!(accepts(""));
    assert!(!accepts("no_accept"));
    assert!(accepts("no_accept\npriority 255"));
    assert!(!accepts("strict_mode"));
    assert!(accepts("strict_mode\npriority 255"));
    assert!(accepts("strict_mode\nversion 3\naccept"));
    assert!(!accepts("strict_mode\nversion 2\naccept"), "RFC 3768 §6.4.3 knows no other way");
}

#[test]
fn the_firewall_can_be_named_and_nftables_stands_in_for_iptables() {
    let global = |lines: &str, expected: &[&str]| {
        let loaded = parse_text("t", format!("global_defs {{\n{lines}\n}}\n"));
        let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, expected, "{lines}");
        loaded.plan.global.firewall
    };
    let firewall = global("nftables own\nnftables_priority -5\nnftables_counters", &[]);
    assert_eq!((&*firewall.table, firewall.priority, firewall.counters), ("own", -5, true));
    let default = global("nftables", &[]);
    assert_eq!((&*default.table, default.priority, default.counters), ("keepalived", -1, false));
    assert_eq!(global("nftables a b", &["surplus-words"]).table, "a");
    assert_eq!(global("nftables a;b", &["bad-value"]).table, "keepalived");
    assert_eq!(global("nftables a\nnftables b", &["duplicate"]).table, "a");
    assert_eq!(global("nftables_priority high", &["not-a-number"]).priority, -1);
    assert_eq!(global("vrrp_iptables IN OUT", &["nftables-instead"]).table, "keepalived");
    assert_eq!(global("vrrp_ipsets", &["nftables-instead"]).table, "keepalived");
}

#[test]
fn garp_extra_if_takes_all_and_seconds_and_is_inherited() {
    let extra = |globals: &str, lines: &str, expected: &[&str]| {
        let (mut all, codes) = instances(globals, &[("eth0", 51, "192.0.2.10", lines)]);
        assert_eq!(codes, expected, "{globals} {lines}");
        let instance = all.pop().unwrap();
        (instance.router.garp.extra.as_secs(), instance.garp_extra_all)
    };
    assert_eq!(extra("", "", &[]), (0, false));
    assert_eq!(extra("", "garp_extra_if 100", &[]), (100, false));
    assert_eq!(extra("vrrp_garp_extra_if all 50", "", &[]), (50, true));
    assert_eq!(extra("vrrp_garp_extra_if all 50", "garp_extra_if 0", &[]), (0, false));
    assert_eq!(extra("", "vmac_garp_intvl all 7", &["deprecated"]), (7, true));
    assert_eq!(extra("", "garp_extra_if all", &["missing-value"]), (0, false));
    assert_eq!(extra("", "garp_extra_if 86401", &["number-out-of-range"]), (0, false));
    assert_eq!(extra("vrrp_garp_extra_if 0", "", &["number-out-of-range"]), (0, false));
}

/// keepalived.conf(5), `interface`: unicast instances may leave it out.
#[test]
fn unicast_instances_with_a_source_need_no_interface() {
    let parse = |lines: &str, address: &str| {
        let text = format!(
            "vrrp_instance VI {{\n virtual_router_id 51\n{lines}\n virtual_ipaddress {{\n{address}\n }}\n}}\n"
        );
        let loaded = parse_text("t", text);
        let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
        (loaded.plan.vrrp_instances.into_iter().next(), codes)
    };
    let unicast = "unicast_src_ip 198.51.100.1\nunicast_peer {\n 198.51.100.2\n}";
    let (instance, codes) = parse(&format!("{unicast}\nvrf blue"), "192.0.2.10 dev eth1");
    assert_eq!(codes, NONE);
    let instance = instance.unwrap();
    assert_eq!((&*instance.interface, instance.advert_interface()), ("", "blue"));
    assert_eq!(instance.needed_interfaces().collect::<Vec<_>>(), ["blue"]);

    let (instance, codes) = parse(unicast, "192.0.2.10");
    assert_eq!(codes, ["address-without-dev"]);
    let instance = instance.unwrap();
    assert_eq!(instance.addresses[0].interface.as_deref(), Some("eth0"));
    assert_eq!((instance.advert_interface(), instance.needed_interfaces().count()), ("", 0));

    let peers = "unicast_peer {\n 198.51.100.2\n}";
    for (lines, address) in [
        ("", "192.0.2.10 dev eth1"),
        (peers, "192.0.2.10 dev eth1"),
        (&*format!("{unicast}\nuse_vmac"), "192.0.2.10 dev eth1"),
        ("unicast_src_ip fe80::1\nunicast_peer {\n fe80::2\n}", "2001:db8::1 dev eth1"),
    ] {
        let (instance, codes) = parse(lines, address);
        assert!(instance.is_none() && codes.contains(&"missing-interface"), "{lines}: {codes:?}");
    }
    let (_, codes) = parse(&format!("interface eth0\nvrf blue\n{unicast}"), "192.0.2.10");
    assert_eq!(codes, ["vrf-ignored"]);
}
