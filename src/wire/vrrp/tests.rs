use proptest::prelude::*;

use super::*;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50));
const VIP_2: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 51));
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const MULTICAST: IpMeta = IpMeta { source: ROUTER, destination: GROUP, ttl: 255, header_len: 20 };

/// keepalived 2.2.7 with `auth_type PASS`, `auth_pass secret`; `tcpdump -xx 'ip proto 112'`.
const V2_PASS: [u8; 20] = hex("214d960101014931c00002327365637265740000");
/// The same without authentication.
const V2_NONE: [u8; 20] = hex("214d96010001867dc00002320000000000000000");
/// keepalived 2.2.7, `version 3`, two addresses: the pseudo-header is in the checksum.
const V3: [u8; 16] = hex("314d960200641151c0000232c0000233");
/// The same with the message-only checksum of `v3_checksum_as_v2`, worked out by hand.
const V3_MESSAGE_ONLY: [u8; 16] = hex("314d96020064b3e5c0000232c0000233");

/// Hexadecimal digits to octets.
const fn hex<const N: usize>(digits: &str) -> [u8; N] {
    let mut octets = [0; N];
    let mut at = 0;
    while at < N {
        octets[at] = nibble(digits.as_bytes()[2 * at]) << 4 | nibble(digits.as_bytes()[2 * at + 1]);
        at += 1;
    }
    octets
}

const fn nibble(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 }
}

fn ours(version: Version, addresses: &[IpAddr]) -> Outgoing<'_> {
    Outgoing {
        version,
        vrid: Vrid::new(77).unwrap(),
        priority: 150,
        adver_interval: AdverInterval::ONE_SECOND,
        authentication: Authentication::None,
        checksum: ChecksumScope::PseudoHeader,
        addresses,
        source: ROUTER,
        destination: GROUP,
        seal: None,
    }
}

fn emitted(outgoing: &Outgoing<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    assert_eq!(outgoing.emit(&mut octets), octets.len());
    octets
}

/// A correct packet, changed, with its message checksum put right again unless told otherwise.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = V2_NONE.to_vec();
    change(&mut octets);
    if octets.len() >= FIXED_LEN {
        octets[6..8].fill(0);
        let checksum = Sum::default().add(&octets).checksum();
        octets[6..8].copy_from_slice(&checksum.to_be_bytes());
    }
    octets
}

#[test]
fn v2_with_password_is_keepalived_octet_for_octet() {
    let authentication = Authentication::SimpleText(*b"secret\0\0");
    let outgoing = Outgoing { authentication, ..ours(Version::V2, &[VIP]) };

    assert_eq!(emitted(&outgoing), V2_PASS);
}

#[test]
fn v2_without_authentication_still_carries_eight_zero_octets() {
    assert_eq!(emitted(&ours(Version::V2, &[VIP])), V2_NONE);
}

#[test]
fn v3_checksum_covers_pseudo_header_or_message_as_asked() {
    let outgoing = ours(Version::V3, &[VIP, VIP_2]);

    assert_eq!(emitted(&outgoing), V3);
    let message_only = Outgoing { checksum: ChecksumScope::Message, ..outgoing };
    assert_eq!(emitted(&message_only), V3_MESSAGE_ONLY);
}

#[test]
fn v2_advert_is_read_field_by_field() {
    let advert = parse(&V2_PASS, &MULTICAST).unwrap();

    assert_eq!((advert.version, advert.vrid.get(), advert.priority), (Version::V2, 77, 150));
    assert_eq!(advert.adver_interval, AdverInterval::ONE_SECOND);
    assert_eq!(advert.auth, Some(AuthFields { auth_type: 1, data: *b"secret\0\0" }));
    assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), [VIP]);
    assert_eq!((advert.addresses.len(), advert.addresses.is_empty()), (1, false));
}

#[test]
fn v3_advert_is_read_with_either_reading_of_the_checksum_and_tells_which() {
    let advert = parse(&V3, &MULTICAST).unwrap();
    assert_eq!((advert.version, advert.auth), (Version::V3, None));
    assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), [VIP, VIP_2]);
    assert_eq!(advert.checksum, ChecksumScope::PseudoHeader);

    let advert = parse(&V3_MESSAGE_ONLY, &MULTICAST).unwrap();
    assert_eq!(advert.checksum, ChecksumScope::Message);
}

/// RFC 9568 §5.2.6: the reserved bits are ignored on reception.
#[test]
fn v3_reserved_bits_do_not_change_the_interval() {
    let mut octets = V3_MESSAGE_ONLY;
    octets[4] |= 0xf0;
    octets[6..8].fill(0);
    let checksum = Sum::default().add(&octets).checksum();
    octets[6..8].copy_from_slice(&checksum.to_be_bytes());

    let advert = parse(&octets, &MULTICAST).unwrap();
    assert_eq!(advert.adver_interval, AdverInterval::ONE_SECOND);
}

