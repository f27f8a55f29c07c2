use super::*;

fn one(text: &str) -> SourceMap {
    let mut sources = SourceMap::default();
    sources.add(Arc::from("a.conf"), text.to_owned(), Origin::Top);
    sources
}

fn at(sources: &SourceMap, span: Span) -> (u32, u32) {
    let position = sources.position(span);
    (position.line, position.column)
}

#[test]
fn lines_and_columns_count_from_one_and_columns_in_characters() {
    let sources = one("état ö x\n\n  y");
    assert_eq!(at(&sources, Span::new(0, 0..1)), (1, 1));
    // é and ö take two octets each: x is the 8th character, octet 9.
    assert_eq!(at(&sources, Span::new(0, 9..10)), (1, 8));
    assert_eq!(at(&sources, Span::new(0, 14..15)), (3, 3));
}

#[test]
fn a_position_behind_the_last_line_is_on_the_last_line() {
    assert_eq!(at(&one("a\nbc"), Span::new(0, 4..4)), (2, 3));
    assert_eq!(at(&one(""), Span::new(0, 0..0)), (1, 1));
}

#[test]
fn a_word_of_an_expanded_line_points_at_the_reference_that_gave_it() {
    let mut sources = one("priority $P");
    let pieces = vec![
        Piece { start: 0, len: 9, from: Span::new(0, 0..9), verbatim: true, defined: None },
        Piece { start: 9, len: 3, from: Span::new(0, 9..11), verbatim: false, defined: None },
    ];
    let line =
        sources.add(Arc::from("a.conf"), "priority 150".to_owned(), Origin::Expanded(pieces));

    assert_eq!(sources.in_file(Span::new(line, 9..12)), Span::new(0, 9..11));
    assert_eq!(sources.in_file(Span::new(line, 0..8)), Span::new(0, 0..8));
    assert_eq!(sources.in_file(Span::new(line, 4..12)), Span::new(0, 4..11));
}
