//! What is done with octets from outside: the same for the kept corpora (`tests/fuzz_wire.rs`) and
//! for the search for more of them (`fuzz/`). Each gives in a word what the octets are taken for,
//! and panics where two things that must agree do not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use mainstay::bfd::{self, ControlPacket, Session, SessionSettings};
use mainstay::kernel::{KernelReply, parse_replies};
use mainstay::vrrp::{
    Admission, AdverInterval, AntiReplay, Authentication, Discard, Hmac, HmacMode, Memory,
    Transport, UnicastPeer, Version,
};
use mainstay::wire::vrrp::{Reading, parse, parse_as};
use mainstay::wire::{
    Advertisement, HmacKey, IpMeta, Outgoing, Packet, Seal, Sequence, ah, trailer,
};

const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

/// An IPv4 datagram from a raw socket. As a router without anything that needs configuration
/// sees it.
pub fn wire(datagram: &[u8]) -> &'static str {
    let packet = match Packet::parse_ipv4(datagram) {
        Ok(packet) => packet,
        Err(reason) => return reason.name(),
    };
    for admission in routers(GROUP) {
        judge(&admission, &packet);
    }
    if packet.ah.is_some() {
        return Discard::AhUnexpected.name();
    }
    verdict(packet.payload, &packet.ip)
}

/// A datagram to a BFD port, and what a session in each of the states makes of it.
pub fn bfd(payload: &[u8]) -> &'static str {
    let packet = match ControlPacket::parse(payload) {
        Ok(packet) => packet,
        Err(reason) => return reason.name(),
    };
    assert_eq!(ControlPacket::parse(&packet.to_octets()), Ok(packet), "read, written and read");
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = std::time::Instant::now();
    let settings = SessionSettings {
        min_rx: Duration::from_millis(10),
        min_tx: Duration::from_millis(10),
        idle_tx: Duration::from_secs(1),
        multiplier: 1,
        passive: false,
        least_ttl: 255,
    };
    let mut session = Session::new(settings, NonZeroU32::MIN);
    let mut out = Vec::new();
    session.handle(now, 0, bfd::Event::Startup, &mut out);
    // It may lead from Down to Init, from there to Up, and back.
    for round in 1..5u32 {
        session.handle(now, u32::MAX / round, bfd::Event::Heard(packet), &mut out);
        let due = session.next_deadline().expect("something is awaited");
        session.handle(due, round, bfd::Event::DeadlineReached, &mut out);
    }
    "accepted"
}

/// An IPv6 datagram: source, destination, hop limit, then what the socket gives.
pub fn wire6(octets: &[u8]) -> &'static str {
    let Some((header, payload)) = octets.split_first_chunk::<33>() else { return "cut short" };
    let address = |at: usize| {
        let octets: [u8; 16] = header[at..at + 16].try_into().expect("16 of 33 octets");
        IpAddr::V6(octets.into())
    };
    let ip =
        IpMeta { source: address(0), destination: address(16), ttl: header[32], header_len: 40 };
    let packet = Packet { ip, ah: None, payload };
    for admission in routers(GROUP_V6) {
        judge(&admission, &packet);
    }
    verdict(payload, &ip)
}

fn verdict(payload: &[u8], ip: &IpMeta) -> &'static str {
    match parse(payload, ip) {
        Ok(advert) => {
            assert_eq!(advert.addresses.iter().count(), advert.addresses.len());
            comes_back(&advert, ip);
            "accepted"
        }
        Err(reason) => reason.name(),
    }
}

/// What is read and written again is the same, but for fields that have no meaning.
fn comes_back(advert: &Advertisement<'_>, ip: &IpMeta) {
    let authentication = match advert.auth {
        Some(fields) if fields.auth_type == 1 => Authentication::SimpleText(fields.data),
        Some(fields) if (fields.auth_type, fields.data) == (0, [0; 8]) => Authentication::None,
        None if advert.message[4] & 0xf0 == 0 => Authentication::None,
        _ => return,
    };
    // VRRPv2's checksum has two zeroes.
    if advert.message[6..8] == [0xff, 0xff] || advert.message[6..8] == [0, 0] {
        return;
    }
    let addresses: Vec<IpAddr> = advert.addresses.iter().collect();
    let outgoing = Outgoing {
        version: advert.version,
        vrid: advert.vrid,
        priority: advert.priority,
        adver_interval: advert.adver_interval,
        authentication,
        checksum: advert.checksum,
        addresses: &addresses,
        source: ip.source,
        destination: ip.destination,
        seal: None,
    };
    let mut again = Vec::new();
    outgoing.emit(&mut again);
    assert_eq!(again, advert.message);
}

