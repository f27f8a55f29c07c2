use super::*;
use std::collections::BTreeSet;

use crate::config::{Linted, Options, parse_linted};

fn linted(text: &str) -> Linted {
    parse_linted("a.conf", text, &Options::default(), &[])
}

/// `LINE code` of each lint's finding.
fn found(text: &str) -> Vec<String> {
    lints_of(&linted(text).loaded.diagnostics)
}

fn lints_of(diagnostics: &Diagnostics) -> Vec<String> {
    let ours = diagnostics.iter().filter(|finding| lint(finding.code).is_some());
    let line = |finding: &Diagnostic| {
        finding.span.map_or(0, |span| diagnostics.sources.position(span).line)
    };
    ours.map(|finding| format!("{} {}", line(finding), finding.code)).collect()
}

fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\n{lines}\n\
         virtual_ipaddress {{\n192.0.2.10/24\n}}\n}}\n"
    )
}

fn service(lines: &str, real: &str) -> String {
    format!(
        "virtual_server 192.0.2.10 80 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n{lines}\n\
         real_server 198.51.100.1 80 {{\n{real}\n}}\n}}\n"
    )
}

#[test]
fn a_keyword_given_twice_is_pointed_out_and_lists_are_not() {
    assert_eq!(found(&instance("priority 5\npriority 6")), ["5 said-twice"]);
    let servers = service("", "").replace("80 {", "80 {\n").replace("lvs_sched rr\n", "");
    assert_eq!(found(&servers), [""; 0]);
    let nested = service("", "TCP_CHECK {\nconnect_port 1\nconnect_port 2\n}");
    assert_eq!(found(&nested), ["9 said-twice"]);
}

#[test]
fn weights_are_followed_to_the_priorities_they_lead_to() {
    let track = |lines: &str| found(&instance(lines));
    let line = "track_interface {\neth1 weight -50\n}";
    assert_eq!(track(line), [""; 0]);
    assert_eq!(track(&format!("nopreempt\n{line}")), ["6 weight-never-fails-over"]);
    let alone = "nopreempt\ntrack_interface {\neth1 weight -50\neth2\n}";
    assert_eq!(track(alone), [""; 0], "eth2 puts it into FAULT");
    assert_eq!(track(&format!("priority 255\n{line}")), ["6 weight-of-owner"]);
    assert_eq!(track(&format!("priority 1\n{line}")), ["6 weight-too-small"]);
}

#[test]
fn the_weight_of_a_script_counts_where_the_line_gives_none() {
    let text = instance("nopreempt\ntrack_script {\nchk\n}")
        + "vrrp_script chk {\nscript /bin/true\ntimeout 1\ninterval 2\nweight -5\n}\n";
    assert_eq!(found(&text), ["6 weight-never-fails-over"]);
}

#[test]
fn scripts_should_end_before_they_are_due_again() {
    let script = |lines: &str| found(&format!("vrrp_script a {{\nscript /bin/true\n{lines}\n}}\n"));
    assert_eq!(script("interval 2\ntimeout 3"), ["4 script-timeout-above-interval"]);
    assert_eq!(script("interval 2"), ["1 script-without-timeout"]);
    assert_eq!(script("interval 2\ntimeout 1"), [""; 0]);
}

#[test]
fn unicast_needs_peers_and_not_itself() {
    let lines = "unicast_src_ip 192.0.2.1\nunicast_peer {\n";
    let empty = instance(&format!("{lines}}}"));
    assert_eq!(found(&empty), ["5 unicast-peers-empty"]);
    let itself = instance(&format!("{lines}192.0.2.1\n192.0.2.2\n}}"));
    assert_eq!(found(&itself), ["6 unicast-peer-is-self"]);
}

/// 3 attempts of up to 5 s with 1 s between are 17 s.
#[test]
fn a_check_that_takes_longer_than_its_period_is_worked_out() {
    let check = "TCP_CHECK {\nconnect_timeout 5\nretry 2\n}";
    assert_eq!(found(&service("delay_loop 16", check)), ["7 check-slower-than-delay-loop"]);
    assert_eq!(found(&service("delay_loop 17", check)), [""; 0]);
    assert_eq!(found(&service("", check)), [""; 0], "60 s by default");
}

#[test]
fn services_have_their_notes() {
    let more = "real_server 198.51.100.2 80 {\n}\n";
    assert_eq!(found(&service(&format!("quorum 2\n{more}"), "")), ["5 quorum-needs-all"]);
    assert_eq!(
        found(&service("alpha\nomega", ""))[..],
        ["5 alpha-starts-down", "6 omega-tells-at-stop"]
    );
    assert_eq!(found(&service(more, "TCP_CHECK {\n}")), ["5 server-unchecked"]);
    let direct = service("", "").replace("NAT", "DR");
    let other = direct.replace("192.0.2.10", "192.0.2.11");
    assert_eq!(found(&(direct + &other)), ["3 direct-route-needs-loopback"], "once");
}

