use super::*;

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// keepalived 2.2.7's first header (`tcpdump -xx 'ip proto 112'`), with two addresses behind it
/// instead of one: 45 c0, length 44, ID 1, no flags, TTL 255, 112; its checksum left to the kernel.
const HEADER: [u8; 20] = [
    0x45, 0xc0, 0x00, 0x2c, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0x00, 0x00, 192, 0, 2, 1, 224, 0,
    0, 18,
];

fn datagram(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = HEADER.to_vec();
    octets.extend([0xab; 24]);
    change(&mut octets);
    octets
}

#[test]
fn header_is_keepalived_octet_for_octet() {
    let header = HeaderV4 { source: ROUTER, destination: GROUP, ttl: TTL, id: 1 };

    assert_eq!(header.octets(24), HEADER);
}

#[test]
fn header_sent_is_the_header_read() {
    let octets = datagram(|_| {});
    let (meta, payload) = parse_ipv4(&octets).unwrap();

    let expected =
        IpMeta { source: ROUTER.into(), destination: GROUP.into(), ttl: 255, header_len: 20 };
    assert_eq!(meta, expected);
    assert_eq!(payload, [0xab; 24]);
}

#[test]
fn options_belong_to_the_header() {
    let octets = datagram(|octets| {
        octets[0] = 0x46;
        octets[3] = 48;
        octets.splice(20..20, [1, 1, 1, 0]);
    });
    let (meta, payload) = parse_ipv4(&octets).unwrap();

    assert_eq!((meta.header_len, payload), (24, &[0xab; 24][..]));
}

/// The header's total length decides, not what arrived behind it; but only padding of the
/// shortest Ethernet frame may follow.
#[test]
fn octets_beyond_total_length_are_cut_off_as_ethernet_padding_only() {
    let padded = datagram(|octets| octets.extend([0; 2]));
    assert_eq!(parse_ipv4(&padded).unwrap().1.len(), 24);

    let longer = datagram(|octets| octets.extend([0; 3]));
    assert_eq!(parse_ipv4(&longer), Err(Discard::IpLength { stated: 44, received: 47 }));
}

#[test]
fn each_broken_header_is_told_by_its_reason() {
    let cases: [(&str, Vec<u8>, Discard); 8] = [
        ("empty", vec![], Discard::NotIpv4 { octets: 0 }),
        ("short", HEADER[..19].to_vec(), Discard::NotIpv4 { octets: 19 }),
        ("IPv6", datagram(|o| o[0] = 0x65), Discard::NotIpv4 { octets: 44 }),
        ("IHL 4", datagram(|o| o[0] = 0x44), Discard::NotIpv4 { octets: 44 }),
        ("truncated", datagram(|o| o.truncate(40)), Discard::IpLength { stated: 44, received: 40 }),
        (
            "IHL past total length",
            datagram(|o| (o[0], o[3]) = (0x4f, 44)),
            Discard::IpLength { stated: 44, received: 44 },
        ),
        ("more fragments", datagram(|o| o[6] = 0x20), Discard::Fragment),
        ("AH", datagram(|o| o[9] = 51), Discard::Protocol(51)),
    ];
    for (name, octets, reason) in cases {
        assert_eq!(parse_ipv4(&octets), Err(reason), "{name}");
    }
}

#[test]
fn dont_fragment_is_no_fragment() {
    assert!(parse_ipv4(&datagram(|octets| octets[6] = 0x40)).is_ok());
}

#[test]
fn identification_starts_at_one_and_skips_zero() {
    let mut ids = IdCounter::default();
    assert_eq!((ids.advance(), ids.advance()), (1, 2));

    let mut last = IdCounter(65_535);
    assert_eq!(last.advance(), 1);
}

/// RFC 8200 §3: version 6, traffic class 0xc0, flow label 0.
#[test]
fn ipv6_header_has_the_traffic_class_of_adverts() {
    let header = HeaderV6 {
        source: "fe80::1".parse().unwrap(),
        destination: "ff02::12".parse().unwrap(),
        hop_limit: 255,
    };
    let octets = header.octets(24);
    assert_eq!(octets[..8], [0x6c, 0, 0, 0, 0, 24, 112, 255]);
    assert_eq!((octets[8], octets[23], octets[24], octets[39]), (0xfe, 1, 0xff, 0x12));
}
