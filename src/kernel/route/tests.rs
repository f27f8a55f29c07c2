use proptest::prelude::*;

use super::*;
use crate::kernel::netlink::push_attribute;

/// `struct rtmsg` of an IPv4 unicast route with the given prefix length.
fn header(length: u8) -> Vec<u8> {
    vec![libc::AF_INET as u8, length, 0, 0, 254, 18, 0, 1, 0, 0, 0, 0]
}

#[test]
fn a_multipath_route_has_all_its_hops() {
    let mut hops = Vec::new();
    for (last, index) in [(1, 2u32), (2, 3)] {
        let start = hops.len();
        hops.extend_from_slice(&[0; 4]);
        hops.extend_from_slice(&index.to_ne_bytes());
        push_attribute(&mut hops, RTA_GATEWAY, &[192, 0, 2, last]);
        let length = (hops.len() - start) as u16;
        hops[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
    let mut payload = header(16);
    push_attribute(&mut payload, RTA_DST, &[10, 3, 0, 0]);
    push_attribute(&mut payload, RTA_MULTIPATH, &hops);
    let found = parse(&payload).expect("a route");
    let gateway = |text: &str| Some(text.parse().unwrap());
    assert_eq!(found.hops, [(gateway("192.0.2.1"), 2), (gateway("192.0.2.2"), 3)]);
    assert_eq!(found.key.destination.to_string(), "10.3.0.0/16");
}

#[test]
fn an_impossible_prefix_is_no_route() {
    let mut payload = header(33);
    push_attribute(&mut payload, RTA_DST, &[10, 3, 0, 0]);
    assert_eq!(parse(&payload), None);
}

proptest! {
    #[test]
    fn any_octets_give_a_route_or_none(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        parse(&octets);
        super::super::rule::parse(&octets);
    }

    #[test]
    fn any_attributes_give_a_route_or_none(octets in prop::collection::vec(any::<u8>(), 0..200), length in 0u8..40) {
        parse(&[header(length), octets.clone()].concat());
        super::super::rule::parse(&[header(length), octets].concat());
    }
}
