use super::*;
use crate::probe::response::Header;

const HELLO: [u8; 16] = [
    0x5f, 0x2b, 0x45, 0x47, 0xf4, 0x14, 0x70, 0xdc, 0x3e, 0x29, 0x3e, 0x72, 0x67, 0x46, 0x15, 0x75,
];

fn url(digest: Option<[u8; 16]>, status: &[(u16, u16)]) -> Url {
    Url {
        path: "/a".to_owned(),
        virtual_host: None,
        digest,
        status: status.to_vec(),
        pattern: None,
        tls_compliant: false,
        wishes: None,
    }
}

fn page(status: u16) -> Page {
    let header = Header { status: Some(status), content_length: None };
    Page { header, body_len: 20, md5: HELLO }
}

fn failure(reason: &str) -> Outcome {
    Outcome::Failure(reason.to_owned())
}

#[test]
fn status_must_be_in_one_of_the_ranges() {
    let url = url(None, &[(200, 299), (404, 404)]);
    for (status, fine) in [(199, false), (200, true), (299, true), (300, false), (404, true)] {
        assert_eq!(judge(&url, &page(status), None, None) == Outcome::Success, fine, "{status}");
    }
    let reason = "url /a: HTTP status 302, expected 200-299, 404";
    assert_eq!(judge(&url, &page(302), None, None), failure(reason));
}

#[test]
fn digest_must_be_the_configured_one() {
    let ranges = [(200, 299)];
    assert_eq!(judge(&url(Some(HELLO), &ranges), &page(200), None, None), Outcome::Success);
    let reason = "url /a: MD5 digest 5f2b4547f41470dc3e293e7267461575 of 20 bytes \
                  instead of 00000000000000000000000000000000";
    assert_eq!(judge(&url(Some([0; 16]), &ranges), &page(200), None, None), failure(reason));
}

#[test]
fn status_is_judged_before_the_digest() {
    let url = url(Some([0; 16]), &[(200, 299)]);
    assert_eq!(
        judge(&url, &page(500), None, None),
        failure("url /a: HTTP status 500, expected 200-299")
    );
}

#[test]
fn reply_without_a_status_fails() {
    let mut page = page(200);
    page.header.status = None;
    let reason = "url /a: HTTP status line has no three-digit code";
    assert_eq!(judge(&url(None, &[(100, 599)]), &page, None, None), failure(reason));
}

#[test]
fn a_header_that_is_lacking_counts_behind_the_status_and_before_the_digest() {
    let url = url(Some([0; 16]), &[(200, 299)]);
    let lacking = Some("header Server is not there");
    let reason = "url /a: header Server is not there";
    assert_eq!(judge(&url, &page(200), None, lacking), failure(reason));
    let status = failure("url /a: HTTP status 500, expected 200-299");
    assert_eq!(judge(&url, &page(500), None, lacking), status);
}

#[test]
fn a_pattern_must_be_there_or_must_not() {
    let with = |absent| {
        let mut pattern = crate::probe::Pattern::new("up", Default::default()).unwrap();
        pattern.absent = absent;
        Url { pattern: Some(pattern), ..url(None, &[(200, 299)]) }
    };
    assert_eq!(judge(&with(false), &page(200), Some(true), None), Outcome::Success);
    assert_eq!(judge(&with(true), &page(200), Some(false), None), Outcome::Success);
    let missing = "url /a: `up` is not in the page of 20 bytes";
    assert_eq!(judge(&with(false), &page(200), Some(false), None), failure(missing));
    let present = "url /a: `up` is in the page of 20 bytes";
    assert_eq!(judge(&with(true), &page(200), Some(true), None), failure(present));
}
