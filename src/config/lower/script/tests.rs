use super::*;

#[test]
fn quotes_join_and_blanks_separate() {
    assert_eq!(arguments("/bin/notify.sh 'a b' \"c d\" e"), ["/bin/notify.sh", "a b", "c d", "e"]);
    assert_eq!(arguments("  "), Vec::<String>::new());
    assert_eq!(arguments("/bin/x ''"), ["/bin/x", ""]);
}

#[test]
fn escapes_stand_for_their_characters() {
    assert_eq!(arguments(r"a\ b \101 \x41 \t \cA \q"), ["a b", "A", "A", "\t", "\u{1}", "q"]);
    assert_eq!(arguments("end\\"), ["end\\"]);
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
