//! Configurations from outside: files in; plan, messages and verdict out.

use std::path::{Path, PathBuf};

use mainstay::config::diagnostic::{Diagnostics, Severity};
use mainstay::config::keywords::table;
use mainstay::config::plan::Authentication;
use mainstay::config::{self, Verdict, convert, format};
use mainstay::probe::Probe;
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn fixture_text(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect("the fixture is part of the repository")
}

/// The tutorial's file, verbatim: its only mistake is `Nopreempt`, which keepalived does not know
/// either, so the instance preempts.
#[test]
fn the_tutorial_loads_with_its_one_mistake_pointed_out() {
    let loaded = config::parse_text("keepalived.conf", fixture_text("tutorial.conf"));

    assert_eq!(loaded.diagnostics.count(Severity::Error), 0);
    assert_eq!(loaded.diagnostics.count(Severity::Warning), 1);
    assert_eq!((loaded.verdict, loaded.test_status()), (Verdict::Complaints, 5));
    insta::assert_snapshot!(loaded.diagnostics.to_text(false));
}

#[test]
fn the_tutorial_asks_for_what_its_author_wrote() {
    let plan = config::parse_text("keepalived.conf", fixture_text("tutorial.conf")).plan;

    assert_eq!(plan.global.router_id.as_deref(), Some("LvsMaster"));
    let instance = &plan.vrrp_instances[0];
    assert_eq!((instance.router.vrid.get(), instance.router.priority), (50, 100));
    assert_eq!(instance.interface, "bond0");
    assert_eq!(instance.authentication, Authentication::SimpleText(*b"toto\0\0\0\0"));
    assert!(instance.router.preempt);
    assert_eq!(instance.addresses[0].address.to_string(), "192.168.8.142/32");

    let server = &plan.virtual_servers[0];
    assert_eq!(server.service.scheduler, "wlc");
    assert_eq!(server.service.persistence.as_ref().map(|p| p.timeout_s), Some(120));
    let Probe::Http(http) = &server.real_servers[0].checkers[0].probe else { panic!("HTTP_GET") };
    assert_eq!(http.pages.urls[0].path, "/service.txt");
    assert_eq!(http.pages.urls[0].digest.map(|digest| digest[0]), Some(0x5f));
    assert_eq!(http.connect.timeout.as_secs(), 2);
    assert_eq!(server.real_servers[0].checkers[0].timing.delay_loop.as_secs(), 4);
}

/// Every mistake at once, each root cause once.
#[test]
fn a_file_of_mistakes_gives_all_of_them_at_once() {
    let loaded = config::parse_text("mistakes.conf", fixture_text("mistakes.conf"));
    assert_eq!(loaded.verdict, Verdict::Unusable);
    assert!(!loaded.can_replace_running());
    insta::assert_snapshot!(loaded.diagnostics.to_text(false));
}

#[test]
fn the_samples_in_etc_are_clean() {
    for name in ["director.conf", "pair.conf"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(name);
        let loaded = config::load(&path, &config::Options::default());
        assert_eq!(loaded.diagnostics.to_lines(), "", "{name}");
        assert_eq!(loaded.plan.vrrp_instances.len(), 1, "{name}");
    }
}

/// With MAINSTAY_KEYWORDS naming the reference table of keepalived's keywords.
#[test]
fn the_keyword_table_knows_every_keyword_of_the_reference() {
    let Ok(path) = std::env::var("MAINSTAY_KEYWORDS") else {
        eprintln!("skipped: MAINSTAY_KEYWORDS names no file");
        return;
    };
    let reference = std::fs::read_to_string(path).expect("the reference");
    for row in reference.lines().skip(1) {
        let fields: Vec<_> = row.split('\t').collect();
        let block = table().block(fields[0]).unwrap_or_else(|| panic!("no block {}", fields[0]));
        let keyword = table().get(block, fields[1]).unwrap_or_else(|| panic!("no {row}"));
        let wider = WIDER_ARGUMENTS.contains(&(fields[0], fields[1]));
        assert_eq!(keyword.args != fields[2], wider, "{row}");
        let place = (fields[0], fields[1]);
        let on_purpose = OTHER_DEFAULTS.contains(&place) || WORDED_DEFAULTS.contains(&place);
        assert_eq!(keyword.default != fields[3], on_purpose, "{row}");
    }
}

