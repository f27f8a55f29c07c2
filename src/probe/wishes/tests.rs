use super::*;
use crate::probe::pattern::Options;

const HEADER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nVary: a\r\nvary:  b \r\n\r\n";

fn expected(name: &str, pattern: Option<&str>) -> Option<String> {
    let pattern = pattern.map(|source| Pattern::new(source, Options::default()).unwrap());
    let expected = vec![ExpectedHeader { name: name.to_owned(), pattern }];
    Wishes { expected, ..Wishes::default() }.lacking(HEADER)
}

#[test]
fn a_header_is_there_in_whatever_case_and_one_of_several_values_will_do() {
    assert_eq!(expected("content-type", None), None);
    assert_eq!(expected("Content-Type", Some("^text/(html|plain)$")), None);
    assert_eq!(expected("Vary", Some("^b$")), None);
    assert_eq!(expected("Server", None).unwrap(), "header Server is not there");
    assert_eq!(expected("Server", Some("x")).unwrap(), "header Server is not there");
    assert_eq!(expected("Vary", Some("c")).unwrap(), "`c` is not in header Vary");
    assert_eq!(expected("HTTP/1.1 200 OK", None).unwrap(), "header HTTP/1.1 200 OK is not there");
}

#[test]
fn a_body_is_posted_unless_told_otherwise() {
    let method = |method: Option<&str>, body: Option<&str>| {
        let (method, body) = (method.map(str::to_owned), body.map(str::to_owned));
        Wishes { method, body, ..Wishes::default() }.method().to_owned()
    };
    assert_eq!(method(None, None), "GET");
    assert_eq!(method(None, Some("")), "POST");
    assert_eq!(method(Some("PUT"), Some("")), "PUT");
}

/// RFC 7617 §2, RFC 4648 §10.
#[test]
fn authorization_is_that_of_the_rfc() {
    assert_eq!(basic_authorization("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let shown =
        ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
    assert_eq!(shown, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
}
