use super::*;

#[test]
fn integers_are_decimal_digits_and_nothing_else() {
    assert_eq!(integer("100"), Ok(100));
    assert_eq!(integer("-5"), Ok(-5));
    for bad in ["", "5;", "0x10", " 1", "+1", "1.5"] {
        assert_eq!(integer(bad), Err(Bad::NotANumber), "{bad}");
    }
}

#[test]
fn an_integer_beyond_all_types_is_beyond_all_ranges_not_garbage() {
    assert_eq!(integer("99999999999999999999999"), Ok(i64::MAX));
}

#[test]
fn seconds_have_up_to_six_decimals() {
    assert_eq!(microseconds("1"), Ok(1_000_000));
    assert_eq!(microseconds("0.5"), Ok(500_000));
    assert_eq!(microseconds("2.000001"), Ok(2_000_001));
    assert_eq!(microseconds("1.2345675"), Err(Bad::TooFine(1_234_568)));
    for bad in ["", ".", "-1", "1s", "1,5"] {
        assert_eq!(microseconds(bad), Err(Bad::NotANumber), "{bad}");
    }
}

#[test]
fn a_netmask_has_no_gaps() {
    assert_eq!(netmask(Ipv4Addr::new(255, 255, 255, 0)), Some(24));
    assert_eq!(netmask(Ipv4Addr::new(255, 255, 255, 255)), Some(32));
    assert_eq!(netmask(Ipv4Addr::new(255, 0, 255, 0)), None);
}

#[test]
fn a_digest_is_32_hexadecimal_digits() {
    assert_eq!(md5("5f2b4547f41470dc3e293e7267461575").map(|d| (d[0], d[15])), Some((0x5f, 0x75)));
    assert_eq!(md5("5f2b4547f41470dc3e293e726746157"), None);
    assert_eq!(md5("5f2b4547f41470dc3e293e726746157z"), None);
}

#[test]
fn a_code_range_is_a_code_or_two() {
    assert_eq!(code_range("200"), Some((200, 200)));
    assert_eq!(code_range("200-299"), Some((200, 299)));
    assert_eq!(code_range("200-"), None);
    assert_eq!(code_range("99999999"), None);
}
