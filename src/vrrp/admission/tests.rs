use std::net::Ipv4Addr;

use crate::vrrp::Vrid;
use crate::wire::{HmacKey, Outgoing, Seal, Sequence};

use super::super::fixtures::LOWER;
use super::*;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50));
const VIP_2: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 51));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const SECRET: Authentication = Authentication::SimpleText(*b"secret\0\0");

fn admission() -> Admission {
    Admission {
        version: Version::V2,
        adver_interval: AdverInterval::ONE_SECOND,
        authentication: SECRET,
        transport: Transport::Multicast(GROUP),
        addresses: vec![VIP, VIP_2],
        skip_check_adv_addr: false,
        ignores_all: false,
        message_checksum: false,
        old_group: Some(GROUP),
        hmac: None,
    }
}

/// What a peer configured as `admission` would send.
fn theirs(admission: &Admission) -> Outgoing<'_> {
    Outgoing {
        version: admission.version,
        vrid: Vrid::new(77).unwrap(),
        priority: 150,
        adver_interval: admission.adver_interval,
        authentication: admission.authentication,
        checksum: ChecksumScope::PseudoHeader,
        addresses: &admission.addresses,
        source: LOWER,
        destination: match admission.transport {
            Transport::Multicast(group) => group,
            Transport::Unicast { .. } => GROUP,
        },
        seal: None,
    }
}

fn judged(
    ours: &Admission,
    theirs: &Outgoing<'_>,
    active: Option<IpAddr>,
) -> Result<Heard, Discard> {
    let (source, destination) = (theirs.source, theirs.destination);
    let ip = IpMeta { source, destination, ttl: 255, header_len: 20 };
    let mut octets = Vec::new();
    theirs.emit(&mut octets);
    let packet = Packet { ip, ah: None, payload: &octets };
    ours.judge(&packet, active, Duration::ZERO, &mut Memory::default())
}

#[test]
fn a_peer_configured_alike_is_heard() {
    let expected = Heard {
        source: LOWER,
        priority: 150,
        adver_interval: AdverInterval::ONE_SECOND,
        warning: None,
    };
    assert_eq!(judged(&admission(), &theirs(&admission()), None), Ok(expected));
}

/// RFC 3768 §7.1; each row differs from us in one thing.
#[test]
fn each_difference_is_told_by_its_reason() {
    let two_seconds = AdverInterval::from_centiseconds(200).unwrap();
    let cases = [
        (
            Admission { version: Version::V3, ..admission() },
            Discard::Version { received: Version::V3, ours: Version::V2 },
        ),
        (
            Admission { authentication: Authentication::None, ..admission() },
            Discard::AuthType { received: 0, ours: 1 },
        ),
        (
            Admission { authentication: Authentication::SimpleText(*b"secreT\0\0"), ..admission() },
            Discard::Password,
        ),
        (
            Admission { adver_interval: two_seconds, ..admission() },
            Discard::Interval { received: two_seconds, ours: AdverInterval::ONE_SECOND },
        ),
        (
            Admission { transport: Transport::Multicast(VIP), ..admission() },
            Discard::Destination(VIP),
        ),
    ];
    for (peer, reason) in cases {
        assert_eq!(judged(&admission(), &theirs(&peer), None), Err(reason));
    }
}

#[test]
fn unknown_and_foreign_authentication_types_are_told_apart() {
    let judge = |auth_type| admission().authenticate(&AuthFields { auth_type, data: [0; 8] });

    assert_eq!(judge(3), Err(Discard::UnknownAuthType(3)));
    assert_eq!(judge(2), Err(Discard::AuthType { received: 2, ours: 1 }));
    assert_eq!(judge(0), Err(Discard::AuthType { received: 0, ours: 1 }));
}

/// RFC 2338 §5.3.10: the field is ignored on reception where the type is none.
#[test]
fn without_authentication_the_data_field_is_not_looked_at() {
    let open = Admission { authentication: Authentication::None, ..admission() };
    assert_eq!(open.authenticate(&AuthFields { auth_type: 0, data: [7; 8] }), Ok(()));
}