/// Routers of every kind, from which each packet looks different.
fn routers(group: IpAddr) -> Vec<Admission> {
    let plain = Admission {
        version: Version::V3,
        adver_interval: AdverInterval::ONE_SECOND,
        authentication: Authentication::None,
        transport: Transport::Multicast(group),
        addresses: vec![GROUP],
        skip_check_adv_addr: false,
        ignores_all: false,
        message_checksum: true,
        old_group: Some(GROUP),
        hmac: None,
    };
    let peer = UnicastPeer { address: [192, 0, 2, 1].into(), min_ttl: 1, max_ttl: 255 };
    let unicast = Transport::Unicast { peers: vec![peer], check_source: true };
    let v2 = Admission { version: Version::V2, ..plain.clone() };
    vec![
        Admission { hmac: Some(hmac()), ..plain.clone() },
        Admission { transport: unicast.clone(), hmac: Some(hmac()), ..v2.clone() },
        Admission { transport: unicast, ..plain.clone() },
        Admission { authentication: Authentication::SimpleText(*b"secret\0\0"), ..v2.clone() },
        Admission { authentication: Authentication::Header(KEY), ..v2 },
        plain,
    ]
}

const KEY: ah::Key = ah::Key(*b"secret\0\0");

fn hmac_key() -> HmacKey {
    let secret: Vec<u8> = (0x20..=0x3f).collect();
    HmacKey::new(NonZeroU8::new(7).expect("7"), &secret)
}

fn hmac() -> Hmac {
    Hmac {
        keys: vec![hmac_key()],
        active_key: NonZeroU8::new(7),
        mode: HmacMode::Permissive,
        anti_replay: AntiReplay::Time,
        window_s: 300,
    }
}

/// Whatever is accepted is not accepted twice where numbers forbid it.
fn judge(admission: &Admission, packet: &Packet<'_>) {
    let (utc, mut memory) = (Duration::from_secs(0x6a00_0000), Memory::default());
    let first = admission.judge(packet, None, utc, &mut memory);
    let reading = Reading { trailer: admission.hmac.is_some(), old_group: Some(GROUP) };
    if first.is_err() {
        return;
    }
    let advert = parse_as(packet.payload, &packet.ip, reading).expect("it was accepted");
    let numbered = packet.ah.is_some() || advert.trailer.is_some();
    let again = admission.judge(packet, None, utc, &mut memory);
    assert_eq!(again.is_err(), numbered, "{again:?}");
}

/// A datagram, taken for one with an authentication header; and made one.
pub fn authentication_header(datagram: &[u8]) -> &'static str {
    let ip = IpMeta {
        source: [192, 0, 2, 1].into(),
        destination: if datagram.len().is_multiple_of(2) { GROUP } else { [192, 0, 2, 2].into() },
        ttl: 255,
        header_len: 20,
    };
    let found = match ah::parse(datagram, &ip) {
        Ok((header, _)) if header.verifies(KEY) => "authentic",
        Ok(_) => "forged",
        Err(reason) => reason.name(),
    };
    if let (true, IpAddr::V4(destination)) = (datagram.len() >= 44, ip.destination) {
        let mut made = datagram.to_vec();
        ah::protect(&mut made, destination, 7, KEY);
        let (header, message) = ah::parse(&made, &ip).expect("it was made one");
        assert!(header.verifies(KEY));
        assert_eq!((header.sequence, message), (7, &datagram[44..]));
    }
    found
}

/// A message of VRRPv3 with a trailer at its end; and one made for what is before it.
pub fn hmac_trailer(octets: &[u8]) -> &'static str {
    let Some((message, last)) = octets.split_last_chunk::<{ trailer::LEN }>() else {
        return "cut short";
    };
    let covered = trailer::Covered {
        version: Version::V3,
        vrid: NonZeroU8::new(77).expect("77"),
        source: [192, 0, 2, 1].into(),
        message,
    };
    let found = match trailer::parse(last) {
        Ok(trailer) if trailer.verifies(&hmac_key(), &covered) => "authentic",
        Ok(_) => "forged",
        Err(reason) => reason.name(),
    };
    let number = Sequence(u64::from_be_bytes(last[4..12].try_into().expect("8 octets")));
    let made = Seal { key: &hmac_key(), sequence: number }.octets(&covered);
    let trailer = trailer::parse(&made).expect("it was made well-formed");
    assert!(trailer.verifies(&hmac_key(), &covered));
    assert_eq!(trailer.sequence, number);
    found
}

/// A datagram from a netlink socket: what its messages are, in order.
pub fn netlink(datagram: &[u8]) -> String {
    let name = |reply: KernelReply| match reply {
        KernelReply::Event(event) => {
            let shown = format!("{event:?}");
            shown.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
        }
        KernelReply::Route(_) => "Route".to_owned(),
        KernelReply::Rule(_) => "Rule".to_owned(),
        KernelReply::Service(_) => "Service".to_owned(),
        KernelReply::Destination(_) => "Destination".to_owned(),
        KernelReply::Timeouts(_) => "Timeouts".to_owned(),
        KernelReply::SyncDaemon(_) => "SyncDaemon".to_owned(),
        KernelReply::Verdict { errno, .. } => format!("Verdict-{errno}"),
    };
    let names: Vec<String> = parse_replies(datagram).into_iter().map(name).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
}
