use proptest::prelude::*;

use super::*;
use crate::notify::ScriptRules;
use crate::probe::fixtures::to;
use crate::probe::{Probe, run};

const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";

#[test]
fn an_echo_request_is_8_and_128_octets_with_a_right_checksum() {
    let packet = request(V4.parse().unwrap(), 0x1234);
    assert_eq!(packet.len(), 136);
    assert_eq!((packet[0], packet[1]), (8, 0));
    assert_eq!(packet[4..8], [0x12, 0x34, 0, 1]);
    assert_eq!(packet[8..26], *b"keepalived check -");
    assert_eq!(checksum(&packet), 0, "it verifies, its own field included");
    let v6 = request(V6.parse().unwrap(), 1);
    assert_eq!(v6[..4], [128, 0, 0, 0], "the kernel does IPv6's checksum");
}

#[test]
fn only_the_reply_to_our_own_request_counts() {
    for (target, kind) in [(V4, 0), (V6, 129)] {
        let target = target.parse().unwrap();
        let mut reply = request(target, 7);
        assert!(!is_reply(target, Some(7), &reply), "our own request");
        reply[0] = kind;
        assert!(is_reply(target, Some(7), &reply));
        assert!(is_reply(target, None, &reply));
        assert!(!is_reply(target, Some(8), &reply), "somebody else's");
        reply[7] = 2;
        assert!(!is_reply(target, Some(7), &reply), "another request's");
    }
}

/// Loopback answers; which kind of socket is used depends on where the test runs.
#[tokio::test]
async fn loopback_answers_unless_no_ping_is_allowed_here() {
    for target in ["127.0.0.1:0", "[::1]:0"] {
        let outcome =
            run(&Probe::Ping(to(target.parse().unwrap())), 0, &ScriptRules::default()).await;
        let told = matches!(&outcome, Outcome::NotTried(why) if why.contains("socket"));
        let no_ipv6 = target.contains(':') && !matches!(outcome, Outcome::Failure(_));
        assert!(outcome == Outcome::Success || told || no_ipv6, "{outcome:?}");
    }
}

proptest! {
    #[test]
    fn any_packet_is_a_reply_or_is_not(octets in prop::collection::vec(any::<u8>(), 0..200), raw in any::<bool>()) {
        let target = V4.parse().unwrap();
        is_reply(target, raw.then_some(1), without_header(&octets));
    }
}
