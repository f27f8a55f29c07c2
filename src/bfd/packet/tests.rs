use super::*;

/// keepalived 2.2.7, coming up: `tcpdump -i va -x udp port 3784`.
const KEEPALIVED_UP: &str = "20e00518d190a673bdd37ca800030d40000186a000000000";

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn keepalives_packet_is_read_and_written_octet_for_octet() {
    let octets = octets(KEEPALIVED_UP);
    let packet = ControlPacket::parse(&octets).unwrap();
    assert_eq!(
        packet,
        ControlPacket {
            diagnostic: Diagnostic::NONE,
            state: State::Up,
            poll: true,
            is_final: false,
            independent: false,
            demand: false,
            detect_mult: 5,
            my_discriminator: NonZeroU32::new(0xd190_a673).unwrap(),
            your_discriminator: 0xbdd3_7ca8,
            desired_min_tx: 200_000,
            required_min_rx: 100_000,
            required_min_echo_rx: 0,
        }
    );
    assert_eq!(packet.to_octets().as_slice(), octets);
}

/// RFC 5880 §6.8.6, in its order.
#[test]
fn each_failed_check_is_told_by_its_reason() {
    let changed = |at: usize, value: u8| {
        let mut octets = octets(KEEPALIVED_UP);
        octets[at] = value;
        ControlPacket::parse(&octets)
    };
    assert_eq!(changed(0, 0x40), Err(Discard::Version));
    assert_eq!(changed(0, 0x00), Err(Discard::Version));
    assert_eq!(changed(3, 23), Err(Discard::LengthField));
    assert_eq!(changed(3, 25), Err(Discard::Truncated));
    assert_eq!(changed(2, 0), Err(Discard::DetectMult));
    assert_eq!(changed(1, 0xe1), Err(Discard::Multipoint));
    let without = |range: std::ops::Range<usize>, flags: u8| {
        let mut octets = octets(KEEPALIVED_UP);
        octets[range].fill(0);
        octets[1] = flags;
        ControlPacket::parse(&octets)
    };
    assert_eq!(without(4..8, 0xc0), Err(Discard::MyDiscriminator));
    assert_eq!(without(8..12, 0xc0), Err(Discard::StateWithoutDiscriminator));
    assert_eq!(without(8..12, 0x80), Err(Discard::StateWithoutDiscriminator));
    assert!(without(8..12, 0x40).is_ok());
    assert!(without(8..12, 0x00).is_ok());
    for length in 0..PACKET_LEN {
        assert_eq!(ControlPacket::parse(&octets(KEEPALIVED_UP)[..length]), Err(Discard::TooShort));
    }
}

/// A keyed SHA1 section (RFC 5880 §4.4) of 28 octets follows.
#[test]
fn authentication_is_refused_whatever_it_says() {
    let mut with = octets(KEEPALIVED_UP);
    with[1] |= AUTHENTICATED;
    assert_eq!(ControlPacket::parse(&with), Err(Discard::LengthField), "A set, 24 octets");
    with[3] = 52;
    assert_eq!(ControlPacket::parse(&with), Err(Discard::Truncated));
    with.extend([4, 28, 1, 0, 0, 0, 0, 1]);
    with.resize(52, 0xaa);
    assert_eq!(ControlPacket::parse(&with), Err(Discard::Authenticated));
}

/// The UDP payload may be longer than the packet.
#[test]
fn what_follows_the_length_is_passed_over() {
    let mut longer = octets(KEEPALIVED_UP);
    longer.extend([0xff; 9]);
    assert_eq!(ControlPacket::parse(&longer), ControlPacket::parse(&octets(KEEPALIVED_UP)));
}

#[test]
fn every_flag_state_and_diagnostic_survives_the_way_there_and_back() {
    for first in 0x20..0x40u8 {
        for flags in (0..=0xffu8).filter(|flags| flags & (AUTHENTICATED | MULTIPOINT) == 0) {
            let mut octets = octets(KEEPALIVED_UP);
            (octets[0], octets[1]) = (first, flags);
            let packet = ControlPacket::parse(&octets).unwrap();
            assert_eq!(packet.to_octets().as_slice(), octets);
            assert_eq!(packet.diagnostic.number(), first & 0x1f);
        }
    }
}

#[test]
fn an_unknown_diagnostic_has_a_word_too() {
    assert_eq!(Diagnostic(3).to_string(), "Neighbor Signaled Session Down");
    assert_eq!(Diagnostic(31).to_string(), "Unknown (31)");
}
