use proptest::prelude::*;

use super::*;

fn pattern(source: &str) -> Pattern {
    Pattern::new(source, Options::default()).unwrap()
}

fn found_in(pattern: &Pattern, body: &[u8], piece: usize) -> bool {
    let mut search = Search::new(pattern);
    body.chunks(piece).for_each(|part| search.feed(part));
    assert!(search.window.capacity() <= WINDOW);
    search.finish()
}

fn is_in(source: &str, body: &str) -> bool {
    found_in(&pattern(source), body.as_bytes(), 4096)
}

#[test]
fn pattern_is_found_wherever_it_lies_however_the_page_is_cut() {
    let pattern = pattern("all [a-z]+ well");
    for before in [0, 1, 40_000, OVERLAP - 3, WINDOW - 5, WINDOW, 3 * WINDOW + 7] {
        let body = [vec![b'x'; before], b"all is well".to_vec(), vec![b'y'; 100]].concat();
        for piece in [1_000, 4_095, 70_000] {
            assert!(found_in(&pattern, &body, piece), "{before} before, in pieces of {piece}");
        }
        assert!(!found_in(&pattern, &body[..before + 10], 4_095));
    }
}

#[test]
fn anchors_stand_at_the_ends_of_the_whole_body() {
    let long = format!("ok{}end\n", "\nok end".repeat(40_000));
    assert!(is_in("^ok", &long) && is_in("end$", &long) && is_in(r"end\n\z", &long));
    assert!(!is_in("^end", &long) && !is_in("ok$", &long));
    let late = format!("{}ok", "\nno".repeat(40_000));
    assert!(!is_in("^ok", &late), "no part of the body begins but the first");
    assert!(!is_in("no$", &late), "no part ends but the last");
}

/// As in PCRE2: `$` stands before a newline that ends the text too.
#[test]
fn dollar_allows_for_a_last_newline_unless_told_otherwise() {
    assert!(
        is_in("^up$", "up\n")
            && is_in(r"^up\Z", "up\n")
            && is_in("[$]5", "$5")
            && is_in(r"\$5", "$5")
    );
    assert!(!is_in("^up$", "up\n\n"));
    let options = Options { dollar_endonly: true, ..Options::default() };
    assert!(!found_in(&Pattern::new("^up$", options).unwrap(), b"up\n", 9));
    let options = Options { multiline: true, ..Options::default() };
    assert!(found_in(&Pattern::new("^up$", options).unwrap(), b"a\nup\nb", 9));
}

#[test]
fn options_mean_what_pcre2_means_by_them() {
    let matches =
        |options, source, body: &[u8]| found_in(&Pattern::new(source, options).unwrap(), body, 100);
    let plain = Options::default();
    assert!(
        !matches(plain, "UP", b"up") && matches(Options { caseless: true, ..plain }, "UP", b"up")
    );
    assert!(
        !matches(plain, "a.b", b"a\nb")
            && matches(Options { dotall: true, ..plain }, "a.b", b"a\nb")
    );
    assert!(matches(Options { extended: true, ..plain }, "a b # c", b"ab"));
    assert!(matches(plain, "^a.b$", b"a\xffb"), "octets");
    assert!(!matches(plain, "^.$", "é".as_bytes()));
    assert!(matches(Options { unicode: true, ..plain }, "^.$", "é".as_bytes()));
}

/// Body `abcabc`: `abc` begins at 0 and 3.
#[test]
fn offsets_bound_where_a_match_begins() {
    let at = |min_offset, max_offset| {
        found_in(&Pattern { min_offset, max_offset, ..pattern("abc") }, b"abcabc", 2)
    };
    assert!(at(0, Some(0)) && at(1, Some(3)) && at(3, None));
    assert!(!at(1, Some(2)) && !at(4, None) && !at(100, None));
}

#[test]
fn what_only_pcre2_has_is_refused_with_its_place() {
    for source in ["(?=x)", "(?<!x)y", r"(a)\1", "(?>a)", "(", "[z-a]"] {
        let refused = Pattern::new(source, Options::default());
        assert!(refused.is_err(), "{source}");
    }
}

#[test]
fn patterns_are_equal_when_written_alike() {
    assert_eq!(pattern("a"), pattern("a"));
    assert_ne!(pattern("a"), pattern("b"));
    assert_ne!(pattern("a"), Pattern { absent: true, ..pattern("a") });
}

proptest! {
    #[test]
    fn any_pattern_and_body_give_an_answer(source in ".{0,12}", body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(pattern) = Pattern::new(&source, Options::default()) {
            found_in(&pattern, &body, 7);
        }
    }

    #[test]
    fn cuts_make_no_difference(body in "[ab\n]{0,60}", piece in 1_usize..20) {
        for source in ["^a", "b$", "aba", r"a\nb", "a*b"] {
            let whole = pattern(source).compiled.is_match(body.as_bytes());
            prop_assert_eq!(found_in(&pattern(source), body.as_bytes(), piece), whole);
        }
    }
}

fn with(source: &str, options: Options, body: &str) -> bool {
    let pattern = Pattern::new(source, options).unwrap();
    let whole = found_in(&pattern, body.as_bytes(), 70_000);
    assert_eq!(found_in(&pattern, body.as_bytes(), 3), whole, "{source} in pieces of 3");
    whole
}

/// pcre2api(3), PCRE2_ALLOW_EMPTY_CLASS; without it a `]` in front is a member.
#[test]
fn empty_classes_are_nothing_and_anything() {
    let empty = Options { empty_class: true, ..Options::default() };
    assert!(!with("a[]", empty, "a] b"));
    assert!(with("a[^]b", empty, "a\nb"));
    assert!(!with("a[^]b", empty, "ab"));
    assert!(with("a[x]$", empty, "ax"), "others are what they were");
    for (source, body) in [("a[]x]b", "a]b"), ("a[^]x]b", "a-b"), ("[]$]$", "]")] {
        assert!(with(source, Options::default(), body), "{source}");
    }
    assert!(!with("a[^]x]b", Options::default(), "a]b"));
}

/// pcre2api(3), PCRE2_ALT_BSUX.
#[test]
fn with_alt_bsux_codes_are_ecmascripts() {
    let bsux = Options { alt_bsux: true, ..Options::default() };
    for (source, body) in [
        (r"\u0041b", "Ab"),
        (r"\u004", "u004"),
        (r"\Ux", "Ux"),
        (r"\x41", "A"),
        (r"\x4", "x4"),
        (r"\x{41}", "x".repeat(41).as_str()),
    ] {
        assert!(with(&format!("^{source}$"), bsux, body), "{source}");
    }
}

/// pcre2api(3), PCRE2_FIRSTLINE: the match begins before or at the first newline, and may go on behind it.
#[test]
fn with_firstline_a_match_begins_in_the_first_line() {
    let first = Options { first_line: true, ..Options::default() };
    assert!(with("up", first, "all up\ndown"));
    assert!(with(r"up\ndown", first, "all up\ndown"));
    assert!(with(r"\ndown", first, "up\ndown\n"));
    assert!(!with("down", first, "up\ndown"));
    assert!(with("down", first, "down, without any newline"));
    let late = format!("{}\nup", "x".repeat(3 * WINDOW));
    assert!(!with("up", first, &late));
    assert!(with("up", first, &late.replacen('x', "up", 1)));
    assert!(with("xup", first, &late.replace('\n', "")));
}
