use proptest::prelude::*;

use super::*;
use crate::notify::ScriptRules;
use crate::probe::fixtures::to;
use crate::probe::{Probe, run};

const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";
const LABEL: Label = Label { id: 0x1234, sequence: 0x5678 };

#[test]
fn an_echo_request_is_8_and_128_octets_with_a_right_checksum() {
    let packet = request(V4.parse().unwrap(), LABEL);
    assert_eq!(packet.len(), 136);
    assert_eq!((packet[0], packet[1]), (8, 0));
    assert_eq!(packet[4..8], [0x12, 0x34, 0x56, 0x78]);
    assert_eq!(packet[8..26], *b"keepalived check -");
    assert_eq!(checksum(&packet), 0, "it verifies, its own field included");
    let v6 = request(V6.parse().unwrap(), LABEL);
    assert_eq!(v6[..4], [128, 0, 0, 0], "the kernel does IPv6's checksum");
}

#[test]
fn only_the_reply_to_our_own_request_counts() {
    for (target, kind) in [(V4, 0), (V6, 129)] {
        let target = target.parse().unwrap();
        let mut reply = request(target, LABEL);
        assert!(!is_reply(target, true, LABEL, &reply), "our own request");
        reply[0] = kind;
        assert!(is_reply(target, true, LABEL, &reply));
        assert!(is_reply(target, false, LABEL, &reply));
        let others = Label { id: 8, ..LABEL };
        assert!(!is_reply(target, true, others, &reply), "somebody else's");
        assert!(is_reply(target, false, others, &reply), "the kernel's id");
        let another = Label { sequence: 8, ..LABEL };
        assert!(!is_reply(target, true, another, &reply), "another request's");
        assert!(!is_reply(target, false, another, &reply), "another request's");
    }
}

/// A late reply, or one to another checker, is none to this attempt, whatever kind of socket hears it.
#[test]
fn each_attempt_has_a_label_of_its_own() {
    let target = V4.parse().unwrap();
    let labels = [(); 3].map(|()| Label::next());
    for (number, label) in labels.iter().enumerate() {
        let mut reply = request(target, *label);
        reply[0] = 0;
        for raw in [true, false] {
            let takers = labels.map(|other| is_reply(target, raw, other, &reply));
            assert_eq!(takers, [0, 1, 2].map(|other| other == number), "{labels:?}");
        }
    }
}

/// Which sockets for `target` the process may have, asked for without the code under test.
fn is_allowed(target: IpAddr, kind: Type) -> bool {
    let [domain, protocol] = match target {
        IpAddr::V4(_) => [libc::AF_INET, libc::IPPROTO_ICMP],
        IpAddr::V6(_) => [libc::AF_INET6, libc::IPPROTO_ICMPV6],
    };
    Socket::new(domain.into(), kind, Some(protocol.into())).is_ok()
}

/// Which kind of socket is used depends on where the test runs; an attempt passes with either.
#[tokio::test]
async fn loopback_answers_wherever_some_socket_for_it_is_allowed() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let target: std::net::SocketAddr = address.parse().unwrap();
        if std::net::UdpSocket::bind(target).is_err() {
            println!("skipped: there is no {} here", target.ip());
            continue;
        }
        let outcome = run(&Probe::Ping(to(target)), 0, &ScriptRules::default()).await;
        if is_allowed(target.ip(), Type::DGRAM) || is_allowed(target.ip(), Type::RAW) {
            assert_eq!(outcome, Outcome::Success, "{address}");
        } else {
            println!("neither ping nor raw sockets are allowed here");
            assert!(
                matches!(&outcome, Outcome::NotTried(why) if why.contains("open a socket")),
                "{address}: {outcome:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_packet_is_a_reply_or_is_not(octets in prop::collection::vec(any::<u8>(), 0..200), raw in any::<bool>()) {
        let target = V4.parse().unwrap();
        is_reply(target, raw, LABEL, without_header(&octets));
    }
}
