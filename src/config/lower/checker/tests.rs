use crate::check::Timing;
use crate::config::parse_text;
use crate::config::plan::Checker;
use crate::probe::dns::{Name, Record};
use crate::probe::{FileProbe, Probe};
use std::time::Duration;

mod beyond;

const FILE: &str = "track_file load {\n file /run/load\n weight 3 reverse\n}\n";

/// The checkers of a real server on 198.51.100.1:25, and the codes of what there is to say.
fn read(check: &str) -> (Vec<Checker>, Vec<&'static str>) {
    let text = format!(
        "{FILE}virtual_server 192.0.2.10 25 {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n delay_loop 7\n \
         real_server 198.51.100.1 25 {{\n{check}\n }}\n}}\n"
    );
    let loaded = parse_text("t", text);
    let codes = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    (loaded.plan.virtual_servers[0].real_servers[0].checkers.to_vec(), codes)
}

/// One checker about which there is nothing to say.
fn checker(check: &str) -> Checker {
    let (mut checkers, codes) = read(check);
    assert_eq!((checkers.len(), codes.as_slice()), (1, &[""; 0][..]), "{check}");
    checkers.remove(0)
}

fn retries(timing: &Timing) -> (u32, u64) {
    (timing.retry, timing.delay_before_retry.as_secs())
}

/// §4.2.
#[test]
fn each_checker_has_its_own_retries_and_pause() {
    let of = |check: &str| retries(&checker(check).timing);
    assert_eq!(of("SMTP_CHECK {\n}"), (1, 1));
    assert_eq!(of("DNS_CHECK {\n}"), (3, 7), "delay_before_retry is delay_loop");
    assert_eq!(of("UDP_CHECK {\n}"), (1, 1));
    assert_eq!(of("PING_CHECK {\n}"), (1, 1));
}

#[test]
fn smtp_check_says_its_name() {
    let Probe::Smtp(smtp) = checker("SMTP_CHECK {\n connect_timeout 2\n}").probe else { panic!() };
    assert_eq!(smtp.helo, "smtpchecker.keepalived.org");
    assert_eq!(smtp.connect.timeout, Duration::from_secs(2));
    assert_eq!(smtp.connect.target.to_string(), "198.51.100.1:25");
    let Probe::Smtp(smtp) = checker("SMTP_CHECK {\n helo_name me.example\n}").probe else {
        panic!()
    };
    assert_eq!(smtp.helo, "me.example");
}

#[test]
fn dns_check_asks_for_the_roots_soa_unless_told_otherwise() {
    let Probe::Dns(dns) = checker("DNS_CHECK {\n}").probe else { panic!() };
    assert_eq!((dns.name, dns.record), (Name::root(), Record::Soa));
    let Probe::Dns(dns) = checker("DNS_CHECK {\n type aaaa\n name www.example\n}").probe else {
        panic!()
    };
    assert_eq!((dns.name, dns.record), (Name::parse("www.example").unwrap(), Record::Aaaa));
    assert_eq!(read("DNS_CHECK {\n type HINFO\n name a..b\n}").1, ["bad-value", "bad-value"]);
}

#[test]
fn udp_check_takes_octets_in_any_number_of_words() {
    let Probe::Udp(udp) = checker("UDP_CHECK {\n}").probe else { panic!() };
    assert_eq!((udp.payload.len(), udp.expect), (32, None));
    let check = "UDP_CHECK {\n payload 0a0B 0c\n require_reply 1x xX ff\n min_reply_length 2\n}";
    let Probe::Udp(udp) = checker(check).probe else { panic!() };
    assert_eq!(udp.payload, [0x0a, 0x0b, 0x0c]);
    let expect = udp.expect.unwrap();
    assert_eq!(expect.pattern, [(0x10, 0xf0), (0, 0), (0xff, 0xff)]);
    assert_eq!((expect.min_length, expect.max_length), (2, 255));
    let Probe::Udp(udp) = checker("UDP_CHECK {\n require_reply\n}").probe else { panic!() };
    assert_eq!(udp.expect.unwrap().pattern, []);
    let bad = "UDP_CHECK {\n payload 0x1x\n payload abc\n require_reply zz\n}";
    assert_eq!(read(bad).1, ["bad-value"; 3]);
}

#[test]
fn ping_check_needs_no_port() {
    let text = "virtual_server fwmark 1 {\n lb_algo rr\n lb_kind DR\n \
                real_server 198.51.100.1 {\n PING_CHECK {\n }\n }\n}\n";
    let loaded = parse_text("t", text.to_owned());
    assert_eq!(loaded.diagnostics.iter().count(), 0);
}