/// RFC 9568 §7.1, one row for each check.
#[test]
fn each_failed_check_is_told_by_its_reason() {
    let cases: [(&str, Vec<u8>, Discard); 11] = [
        ("empty", vec![], Discard::Length { received: 0, expected: 8 }),
        ("seven octets", V2_NONE[..7].to_vec(), Discard::Length { received: 7, expected: 8 }),
        ("version 4", changed(|o| o[0] = 0x41), Discard::UnknownVersion(4)),
        ("type 2", changed(|o| o[0] = 0x22), Discard::PacketType(2)),
        ("no auth data", V2_NONE[..12].to_vec(), Discard::Length { received: 12, expected: 20 }),
        ("count 2", changed(|o| o[3] = 2), Discard::Length { received: 20, expected: 24 }),
        ("count 0", changed(|o| o[3] = 0), Discard::Length { received: 20, expected: 16 }),
        ("one bit", flipped(&V2_NONE), Discard::Checksum),
        ("VRID 0", changed(|o| o[1] = 0), Discard::UnknownVrid(0)),
        ("interval 0", changed(|o| o[5] = 0), Discard::ZeroInterval),
        ("v3 without address", v3_without_address(), Discard::NoAddress),
    ];
    for (name, octets, reason) in cases {
        assert_eq!(parse(&octets, &MULTICAST), Err(reason), "{name}");
    }
}

fn flipped(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[2] ^= 1;
    octets
}

fn v3_without_address() -> Vec<u8> {
    emitted(&ours(Version::V3, &[]))
}

/// RFC 9568 §7.1 names the TTL first: a packet from afar is that, whatever else is wrong.
#[test]
fn ttl_is_checked_before_anything_else_and_for_multicast_only() {
    for ttl in [0, 1, 64, 254] {
        let far = IpMeta { ttl, ..MULTICAST };
        assert_eq!(parse(&[], &far), Err(Discard::Ttl(ttl)));
    }
    let unicast = IpMeta { ttl: 64, destination: VIP_2, ..MULTICAST };
    assert!(parse(&V2_NONE, &unicast).is_ok());
}

#[test]
fn v2_over_ipv6_is_no_version_we_know() {
    let from_v6 = IpMeta { source: "fe80::1".parse().unwrap(), ..MULTICAST };
    assert_eq!(parse(&V2_NONE, &from_v6), Err(Discard::UnknownVersion(2)));
}

/// 20 octets after an IP header of 20 leave 6 to the shortest Ethernet payload, 46.
#[test]
fn trailing_octets_are_allowed_as_ethernet_padding_only() {
    for extra in [0, 6] {
        let octets = [&V2_NONE[..], &vec![0; extra]].concat();
        assert!(parse(&octets, &MULTICAST).is_ok(), "{extra} octets more");
    }
    for extra in [1, 2, 5, 7, 28] {
        let octets = [&V2_NONE[..], &vec![0; extra]].concat();
        let reason = Discard::Length { received: 20 + extra, expected: 20 };
        assert_eq!(parse(&octets, &MULTICAST), Err(reason), "{extra} octets more");
    }
}

/// keepalived accepts a VRRPv2 advert that lists nothing; refusing it would make two Actives.
#[test]
fn v2_advert_without_addresses_is_accepted() {
    let octets = emitted(&ours(Version::V2, &[]));
    assert!(parse(&octets, &MULTICAST).unwrap().addresses.is_empty());
}

#[test]
fn at_most_255_addresses_of_the_senders_family_are_listed() {
    let v6: IpAddr = "fe80::50".parse().unwrap();
    let mut many = vec![VIP; 256];
    many[0] = v6;
    many.push(VIP_2);

    let octets = emitted(&ours(Version::V2, &many));
    assert_eq!(octets.len(), 8 + 255 * 4 + 8);
    assert!(parse(&octets, &MULTICAST).unwrap().addresses.iter().all(|address| address == VIP));
}

#[test]
fn intervals_beyond_the_field_are_sent_as_its_limit() {
    let interval = |version, centiseconds| {
        let adver_interval = AdverInterval::from_centiseconds(centiseconds).unwrap();
        let octets = emitted(&Outgoing { adver_interval, ..ours(version, &[VIP]) });
        parse(&octets, &MULTICAST).unwrap().adver_interval.centiseconds()
    };
    assert_eq!(interval(Version::V2, 50), 100);
    assert_eq!(interval(Version::V2, 25_500), 25_500);
    assert_eq!(interval(Version::V3, 1), 1);
    assert_eq!(interval(Version::V3, 25_500), 4095);
}

#[test]
fn claimed_vrid_is_the_second_octet() {
    assert_eq!(claimed_vrid(&[0x21]), None);
    assert_eq!(claimed_vrid(&[0x21, 0]), None);
    assert_eq!(claimed_vrid(&[0xff, 7]), Vrid::new(7));
}

#[test]
fn password_is_in_no_debug_output() {
    let authentication = Authentication::SimpleText(*b"secret\0\0");
    assert_eq!(format!("{authentication:?}"), "SimpleText(********)");
}

