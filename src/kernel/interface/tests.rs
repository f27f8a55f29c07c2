use super::*;
use crate::kernel::netlink::push_attribute;

/// `struct ifinfomsg` of interface 5, and the attributes that count.
fn link(family: i32, flags: i32) -> Vec<u8> {
    let mut payload = vec![family as u8, 0, 1, 0];
    payload.extend_from_slice(&5u32.to_ne_bytes());
    payload.extend_from_slice(&flags.to_ne_bytes());
    payload.extend_from_slice(&[0; 4]);
    push_attribute(&mut payload, IFLA_IFNAME, b"eth0\0");
    push_attribute(&mut payload, IFLA_MTU, &1500u32.to_ne_bytes());
    push_attribute(&mut payload, IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]);
    payload
}

/// `struct ifaddrmsg` of a permanent address of interface 5.
fn address(family: i32, prefix_len: u8) -> Vec<u8> {
    let mut payload = vec![family as u8, prefix_len, 0x80, 0];
    payload.extend_from_slice(&5u32.to_ne_bytes());
    payload
}

#[test]
fn link_needs_both_up_and_running_to_be_up() {
    let up = |flags| Link::parse(&link(libc::AF_UNSPEC, flags)).expect("a link").up;

    assert!(up(libc::IFF_UP | libc::IFF_RUNNING));
    assert!(!up(libc::IFF_UP), "no carrier");
    assert!(!up(libc::IFF_RUNNING), "set down");
}

#[test]
fn link_has_index_name_mac_and_mtu() {
    let found = Link::parse(&link(libc::AF_UNSPEC, libc::IFF_NOARP));

    let wanted = Link {
        index: 5,
        name: "eth0".to_owned(),
        up: false,
        enabled: false,
        vrf_table: None,
        promote_secondaries: None,
        mac: Some([2, 0, 0, 0, 0, 1]),
        arp: false,
        mtu: 1500,
        router: false,
        kind: LinkKind::Other,
        parent: None,
        master: None,
        group: 0,
    };
    assert_eq!(found, Some(wanted));
}

/// A bridge says RTM_DELLINK of family AF_BRIDGE when an interface leaves it.
#[test]
fn link_message_about_a_bridge_port_is_none_about_the_link() {
    assert_eq!(Link::parse(&link(libc::AF_BRIDGE, libc::IFF_UP)), None);
}

#[test]
fn link_message_without_name_is_ignored() {
    assert_eq!(Link::parse(&link(libc::AF_UNSPEC, 0)[..IFINFOMSG_LEN]), None);
}

/// rtnetlink(7): with a peer, IFA_ADDRESS is the peer's and IFA_LOCAL ours.
#[test]
fn address_with_a_peer_is_our_end() {
    let mut payload = address(libc::AF_INET, 32);
    push_attribute(&mut payload, IFA_ADDRESS, &[192, 0, 2, 2]);
    push_attribute(&mut payload, IFA_LOCAL, &[192, 0, 2, 1]);

    let found = InterfaceAddress::parse(&payload).expect("an address");

    assert_eq!(found.address, "192.0.2.1/32".parse().unwrap());
}

#[test]
fn address_has_label_broadcast_origin_and_wide_flags() {
    let mut payload = address(libc::AF_INET, 24);
    push_attribute(&mut payload, IFA_LOCAL, &[192, 0, 2, 1]);
    push_attribute(&mut payload, IFA_BROADCAST, &[192, 0, 2, 255]);
    push_attribute(&mut payload, IFA_LABEL, b"eth0:1\0");
    push_attribute(&mut payload, IFA_PROTO, &[18]);
    push_attribute(&mut payload, IFA_FLAGS, &0x280u32.to_ne_bytes());

    let found = InterfaceAddress::parse(&payload);

    let wanted = InterfaceAddress {
        ifindex: 5,
        address: "192.0.2.1/24".parse().unwrap(),
        peer: None,
        broadcast: Some(Ipv4Addr::new(192, 0, 2, 255)),
        label: Some("eth0:1".to_owned()),
        scope: 0,
        protocol: Some(18),
        flags: 0x280,
    };
    assert_eq!(found, Some(wanted));
}

#[test]
fn ipv6_address_is_found_in_ifa_address() {
    let mut payload = address(libc::AF_INET6, 64);
    let ip: Ipv6Addr = "2001:db8::1".parse().unwrap();
    push_attribute(&mut payload, IFA_ADDRESS, &ip.octets());

    let found = InterfaceAddress::parse(&payload).expect("an address");

    assert_eq!(found.address, "2001:db8::1/64".parse().unwrap());
}

#[test]
fn address_of_impossible_prefix_or_family_is_ignored() {
    for (family, prefix_len) in [(libc::AF_INET, 33), (libc::AF_PACKET, 8)] {
        let mut payload = address(family, prefix_len);
        push_attribute(&mut payload, IFA_LOCAL, &[192, 0, 2, 1]);
        assert_eq!(InterfaceAddress::parse(&payload), None);
    }
}
