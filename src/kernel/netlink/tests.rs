use proptest::prelude::*;

use super::*;

/// A message of type 16 with sequence number 7 and `payload`.
fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ((HEADER_LEN + payload.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&7u32.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes.resize(padded(bytes.len()), 0);
    bytes
}

#[test]
fn messages_follow_each_other_at_multiples_of_four() {
    let mut bytes = message(16, 0, &[1, 2, 3, 4, 5]);
    bytes.extend(message(17, 2, &[]));

    let found: Vec<_> = messages(&bytes).map(|m| (m.kind, m.flags, m.payload.to_vec())).collect();

    assert_eq!(found, [(16, 0, vec![1, 2, 3, 4, 5]), (17, 2, vec![])]);
}

#[test]
fn message_longer_than_its_datagram_ends_the_reading() {
    let mut bytes = message(16, 0, &[0; 8]);
    bytes.extend(message(17, 0, &[0; 8]));
    bytes.pop();

    assert_eq!(messages(&bytes).count(), 1);
}

#[test]
fn attribute_types_are_read_without_the_nested_bit() {
    let mut bytes = Vec::new();
    push_nested(&mut bytes, 0x8001, |out| push_attribute(out, 2, b"rr\0"));

    let (kind, value) = attributes(&bytes).next().expect("one attribute");

    assert_eq!((kind, value), (1, &[7, 0, 2, 0, b'r', b'r', 0, 0][..]));
}

#[test]
fn attribute_of_impossible_length_ends_the_reading() {
    assert_eq!(attributes(&[3, 0, 1, 0, 4, 0, 2, 0]).count(), 0, "shorter than its header");
    assert_eq!(attributes(&[9, 0, 1, 0, 0, 0, 0, 0]).count(), 0, "longer than what is there");
}

/// `struct nlmsgerr` of a refused request, capped, with NLMSGERR_ATTR_MSG behind it.
#[test]
fn refusal_carries_the_kernels_own_words() {
    let mut payload = (-22i32).to_ne_bytes().to_vec();
    payload.extend_from_slice(&[0; HEADER_LEN]);
    push_attribute(&mut payload, NLMSGERR_ATTR_MSG, b"Invalid prefix\0");
    let bytes = message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, &payload);

    let verdict = messages(&bytes).next().and_then(|m| m.verdict());

    let text = Some("Invalid prefix".to_owned());
    assert_eq!(verdict, Some(Verdict { errno: 22, text }));
}

/// Without NLM_F_CAPPED the whole request comes back before the attributes.
#[test]
fn words_are_found_behind_a_request_given_back_whole() {
    let mut payload = (-1i32).to_ne_bytes().to_vec();
    payload.extend(message(20, 0, &[9; 10]));
    push_attribute(&mut payload, NLMSGERR_ATTR_MSG, b"no\0");
    let bytes = message(NLMSG_ERROR, NLM_F_ACK_TLVS, &payload);

    let verdict = messages(&bytes).next().and_then(|m| m.verdict());

    assert_eq!(verdict.and_then(|v| v.text).as_deref(), Some("no"));
}

#[test]
fn acknowledgement_is_errno_zero() {
    let bytes = message(NLMSG_ERROR, NLM_F_CAPPED, &[0; 4 + HEADER_LEN]);
    let verdict = messages(&bytes).next().and_then(|m| m.verdict());
    assert_eq!(verdict, Some(Verdict { errno: 0, text: None }));
}

proptest! {
    #[test]
    fn any_octets_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for message in messages(&bytes) {
            let _ = message.verdict();
            let _ = attributes(message.payload).count();
        }
        prop_assert!(attributes(&bytes).count() <= bytes.len() / 4 + 1);
    }

    #[test]
    fn any_verdict_is_read_without_panic(
        payload in prop::collection::vec(any::<u8>(), 0..64),
        flags in any::<u16>(),
    ) {
        let bytes = message(NLMSG_ERROR, flags, &payload);
        let verdicts: Vec<_> = messages(&bytes).map(|m| m.verdict()).collect();
        prop_assert_eq!(verdicts.len(), 1);
    }
}
