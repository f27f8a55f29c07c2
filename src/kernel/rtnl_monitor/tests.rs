use proptest::prelude::*;

use super::*;

/// RTM_DELADDR of 192.0.2.7/24 on interface 2, as `ip address del` makes the kernel say it
/// (little endian).
#[cfg(target_endian = "little")]
const DELADDR: [u8; 40] = [
    40, 0, 0, 0, 21, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
    2, 24, 0x80, 0, 2, 0, 0, 0, // ifaddrmsg
    8, 0, 1, 0, 192, 0, 2, 7, // IFA_ADDRESS
    8, 0, 2, 0, 192, 0, 2, 7, // IFA_LOCAL
];

#[cfg(target_endian = "little")]
#[test]
fn removed_address_is_told_with_its_interface_and_prefix() {
    let mut events = Vec::new();
    parse_events(&DELADDR, &mut events);

    let [KernelEvent::AddressRemoved(removed)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((removed.ifindex, removed.address), (2, "192.0.2.7/24".parse().unwrap()));
}

#[cfg(target_endian = "little")]
#[test]
fn message_cut_short_tells_nothing() {
    for len in 0..DELADDR.len() {
        let mut events = Vec::new();
        parse_events(&DELADDR[..len], &mut events);
        assert_eq!(events, [], "{len} octets");
    }
}

proptest! {
    #[test]
    fn any_datagram_gives_events_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        parse_events(&bytes, &mut Vec::new());
    }

    /// Octets that pass the framing, so that the payloads' parsers see them.
    #[test]
    fn any_payload_gives_an_event_or_nothing(
        kind in 16u16..22,
        payload in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut bytes = ((16 + payload.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(&payload);
        let mut events = Vec::new();
        parse_events(&bytes, &mut events);
        prop_assert!(events.len() <= 1);
    }
}
