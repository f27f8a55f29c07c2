use proptest::prelude::*;

use super::*;

/// Feeds `bytes` cut into pieces of `size`; gives the reader and the body.
fn feed(bytes: &[u8], size: usize) -> Result<(Response, Vec<u8>), BadHeader> {
    let (mut response, mut body) = (Response::default(), Vec::new());
    for piece in bytes.chunks(size) {
        body.extend_from_slice(response.feed(piece)?);
    }
    Ok((response, body))
}

fn header(bytes: &[u8]) -> Option<Header> {
    feed(bytes, 4096).unwrap().0.header().cloned()
}

#[test]
fn status_is_three_digits_after_the_first_space() {
    let cases: [(&[u8], Option<u16>); 10] = [
        (b"HTTP/1.1 200 OK\r\n\r\n", Some(200)),
        (b"HTTP/1.1 200 \r\n\r\n", Some(200)),
        (b"HTTP/1.1 200\r\n\r\n", Some(200)),
        (b"HTTP/1.0 302 Found\n\n", Some(302)),
        (b"ICY 404 x\r\n\r\n", Some(404)),
        (b"HTTP/1.1 2000 OK\r\n\r\n", None),
        (b"HTTP/1.1 20 OK\r\n\r\n", None),
        (b"HTTP/1.1 +20 OK\r\n\r\n", None),
        (b"HTTP/1.1  200 OK\r\n\r\n", None),
        (b"garbage\r\n\r\n", None),
    ];
    for (bytes, expected) in cases {
        assert_eq!(header(bytes).unwrap().status, expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn content_length_is_found_in_any_case() {
    for name in ["Content-Length", "content-length", "CONTENT-LENGTH"] {
        let text = format!("HTTP/1.0 200 OK\r\nServer: x\r\n{name}: 20\r\n\r\n");
        assert_eq!(header(text.as_bytes()).unwrap().content_length, Some(20), "{name}");
    }
    for line in ["X-Content-Length: 2", "Content-Length: -2", "Content-Length: 2x", "nothing"] {
        let text = format!("HTTP/1.0 200 OK\r\n{line}\r\n\r\n");
        assert_eq!(header(text.as_bytes()).unwrap().content_length, None, "{line}");
    }
}

#[test]
fn header_lines_that_are_no_http_do_no_harm() {
    let text = b"HTTP/1.0 200 OK\r\n folded\r\nbad name : x\r\n\xff\x00\r\n: \r\n\r\nbody";
    let (response, body) = feed(text, 7).unwrap();
    assert_eq!(response.header().unwrap().status, Some(200));
    assert_eq!(body, b"body");
}

#[test]
fn surplus_beyond_content_length_is_not_body() {
    let (response, body) = feed(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello!!", 3).unwrap();
    assert_eq!(body, b"hello");
    assert!(response.is_complete());
    assert_eq!(response.body_len(), 5);
}

#[test]
fn short_body_is_not_complete() {
    let (response, body) = feed(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello", 100).unwrap();
    assert_eq!(body, b"hello");
    assert!(!response.is_complete());
}

#[test]
fn header_of_64_kib_fits_and_one_byte_more_does_not() {
    let of = |length: usize| {
        let (start, end) = ("HTTP/1.0 200 OK\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "a".repeat(length - start.len() - end.len())).into_bytes()
    };
    assert_eq!(feed(&of(MAX_HEADER), 4095).unwrap().0.header().unwrap().status, Some(200));
    assert_eq!(feed(&of(MAX_HEADER + 1), 4095).unwrap_err(), BadHeader::TooLong);
}

proptest! {
    /// However the bytes are cut, and whatever they are: no panic, the same header, the same body.
    #[test]
    fn cutting_makes_no_difference(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "HTTP/1\\.[01] [0-9]{3}( [a-z]{0,5})?\r?\n(Content-Length: [0-9]{1,3}\r?\n)?\r?\n[a-z\r\n]{0,60}"
                .prop_map(String::into_bytes),
        ],
        size in 1_usize..50,
    ) {
        let (whole, body) = feed(&bytes, bytes.len().max(1)).unwrap();
        let (cut, cut_body) = feed(&bytes, size).unwrap();
        prop_assert_eq!(whole.header(), cut.header());
        prop_assert_eq!(&body, &cut_body);
        prop_assert_eq!(whole.header_bytes(), cut.header_bytes());
        prop_assert!(bytes.ends_with(&body) || whole.is_complete());
        prop_assert_eq!(whole.body_len(), body.len() as u64);
    }

    /// Memory stays bounded.
    #[test]
    fn header_never_grows_beyond_its_limit(pieces in prop::collection::vec(0_usize..20_000, 0..12)) {
        let mut response = Response::default();
        for length in pieces {
            let fed = response.feed(&vec![b'x'; length]).map(<[u8]>::len);
            prop_assert!(response.header_bytes().len() <= MAX_HEADER);
            if fed.is_err() { break; }
        }
    }
}