/// Keywords whose default is not keepalived's: each is in the man page's DIFFERENCES FROM KEEPALIVED.
const OTHER_DEFAULTS: [(&str, &str); 9] = [
    ("global_defs", "bfd_rt_priority"),
    ("top", "child_wait_time"),
    ("global_defs", "vrrp_rt_priority"),
    ("global_defs", "vrrp_rx_bufs_policy"),
    ("global_defs", "umask"),
    ("global_defs", "state_dump_file"),
    ("global_defs", "stats_dump_file"),
    ("global_defs", "json_dump_file"),
    ("vrrp_instance", "unicast_ttl"),
];

/// Keywords whose default is keepalived's, and which say of it what is so here: a warning where keepalived has an
/// error, and which text a datagram has.
const WORDED_DEFAULTS: [(&str, &str); 6] = [
    ("virtual_server", "lb_algo"),
    ("virtual_server", "lvs_sched"),
    ("virtual_server", "lb_kind"),
    ("virtual_server", "lvs_method"),
    ("virtual_server", "protocol"),
    ("virtual_server/real_server/UDP_CHECK", "payload"),
];

/// Keywords that take more than the reference says, as keepalived does when tried, whose range it leaves
/// open, or that take names and versions beyond keepalived.
const WIDER_ARGUMENTS: [(&str, &str); 11] = [
    ("virtual_server", "real_server"),
    ("virtual_server/real_server/HTTP_GET", "http_protocol"),
    ("virtual_server/real_server/SSL_GET", "http_protocol"),
    ("vrrp_track_process", "param_match"),
    ("vrrp_instance", "kernel_rx_buf_size"),
    ("static_routes", "<TYPE>"),
    ("vrrp_instance/virtual_routes", "<TYPE>"),
    ("static_rules", "sport"),
    ("static_rules", "dport"),
    ("vrrp_instance/virtual_rules", "sport"),
    ("vrrp_instance/virtual_rules", "dport"),
];

/// Words of the table and rubbish between them, so that all blocks are reached.
fn word() -> impl Strategy<Value = String> {
    let names: Vec<_> = table().rows().iter().map(|row| row.name.to_owned()).collect();
    prop_oneof![
        6 => prop::sample::select(names),
        2 => prop::sample::select(vec!["192.0.2.1", "192.0.2.1/24", "2001:db8::1", "80", "DR", "TUN",
            "type", "gue", "0", "-1", "99999999999999999999", "1.5", "on", "fwmark", "group", "\"a b",
            "$A", "${A}", "$A=$A", "$A=\\", "@x", "~SEQ(a,1)", "#", "!", "\\", "'", "é", "\u{0}"])
            .prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ]
}

fn statements(text: &str) -> (convert::Document, Diagnostics) {
    convert::document("t", text.into(), None, &config::Options::default())
}

fn line() -> impl Strategy<Value = String> {
    let end = prop::sample::select(vec!["", " {", " {", " }", "\n}", "\n{", "{ 1 }"]);
    (prop::collection::vec(word(), 0..4), end).prop_map(|(words, end)| words.join(" ") + end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_gives_a_plan_and_a_verdict(lines in prop::collection::vec(line(), 0..40)) {
        let loaded = config::parse_text("t", lines.join("\n"));
        let _ = (loaded.diagnostics.to_text(false), loaded.diagnostics.to_json(), loaded.test_status());
    }

    #[test]
    fn any_octets_give_a_plan_and_a_verdict(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let loaded = config::parse_text("t", octets);
        let _ = loaded.diagnostics.to_text(true);
    }

    /// Layout is a matter of blanks: all statements stay, and a second time changes nothing.
    #[test]
    fn layout_keeps_all_statements_and_is_stable(lines in prop::collection::vec(line(), 0..20)) {
        let text = lines.join("\n");
        let laid_out = format::layout(&text);
        prop_assert_eq!(format::layout(&laid_out), laid_out.as_str());
        // Where braces do not match, what was meant is guessed from the layout.
        let (document, findings) = statements(&text);
        if !findings.has_errors() {
            prop_assert_eq!(document, statements(&laid_out).0, "{}", laid_out);
        }
    }

    /// Cuts and doubles stretches of a good file: what real mistakes look like.
    #[test]
    fn a_mangled_tutorial_gives_a_plan_and_a_verdict(
        cuts in prop::collection::vec((0_usize..2200, 0_usize..60, 0_usize..2200), 1..6)
    ) {
        let mut text = fixture_text("tutorial.conf");
        for (at, length, to) in cuts {
            let start = at.min(text.len());
            let end = (start + length).min(text.len());
            let piece: Vec<_> = text.drain(start..end).collect();
            let to = to.min(text.len());
            text.splice(to..to, piece.iter().chain(&piece).copied());
        }
        let loaded = config::parse_text("t", text);
        let _ = loaded.diagnostics.to_text(false);
    }
}