fn any_meta() -> impl Strategy<Value = IpMeta> {
    let v4 = (any::<Ipv4Addr>(), any::<Ipv4Addr>()).prop_map(|(a, b)| (a.into(), b.into()));
    let v6 = (any::<Ipv6Addr>(), any::<Ipv6Addr>()).prop_map(|(a, b)| (a.into(), b.into()));
    (prop_oneof![v4, v6], prop_oneof![Just(255), any::<u8>()], 0usize..64).prop_map(
        |((source, destination), ttl, header_len)| IpMeta { source, destination, ttl, header_len },
    )
}

fn any_addresses(v4: bool) -> impl Strategy<Value = Vec<IpAddr>> {
    let address = any::<u128>().prop_map(move |bits| match v4 {
        true => IpAddr::V4(Ipv4Addr::from(bits as u32)),
        false => IpAddr::V6(Ipv6Addr::from(bits)),
    });
    proptest::collection::vec(address, 1..20)
}

/// RFC 9568 §5.2.5 counts up to 255 addresses; what is longer than the MTU would be cut in pieces.
#[test]
fn as_many_addresses_fit_as_the_mtu_allows() {
    let v4 = Layout { version: Version::V3, ipv6: false, protocol: Protocol::Vrrp, trailer: false };
    let v2 = Layout { version: Version::V2, ..v4 };
    let v6 = Layout { ipv6: true, ..v4 };
    for (layout, mtu, most) in [
        (v4, 1500, 255),
        (v4, 576, 137),
        (v4, 30, 0),
        (v4, 0, 255),
        (v2, 576, 135),
        (Layout { protocol: Protocol::Ah, ..v2 }, 576, 129),
        (v6, 1500, 90),
        (Layout { trailer: true, ..v6 }, 1500, 89),
        (v6, 9000, 255),
    ] {
        assert_eq!(layout.most_addresses(mtu), most, "{layout:?}, {mtu}");
    }
    assert_eq!(v4.length(2), 36);
    assert_eq!(Layout { protocol: Protocol::Ah, ..v2 }.length(1), 64, "keepalived's, captured");
    assert_eq!(Layout { trailer: true, ..v6 }.length(1), 40 + 24 + 28);
}

proptest! {
    /// Random octets, and random octets behind a plausible start that reach the later checks.
    #[test]
    fn any_octets_give_a_value_or_a_reason(
        mut octets in proptest::collection::vec(any::<u8>(), 0..200),
        first in prop_oneof![Just(None), Just(Some(0x21)), Just(Some(0x31))],
        meta in any_meta(),
    ) {
        if let (Some(first), Some(octet)) = (first, octets.first_mut()) {
            *octet = first;
        }
        if let Ok(advert) = parse(&octets, &meta) {
            prop_assert_eq!(advert.addresses.iter().count(), advert.addresses.len());
        }
        let _ = super::super::ip::parse_ipv4(&octets);
    }

    #[test]
    fn what_is_emitted_is_what_is_parsed(
        addresses in any::<bool>().prop_flat_map(any_addresses),
        v3_over_ipv4: bool,
        message_only: bool,
        vrid in 1u8..,
        priority: u8,
        seconds in 1u16..=40,
        password: Option<[u8; 8]>,
    ) {
        let v6 = addresses[0].is_ipv6();
        let v3 = v6 || v3_over_ipv4;
        let outgoing = Outgoing {
            version: if v3 { Version::V3 } else { Version::V2 },
            vrid: Vrid::new(vrid).unwrap(),
            priority,
            adver_interval: AdverInterval::from_centiseconds(seconds * 100).unwrap(),
            authentication: password.map_or(Authentication::None, Authentication::SimpleText),
            checksum: if message_only && !v6 { ChecksumScope::Message } else { ChecksumScope::PseudoHeader },
            addresses: &addresses,
            source: if v6 { "fe80::1".parse().unwrap() } else { ROUTER },
            destination: if v6 { "ff02::12".parse().unwrap() } else { GROUP },
            seal: None,
        };
        let octets = emitted(&outgoing);
        let meta = IpMeta { source: outgoing.source, destination: outgoing.destination, ..MULTICAST };
        let advert = parse(&octets, &meta).unwrap();

        prop_assert_eq!((advert.version, advert.vrid), (outgoing.version, outgoing.vrid));
        prop_assert_eq!((advert.priority, advert.adver_interval), (priority, outgoing.adver_interval));
        prop_assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), addresses.clone());
        if let Some(fields) = advert.auth {
            prop_assert!(outgoing.authentication.accepts(&fields.data));
            prop_assert_eq!(fields.auth_type, outgoing.authentication.wire_type());
        }
    }

    /// A single flipped bit never passes the checksum.
    #[test]
    fn one_flipped_bit_is_noticed(bit in 0usize..160) {
        let mut octets = V2_PASS;
        octets[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(parse(&octets, &MULTICAST).is_err());
    }
}
