use super::*;

/// "Why does it ignore my peer?"
#[test]
fn each_sentence_says_what_was_received_and_what_is_wanted() {
    let two_seconds = AdverInterval::from_centiseconds(250).unwrap();
    let cases = [
        (Discard::Ttl(64), "IP TTL is 64 instead of 255: it did not come straight from this LAN"),
        (
            Discard::Version { received: Version::V3, ours: Version::V2 },
            "VRRP version is 3, ours is 2",
        ),
        (Discard::AuthType { received: 1, ours: 0 }, "authentication type is PASS, ours is none"),
        (
            Discard::Interval { received: two_seconds, ours: AdverInterval::ONE_SECOND },
            "advertisement interval is 2.5 s, ours is 1 s",
        ),
        (
            Discard::Length { received: 48, expected: 20 },
            "VRRP packet has 48 octets, its fields need 20",
        ),
    ];
    for (reason, sentence) in cases {
        assert_eq!(reason.to_string(), sentence);
    }
}

/// keepalived's JSON dump spells them so.
#[test]
fn names_are_keepalived_statistics() {
    let cases = [
        (Discard::IpLength { stated: 1, received: 2 }, "packet_len_err"),
        (Discard::Length { received: 1, expected: 2 }, "packet_len_err"),
        (Discard::ZeroInterval, "advert_interval_err"),
        (Discard::Ttl(1), "ip_ttl_err"),
        (Discard::PacketType(2), "invalid_type_rcvd"),
        (Discard::NoAddress, "addr_list_err"),
        (Discard::UnknownAuthType(9), "invalid_authtype"),
        (Discard::AuthType { received: 1, ours: 0 }, "authtype_mismatch"),
        (Discard::Password, "auth_failure"),
        (Discard::UnknownVersion(9), "vers_err"),
        (Discard::Checksum, "chk_err"),
        (Discard::UnknownVrid(9), "unknown_vrid"),
        (Discard::Fragment, "not_vrrp"),
        (Discard::NotRunning, "not_running"),
    ];
    for (reason, name) in cases {
        assert_eq!(reason.name(), name);
    }
}
