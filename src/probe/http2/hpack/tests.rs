use proptest::prelude::*;

use super::*;

fn fields(block: &[u8], most: usize) -> Result<Vec<(String, String)>, BadBlock> {
    let mut all = Vec::new();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    read(block, most, |name, value| {
        all.push((text(name), text(value)));
        Ok::<_, BadBlock>(())
    })?;
    Ok(all)
}

fn one(name: &str, value: &str) -> Result<Vec<(String, String)>, BadBlock> {
    Ok(vec![(name.to_owned(), value.to_owned())])
}

/// RFC 7541, Appendix C.2, and the first header of C.6.
#[test]
fn the_examples_of_the_rfc() {
    assert_eq!(
        fields(b"\x40\x0acustom-key\x0dcustom-header", 100),
        one("custom-key", "custom-header")
    );
    assert_eq!(fields(b"\x04\x0c/sample/path", 100), one(":path", "/sample/path"));
    assert_eq!(fields(b"\x10\x08password\x06secret", 100), one("password", "secret"));
    assert_eq!(fields(b"\x82", 100), one(":method", "GET"));
    let reply = b"\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b\x6e\x91\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\
                  \xe9\xae\x82\xae\x43\xd3";
    let all = fields(reply, 1_000).unwrap();
    let expected =
        [(":status", "302"), ("cache-control", "private"), ("location", "https://www.example.com")];
    assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn numbers_go_on_behind_their_prefix() {
    // RFC 7541, Appendix C.1: 10, 1337 and 42.
    for (octets, prefix, expected) in [
        (&b"\xea"[..], 5, 10),
        (b"\xff\x9a\x0a", 5, 1_337),
        (b"\x2a", 8, 42),
        (b"\x7f\x00", 7, 127),
    ] {
        let mut rest = octets;
        assert_eq!(number(&mut rest, prefix), Ok(expected));
        assert_eq!(rest, b"");
    }
    for octets in [&b""[..], b"\x7f", b"\x7f\x80\x80", b"\x7f\x80\x80\x80\x80\x01"] {
        assert_eq!(number(&mut { octets }, 7), Err(BadBlock::Malformed), "{octets:x?}");
    }
}

/// There is no dynamic table: a field that is put there is not found, and nothing makes room for it.
#[test]
fn fields_of_a_table_that_is_not_there_are_refused() {
    assert_eq!(fields(b"\xbd", 100), one("www-authenticate", ""));
    for block in [&b"\x80"[..], b"\xbe", b"\x40\x01x\x01y\xbe", b"\x7e\x01x", b"\xff\xff\x7f"] {
        assert_eq!(fields(block, 100), Err(BadBlock::NoSuchField), "{block:x?}");
    }
    assert_eq!(fields(b"\x20\x20\x88", 100), one(":status", "200"));
    for block in [&b"\x21\x88"[..], b"\x88\x20", b"\x3f\xe1\x1f\x88"] {
        assert_eq!(fields(block, 100), Err(BadBlock::Malformed), "{block:x?}");
    }
}

#[test]
fn what_is_too_long_is_not_unpacked() {
    // Each known field counts 32 octets more than it has.
    let size = 32 + ":status".len() + 3;
    assert_eq!(fields(&[0x88; 2], 2 * size).map(|all| all.len()), Ok(2));
    assert_eq!(fields(&[0x88; 3], 2 * size), Err(BadBlock::TooLong));
    assert_eq!(fields(b"\0\x01x\x05yyyyy", 5), Err(BadBlock::TooLong));
    assert_eq!(fields(b"\0\x01x\x82\x64\x02", 2), Err(BadBlock::TooLong));
    assert_eq!(fields(b"\0\x05y", 100), Err(BadBlock::Malformed));
}

proptest! {
    #[test]
    fn what_is_written_is_read(name in "[a-z-]{1,300}", value in "[ -~]{0,20000}", secret: bool) {
        let mut block = Vec::new();
        write(&mut block, &name, &value, secret);
        prop_assert_eq!(fields(&block, 100_000), one(&name, &value));
        prop_assert_eq!(block[0] == 0x10, secret);
    }

    #[test]
    fn any_octets_are_fields_or_a_reason(block in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(all) = fields(&block, 1_000) {
            let size = |(name, value): &(String, String)| name.len() + value.len() + FIELD;
            // What is no UTF-8 becomes longer.
            prop_assert!(!all.iter().all(|(name, value)| (name.clone() + value).is_ascii())
                || all.iter().map(size).sum::<usize>() <= 1_000);
        }
    }
}