#[test]
fn strict_mode_is_explained_where_it_drops_traffic() {
    let strict = "global_defs {\nvrrp_strict\n}\n".to_owned();
    assert_eq!(found(&(strict.clone() + &instance(""))), ["2 strict-mode"]);
    assert_eq!(found(&(strict + &instance("priority 255"))), [""; 0]);
}

#[test]
fn a_lint_that_is_allowed_says_nothing() {
    let text = instance("priority 5\npriority 6");
    let linted = parse_linted("a", text, &Options::default(), &["said-twice".to_owned()]);
    assert_eq!(lints_of(&linted.loaded.diagnostics), [""; 0]);
}

/// For each lint of one file a file that it is about.
fn about_one() -> Vec<(&'static str, String)> {
    let track = |lines: &str| instance(&format!("{lines}\ntrack_interface {{\neth1 weight -5\n}}"));
    let script = |lines: &str| format!("vrrp_script a {{\nscript /bin/true\n{lines}\n}}\n");
    let peers =
        |of: &str| format!("unicast_src_ip 192.0.2.1\nunicast_peer {{\n{of}\n192.0.2.2\n}}");
    let password =
        |octets: &str| format!("authentication {{\nauth_type PASS\nauth_pass {octets}\n}}");
    let two = "real_server 198.51.100.2 80 {\n}";
    let check = |lines: &str| service("delay_loop 6", &format!("TCP_CHECK {{\n{lines}\n}}"));
    vec![
        ("said-twice", instance("priority 5\npriority 6")),
        ("weight-never-fails-over", track("nopreempt\nstate BACKUP")),
        ("weight-too-small", track("priority 1")),
        ("weight-of-owner", track("priority 255")),
        ("unicast-peers-empty", instance("unicast_peer {\n}")),
        ("unicast-peer-is-self", instance(&peers("192.0.2.1"))),
        ("strict-mode", instance("strict_mode on")),
        ("check-slower-than-delay-loop", check("connect_timeout 7")),
        ("quorum-needs-all", service(&format!("quorum 2\n{two}"), "")),
        ("direct-route-needs-loopback", service("", "").replace("NAT", "DR")),
        ("quorum-reduced", service("quorum 3", "")),
        ("hysteresis-reduced", service(&format!("quorum 2\nhysteresis 2\n{two}"), "")),
        ("alpha-starts-down", service("alpha", "")),
        ("omega-tells-at-stop", service("omega", "")),
        ("script-timeout-above-interval", script("interval 2\ntimeout 3")),
        ("script-without-timeout", script("interval 2")),
        ("server-unchecked", service(two, "TCP_CHECK {\n}")),
        ("auth-pass-truncated", instance(&password("123456789"))),
        ("v3-has-no-authentication", instance(&format!("version 3\n{}", password("1234")))),
        ("nopreempt-with-state-master", instance("state MASTER\nnopreempt")),
        ("duplicate-vip", instance("") + &instance("").replace("51", "52").replace("VI_1", "VI_2")),
    ]
}

/// For each lint of a pair two files that it is about.
fn about_two() -> Vec<(&'static str, String, String)> {
    let router = |priority: u8, lines: &str| instance(&format!("priority {priority}\n{lines}"));
    let good = || router(150, "");
    let password = "authentication {\nauth_type PASS\nauth_pass 1234\n}";
    let key = "61".repeat(32);
    let signed = format!("auth_hmac {{\nkey 1 hex:{key}\nactive_key 1\n}}");
    let unicast = "unicast_src_ip 192.0.2.1\nunicast_peer {\n192.0.2.2\n}";
    vec![
        ("vrid-mismatch", good(), router(100, "").replace("51", "52")),
        ("address-mismatch", good(), router(100, "").replace("2.10/", "2.11/")),
        ("authentication-mismatch", good(), router(100, password)),
        ("hmac-mismatch", router(150, &signed), good()),
        ("interval-mismatch", good(), router(100, "advert_int 2")),
        ("version-mismatch", good(), router(100, "version 3")),
        ("priorities-equal", good(), good()),
        ("two-masters", router(150, "state MASTER"), router(100, "state MASTER")),
        ("owners-twice", router(255, ""), router(255, "")),
        ("peers-do-not-name-each-other", router(150, unicast), router(100, unicast)),
        ("instance-on-one-only", good(), "global_defs {\n}\n".to_owned()),
        ("virtual-server-differs", service("", ""), service("", "").replace("rr", "wrr")),
    ]
}

fn codes(diagnostics: &Diagnostics) -> Vec<&'static str> {
    diagnostics.iter().map(|finding| finding.code).collect()
}

