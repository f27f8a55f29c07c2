//! What keepalived does not know, or knew once.

use std::path::Path;

use super::*;
use crate::config::parse_text;
use crate::probe::{HttpProbe, Tls, Url, Verify, Wishes};

fn http(block: &str, lines: &str) -> HttpProbe {
    match checker(&format!("{block} {{\n{lines}\n}}")).probe {
        Probe::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

fn wishes(url: &Url) -> &Wishes {
    url.wishes.as_deref().expect("wishes")
}

fn headers(url: &Url) -> Vec<(&str, &str)> {
    wishes(url).headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn a_url_without_wishes_has_none() {
    assert_eq!(http("HTTP_GET", " url {\n path /\n }").pages.urls[0].wishes, None);
}

#[test]
fn the_checker_s_wishes_are_for_all_urls_and_those_of_a_url_come_first() {
    let lines = " header Accept text/html\n header \"X-Probe: lb 1\"\n basic_auth me \"pass word\"\n \
                 url {\n path /a\n }\n max_response_time 0.5\n \
                 url {\n path /b\n header accept */*\n method HEAD\n max_response_time 2\n }\n expect_header Server";
    let http = http("HTTP_GET", lines);
    let basic = ("Authorization", "Basic bWU6cGFzcyB3b3Jk");
    let [a, b] = &http.pages.urls[..] else { panic!("two urls") };
    assert_eq!(headers(a), [basic, ("Accept", "text/html"), ("X-Probe", "lb 1")]);
    assert_eq!(headers(b), [basic, ("X-Probe", "lb 1"), ("accept", "*/*")]);
    assert_eq!((wishes(a).method(), wishes(b).method()), ("GET", "HEAD"));
    let limit = |url| wishes(url).limit.map(|limit| limit.as_millis());
    assert_eq!((limit(a), limit(b)), (Some(500), Some(2_000)));
    assert_eq!(wishes(b).expected[0].name, "Server");
}

#[test]
fn a_body_is_one_word() {
    let http = http(
        "SSL_GET",
        r#" url {
 path /
 body "{\"ping\": 1}"
 header Content-Type application/json
}"#,
    );
    assert_eq!(wishes(&http.pages.urls[0]).body.as_deref(), Some(r#"{"ping": 1}"#));
    assert_eq!(wishes(&http.pages.urls[0]).method(), "POST");
}

#[test]
fn what_cannot_be_sent_is_reported() {
    let codes = |line: &str| read(&format!("HTTP_GET {{\n url {{\n path /\n {line}\n }}\n}}")).1;
    for line in [
        "method get",
        "method G@T",
        "header X@Y z",
        "header Content-Length 3",
        "header transfer-encoding: chunked",
        r#"header X "a\r\nb""#,
        "basic_auth me",
        "basic_auth a:b c",
        "basic_auth a b c",
        "expect_header a@b",
    ] {
        assert_eq!(codes(line), ["bad-value"], "{line}");
    }
    assert_eq!(codes("expect_header Server (?=a)"), ["bad-regex"]);
    assert_eq!(codes("expect_header Server a b"), ["surplus-words"]);
    assert_eq!(codes("header X"), ["bad-value"], "a warning");
    assert_eq!(codes("max_response_time 0"), ["number-out-of-range"]);
    for line in ["method", "header", "basic_auth", "body", "expect_header", "max_response_time"] {
        assert_eq!(codes(line), ["missing-parameter"], "{line}");
    }
}

fn tls(lines: &str) -> Tls {
    *http("SSL_GET", &format!(" url {{\n path /\n }}\n{lines}")).pages.tls.clone().unwrap()
}

#[test]
fn a_ca_or_a_name_asks_for_verification_and_that_for_sni() {
    assert_eq!(tls("").verify, None);
    assert_eq!(tls(" tls_verify").verify, Some(Verify::default()));
    let all = tls(" tls_ca /etc/ca.pem\n tls_name www.example");
    let (ca, name) = (Some("/etc/ca.pem".into()), Some("www.example".to_owned()));
    assert_eq!(all.verify, Some(Verify { ca, name }));
    assert!(all.sni && !tls("").sni && !tls(" tls_verify\n enable_sni off").sni);
    let codes = |lines: &str| read(&format!("SSL_GET {{\n url {{\n path /\n }}\n{lines}\n}}")).1;
    assert_eq!(codes(" tls_ca /ca.pem\n tls_verify off"), ["no-effect"]);
    assert_eq!(codes(" tls_ca ca.pem"), ["bad-value"]);
    assert_eq!(codes(" tls_name a..b"), ["bad-value"]);
    assert_eq!(codes(" tls_verify maybe"), ["bad-value"]);
    let plain = read("HTTP_GET {\n tls_verify\n url {\n path /\n }\n}").1;
    assert_eq!(plain, ["unknown-keyword"], "it belongs in SSL_GET");
}

/// The block may come behind the servers. keepalived verifies nothing, whatever `ca` says.
#[test]
fn ssl_is_for_all_ssl_get_checks() {
    let server = "virtual_server 192.0.2.10 25 {\n protocol TCP\n lb_algo rr\n lb_kind NAT\n \
                  real_server 198.51.100.1 25 {\n SSL_GET {\n url {\n path /\n }\n }\n \
                  SSL_GET {\n tls_verify\n url {\n path /\n }\n }\n }\n}\n";
    let load = |ssl: &str| {
        let loaded = parse_text("t", format!("{server}SSL {{\n{ssl}\n}}\n"));
        let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
        let checkers = loaded.plan.virtual_servers[0].real_servers[0].checkers.clone();
        let tls = checkers.into_iter().map(|checker| match checker.probe {
            Probe::Http(http) => *http.pages.tls.clone().unwrap(),
            other => panic!("{other:?}"),
        });
        (tls.collect::<Vec<_>>(), codes)
    };
    let (tls, codes) = load(" certificate /c.pem\n key /k.pem\n password secret\n ca /ca.pem");
    assert_eq!(codes, [""; 0]);
    assert_eq!(format!("{:?}", tls[0].identity.as_ref().unwrap()), "/c.pem /k.pem");
    assert_eq!(tls[0].identity, tls[1].identity);
    assert_eq!(tls[0].verify, None);
    let ca = tls[1].verify.as_ref().unwrap().ca.as_deref();
    assert_eq!(ca, Some(Path::new("/ca.pem")));
    let (tls, codes) = load(" key /k.pem");
    assert_eq!((tls[0].identity.is_none(), codes), (true, vec!["incomplete-ssl"]));
    assert_eq!(load(" certificate c.pem").1, ["bad-value"]);
}

#[test]
fn each_host_of_smtp_check_is_a_checker() {
    let check = "SMTP_CHECK {\n helo_name me.example\n retry 2\n fwmark 7\n \
                 host {\n connect_ip 198.51.100.7\n }\n \
                 host {\n connect_port 587\n retry 0\n connect_timeout 3\n }\n}";
    let (checkers, codes) = read(check);
    assert_eq!(codes, ["deprecated", "deprecated"]);
    let shown = checkers.iter().map(|checker| match &checker.probe {
        Probe::Smtp(smtp) => {
            let connect = &smtp.connect;
            assert_eq!(
                (smtp.helo.as_str(), connect.origin.as_ref().unwrap().fwmark),
                ("me.example", 7)
            );
            (connect.target.to_string(), connect.timeout.as_secs(), checker.timing.retry)
        }
        other => panic!("{other:?}"),
    });
    let expected = [("198.51.100.7:25".to_owned(), 5, 2), ("198.51.100.1:587".to_owned(), 3, 0)];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}
