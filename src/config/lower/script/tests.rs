use super::*;

#[test]
fn quotes_join_and_blanks_separate() {
    let arguments = |command| arguments(command).unwrap();
    assert_eq!(arguments("/bin/notify.sh 'a b' \"c d\" e"), ["/bin/notify.sh", "a b", "c d", "e"]);
    assert_eq!(arguments("  "), Vec::<String>::new());
    assert_eq!(arguments("/bin/x ''"), ["/bin/x", ""]);
}

#[test]
fn escapes_stand_for_their_characters() {
    let all = arguments(r"a\ b \101 \x41 \t \cA \q").unwrap();
    assert_eq!(all, ["a b", "A", "A", "\t", "\u{1}", "q"]);
    assert_eq!(arguments("end\\"), Err(Incomplete::Escape));
    assert_eq!(arguments("'a b"), Err(Incomplete::Quote));
}

#[test]
fn a_line_is_split_at_blanks_outside_quotes() {
    let texts = |line| split(line).iter().map(|piece| piece.text).collect::<Vec<_>>();
    assert_eq!(
        texts("notify \"/bin/n 'a b'\" user grp"),
        ["notify", "/bin/n 'a b'", "user", "grp"]
    );
    assert_eq!(texts("notify '/bin/n x' u"), ["notify", "/bin/n x", "u"]);
    assert_eq!(texts("notify \"/bin/n \\\"q\\\"\""), ["notify", "/bin/n \\\"q\\\""]);
}

/// What a script gets is as keepalived 2.2.7 gives it.
#[test]
fn a_command_in_quotes_is_resolved_twice() {
    let given = |line: &str| {
        let line = format!("notify {line}");
        arguments(&split(&line)[1].resolved()).unwrap().split_off(1)
    };
    for (line, expected) in [
        (r#""/x \"one two\" three""#, &["one two", "three"][..]),
        (r#""/x one\ two three""#, &["one", "two", "three"]),
        (r#""/x \"\" x""#, &["", "x"]),
        (r#""/x a\tb""#, &["a", "b"]),
        (r#""/x 'a\tb'""#, &["a\tb"]),
        (r#""/x a\\ b""#, &["a b"]),
        (r#""/x a\\tb""#, &["a\tb"]),
        (r#""/x \"a\\\"b c\" x""#, &["a\"b c", "x"]),
        (r#""/x \\\\ x""#, &["\\", "x"]),
        (r#""/x \x41\101\n x""#, &["AA", "x"]),
        (r#"'/x a\ b'"#, &["a", "b"]),
        (r#"'/x \"a b\"'"#, &["a b"]),
        (r#"'/x a\'b c\'d'"#, &["ab cd"]),
        (r#"'/x "a\tb"'"#, &["a\tb"]),
    ] {
        assert_eq!(given(line), expected, "{line}");
    }
}
