use proptest::prelude::*;

use super::*;

fn probe(weight: i32, reverse: bool) -> FileProbe {
    FileProbe { path: "/run/n".into(), weight, reverse }
}

#[test]
fn numbers_are_read_as_c_writes_them() {
    let cases = [
        ("5\n", 5),
        ("  -12 more", -12),
        ("+3", 3),
        ("0x10", 16),
        ("-0X1f", -31),
        ("010", 8),
        ("089", 0),
        ("0x", 0),
        ("", 0),
        ("abc", 0),
        ("2147483647", i32::MAX),
        ("-2147483648", i32::MIN),
    ];
    for (text, expected) in cases {
        assert_eq!(value(text.as_bytes()), Some(expected), "{text:?}");
    }
    assert_eq!(value(b"2147483648"), None);
    assert_eq!(value(b"99999999999999999999999999"), None);
}

/// The configured weight being 10: 5, −4, −6 give 20, 2, 0, and −2000000000 takes the server out.
#[test]
fn with_a_weight_the_product_is_added_and_the_lowest_one_is_down() {
    let judge = |value| super::judge(&probe(2, false), value);
    assert_eq!(judge(5), Outcome::SuccessWithDelta(10));
    assert_eq!(judge(-4), Outcome::SuccessWithDelta(-8));
    assert_eq!(judge(-2_000_000_000), Outcome::Failure("/run/n says -2000000000".to_owned()));
    assert_eq!(super::judge(&probe(2, true), 5), Outcome::SuccessWithDelta(-10));
    assert_eq!(
        super::judge(&probe(-1, false), i32::MAX),
        Outcome::SuccessWithDelta(-2_147_483_647)
    );
    assert!(matches!(super::judge(&probe(1, false), i32::MIN), Outcome::Failure(_)));
}

#[test]
fn without_a_weight_the_number_says_up_or_down() {
    let is_up = |reverse, value| super::judge(&probe(0, reverse), value) == Outcome::Success;
    assert!(is_up(false, 0) && !is_up(false, 1) && !is_up(false, -1));
    assert!(!is_up(true, 0) && is_up(true, 1));
}

proptest! {
    #[test]
    fn any_file_has_a_value_and_a_verdict(text in prop::collection::vec(any::<u8>(), 0..200), weight in any::<i32>()) {
        if let Some(value) = value(&text) {
            judge(&probe(weight, false), value);
        }
    }
}