#[test]
fn file_check_takes_weight_and_sign_from_its_track_file_unless_told_otherwise() {
    let file = |lines: &str| match checker(&format!("FILE_CHECK {{\n{lines}\n}}")).probe {
        Probe::File(FileProbe { path, weight, reverse }) => {
            assert_eq!(path.to_str(), Some("/run/load"));
            (weight, reverse)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(file(" track_file load"), (3, true));
    assert_eq!(file(" weight -2147483647\n track_file load"), (-2_147_483_647, true));
    assert_eq!(file(" track_file load\n weight 0 noreverse"), (0, false));
    assert_eq!(read("FILE_CHECK {\n track_file nosuch\n}").1, ["unknown-track-file"]);
    assert_eq!(read("FILE_CHECK {\n}").1, ["incomplete-checker"]);
    assert_eq!(
        read("FILE_CHECK {\n track_file load\n weight 2147483648\n}").1,
        ["number-out-of-range"]
    );
}

#[test]
fn a_track_file_without_a_file_or_of_a_name_that_is_taken_is_reported() {
    let codes = |text: &str| {
        let loaded = parse_text("t", text.to_owned());
        loaded.diagnostics.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("track_file a {\n}\n"), ["incomplete-track-file"]);
    assert_eq!(codes(&format!("{FILE}{FILE}")), ["duplicate"]);
    assert_eq!(codes("track_file a {\n file /a\n weight 255\n}\n"), ["number-out-of-range"]);
}

fn url(lines: &str) -> (Option<crate::probe::Pattern>, Vec<&'static str>) {
    let (checkers, codes) = read(&format!("HTTP_GET {{\n url {{\n path /\n{lines}\n }}\n}}"));
    match &checkers[0].probe {
        Probe::Http(http) => (http.pages.urls[0].pattern.clone(), codes),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_regex_is_one_word_with_quotes_and_escapes_resolved() {
    let source = |line: &str| {
        let (pattern, codes) = url(line);
        assert_eq!(codes, [""; 0], "{line}");
        pattern.unwrap().source().to_owned()
    };
    assert_eq!(source("regex ^up$"), "^up$");
    assert_eq!(source(r#"regex "all is \\w+""#), r"all is \w+");
    assert_eq!(source(r"regex \\d\\.5"), r"\d\.5");
    assert_eq!(url("regex all is well").1, ["surplus-words"]);
}

#[test]
fn what_belongs_to_a_regex_may_come_in_any_order() {
    let lines = "regex_options caseless dotall\n regex_no_match\n regex down\n regex_min_offset 3\n \
                 regex_max_offset 9";
    let (pattern, codes) = url(lines);
    let pattern = pattern.unwrap();
    assert_eq!(codes, [""; 0]);
    assert!(pattern.absent);
    assert_eq!((pattern.min_offset, pattern.max_offset), (3, Some(9)));
    let neither = url("regex a\n regex_min_offset 9\n regex_max_offset 9").0.unwrap();
    assert_eq!((neither.min_offset, neither.max_offset), (0, None), "as in keepalived");
}

#[test]
fn a_regex_that_cannot_be_used_is_reported() {
    assert_eq!(url("regex (?=a)").1, ["bad-regex"]);
    assert_eq!(url("regex a\n regex_options first_line").1, ["regex-option"]);
    assert_eq!(url("regex a\n regex_min_offset x").1, ["not-a-number"]);
    assert_eq!(url("").0, None);
}

#[test]
fn ssl_get_is_http_get_with_tls() {
    let tls = |lines: &str| {
        let check = format!("SSL_GET {{\n url {{\n path /\n }}\n{lines}\n}}");
        match checker(&check).probe {
            Probe::Http(http) => *http.pages.tls.clone().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tls(""), crate::probe::Tls::default());
    assert!(tls(" enable_sni").sni);
    let named = tls(" sni_name www.example\n tls_compliant");
    assert!(named.sni && named.compliant && named.sni_name.as_deref() == Some("www.example"));
    assert!(tls(" sni_name").sni, "alone it means the virtual host");
    let plain = checker("HTTP_GET {\n url {\n path /\n }\n}").probe;
    assert!(matches!(plain, Probe::Http(http) if http.pages.tls.is_none()));
}

#[test]
fn lvs_timeouts_are_said_one_by_one() {
    let read = |words: &str| {
        let loaded = parse_text("t", format!("global_defs {{\n lvs_timeouts {words}\n}}\n"));
        let timeouts = loaded.plan.global.lvs_timeouts;
        let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
        ((timeouts.tcp_s, timeouts.tcp_fin_s, timeouts.udp_s), codes)
    };
    assert_eq!(read("tcp 1000 udp 200"), ((1000, 0, 200), vec![]));
    assert_eq!(read("tcpfin 60"), ((0, 60, 0), vec![]));
    assert_eq!(read("sctp 60"), ((0, 0, 0), vec!["bad-value"]));
    assert_eq!(read("tcp 9999999"), ((0, 0, 0), vec!["number-out-of-range"]));
    assert_eq!(read("udp"), ((0, 0, 0), vec!["incomplete-timeouts"]));
}