/// A password that is a prefix of ours, or continues it, is another password.
#[test]
fn all_eight_octets_of_a_password_count() {
    for password in [*b"secre\0\0\0", *b"secrets\0", *b"secret\0x", *b"Secret\0\0", [0; 8]] {
        let fields = AuthFields { auth_type: 1, data: password };
        assert_eq!(admission().authenticate(&fields), Err(Discard::Password), "{password:?}");
    }
}

/// RFC 9568 §7.1 MAY; keepalived from 2.3.3 on accepts. Dropping would make two Actives.
#[test]
fn a_differing_address_list_is_warned_of_and_accepted() {
    for addresses in [vec![], vec![VIP], vec![VIP, LOWER], vec![VIP, VIP_2, LOWER]] {
        let warning = Some(Warning::AddressList { theirs: addresses.len(), ours: 2 });
        let peer = Admission { addresses, ..admission() };
        assert_eq!(judged(&admission(), &theirs(&peer), None).unwrap().warning, warning);
    }
}

#[test]
fn the_order_of_addresses_does_not_matter() {
    let peer = Admission { addresses: vec![VIP_2, VIP], ..admission() };
    assert_eq!(judged(&admission(), &theirs(&peer), None).unwrap().warning, None);
}

#[test]
fn skip_check_adv_addr_trusts_the_same_active_router_only() {
    let ours = Admission { skip_check_adv_addr: true, ..admission() };
    let peer = Admission { addresses: vec![VIP], ..admission() };

    assert_eq!(judged(&ours, &theirs(&peer), Some(LOWER)).unwrap().warning, None);
    assert!(judged(&ours, &theirs(&peer), Some(VIP)).unwrap().warning.is_some());
    assert!(judged(&ours, &theirs(&peer), None).unwrap().warning.is_some());
}

/// RFC 9568 §7.1: a differing interval is logged and the advert processed.
#[test]
fn v3_intervals_may_differ() {
    let ours = Admission { version: Version::V3, ..admission() };
    let slow = AdverInterval::from_centiseconds(300).unwrap();
    let heard = judged(&ours, &theirs(&Admission { adver_interval: slow, ..ours.clone() }), None);

    let warning = Some(Warning::Interval { theirs: slow, ours: AdverInterval::ONE_SECOND });
    assert_eq!(heard, Ok(Heard { source: LOWER, priority: 150, adver_interval: slow, warning }));
}

#[test]
fn v3_checksum_without_pseudo_header_is_accepted_only_when_configured() {
    let strict = Admission { version: Version::V3, ..admission() };
    let lenient = Admission { message_checksum: true, ..strict.clone() };
    let peer = Outgoing { checksum: ChecksumScope::Message, ..theirs(&strict) };

    assert_eq!(judged(&strict, &peer, None), Err(Discard::ChecksumScope));
    assert!(judged(&lenient, &peer, None).is_ok());
    assert!(judged(&lenient, &theirs(&strict), None).is_ok(), "the pseudo-header is never wrong");
}

#[test]
fn each_kind_of_reason_is_said_once_until_forgotten() {
    let mut said = SaidOnce::default();
    let list = Warning::AddressList { theirs: 1, ours: 2 };

    assert!(said.first(Discard::Ttl(1)) && !said.first(Discard::Ttl(2)));
    assert!(said.first(Discard::Password) && said.first_warning(list) && !said.first_warning(list));
    said.forget();
    assert!(said.first(Discard::Ttl(3)) && said.first_warning(list));
}

/// keepalived.conf(5), unicast_peer: a limit to one peer's TTL makes it look at who sends.
#[test]
fn unicast_peers_are_told_by_address_and_ttl() {
    let peer = UnicastPeer { address: LOWER, min_ttl: 0, max_ttl: 255 };
    let limited = UnicastPeer { min_ttl: 63, max_ttl: 64, ..peer };
    let stranger: IpAddr = "192.0.2.77".parse().unwrap();
    let ours: IpAddr = "192.0.2.5".parse().unwrap();
    let check = |peer, check_source, source, destination, ttl| {
        let transport = Transport::Unicast { peers: vec![peer], check_source };
        transport.check(&IpMeta { source, destination, ttl, header_len: 20 })
    };
    assert_eq!(check(peer, false, stranger, ours, 1), Ok(()));
    assert_eq!(check(peer, true, stranger, ours, 1), Err(Discard::NotAPeer(stranger)));
    assert_eq!(check(limited, false, stranger, ours, 64), Err(Discard::NotAPeer(stranger)));
    assert_eq!(check(limited, false, LOWER, ours, 63), Ok(()));
    let ttl_of = |ttl| Err(Discard::PeerTtl { ttl, least: 63, most: 64 });
    assert_eq!(check(limited, false, LOWER, ours, 62), ttl_of(62));
    assert_eq!(check(limited, false, LOWER, ours, 65), ttl_of(65));
    assert_eq!(check(peer, false, LOWER, GROUP, 255), Err(Discard::NotUnicast(GROUP)));
    let multicast = Transport::Multicast(GROUP);
    let ip = IpMeta { source: LOWER, destination: ours, ttl: 255, header_len: 20 };
    assert_eq!(multicast.check(&ip), Err(Discard::Destination(ours)));
}

