use std::net::Ipv4Addr;
use std::time::Duration;

use super::plan::{
    Authentication, FlushOnStop, RealServer, Transport, UnicastPeer, VirtualServer, VrrpInstance,
};
use super::*;
use crate::ipvs::{Forward, Protocol, ServiceFlags, ServiceKey};
use crate::probe::{HttpVersion, Probe};
use crate::vrrp::{Tracked, Tracker};

mod transport;

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|finding| finding.code).collect()
}

/// An instance that lacks nothing, with further lines.
fn instance_text(lines: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n \
         virtual_ipaddress {{\n 192.0.2.10/24\n }}\n{lines}\n}}\n"
    )
}

fn instance(lines: &str) -> (VrrpInstance, Vec<&'static str>) {
    let loaded = parse_text("t", instance_text(lines));
    let codes = codes(&loaded);
    let instance = loaded.plan.vrrp_instances.first();
    let instance = instance.unwrap_or_else(|| panic!("no instance: {codes:?}"));
    (VrrpInstance::clone(instance), codes)
}

fn server_text(lines: &str, real: &str) -> String {
    format!(
        "virtual_server 192.0.2.10 80 {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n{lines}\n \
         real_server 198.51.100.1 8080 {{\n{real}\n }}\n}}\n"
    )
}

fn server(lines: &str, real: &str) -> (VirtualServer, Vec<&'static str>) {
    let loaded = parse_text("t", server_text(lines, real));
    let codes = codes(&loaded);
    let server = loaded.plan.virtual_servers.into_iter().next();
    (server.unwrap_or_else(|| panic!("no server: {codes:?}")).as_ref().clone(), codes)
}

