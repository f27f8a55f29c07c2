use std::path::PathBuf;

use super::super::{Loaded, load_with, parse_with};
use super::*;

fn options() -> Options {
    Options { config_id: "red".to_owned() }
}

/// A directory that goes away with the value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
        for (file, text) in files {
            let file = path.join(file);
            std::fs::create_dir_all(file.parent().expect("below the directory")).expect("creates");
            std::fs::write(file, text).expect("writes");
        }
        Self(path)
    }

    fn load(&self) -> Loaded {
        load_with(&self.0.join("main.conf"), &options())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn router_id(text: &str) -> Option<String> {
    let text = format!("global_defs {{\n{text}\n}}\n");
    parse_with("t", text, &options()).plan.global.router_id
}

fn lines(text: &str) -> String {
    parse_with("t", text, &options()).diagnostics.to_lines()
}

#[test]
fn a_condition_keeps_the_line_for_the_hosts_it_names() {
    assert_eq!(router_id("@red router_id a\n@blue router_id b").as_deref(), Some("a"));
    assert_eq!(router_id("@^red router_id a\n@^blue router_id b").as_deref(), Some("b"));
    assert_eq!(router_id("@red"), None);
}

#[test]
fn definitions_are_filled_in_where_they_are_named() {
    assert_eq!(router_id("$A=one\nrouter_id $A").as_deref(), Some("one"));
    assert_eq!(router_id("$A=one\nrouter_id x${A}y").as_deref(), Some("xoney"));
    assert_eq!(router_id("$A=$B\n$B=two\nrouter_id $A").as_deref(), Some("two"));
    assert_eq!(router_id("router_id ${_INSTANCE}").as_deref(), Some("red"));
    assert_eq!(router_id("router_id $NOT_ONE").as_deref(), Some("$NOT_ONE"));
    assert_eq!(router_id("router_id a$b,").as_deref(), Some("a$b,"));
}

#[test]
fn a_definition_may_have_several_lines() {
    let text = "$CHECK= \\\nTCP_CHECK { \\\nconnect_port 81 \\\n}\n\
                virtual_server 192.0.2.1 80 {\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n\
                real_server 192.0.2.2 80 {\n$CHECK\n}\n}\n";
    let loaded = parse_with("t", text, &options());
    assert_eq!(loaded.diagnostics.to_lines(), "");
    assert_eq!(loaded.plan.virtual_servers[0].real_servers[0].checkers.len(), 1);
}

#[test]
fn a_definition_that_names_itself_is_an_error_not_a_loop() {
    let text = "$A=$B $B $B\n$B=$A $A $A\nglobal_defs {\nrouter_id $A\n}\n";
    assert_eq!(lines(text), "t:4:11: error: the definition names itself, or is too long\n");
}

#[test]
fn a_mistake_in_an_expanded_line_is_shown_where_it_was_written() {
    let text = "$P=300\nvrrp_instance A {\ninterface eth0\nvirtual_router_id $P\n\
                no_virtual_ipaddress\n}\n";
    assert_eq!(lines(text), "t:4:19: error: virtual_router_id 300 is out of range 1-255\n");
}

#[test]
fn names_in_braces_that_nobody_defined_are_an_error() {
    assert_eq!(lines("router_id ${NOT_ONE}\n"), "t:1:11: error: `NOT_ONE` is not defined\n");
}

#[test]
fn repeated_lines_are_named_as_not_supported_never_misread() {
    let text = "~SEQ(I, 1, 3) static_routes\n";
    assert_eq!(lines(text), "t:1:1: error: `~SEQ` is not supported yet\n");
}

#[test]
fn included_files_stand_in_place_of_the_line_in_the_order_of_their_names() {
    let directory = Directory::new(
        "include",
        &[
            ("main.conf", "global_defs {\ninclude conf.d/{b,a}*.conf\n}\n"),
            ("conf.d/a1.conf", "router_id a\n"),
            ("conf.d/b1.conf", "router_id b1\n"),
            ("conf.d/b2.conf", "include ../deeper/c.conf"),
            ("deeper/c.conf", "lvs_flush\nnonsense\n"),
        ],
    );
    let loaded = directory.load();
    assert_eq!(loaded.plan.global.router_id.as_deref(), Some("a"));
    assert!(loaded.plan.global.lvs_flush);
    let finding = &loaded.diagnostics.to_json()[0];
    assert!(finding.at.as_ref().is_some_and(|at| at.file.ends_with("c.conf") && at.line == 2));
    assert_eq!(finding.included_from.len(), 2);
    assert!(finding.included_from[1].ends_with("main.conf:2:9"), "{:?}", finding.included_from);
}

#[test]
fn a_file_that_includes_itself_is_reported_and_read_once() {
    let directory = Directory::new("loop", &[("main.conf", "include main.conf\n")]);
    let text = directory.load().diagnostics.to_lines();
    assert!(text.contains("it includes itself"), "{text}");
}

#[test]
fn an_include_that_matches_nothing_is_a_note_and_its_strict_form_an_error() {
    assert_eq!(lines("include /none/*.conf\n"), "t:1:9: note: no file matches `/none/*.conf`\n");
    assert_eq!(lines("includea /none/x\n"), "t:1:10: error: no file matches `/none/x`\n");
}

#[test]
fn a_line_of_megabytes_is_left_out_with_an_error() {
    let text = format!("global_defs {{\n{}\nrouter_id a\n}}\n", "x".repeat(50 << 20));
    let loaded = parse_with("t", text, &options());
    assert_eq!(loaded.plan.global.router_id.as_deref(), Some("a"));
    assert_eq!(loaded.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["line-too-long"]);
    assert!(loaded.diagnostics.to_text(false).len() < 1000);
}

#[test]
fn what_is_no_utf_8_is_pointed_at_and_read_all_the_same() {
    let text = b"global_defs {\n# caf\xe9\nrouter_id a\n}\n".to_vec();
    let loaded = parse_with("t", text, &options());
    assert_eq!(loaded.diagnostics.to_lines(), "t:2:6: note: the file is not UTF-8 here\n");
    let text = b"global_defs {\nrouter_id caf\xe9\n}\n".to_vec();
    let loaded = parse_with("t", text, &options());
    assert_eq!(loaded.diagnostics.to_lines(), "t:2:14: warning: the file is not UTF-8 here\n");
    assert_eq!(loaded.plan.global.router_id.as_deref(), Some("caf\u{fffd}"));
}

#[test]
fn line_ends_and_marks_of_other_systems_do_no_harm() {
    let text = "\u{feff}global_defs {\r\nrouter_id a\r\n}\r\n";
    let loaded = parse_with("t", text, &options());
    assert_eq!(loaded.plan.global.router_id.as_deref(), Some("a"));
    assert_eq!(loaded.diagnostics.to_lines(), "");
}
