//! How adverts travel and are authenticated.

use crate::config::plan::{Authentication, OldChecksum, ReceiveQueue, Transport};
use crate::config::{Verdict, parse_text};
use crate::wire::ah::Key;

use super::{codes, instance, instance_text};

#[test]
fn an_authentication_header_makes_a_master_that_owns_nothing_a_backup() {
    let header = "authentication {\n auth_type AH\n auth_pass secret\n}";
    let (instance, codes) = instance(&format!("state MASTER\nnopreempt\npriority 200\n{header}"));
    assert_eq!(instance.authentication, Authentication::Header(Key(*b"secret\0\0")));
    assert_eq!(codes, ["ah-state-master-not-owner"], "nopreempt holds, as for a BACKUP");
    assert!(!instance.router.preempt);
}

#[test]
fn an_authentication_header_is_for_version_2_over_ipv4() {
    let header = "authentication {\n auth_type AH\n auth_pass secret\n}";
    for line in ["version 3", "native_ipv6"] {
        let loaded = parse_text(
            "t",
            format!(
                "vrrp_instance V {{\n interface e\n virtual_router_id 1\n {line}\n {header}\n \
                 no_virtual_ipaddress\n}}\n"
            ),
        );
        let instance = &loaded.plan.vrrp_instances[0];
        assert_eq!(instance.authentication, Authentication::None, "{line}");
        assert_eq!(self::codes(&loaded), ["v3-has-no-authentication"], "{line}");
    }
    let (_, codes) = instance(&format!("strict_mode\n{header}"));
    assert!(codes.contains(&"strict-forbids-authentication"));
}

/// keepalived.conf(5), unicast_peer.
#[test]
fn unicast_instances_of_one_vrid_are_told_apart_by_their_peers() {
    let with_peer = |name: &str, peer: &str| {
        instance_text(&format!("unicast_src_ip 192.0.2.1\nunicast_peer {{\n {peer}\n}}"))
            .replace("VI_1", name)
            .replace("192.0.2.10", if name == "A" { "192.0.2.10" } else { "192.0.2.11" })
    };
    let two = |peer| parse_text("t", with_peer("A", "192.0.2.2") + &with_peer("B", peer));
    let apart = two("192.0.2.3");
    assert_eq!((codes(&apart), apart.plan.vrrp_instances.len()), (vec![], 2));
    let alike = two("192.0.2.2");
    assert_eq!(codes(&alike), ["duplicate-vrid"]);
    assert_eq!(alike.verdict, Verdict::Unusable);
}

#[test]
fn without_peers_there_is_an_error_or_a_fault() {
    let line = "unicast_src_ip 192.0.2.1\nunicast_peer {\n}";
    assert_eq!(codes(&parse_text("t", instance_text(line))), ["no-unicast-peer"]);
    let (instance, codes) = instance(&format!("{line}\nunicast_fault_no_peer"));
    assert_eq!(codes, [""; 0]);
    let peers = Vec::new();
    assert_eq!(instance.transport, Transport::Unicast { peers, check_source: false });
}

#[test]
fn old_unicast_checksums_are_made_as_asked_and_never_means_never() {
    let made = |line: &str| instance(line).0.old_checksum;
    assert_eq!(made(""), OldChecksum::AsPeers);
    assert_eq!(made("old_unicast_checksum"), OldChecksum::Always);
    assert_eq!(made("old_unicast_checksum never"), OldChecksum::Never);
    let codes = instance("old_unicast_checksum no").1;
    assert_eq!(codes, ["unicast-without-peers", "bad-value"]);
}

#[test]
fn room_for_adverts_is_by_size_then_mtu_then_length() {
    let policy = |lines: &str| {
        let loaded = parse_text("t", format!("global_defs {{\n{lines}\n}}\n"));
        (loaded.plan.global.receive_queue, codes(&loaded))
    };
    assert_eq!(policy(""), (ReceiveQueue::Ample, vec![]));
    assert_eq!(policy("vrrp_rx_bufs_policy mtu"), (ReceiveQueue::Mtus(3), vec![]));
    let twice = "vrrp_rx_bufs_multiplier 7\nvrrp_rx_bufs_policy MTU\nvrrp_rx_bufs_policy ADVERT";
    assert_eq!(policy(twice), (ReceiveQueue::Mtus(7), vec!["duplicate"]));
    assert_eq!(policy("vrrp_rx_bufs_policy 70000"), (ReceiveQueue::Octets(70_000), vec![]));
    assert_eq!(policy("vrrp_rx_bufs_policy many"), (ReceiveQueue::Ample, vec!["not-a-number"]));
    assert_eq!(instance("kernel_rx_buf_size 9000").0.receive_queue, Some(9000));
}

#[test]
fn more_addresses_than_a_packet_holds_are_pointed_out() {
    let many = |count: usize, base: &str| {
        let lines: Vec<String> = (1..=count).map(|n| format!("{base}{n:x}")).collect();
        let text = format!("virtual_ipaddress {{\n{}\n}}", lines.join("\n"));
        format!("vrrp_instance V {{\n interface e\n virtual_router_id 1\n {text}\n}}\n")
    };
    let fits = parse_text("t", many(90, "fe80::"));
    assert_eq!(codes(&fits), [""; 0]);
    let too_many = parse_text("t", many(91, "fe80::"));
    assert_eq!(codes(&too_many), ["too-many-addresses"]);
    assert_eq!(too_many.plan.vrrp_instances[0].addresses.len(), 91, "the MTU may be greater");
    let far_too_many = parse_text("t", many(256, "fe80::"));
    let instance = &far_too_many.plan.vrrp_instances[0];
    assert_eq!((instance.addresses.len(), instance.excluded_addresses.len()), (255, 1));
}

#[test]
fn addresses_without_end_are_one_error() {
    let addresses: String =
        (0..100_003).map(|n| format!("10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255)).collect();
    let text = format!(
        "vrrp_instance V {{\n interface eth0\n virtual_router_id 1\n \
         virtual_ipaddress_excluded {{\n{addresses} }}\n virtual_ipaddress {{\n 192.0.2.1\n }}\n}}"
    );
    let loaded = parse_text("t", text);
    assert_eq!(codes(&loaded), ["too-many-addresses"]);
    assert_eq!(loaded.plan.vrrp_instances[0].excluded_addresses.len(), 100_000);
}
