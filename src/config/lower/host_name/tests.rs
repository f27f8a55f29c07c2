use std::time::Duration;

use crate::config::plan::RealServer;
use crate::config::{self, Loaded};
use crate::ipvs::Family;

fn load(service: &str, server: &str) -> Loaded {
    let text = format!(
        "virtual_server {service} {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n real_server \
         {server}\n}}\n"
    );
    config::parse_text("t", text)
}

fn servers(loaded: &Loaded) -> &[RealServer] {
    loaded.plan.virtual_servers.first().map_or(&[], |server| &server.real_servers)
}

fn codes(loaded: &Loaded) -> Vec<&str> {
    loaded.diagnostics.iter().map(|finding| finding.code).collect()
}

#[test]
fn names_are_taken_as_they_stand() {
    let longest = format!("{}.example.net", "a".repeat(63));
    for name in [
        "web1.example.net",
        "web1.example.net.",
        "1.web.example.net",
        "10.0.0.1.in.example.net",
        "10-0-0-1.example.net",
        "web_1.example.net",
        "xn--bcher-kva.example",
        &longest,
    ] {
        let loaded = load("192.0.2.10 80", &format!("{name} 80 {{\n }}"));
        assert_eq!(codes(&loaded), [""; 0], "{name}");
        let host = servers(&loaded)[0].host().expect("has a name");
        assert_eq!(&*host.name, name);
        assert_eq!((host.family, host.interval), (Family::Inet, Duration::from_secs(30)));
    }
    let loaded = load("192.0.2.10 80", "WEB1.Example.net 80 {\n }");
    assert_eq!(&*servers(&loaded)[0].host().expect("has a name").name, "web1.example.net");
}

/// A name that nobody meant would be asked for until somebody wonders why nothing is served.
#[test]
fn what_looks_like_a_mistyped_address_is_an_error_still() {
    for (text, code) in [
        ("192.0.2.256", "bad-address"),
        ("192.0.2", "bad-address"),
        ("192.0.2.1.", "bad-address"),
        ("192.0.2.1.1", "bad-address"),
        ("192.0.2.1O", "bad-address"),
        ("192.0.2.lO", "bad-address"),
        ("l92.0.2.10", "bad-address"),
        ("192,0,2,10", "bad-address"),
        ("192.0.2.10/24", "bad-address"),
        ("192.0.2.10:80", "bad-address"),
        ("2001:db8::g", "bad-address"),
        ("a.b.c.d", "bad-address"),
        ("80", "bad-address"),
        ("x.x.x.x", "placeholder"),
        ("192.168.x.x", "placeholder"),
        ("<vip>", "placeholder"),
        ("$SERVER", "placeholder"),
    ] {
        let loaded = load("192.0.2.10 80", &format!("{text} 80 {{\n }}"));
        assert_eq!(servers(&loaded).len(), 0, "{text}");
        assert_eq!(codes(&loaded), [code], "{text}");
    }
}

#[test]
fn names_that_dns_cannot_have_are_told_with_the_reason() {
    let (label, name) = ("a".repeat(64), format!("{}example", "abcdefghi.".repeat(25)));
    for (text, reason) in [
        (format!("{label}.example.net"), "has 64 characters, and 63 is the most"),
        (name, "257 characters are more than 253"),
        ("web..example.net".to_owned(), "a part between two dots is empty"),
        ("-web.example.net".to_owned(), "`-web` begins or ends with a hyphen"),
        ("web-.example.net".to_owned(), "`web-` begins or ends with a hyphen"),
        ("bücher.example".to_owned(), "`ü` is no letter of one"),
    ] {
        let loaded = load("192.0.2.10 80", &format!("{text} 80 {{\n }}"));
        assert_eq!(codes(&loaded), ["bad-host-name"], "{text}");
        let message = &loaded.diagnostics.iter().next().expect("one").message;
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn one_word_alone_is_taken_and_pointed_out() {
    for word in ["web1", "localhost", "RIP_1"] {
        let loaded = load("192.0.2.10 80", &format!("{word} 80 {{\n }}"));
        assert_eq!(codes(&loaded), ["short-host-name"], "{word}");
        assert_eq!(servers(&loaded).len(), 1, "{word}");
    }
}

#[test]
fn interval_and_family_are_taken_and_kept_in_range() {
    let options = "resolve_interval 5\n resolve_family inet6\n lvs_method TUN\n";
    let loaded = load("192.0.2.10 80", &format!("web.example.net 80 {{\n {options} }}"));
    assert_eq!(codes(&loaded), [""; 0]);
    let host = servers(&loaded)[0].host().expect("has a name");
    assert_eq!((host.family, host.interval), (Family::Inet6, Duration::from_secs(5)));
    for (option, code) in [
        ("resolve_interval 0", "number-out-of-range"),
        ("resolve_interval 86401", "number-out-of-range"),
        ("resolve_interval soon", "not-a-number"),
        ("resolve_family ipv4", "bad-value"),
    ] {
        let loaded = load("192.0.2.10 80", &format!("web.example.net 80 {{\n {option}\n }}"));
        assert_eq!(codes(&loaded), [code], "{option}");
    }
}

#[test]
fn only_a_tunnel_leads_to_a_name_in_the_other_family() {
    let loaded = load("192.0.2.10 80", "web.example.net 80 {\n resolve_family inet6\n }");
    assert_eq!(codes(&loaded), ["address-family-mismatch"]);
    assert_eq!(servers(&loaded).len(), 0);
}

/// As an address would.
#[test]
fn a_mark_is_of_the_family_that_its_name_is_said_to_be_of() {
    let text = |family: &str| {
        format!(
            "virtual_server fwmark 7 {{\n lb_algo rr\n lb_kind NAT\n real_server web.example.net \
             80 {{\n {family}\n }}\n}}\n"
        )
    };
    for (option, family) in [("resolve_family inet6", Family::Inet6), ("", Family::Inet)] {
        let loaded = config::parse_text("t", text(option));
        assert_eq!(loaded.plan.virtual_servers[0].service.key.family(), family);
        assert_eq!(servers(&loaded)[0].host().expect("has a name").family, family);
    }
}

#[test]
fn beside_an_address_the_keywords_of_names_have_no_effect() {
    let loaded = load("192.0.2.10 80", "192.0.2.21 80 {\n resolve_interval 5\n }");
    assert_eq!(codes(&loaded), ["no-effect"]);
}

#[test]
fn a_name_twice_is_a_duplicate_but_not_with_another_port() {
    let second =
        |port| format!("web.example.net 80 {{\n }}\n real_server WEB.example.net {port} {{\n }}");
    let loaded = load("192.0.2.10 80", &second(80));
    assert_eq!((codes(&loaded), servers(&loaded).len()), (vec!["duplicate"], 1));
    let loaded = load("192.0.2.10 80", &second(81));
    assert_eq!((codes(&loaded), servers(&loaded).len()), (vec![], 2));
}

/// One name may be many servers.
#[test]
fn a_quorum_above_the_weight_of_one_address_is_left_as_it_is() {
    let text = "virtual_server 192.0.2.10 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n quorum \
                3\n hysteresis 1\n real_server web.example.net 80 {\n }\n}\n";
    let loaded = config::parse_text("t", text);
    assert_eq!(codes(&loaded), [""; 0]);
    assert_eq!(loaded.plan.virtual_servers[0].quorum.quorum, 3);
}