fn one(text: &str, allowed: &[String]) -> Vec<&'static str> {
    codes(&parse_linted("a.conf", text, &Options::default(), allowed).loaded.diagnostics)
}

fn two(a: &str, b: &str, allowed: &[String]) -> Vec<&'static str> {
    let linted = [a, b].map(|text| parse_linted("t", text, &Options::default(), &[]));
    let member =
        |l: &'_ Linted| (l.loaded.diagnostics.count(Severity::Error), codes(&l.loaded.diagnostics));
    assert!(linted.iter().all(|linted| member(linted).0 == 0), "{a}\n{b}");
    let [a, b] = &linted;
    let members = [a, b].map(|l| Member { diagnostics: &l.loaded.diagnostics, facts: &l.facts });
    codes(&cluster(&members, allowed))
}

#[test]
fn each_lint_fires_at_its_severity_and_can_be_switched_off() {
    for (code, text) in about_one() {
        let linted = linted(&text);
        let finding = linted.loaded.diagnostics.iter().find(|finding| finding.code == code);
        let severity = finding.map(|finding| finding.severity);
        assert_eq!(severity, lint(code).map(|lint| lint.severity), "{code}:\n{text}");
        assert!(!one(&text, &[code.to_owned()]).contains(&code), "{code} is switched off");
    }
    for (code, a, b) in about_two() {
        assert!(two(&a, &b, &[]).contains(&code), "{code}:\n{a}\n{b}");
        assert!(!two(&a, &b, &[code.to_owned()]).contains(&code), "{code} is switched off");
    }
}

/// What needs a host is tested with `check --live`.
#[test]
fn each_lint_that_needs_no_host_has_a_file_that_it_is_about() {
    let about: BTreeSet<_> = about_one().into_iter().map(|(code, _)| code).collect();
    let about_two: BTreeSet<_> = about_two().into_iter().map(|(code, ..)| code).collect();
    for lint in LINTS.iter().filter(|lint| !lint.text.starts_with("With --live")) {
        let list = if lint.text.starts_with("Of a pair") { &about_two } else { &about };
        assert!(list.contains(lint.code), "{} has no file", lint.code);
    }
}

#[test]
fn good_files_have_no_finding_of_any_lint() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["etc/pair.conf", "etc/director.conf", "tests/fixtures/good.conf"] {
        let text = std::fs::read_to_string(top.join(name)).expect("a file of ours");
        // Advice that is right for every file of the kind.
        let advice = ["direct-route-needs-loopback", "check-slower-than-delay-loop"];
        assert_eq!(one(&text, &advice.map(str::to_owned)), [""; 0], "{name}");
    }
}

#[test]
fn lints_have_codes_of_their_own_and_paragraphs() {
    let codes: BTreeSet<_> = LINTS.iter().map(|lint| lint.code).collect();
    assert_eq!(codes.len(), LINTS.len());
    assert!(LINTS.iter().all(|lint| lint.text.ends_with('.') && lint.text.len() > 50));
    let page = man_section();
    for lint in LINTS {
        let title = format!(".BR {} ", lint.code.replace('-', "\\-"));
        assert!(page.contains(&title), "{title}");
    }
}

/// Findings of two files as a pair, each as `LINE/OTHER LINE code`.
fn pair(a: &str, b: &str) -> Vec<String> {
    let (a, b) = (linted(a), parse_linted("b.conf", b, &Options::default(), &[]));
    let members = [
        Member { diagnostics: &a.loaded.diagnostics, facts: &a.facts },
        Member { diagnostics: &b.loaded.diagnostics, facts: &b.facts },
    ];
    let found = cluster(&members, &[]);
    let place = |span: Span| found.sources.position(span);
    found
        .iter()
        .map(|finding| {
            let first = finding.span.map(place).unwrap_or_default();
            let other = finding.secondary.first().map(|label| place(label.span));
            let name = |file: &str| file.split('.').next().unwrap_or_default().to_owned();
            let other = other.map(|at| format!("{}{}", name(&at.file), at.line));
            let other = other.unwrap_or_default();
            format!("{}{} {other} {}", name(&first.file), first.line, finding.code)
        })
        .collect()
}

#[test]
fn a_good_pair_has_no_finding() {
    let ours = instance("priority 150\nstate MASTER");
    let theirs = instance("\npriority 100\nstate BACKUP");
    assert_eq!(pair(&ours, &theirs), [""; 0]);
}

#[test]
fn what_must_differ_in_a_pair_is_compared() {
    let same = instance("priority 150\nstate MASTER");
    assert_eq!(pair(&same, &same), ["a4 b4 priorities-equal", "a5 b5 two-masters"]);
    let owner = instance("priority 255");
    assert_eq!(pair(&owner, &owner), ["a4 b4 owners-twice"]);
}

