use std::time::Duration;

use super::super::vrrp::{Reading, parse_as};
use super::super::{
    AdverInterval, Advertisement, Authentication, ChecksumScope, IpMeta, Outgoing, vrrp,
};
use super::*;

/// The key and the packets of the compatibility specification, which were confirmed by injecting
/// them into keepalived 2.4.3: octets 0x20 to 0x3f, key 7.
fn key() -> HmacKey {
    let secret: Vec<u8> = (0x20..=0x3f).collect();
    HmacKey::new(NonZeroU8::new(7).unwrap(), &secret)
}

const SEQUENCE: Sequence = Sequence(0x6a00_0000_4000_0003);
const HEAD: &str = "01070000 6a000000 4000 0003";

struct Vector {
    outgoing: Outgoing<'static>,
    message: &'static str,
    mac: &'static str,
}

fn vectors() -> [Vector; 3] {
    let addresses = |list: &[&str]| -> &'static [IpAddr] {
        list.iter().map(|each| each.parse().unwrap()).collect::<Vec<_>>().leak()
    };
    let v3 = Outgoing {
        version: Version::V3,
        vrid: Vrid::new(77).unwrap(),
        priority: 150,
        adver_interval: AdverInterval::ONE_SECOND,
        authentication: Authentication::None,
        checksum: ChecksumScope::PseudoHeader,
        addresses: addresses(&["192.0.2.50", "192.0.2.51"]),
        source: "192.0.2.1".parse().unwrap(),
        destination: "224.0.0.18".parse().unwrap(),
        seal: Some(Seal { key: Box::leak(Box::new(key())), sequence: SEQUENCE }),
    };
    let v6 = Outgoing {
        addresses: addresses(&["fe80::50"]),
        source: "fe80::1".parse().unwrap(),
        destination: "ff02::12".parse().unwrap(),
        ..v3
    };
    let v2 = Outgoing { version: Version::V2, addresses: addresses(&["192.0.2.50"]), ..v3 };
    [
        Vector {
            outgoing: v3,
            message: "314d960200641151 c0000232 c0000233",
            mac: "6586d84d7d06d697bc0bb18dc395e253",
        },
        Vector {
            outgoing: v2,
            message: "214d96010001867d c0000232 0000000000000000",
            mac: "55771883ccaaf4a6ee5d1bb622c44503",
        },
        Vector {
            outgoing: v6,
            message: "314d96010064682e fe800000000000000000000000000050",
            mac: "d44680913154a905725f4bf8c0297a54",
        },
    ]
}

fn octets(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn packet(vector: &Vector) -> Vec<u8> {
    octets(&[vector.message, HEAD, vector.mac].concat())
}

fn read<'a>(packet: &'a [u8], outgoing: &Outgoing<'_>) -> Result<Advertisement<'a>, Discard> {
    let (source, destination) = (outgoing.source, outgoing.destination);
    let ip = IpMeta { source, destination, ttl: 255, header_len: 20 };
    parse_as(packet, &ip, Reading { trailer: true, old_group: None })
}

#[test]
fn signed_adverts_are_keepalived_octet_for_octet() {
    for vector in vectors() {
        let mut out = Vec::new();
        vector.outgoing.emit(&mut out);
        assert_eq!(out, packet(&vector), "{}", vector.mac);
    }
}

#[test]
fn keepalived_trailers_verify() {
    for vector in vectors() {
        let packet = packet(&vector);
        let advert = read(&packet, &vector.outgoing).unwrap();
        let trailer = parse(advert.trailer.unwrap()).unwrap();
        assert_eq!((trailer.key_id, trailer.sequence), (7, SEQUENCE));
        assert!(
            trailer.verifies(&key(), &advert.covered(vector.outgoing.source)),
            "{}",
            vector.mac
        );
        let other = HmacKey::new(key().id, &[0x20; 32]);
        assert!(!trailer.verifies(&other, &advert.covered(vector.outgoing.source)));
        let elsewhere = if vector.outgoing.source.is_ipv4() { "192.0.2.2" } else { "fe80::2" };
        assert!(!trailer.verifies(&key(), &advert.covered(elsewhere.parse().unwrap())));
    }
}

/// The message-only checksum has the same MAC: the field is taken as zero.
#[test]
fn every_octet_but_those_of_the_checksum_is_covered() {
    for vector in vectors() {
        let packet = packet(&vector);
        let length = packet.len() - LEN;
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            let (message, trailer) = changed.split_at(length);
            let Ok(trailer) = parse(trailer.try_into().unwrap()) else { continue };
            let Outgoing { version, vrid, source, .. } = vector.outgoing;
            let covered = Covered { version, vrid, source, message };
            assert_eq!(trailer.verifies(&key(), &covered), CHECKSUM.contains(&at), "octet {at}");
        }
    }
}

#[test]
fn another_type_and_used_reserved_octets_are_malformed() {
    let good: [u8; LEN] = octets(&[HEAD, vectors()[0].mac].concat()).try_into().unwrap();
    for (at, value) in [(0, 0), (0, 2), (2, 1), (3, 1)] {
        let mut changed = good;
        changed[at] = value;
        assert_eq!(parse(&changed), Err(Discard::HmacMalformed), "octet {at}");
    }
}

/// A node without `auth_hmac` discards them, and says why.
#[test]
fn a_trailer_that_nobody_asked_for_is_refused() {
    for vector in vectors() {
        let (source, destination) = (vector.outgoing.source, vector.outgoing.destination);
        let ip = IpMeta { source, destination, ttl: 255, header_len: 20 };
        let packet = packet(&vector);
        let refused = vrrp::parse(&packet, &ip);
        assert_eq!(refused, Err(Discard::HmacUnexpected));
        assert_eq!(refused.unwrap_err().name(), "packet_len_err");
    }
}

#[test]
fn a_trailer_has_its_length_and_no_other() {
    for vector in vectors() {
        let packet = packet(&vector);
        for extra in [1, 2, 28] {
            let longer = [&packet[..], &vec![0; extra]].concat();
            let read = read(&longer, &vector.outgoing);
            assert!(matches!(read, Err(Discard::Length { .. })), "{read:?}");
        }
        let shorter = read(&packet[..packet.len() - 1], &vector.outgoing);
        assert!(matches!(shorter, Err(Discard::Length { .. })), "{shorter:?}");
    }
}

#[test]
fn sequences_compare_across_the_year_2106() {
    let before = Sequence::at(Duration::from_secs(u32::MAX.into()));
    let after = Sequence::at(Duration::from_secs(u64::from(u32::MAX) + 2));
    assert!(after.is_after(before) && !before.is_after(after));
    assert_eq!((after.seconds_after(before), before.seconds_after(after)), (2, -2));
    assert!(Sequence(0).is_after(Sequence(u64::MAX)));
    assert!(!before.is_after(before));
}

#[test]
fn a_moment_is_in_seconds_and_65536ths() {
    assert_eq!(Sequence::at(Duration::new(0x6a00_0000, 250_000_000)).0, 0x6a00_0000_4000_0000);
    assert_eq!(Sequence::at(Duration::new(1, 999_999_999)).0, 0x1_ffff_0000);
}

#[test]
fn a_key_is_in_no_debug_output() {
    assert_eq!(format!("{:?}", key()), "HmacKey(7, ********)");
}
