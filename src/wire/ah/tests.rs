use std::net::IpAddr;

use super::super::ip::parse_ipv4;
use super::super::{Packet, Protocol};
use super::*;

const KEY: Key = Key(*b"secret\0\0");

/// keepalived 2.2.7 with `auth_type AH`, `auth_pass secret`: its second advert to the group, and
/// its second one to a unicast peer; `tcpdump -xx 'ip proto 51'`.
const MULTICAST: &str = "45c00040000200 00ff3318b5 c0000201 e0000012 70040000 c0000201 00000002 \
    13c4cfc695e805b3fae25dd1 214d96010201847d c0000232 0000000000000000";
const UNICAST: &str = "45c00040000200 00ff3336c5 c0000201 c0000202 70040000 c0000201 00000002 \
    78c713d670706890b818d0cb 214d96010201847d c0000232 0000000000000000";

fn octets(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn header(datagram: &[u8]) -> Header<'_> {
    Packet::parse_ipv4(datagram).unwrap().ah.expect("it has one")
}

#[test]
fn keepalived_headers_verify_with_the_key_and_with_no_other() {
    for datagram in [octets(MULTICAST), octets(UNICAST)] {
        let header = header(&datagram);
        assert_eq!((header.spi, header.sequence), (Ipv4Addr::new(192, 0, 2, 1), 2));
        assert!(header.verifies(KEY));
        assert!(!header.verifies(Key(*b"secreT\0\0")));
        assert!(header.names(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
        assert!(!header.names(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))));
    }
}

#[test]
fn ours_is_keepalived_octet_for_octet() {
    for (theirs, destination) in
        [(octets(MULTICAST), [224, 0, 0, 18]), (octets(UNICAST), [192, 0, 2, 2])]
    {
        let mut ours = theirs.clone();
        // The kernel fills in the checksum of the IP header.
        ours[9] = 112;
        ours[20..44].fill(0xee);
        protect(&mut ours, destination.into(), 2, KEY);
        assert_eq!(ours, theirs);
    }
}

#[test]
fn what_is_behind_it_is_the_vrrp_message() {
    let datagram = octets(MULTICAST);
    let packet = Packet::parse_ipv4(&datagram).unwrap();
    assert_eq!((packet.protocol(), packet.ip.header_len), (Protocol::Ah, 44));
    assert_eq!(packet.payload, octets("214d96010201847d c0000232 0000000000000000"));
    assert_eq!(parse_ipv4(&datagram), Err(Discard::Protocol(51)), "not one of VRRP alone");
}

/// RFC 4302 §3.3.3.1.1: what routers may change is not covered. A multicast TTL is.
#[test]
fn every_octet_counts_but_those_that_may_change_on_the_way() {
    let mutable = |unicast| move |at: &usize| matches!(at, 1 | 10 | 11) || (unicast && *at == 8);
    for (datagram, unicast) in [(octets(MULTICAST), false), (octets(UNICAST), true)] {
        let ip = parse_header_of(&datagram);
        for at in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[at] ^= 0x10;
            let Ok((header, _)) = parse(&changed, &ip) else { continue };
            // The fragment field, too, but that makes it a fragment.
            let free = mutable(unicast)(&at) || matches!(at, 6 | 7);
            assert_eq!(header.verifies(KEY), free, "octet {at}, unicast {unicast}");
        }
    }
}

fn parse_header_of(datagram: &[u8]) -> IpMeta {
    let packet = Packet::parse_ipv4(datagram).unwrap();
    IpMeta { header_len: 20, ..packet.ip }
}

#[test]
fn what_is_no_such_header_is_refused() {
    let datagram = octets(MULTICAST);
    let ip = parse_header_of(&datagram);
    for length in 20..44 {
        let refused = Discard::AhHeader { octets: length - 20 };
        assert_eq!(parse(&datagram[..length], &ip), Err(refused));
    }
    for (at, value) in [(20, 6), (21, 3), (21, 5)] {
        let mut changed = datagram.clone();
        changed[at] = value;
        assert_eq!(parse(&changed, &ip), Err(Discard::AhHeader { octets: 44 }));
    }
    assert!(parse(&datagram[..3], &ip).is_err());
}

#[test]
fn a_key_is_in_no_debug_output() {
    assert_eq!(format!("{KEY:?}"), "Key(********)");
}
