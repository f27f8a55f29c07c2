use proptest::prelude::*;

use super::*;

fn lexed(line: &str) -> Vec<(Kind, &str)> {
    let line = &line[..comment_start(line)];
    let mut out = Vec::new();
    tokens(line, &mut out);
    out.iter().map(|t| (t.kind, &line[t.start as usize..t.end as usize])).collect()
}

#[test]
fn words_stand_between_blanks() {
    assert_eq!(lexed("\tpriority   100\r"), [(Kind::Word, "priority"), (Kind::Word, "100")]);
}

#[test]
fn a_brace_outside_quotes_is_a_brace_even_inside_a_word() {
    assert_eq!(
        lexed("url{path /}"),
        [
            (Kind::Word, "url"),
            (Kind::Open, "{"),
            (Kind::Word, "path"),
            (Kind::Word, "/"),
            (Kind::Close, "}")
        ]
    );
}

#[test]
fn quotes_hide_blanks_braces_and_comment_marks() {
    assert_eq!(
        lexed("a \"b {#! c\" d"),
        [(Kind::Word, "a"), (Kind::Quoted, "b {#! c"), (Kind::Word, "d")]
    );
}

#[test]
fn a_quote_in_a_word_starts_a_new_word() {
    assert_eq!(lexed("a\"b\"c"), [(Kind::Word, "a"), (Kind::Quoted, "b"), (Kind::Word, "c")]);
}

#[test]
fn comment_marks_start_a_comment_even_inside_a_word() {
    assert_eq!(lexed("auth_pass toto#1"), [(Kind::Word, "auth_pass"), (Kind::Word, "toto")]);
    assert_eq!(lexed("! all of it"), []);
}

#[test]
fn an_unclosed_quote_reaches_to_the_end_of_the_line() {
    assert_eq!(lexed("a \"b c"), [(Kind::Word, "a"), (Kind::Unclosed, "b c")]);
}

proptest! {
    #[test]
    fn tokens_are_slices_in_order_whatever_the_line(line in "\\PC*|[{}\"#! a]*") {
        let mut end = 0;
        let mut out = Vec::new();
        tokens(&line, &mut out);
        for token in out {
            prop_assert!(token.raw_start() >= end);
            prop_assert!(line.get(token.start as usize..token.end as usize).is_some());
            end = token.raw_end();
        }
        prop_assert!(end as usize <= line.len());
    }
}