#[test]
fn what_must_be_alike_in_a_pair_is_compared() {
    let ours = instance("priority 150");
    let theirs = |lines: &str| instance(&format!("priority 100\n{lines}"));
    assert_eq!(pair(&ours, &theirs("advert_int 2")), ["a1 b5 interval-mismatch"]);
    assert_eq!(pair(&ours, &theirs("version 3")), ["a1 b5 version-mismatch"]);
    let authentication = "authentication {\nauth_type PASS\nauth_pass 12345678x\n}";
    let mismatch = pair(&ours, &theirs(authentication));
    assert_eq!(mismatch, ["a1 b6 authentication-mismatch"]);
    let eight = instance(&format!("priority 150\n{}", authentication.replace('x', "y")));
    assert_eq!(pair(&eight, &theirs(authentication)), [""; 0], "eight count");
    let moved = theirs("").replace("192.0.2.10/24", "192.0.2.11/24");
    assert_eq!(pair(&ours, &moved), ["a6 b7 address-mismatch"]);
    let other = theirs("").replace("51", "52");
    assert_eq!(pair(&ours, &other), ["a3 b3 vrid-mismatch"]);
    let strange = other.replace("192.0.2.10/24", "192.0.2.11/24");
    assert_eq!(pair(&ours, &strange), ["a1  instance-on-one-only", "b1  instance-on-one-only"]);
}

/// What one signs the other must be able to verify; more keys than that are a rotation under way.
#[test]
fn signing_routers_of_a_pair_understand_each_other() {
    let key = |letter: &str| letter.repeat(32);
    let side = |priority: u8, lines: &str| {
        instance(&format!("priority {priority}\nauth_hmac {{\n{lines}\n}}"))
    };
    let (a, b) = (format!("key 1 {}", key("a")), format!("key 1 {}", key("b")));
    let ours = side(150, &format!("active_key 1\n{a}"));
    let with = |lines: &str| pair(&ours, &side(100, lines));
    assert_eq!(with(&format!("{a}\nactive_key 1")), [""; 0]);
    assert_eq!(with(&format!("{a}\nkey 2 {}\nactive_key 1", key("c"))), [""; 0], "a rotation");
    assert_eq!(with(&format!("key 1 hex:{}\nactive_key 1", "61".repeat(32))), [""; 0]);
    assert_eq!(with("key 1 file:/etc/key\nactive_key 1"), [""; 0], "not known here");
    assert_eq!(with(&format!("{b}\nactive_key 1")), ["a7 b6 hmac-mismatch"]);
    let other = with(&format!("key 2 {}\nactive_key 2", key("c")));
    assert_eq!(other, ["a5 b6 hmac-mismatch", "a7 b5 hmac-mismatch"], "neither knows the other's");
    let silent = with(&format!("{a}\nmode receive-only"));
    assert_eq!(silent, ["a5 b7 hmac-mismatch"], "it makes none");
    assert_eq!(with(&format!("{a}\nactive_key 1\nmode permissive")), [""; 0]);
    // The first step of a migration harms nobody.
    let plain = instance("priority 100");
    assert_eq!(pair(&ours, &plain), ["a5 b1 hmac-mismatch"]);
    assert_eq!(pair(&plain, &ours), ["a1 b5 hmac-mismatch"]);
    let first_step = side(150, &format!("{a}\nmode receive-only"));
    assert_eq!(pair(&first_step, &plain), [""; 0]);
}

#[test]
fn unicast_routers_name_each_other() {
    let side = |own: &str, peer: &str, priority: u8| {
        instance(&format!("priority {priority}\nunicast_src_ip {own}\nunicast_peer {{\n{peer}\n}}"))
    };
    let good = (side("192.0.2.1", "192.0.2.2", 150), side("192.0.2.2", "192.0.2.1", 100));
    assert_eq!(pair(&good.0, &good.1), [""; 0]);
    let wrong = side("192.0.2.2", "192.0.2.9", 100);
    assert_eq!(pair(&good.0, &wrong), ["a5 b6 peers-do-not-name-each-other"]);
    let multicast = instance("priority 100");
    assert_eq!(pair(&good.0, &multicast), ["a6 b1 peers-do-not-name-each-other"]);
}

#[test]
fn services_are_the_same_on_both() {
    let ours = service("", "weight 2");
    assert_eq!(pair(&ours, &service("", "weight 3")), ["a6 b6 virtual-server-differs"]);
    let wrr = ours.replace("sched rr", "sched wrr");
    assert_eq!(pair(&ours, &wrr), ["a2 b2 virtual-server-differs"]);
    let other = ours.replace("198.51.100.1", "198.51.100.2");
    let both = ["a1 b6 virtual-server-differs", "a6 b1 virtual-server-differs"];
    assert_eq!(pair(&ours, &other), both);
    assert_eq!(pair(&ours, "global_defs {\n}\n"), ["a1  virtual-server-differs"]);
}