/// RFC 9568 §7.1: an owner discards what it hears; keepalived's does only when asked to.
#[test]
fn an_owner_that_is_told_to_ignores_every_advert() {
    let owner = Admission { ignores_all: true, ..admission() };
    assert_eq!(judged(&owner, &theirs(&admission()), None), Err(Discard::OwnerIgnores));
}

const KEY: ah::Key = ah::Key(*b"secret\0\0");

/// What a peer with `auth_type AH` sends as its advert number `sequence`; `spi` as it says, `key`
/// as it signs.
fn with_header(
    ours: &Admission,
    sequence: u32,
    spi: [u8; 4],
    key: ah::Key,
    change: impl FnOnce(&mut Outgoing<'_>),
) -> Vec<u8> {
    let mut outgoing = theirs(ours);
    change(&mut outgoing);
    let mut datagram = vec![0; 44];
    let length = 24 + outgoing.emit(&mut datagram);
    let header = crate::wire::ip::HeaderV4 {
        source: spi.into(),
        destination: Ipv4Addr::new(224, 0, 0, 18),
        ttl: 255,
        id: 1,
    };
    datagram[..20].copy_from_slice(&header.octets(length));
    ah::protect(&mut datagram, header.destination, sequence, key);
    datagram
}

const THEIRS: [u8; 4] = [192, 0, 2, 2];

fn judged_header(ours: &Admission, datagram: &[u8], memory: &mut Memory) -> Result<Heard, Discard> {
    ours.judge(&Packet::parse_ipv4(datagram).unwrap(), None, Duration::ZERO, memory)
}

fn with_ah() -> Admission {
    Admission { authentication: Authentication::Header(KEY), ..admission() }
}

#[test]
fn with_ah_each_number_is_heard_once() {
    let (ours, mut memory) = (with_ah(), Memory::default());
    let third = with_header(&ours, 3, THEIRS, KEY, |_| {});
    assert_eq!(judged_header(&ours, &third, &mut memory).map(|heard| heard.priority), Ok(150));
    for old in [3, 2] {
        let again = with_header(&ours, old, THEIRS, KEY, |_| {});
        let refused = Discard::AhSequence { received: old, last: 3 };
        assert_eq!(judged_header(&ours, &again, &mut memory), Err(refused));
    }
    assert_eq!(memory.ah.advance(), 4, "we go on from there");
}

/// keepalived's order: whoever lacks the key learns nothing of the rest, and moves no number.
#[test]
fn the_icv_is_judged_before_the_spi_and_that_before_the_sequence() {
    let (ours, mut memory) = (with_ah(), Memory::default());
    let wrong_key = with_header(&ours, 0, [192, 0, 2, 99], ah::Key([1; 8]), |_| {});
    let mut wrong_spi = with_header(&ours, 0, [192, 0, 2, 99], KEY, |_| {});
    assert_eq!(judged_header(&ours, &wrong_key, &mut memory), Err(Discard::AhIcv));
    // The SPI says .99, and so did the source; the packet now comes from elsewhere.
    wrong_spi[12..16].copy_from_slice(&THEIRS);
    assert_eq!(judged_header(&ours, &wrong_spi, &mut memory), Err(Discard::AhIcv));
    let packet = Packet::parse_ipv4(&wrong_spi).unwrap();
    assert!(packet.ah.is_some_and(|header| !header.names(LOWER)));
    let zero = with_header(&ours, 0, THEIRS, KEY, |_| {});
    let refused = Discard::AhSequence { received: 0, last: 0 };
    assert_eq!(judged_header(&ours, &zero, &mut memory), Err(refused));
    assert_eq!(memory, Memory::default());
}

#[test]
fn ah_where_none_is_wanted_and_none_where_it_is_are_told_apart() {
    let (ours, mut memory) = (with_ah(), Memory::default());
    let plain = judged(&ours, &theirs(&admission()), None);
    assert_eq!(plain, Err(Discard::AhMissing));
    let header = with_header(&ours, 1, THEIRS, KEY, |_| {});
    assert_eq!(judged_header(&admission(), &header, &mut memory), Err(Discard::AhUnexpected));
    // The header is there, and the message says PASS.
    let mixed = with_header(&ours, 1, THEIRS, KEY, |message| message.authentication = SECRET);
    let refused = Discard::AuthType { received: 1, ours: 2 };
    assert_eq!(judged_header(&ours, &mixed, &mut memory), Err(refused));
}

/// keepalived up to 1.3.6 put the group into the checksum of unicast adverts, too.
#[test]
fn old_unicast_checksums_are_accepted_and_remembered_unless_forbidden() {
    let peer = UnicastPeer { address: LOWER, min_ttl: 0, max_ttl: 255 };
    let ours = Admission {
        version: Version::V3,
        authentication: Authentication::None,
        transport: Transport::Unicast { peers: vec![peer], check_source: true },
        ..admission()
    };
    let destination: IpAddr = "192.0.2.5".parse().unwrap();
    let send = |checksum| {
        let mut octets = Vec::new();
        Outgoing { checksum, destination, ..theirs(&ours) }.emit(&mut octets);
        octets
    };
    let hear = |ours: &Admission, octets: &[u8], memory: &mut Memory| {
        let ip = IpMeta { source: LOWER, destination, ttl: 64, header_len: 20 };
        let packet = Packet { ip, ah: None, payload: octets };
        ours.judge(&packet, None, Duration::ZERO, memory).map(|heard| heard.priority)
    };
    let mut memory = Memory::default();
    assert_eq!(hear(&ours, &send(ChecksumScope::PseudoHeader), &mut memory), Ok(150));
    assert!(!memory.old_checksum);
    let old = send(ChecksumScope::OldUnicast(GROUP));
    let never = Admission { old_group: None, ..ours.clone() };
    assert_eq!(hear(&never, &old, &mut memory), Err(Discard::Checksum));
    assert!(!memory.old_checksum);
    assert_eq!(hear(&ours, &old, &mut memory), Ok(150));
    assert!(memory.old_checksum);
    assert_eq!(
        hear(&ours, &send(ChecksumScope::Message), &mut memory),
        Err(Discard::ChecksumScope)
    );
}

#[test]
fn a_signed_advert_is_heard_once_and_an_unsigned_one_not() {
    let key = HmacKey::new(std::num::NonZeroU8::new(7).unwrap(), &[7; 32]);
    let hmac = Hmac {
        keys: vec![key.clone()],
        active_key: Some(key.id),
        mode: super::super::HmacMode::Enforce,
        anti_replay: super::super::AntiReplay::Monotonic,
        window_s: 5,
    };
    let open = Admission { authentication: Authentication::None, ..admission() };
    let ours = Admission { hmac: Some(hmac), ..open.clone() };
    let seal = Some(Seal { key: &key, sequence: Sequence(9) });
    let signed = Outgoing { seal, ..theirs(&open) };
    let mut octets = Vec::new();
    signed.emit(&mut octets);
    let ip = IpMeta { source: LOWER, destination: GROUP, ttl: 255, header_len: 20 };
    let packet = Packet { ip, ah: None, payload: &octets };
    let mut memory = Memory::default();
    let mut hear = || ours.judge(&packet, None, Duration::ZERO, &mut memory);
    assert_eq!(hear().map(|heard| heard.priority), Ok(150));
    assert_eq!(hear(), Err(Discard::HmacReplay));
    assert_eq!(judged(&ours, &theirs(&open), None), Err(Discard::HmacMissing));
    assert_eq!(judged(&open, &signed, None), Err(Discard::HmacUnexpected));
}
