use std::net::Ipv4Addr;

use crate::vrrp::Vrid;
use crate::wire::Outgoing;

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