fn http(real: &RealServer) -> &crate::probe::HttpProbe {
    match &real.checkers[0].probe {
        Probe::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

fn tcp(real: &RealServer) -> &crate::probe::Connect {
    match &real.checkers[0].probe {
        Probe::Tcp(connect) => connect,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_file_is_a_clean_empty_plan() {
    let loaded = parse_text("t", "");
    assert_eq!((loaded.plan, loaded.verdict), (Plan::default(), Verdict::Clean));
}

#[test]
fn an_instance_has_the_defaults_of_the_manual() {
    let (instance, codes) = instance("");
    assert_eq!(codes, [""; 0]);
    assert_eq!(instance.router.priority, 100);
    assert_eq!(instance.router.adver_interval.centiseconds(), 100);
    assert!(instance.router.preempt);
    assert!(!instance.router.starts_active);
    assert_eq!(instance.router.down_timer_adverts, 3);
    assert_eq!(instance.router.garp, crate::vrrp::GarpSettings::default());
    assert_eq!(instance.authentication, Authentication::None);
    assert_eq!(instance.interface_at.to_string(), "t:2:12");
}

#[test]
fn state_master_without_a_priority_means_the_owner() {
    let (owner, _) = instance("state MASTER");
    assert_eq!((owner.router.priority, owner.router.starts_active), (255, true));
    let (plain, _) = instance("state MASTER\npriority 150");
    assert_eq!((plain.router.priority, plain.router.starts_active), (150, false));
    let (patient, _) = instance("state BACKUP\npriority 255");
    assert!(!patient.router.starts_active, "explicit BACKUP makes an owner wait");
}

#[test]
fn nopreempt_is_cleared_by_state_master_and_takes_preempt_delay_with_it() {
    let (master, codes) = instance("state MASTER\npriority 150\nnopreempt");
    assert!(master.router.preempt);
    assert_eq!(codes, ["nopreempt-with-state-master"]);
    let (backup, codes) = instance("nopreempt\npreempt_delay 30");
    assert!(!backup.router.preempt);
    assert_eq!(backup.router.preempt_delay, Duration::ZERO);
    assert_eq!(codes, ["preempt-delay-ignored"]);
}

#[test]
fn version_2_intervals_are_rounded_to_whole_seconds_and_not_below_one() {
    for (text, centiseconds) in [("1.4", 100), ("1.5", 200), ("0.3", 100), ("255", 25_500)] {
        let (instance, _) = instance(&format!("advert_int {text}"));
        assert_eq!(instance.router.adver_interval.centiseconds(), centiseconds, "{text}");
    }
}

#[test]
fn a_password_is_cut_to_eight_octets_with_a_warning() {
    let (instance, codes) = instance("authentication {\n auth_type PASS\n auth_pass 123456789\n}");
    assert_eq!(instance.authentication, Authentication::SimpleText(*b"12345678"));
    assert_eq!(codes, ["auth-pass-truncated"]);
}

#[test]
fn garp_settings_come_from_the_instance_then_the_globals_wherever_they_stand() {
    let text = instance_text("garp_master_repeat 2")
        + "global_defs {\n vrrp_garp_master_repeat 7\n vrrp_garp_master_delay 9\n}\n";
    let garp = parse_text("t", text).plan.vrrp_instances.remove(0).router.garp.clone();
    assert_eq!((garp.repeat, garp.delay), (2, Duration::from_secs(9)));
    assert_eq!((garp.lower_prio_repeat, garp.lower_prio_delay), (2, Duration::from_secs(9)));
}

#[test]
fn an_address_line_takes_its_options() {
    let text = "virtual_ipaddress_excluded {\n \
                192.0.2.77/24 brd + dev eth1 label eth1:7 scope link\n}";
    let (instance, codes) = instance(text);
    let address = &instance.excluded_addresses[0];
    assert_eq!(codes, [""; 0]);
    assert_eq!(address.address.to_string(), "192.0.2.77/24");
    assert_eq!(address.broadcast, Some(Ipv4Addr::new(192, 0, 2, 255)));
    assert_eq!(address.interface.as_deref(), Some("eth1"));
    assert_eq!(address.label.as_deref(), Some("eth1:7"));
    assert_eq!(address.scope, 253);
}

#[test]
fn what_would_make_two_masters_is_refused_rather_than_run_half() {
    for line in ["auth_hmac {\n}", "auth_hmac {\n active_key 1\n}"] {
        let loaded = parse_text("t", instance_text(line));
        assert_eq!(loaded.plan.vrrp_instances, [], "{line}");
        assert_eq!(codes(&loaded), ["no-active-key"], "{line}");
        assert_eq!(loaded.verdict, Verdict::Unusable, "{line}");
    }
}

#[test]
fn what_is_merely_an_addition_is_left_out_with_a_warning() {
    let loaded = parse_text(
        "t",
        format!("global_defs {{\n enable_dbus\n}}\nlinkbeat_use_polling\n{}", instance_text("")),
    );
    assert_eq!(codes(&loaded), ["not-supported-yet", "no-effect"]);
}

#[test]
fn a_sync_group_ties_its_members_and_tracks_for_them() {
    let other = instance_text("priority 255").replace("VI_1", "VI_2").replace("id 51", "id 52");
    let group = "vrrp_sync_group G {\n group {\n VI_1\n VI_2\n VI_3\n }\n \
                 track_interface {\n eth0\n eth9 weight 7\n }\n notify_master /bin/true\n}\n\
                 vrrp_sync_group H {\n group {\n VI_2\n }\n}\n";
    let own = "track_interface {\n eth5 weight 9\n}";
    let loaded = parse_text("t", format!("{group}{}{other}", instance_text(own)));
    let mut found = codes(&loaded);
    found.sort_unstable();
    let expected = [
        "duplicate-vip",
        "empty-sync-group",
        "two-sync-groups",
        "unknown-instance",
        "weights-in-sync-group",
    ];
    assert_eq!(found, expected);
    assert_eq!(loaded.plan.sync_groups.len(), 1);
    assert_eq!(loaded.plan.sync_groups[0].members, ["VI_1", "VI_2"]);
    let tracker = |name: &str, weight| Tracker {
        what: Tracked::Interface(name.into()),
        weight,
        reverse: false,
    };
    let [first, second] = &loaded.plan.vrrp_instances[..] else { panic!("two instances") };
    assert_eq!(first.trackers, [tracker("eth5", 0), tracker("eth9", 7)]);
    assert_eq!(second.trackers, [tracker("eth9", 7)]);
    assert!(first.router.in_sync_group && second.router.in_sync_group);
    assert!(!second.router.starts_active, "an owner waits for the others");
}

#[test]
fn an_instance_without_vrid_or_interface_or_with_a_vrid_twice_is_unusable() {
    let loaded = parse_text("t", "vrrp_instance A {\n}\n");
    assert_eq!(codes(&loaded), ["missing-vrid", "missing-interface", "no-virtual-address"]);
    assert_eq!((loaded.verdict, loaded.test_status()), (Verdict::Unusable, 5));

    let twice = instance_text("") + &instance_text("").replace("VI_1", "VI_2");
    let loaded = parse_text("t", twice);
    assert_eq!(codes(&loaded), ["duplicate-vrid"]);
    assert_eq!(loaded.plan.vrrp_instances.len(), 1);
}

#[test]
fn a_vrid_out_of_range_is_one_error_not_two() {
    let loaded = parse_text("t", instance_text("").replace("51", "300"));
    let lines = loaded.diagnostics.to_lines();
    assert_eq!(lines, "t:3:20: error: virtual_router_id 300 is out of range 1-255\n");
    assert_eq!(loaded.verdict, Verdict::Unusable);
}

#[test]
fn a_keyword_without_its_parameter_ends_a_test_with_2() {
    let loaded = parse_text("t", instance_text("priority"));
    assert_eq!((loaded.refusal_status(), loaded.test_status()), (Some(2), 2));
}

#[test]
fn strict_mode_drops_authentication_and_delays() {
    let (instance, codes) = instance(
        "strict_mode\npreempt_delay 5\nauthentication {\n auth_type PASS\n auth_pass x\n}",
    );
    assert_eq!(instance.authentication, Authentication::None);
    assert_eq!(instance.router.preempt_delay, Duration::ZERO);
    assert!(instance.router.lower_prio_no_advert);
    assert!(codes.contains(&"strict-forbids-authentication"));
}

#[test]
fn global_definitions_reach_the_plan() {
    let text = "global_defs {\n router_id r1\n script_user nobody nogroup\n \
                enable_script_security\n dynamic_interfaces\n vrrp_mcast_group4 224.0.0.99\n \
                lvs_flush\n lvs_flush_on_stop VS\n}\n";
    let global = parse_text("t", text).plan.global;
    assert_eq!(global.router_id.as_deref(), Some("r1"));
    assert_eq!(global.script_user.and_then(|user| user.group).as_deref(), Some("nogroup"));
    assert!(global.script_security && global.dynamic_interfaces && global.lvs_flush);
    assert_eq!(global.multicast_group, Ipv4Addr::new(224, 0, 0, 99));
    assert_eq!(global.lvs_flush_on_stop, FlushOnStop::VirtualServers);
}

#[test]
fn a_service_has_the_defaults_of_the_manual() {
    let (server, codes) = server("", "TCP_CHECK {\n}");
    assert_eq!(codes, [""; 0]);
    let ServiceKey::Address { protocol, address } = server.service.key else { panic!() };
    assert_eq!((protocol, address.port), (Protocol::Tcp, 80));
    assert_eq!(server.service.persistence, None);
    let timing = &server.real_servers[0].checkers[0].timing;
    assert_eq!((timing.delay_loop, timing.warmup), (Duration::from_secs(60), timing.delay_loop));
    assert_eq!((timing.retry, timing.delay_before_retry), (1, Duration::from_secs(1)));
    assert_eq!(tcp(&server.real_servers[0]).timeout, Duration::from_secs(5));
    assert_eq!(tcp(&server.real_servers[0]).target.to_string(), "198.51.100.1:8080");
}

#[test]
fn what_a_service_lacks_is_filled_in_with_a_warning_each() {
    let loaded =
        parse_text("t", "virtual_server 192.0.2.1 53 {\n real_server 192.0.2.2 53 {\n }\n}");
    assert_eq!(codes(&loaded), ["defaulted"; 3]);
    let service = &loaded.plan.virtual_servers[0].service;
    assert_eq!(service.scheduler, "wlc");
    assert!(matches!(service.key, ServiceKey::Address { protocol: Protocol::Udp, .. }));
}

#[test]
fn timing_is_inherited_from_the_nearest_level() {
    let (server, _) = server(
        "delay_loop 4\nretry 9\nvirtualhost vs.example",
        "retry 2\nHTTP_GET {\n connect_timeout 3\n url {\n path /\n }\n}",
    );
    let real = &server.real_servers[0];
    let timing = &real.checkers[0].timing;
    assert_eq!((timing.delay_loop, timing.retry), (Duration::from_secs(4), 2));
    assert_eq!(timing.delay_before_retry, Duration::from_secs(3));
    assert_eq!(http(real).connect.timeout, Duration::from_secs(3));
    assert_eq!(http(real).pages.urls[0].virtual_host.as_deref(), Some("vs.example"));
    assert_eq!(http(real).pages.urls[0].status, [(200, 299)]);
}

#[test]
fn direct_routing_forces_the_port_and_the_check_follows() {
    let text = server_text("", "TCP_CHECK {\n}").replace("NAT", "DR");
    let loaded = parse_text("t", text);
    assert_eq!(codes(&loaded), ["port-forced"]);
    let real = &loaded.plan.virtual_servers[0].real_servers[0];
    assert_eq!(real.destination.forward, Forward::DirectRoute);
    assert_eq!(real.destination.address.port, 80);
    assert_eq!(tcp(real).target.port(), 80);
}

#[test]
fn a_server_without_a_port_has_that_of_the_service_and_so_has_its_check() {
    let text = server_text("", "TCP_CHECK {\n}").replace(" 8080", "");
    let loaded = parse_text("t", text);
    assert_eq!(codes(&loaded), [""; 0]);
    assert_eq!(tcp(&loaded.plan.virtual_servers[0].real_servers[0]).target.port(), 80);
}

#[test]
fn behind_a_mark_checks_go_to_the_port_as_written() {
    let text = server_text("", "TCP_CHECK {\n}")
        .replace("192.0.2.10 80", "fwmark 7")
        .replace("NAT", "DR")
        .replace(" protocol TCP\n", "");
    let loaded = parse_text("t", text);
    assert_eq!(codes(&loaded), [""; 0]);
    let real = &loaded.plan.virtual_servers[0].real_servers[0];
    assert_eq!((real.destination.address.port, tcp(real).target.port()), (0, 8080));
}

#[test]
fn a_service_without_a_port_is_made_persistent() {
    let loaded = parse_text("t", server_text("", "").replace("192.0.2.10 80", "192.0.2.10"));
    let service = &loaded.plan.virtual_servers[0].service;
    assert_eq!(service.persistence.as_ref().map(|p| (p.timeout_s, p.prefix_len)), Some((360, 32)));
}

#[test]
fn quorum_and_hysteresis_are_lowered_to_what_can_be_reached() {
    let weights = [
        ("weight 4", "quorum 9", (4, 0)),
        ("weight 4", "quorum 2\nhysteresis 5", (2, 1)),
        ("weight 4", "quorum 3\nhysteresis 2", (3, 1)),
        ("weight 0", "quorum 3\nhysteresis 2", (1, 0)),
    ];
    for (real, lines, wanted) in weights {
        let (server, _) = server(lines, real);
        assert_eq!((server.quorum.quorum, server.quorum.hysteresis), wanted, "{real} {lines}");
    }
}

#[test]
fn a_scheduler_flag_needs_its_scheduler() {
    let (hashed, codes) = server("sh-port\nlb_algo sh", "");
    assert_eq!((hashed.service.flags, codes), (ServiceFlags(ServiceFlags::SCHED2), vec![]));
    let (other, codes) = server("sh-port\nops", "");
    assert_eq!((other.service.flags, codes), (ServiceFlags(0), vec!["flag-ignored"; 2]));
}

#[test]
fn servers_of_the_other_family_and_duplicates_are_left_out() {
    let more = " real_server 2001:db8::1 80 {\n }\n real_server 198.51.100.1 8080 {\n }\n";
    let (server, codes) = server(more, "");
    assert_eq!(server.real_servers.len(), 1);
    assert_eq!(codes, ["address-family-mismatch", "duplicate"]);
}

#[test]
fn checkers_that_cannot_run_say_that_the_server_goes_unchecked() {
    let (unsupported, _) = server("", "BFD_CHECK {\n name b\n}");
    assert_eq!(unsupported.real_servers[0].checkers[..], []);
    for (lines, code) in [
        ("BFD_CHECK {\n name b\n}", "unknown-bfd"),
        ("BFD_CHECK {\n name b c\n}", "bad-value"),
        ("BFD_CHECK {\n}", "incomplete-checker"),
        ("HTTP_GET {\n}", "incomplete-checker"),
        ("HTTP_GET {\n url {\n }\n}", "incomplete-checker"),
        ("MISC_CHECK {\n}", "incomplete-checker"),
    ] {
        let loaded = parse_text("t", server_text("", lines));
        let findings: Vec<_> =
            loaded.diagnostics.iter().map(|d| (d.code, d.label.as_str())).collect();
        assert_eq!(findings, [(code, "the server is served without this check")], "{lines}");
    }
}

#[test]
fn http_and_misc_checks_take_their_keywords() {
    let (checked, codes) = server(
        "",
        "HTTP_GET {\n http_protocol 1.1\n connect_ip 203.0.113.9\n connect_port 81\n \
         url {\n path /a\n digest 5f2b4547f41470dc3e293e7267461575\n status_code 200 300-302\n }\n}\n\
         MISC_CHECK {\n misc_path \"/bin/check -h 1\"\n misc_timeout 3\n misc_dynamic\n user u g\n}",
    );
    assert_eq!(codes, [""; 0]);
    let real = &checked.real_servers[0];
    assert_eq!(http(real).pages.version, HttpVersion::Http11);
    assert_eq!(http(real).connect.target.to_string(), "203.0.113.9:81");
    assert_eq!(http(real).pages.urls[0].status, [(200, 200), (300, 302)]);
    let Probe::Misc(misc) = &real.checkers[1].probe else { panic!() };
    assert_eq!(misc.script.argv, ["/bin/check", "-h", "1"]);
    assert_eq!(misc.script.user.as_ref().map(|user| user.user.as_str()), Some("u"));
    assert_eq!((misc.timeout, misc.dynamic), (Duration::from_secs(3), true));
}

#[test]
fn an_unknown_word_is_a_warning_and_an_unknown_block_an_error() {
    let (word, block) = (parse_text("t", "nonsense\n"), parse_text("t", "nonsense {\n}\n"));
    assert!(word.can_replace_running());
    assert!(!block.can_replace_running());
    assert_eq!((word.test_status(), block.test_status()), (5, 5));
}

#[test]
fn a_source_address_may_carry_a_prefix_length_of_no_use() {
    let (instance, codes) = instance("mcast_src_ip 192.0.2.1/24");
    assert_eq!(
        (instance.source, codes),
        (Some(Ipv4Addr::new(192, 0, 2, 1).into()), vec!["surplus-words"])
    );
}

#[test]
fn plans_that_ask_for_the_same_are_equal_wherever_it_stands() {
    let (one, two) = (instance_text(""), format!("\n\n# moved\n{}", instance_text("")));
    assert_eq!(parse_text("a", one).plan, parse_text("b", two).plan);
}

/// keepalived falls back to multicast; nobody would listen there.
#[test]
fn an_empty_list_of_unicast_peers_is_refused_and_never_means_multicast() {
    for (lines, expected) in [
        ("unicast_peer {\n}", &["no-unicast-peer"][..]),
        ("unicast_peer {\n 2001:db8::2\n}", &["address-family-mismatch", "no-unicast-peer"]),
        (
            "unicast_src_ip 192.0.2.1\n unicast_peer {\n 192.0.2.1\n}",
            &["no-unicast-peer", "unicast-peer-is-self"],
        ),
        ("unicast_peer {\n 192.0.2.2\n}\nstrict_mode", &["strict-forbids-unicast"]),
    ] {
        let loaded = parse_text("t", instance_text(lines));
        let mut codes = codes(&loaded);
        codes.sort_unstable();
        assert_eq!(codes, expected, "{lines}");
        assert_eq!(loaded.verdict, Verdict::Unusable, "{lines}");
    }
}

#[test]
fn unicast_peers_keep_their_order_and_their_limits() {
    let (instance, codes) = instance(
        "unicast_src_ip 192.0.2.1\n check_unicast_src\n unicast_ttl 64\n \
         unicast_peer {\n 192.0.2.3 min_ttl 60 max_ttl 64\n 192.0.2.2\n 192.0.2.3\n}",
    );
    assert!(codes.is_empty(), "{codes:?}");
    let peer = |last, min_ttl, max_ttl| UnicastPeer {
        address: Ipv4Addr::new(192, 0, 2, last).into(),
        min_ttl,
        max_ttl,
    };
    let peers = vec![peer(3, 60, 64), peer(2, 0, 255)];
    assert_eq!(instance.transport, Transport::Unicast { peers, check_source: true });
    assert_eq!(instance.unicast_ttl, 64);
}

#[test]
fn version_3_has_hundredths_of_a_second_and_no_authentication() {
    let interval = |lines: &str| {
        let (instance, codes) = instance(&format!("version 3\n{lines}"));
        (instance.router.adver_interval.centiseconds(), codes)
    };
    assert_eq!(interval("advert_int 0.01"), (1, vec![]));
    assert_eq!(interval("advert_int 0.126"), (13, vec!["rounded"]));
    assert_eq!(interval("advert_int 41"), (4095, vec!["rounded"]));
    let (instance, codes) =
        instance("version 3\nauthentication {\n auth_type PASS\n auth_pass x\n}");
    assert_eq!(codes, ["v3-has-no-authentication"]);
    assert_eq!(instance.authentication, Authentication::None);
}

#[test]
fn the_first_address_decides_the_family_and_others_are_told_where_to_go() {
    let block = |addresses: &str, lines: &str| {
        let text = format!(
            "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n{lines}\n \
             virtual_ipaddress {{\n{addresses}\n }}\n}}\n"
        );
        let loaded = parse_text("t", text);
        let codes = codes(&loaded);
        (loaded.plan.vrrp_instances.into_iter().next(), codes)
    };
    let (instance, codes) = block("fe80::50\n192.0.2.10", "");
    let instance = instance.unwrap();
    assert_eq!(codes, ["address-family-mismatch"]);
    assert!(instance.ipv6 && instance.addresses.len() == 1);
    assert_eq!(instance.router.version, crate::vrrp::Version::V3);
    let group = Transport::Multicast("ff02::12".parse().unwrap());
    assert_eq!(instance.transport, group);

    let (refused, codes) = block("fe80::50", "version 2");
    assert_eq!((refused, codes), (None, vec!["version-2-ipv6"]));
    let (_, codes) = block("192.0.2.10", "native_ipv6");
    assert_eq!(codes, ["no-virtual-address", "address-family-mismatch"]);
    let (instance, _) = block("192.0.2.10", "virtual_ipaddress_excluded {\n fe80::1 -nodad\n}");
    assert!(instance.unwrap().excluded_addresses[0].detect_duplicates);
}

#[test]
fn trackers_have_their_definitions_weight_unless_they_say_another() {
    let definitions = "vrrp_script chk {\n script \"/bin/true -x\"\n interval 0.5\n weight -10 reverse\n \
                       fall 3\n}\nvrrp_script unused {\n script /bin/false\n}\n\
                       track_file f {\n file /run/f\n init_file 7 overwrite\n}\n";
    let lines = "track_script {\n chk weight 5 noreverse\n}\ntrack_file {\n f\n}\n\
                 track_interface {\n eth0\n eth1 weight -20\n}";
    // Definitions may come after what uses them.
    let loaded = parse_text("t", instance_text(lines) + definitions);
    assert_eq!(codes(&loaded), ["tracks-own-interface"]);
    let tracker = |what, weight| Tracker { what, weight, reverse: false };
    let expected = [
        tracker(Tracked::Script("chk".into()), 5),
        tracker(Tracked::File("f".into()), 1),
        tracker(Tracked::Interface("eth1".into()), -20),
    ];
    assert_eq!(loaded.plan.vrrp_instances[0].trackers, expected, "its own interface is not listed");
    let script = &loaded.plan.track_scripts[..];
    assert_eq!(script.len(), 1, "what nobody tracks is not run");
    assert_eq!(script[0].script.argv, ["/bin/true", "-x"]);
    let half = Duration::from_millis(500);
    assert_eq!((script[0].interval, script[0].timeout, script[0].fall), (half, half, 3));
    let init = plan::InitFile { value: 7, overwrite: true };
    assert_eq!(loaded.plan.track_files[0].init, Some(init));
}

#[test]
fn what_cannot_be_tracked_is_told() {
    let tracked = |lines: &str| instance(lines).1;
    assert_eq!(tracked("track_script {\n chk\n}"), ["unknown-script"]);
    assert_eq!(tracked("track_file {\n f\n}"), ["unknown-track-file"]);
    assert_eq!(tracked("track_interface {\n eth1 weight 300\n}"), ["number-out-of-range"]);
    assert_eq!(tracked("track_interface {\n eth1 weight 254\n}"), ["rounded"]);
    assert_eq!(tracked("track_interface {\n eth1\n eth1\n}"), ["duplicate"]);
    let loaded = parse_text("t", "vrrp_script chk {\n interval 1\n}\n");
    assert_eq!(codes(&loaded), ["missing-script"]);
}

/// Nine octets are four letters and a half: the message must not cut the fifth in two.
#[test]
fn a_password_may_be_cut_in_the_middle_of_a_letter() {
    let text = instance_text("authentication {\n auth_type PASS\n auth_pass aéééé\n}");
    let loaded = parse_text("t", text);
    assert_eq!(codes(&loaded), ["auth-pass-truncated"]);
    assert!(loaded.diagnostics.to_text(true).contains("9 octets"));
}

#[test]
fn an_owner_ignores_adverts_when_told_to_or_in_strict_mode() {
    let ignores = |lines: &str| instance(lines).0.owner_ignores_adverts;
    assert!(!ignores(""));
    assert!(ignores("owner_ignore_adverts"));
    assert!(ignores("strict_mode"));
    assert!(!ignores("strict_mode\nowner_ignore_adverts off"));
}
