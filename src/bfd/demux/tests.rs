use std::net::IpAddr;

use super::*;
use crate::bfd::fixtures::*;
use crate::bfd::{Event, SessionSettings};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Neighbour 192.0.2.2 seen from 192.0.2.1, 192.0.2.2 from anywhere, and the same by several hops.
fn sessions() -> Sessions {
    let one = |source: Option<&str>, multihop, least_ttl, number| {
        let endpoint = Endpoint { neighbor: ip("192.0.2.2"), source: source.map(ip), multihop };
        let mut session =
            Session::new(SessionSettings { least_ttl, ..settings() }, discriminator(number));
        session.handle(Bench::new(settings()).now, 0, Event::Startup, &mut Vec::new());
        (endpoint, session)
    };
    Sessions::new(vec![
        one(Some("192.0.2.1"), false, 255, 1),
        one(None, false, 255, 2),
        one(None, true, 250, 3),
    ])
}

fn arrival() -> Arrival {
    Arrival { source: ip("192.0.2.2"), destination: ip("192.0.2.1"), ttl: 255, multihop: false }
}

fn first() -> ControlPacket {
    ControlPacket { your_discriminator: 0, ..packet(State::Down) }
}

#[test]
fn a_first_packet_finds_its_session_by_its_addresses() {
    let sessions = sessions();
    assert_eq!(sessions.select(&first(), &arrival()), Ok(0));
    let elsewhere = Arrival { destination: ip("192.0.2.7"), ..arrival() };
    assert_eq!(sessions.select(&first(), &elsewhere), Ok(1));
    let far = Arrival { multihop: true, ..arrival() };
    assert_eq!(sessions.select(&first(), &far), Ok(2));
    let stranger = Arrival { source: ip("192.0.2.3"), ..arrival() };
    assert_eq!(sessions.select(&first(), &stranger), Err(Discard::NoSession));
}

/// RFC 5880 §6.3: by the discriminator alone, wherever it comes from.
#[test]
fn our_discriminator_alone_names_the_session() {
    let sessions = sessions();
    let known = |number| ControlPacket { your_discriminator: number, ..packet(State::Up) };
    let moved = Arrival { source: ip("198.51.100.9"), ..arrival() };
    assert_eq!(sessions.select(&known(2), &moved), Ok(1));
    assert_eq!(sessions.select(&known(9), &arrival()), Err(Discard::NoSession));
}

#[test]
fn a_packet_by_the_other_port_is_nobodys() {
    let known = ControlPacket { your_discriminator: 1, ..packet(State::Up) };
    let far = Arrival { multihop: true, ..arrival() };
    assert_eq!(sessions().select(&known, &far), Err(Discard::NoSession));
}

/// RFC 5881 §5; of several hops, as many as allowed.
#[test]
fn a_ttl_that_is_too_low_is_discarded() {
    let sessions = sessions();
    let known = |number| ControlPacket { your_discriminator: number, ..packet(State::Up) };
    let with = |ttl, multihop| Arrival { ttl, multihop, ..arrival() };
    assert_eq!(sessions.select(&known(1), &with(254, false)), Err(Discard::Ttl));
    assert_eq!(sessions.select(&known(3), &with(250, true)), Ok(2));
    assert_eq!(sessions.select(&known(3), &with(249, true)), Err(Discard::Ttl));
}

#[test]
fn a_session_given_up_hears_nothing() {
    let mut sessions = sessions();
    let now = Bench::new(settings()).now;
    sessions.get_mut(0).unwrap().handle(now, 0, Event::Disabled, &mut Vec::new());
    assert_eq!(sessions.select(&first(), &arrival()), Err(Discard::AdminDown));
}
