use super::*;

fn decoded(string: &[u8], most: usize) -> Result<Vec<u8>, BadBlock> {
    let mut out = Vec::new();
    decode(string, &mut out, most).map(|()| out)
}

/// With the end of a string, whose code has 30 bits, nothing is left over and nothing has two meanings.
#[test]
fn the_code_is_complete_and_has_each_octet_once() {
    let all: Vec<u8> = OCTETS.concat();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..=255).collect::<Vec<u8>>());
    let share = |(length, octets): (usize, &&[u8])| octets.len() << (30 - length);
    assert_eq!(OCTETS.iter().enumerate().map(share).sum::<usize>() + 1, 1 << 30);
    for octets in OCTETS {
        assert!(octets.is_sorted(), "{octets:?}");
    }
}

/// RFC 7541, Appendix C.4 and C.6.
#[test]
fn the_examples_of_the_rfc() {
    for (string, text) in [
        (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], &b"www.example.com"[..]),
        (b"\xa8\xeb\x10\x64\x9c\xbf", b"no-cache"),
        (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", b"custom-value"),
        (b"\x64\x02", b"302"),
        (
            b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
            b"Mon, 21 Oct 2013 20:13:21 GMT",
        ),
        (b"", b""),
    ] {
        assert_eq!(decoded(string, text.len()).unwrap(), text);
    }
}

#[test]
fn what_is_no_code_is_malformed() {
    let end = [0xff, 0xff, 0xff, 0xff];
    // A whole octet of padding; padding of zeroes; the end itself; and with more behind it.
    for string in
        [&b"\x64\x02\xff"[..], b"\xa8\xeb\x10\x64\x9c\xbe", &end, &[&end[..], &end].concat()]
    {
        assert_eq!(decoded(string, 100), Err(BadBlock::Malformed), "{string:x?}");
    }
    assert_eq!(decoded(b"\x64\x02", 2), Err(BadBlock::TooLong));
}
