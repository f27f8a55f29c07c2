use super::*;

/// A plain one.
pub fn request(body: &[u8]) -> Request<'_> {
    Request {
        method: "GET",
        scheme: "http",
        authority: "www.example".to_owned(),
        path: "/",
        fields: vec![],
        body,
    }
}

#[test]
fn what_cannot_be_said_is_found() {
    let fault = |request: Request<'_>| request.fault().map(str::to_owned);
    assert_eq!(fault(request(b"x")), None);
    assert_eq!(fault(Request { path: "*", method: "OPTIONS", ..request(b"") }), None);
    for path in ["", "a", "/a b", "/\r\n"] {
        assert_eq!(fault(Request { path, ..request(b"") }).as_deref(), Some(path));
    }
    assert_eq!(fault(Request { method: "G T", ..request(b"") }).as_deref(), Some("G T"));
    let authority = "a b".to_owned();
    assert_eq!(fault(Request { authority, ..request(b"") }).as_deref(), Some("a b"));
    for (name, value, expected) in [("x:", "y", "x:"), ("x", "y\n", "y\n"), ("", "y", "")] {
        let fields = vec![(name, Cow::Borrowed(value))];
        assert_eq!(fault(Request { fields, ..request(b"") }).as_deref(), Some(expected));
    }
}

#[test]
fn a_field_is_found_by_its_whole_name() {
    let fields = Fields {
        lines: b"grpc-status-x: 1\r\ngrpc-status: 5\r\ngrpc-status: 6\r\nx: \xff\r\n".to_vec(),
    };
    assert_eq!(fields.get("grpc-status"), Some("5"));
    assert_eq!((fields.get("x"), fields.get("grpc")), (None, None));
}
