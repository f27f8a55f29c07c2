use std::path::PathBuf;

use super::super::{Loaded, load, parse_with};
use super::*;

fn options() -> Options {
    Options { config_id: "red".to_owned(), ..Options::default() }
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
        load(&self.0.join("main.conf"), &options())
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

/// keepalived.conf(5): a name that is not defined stays.
#[test]
fn names_in_quotes_that_nobody_defined_stay() {
    assert_eq!(router_id("router_id \"x${NOT_ONE}y\"").as_deref(), Some("x${NOT_ONE}y"));
    assert!(lines("global_defs {\nrouter_id \"${NOT_ONE}\"\n}\n").contains("note: `NOT_ONE`"));
}

#[test]
fn names_in_braces_that_nobody_defined_are_an_error() {
    assert_eq!(lines("router_id ${NOT_ONE}\n"), "t:1:11: error: `NOT_ONE` is not defined\n");
}

/// The addresses that lines inside `virtual_ipaddress` come to.
fn addresses(lines: &str) -> Vec<String> {
    let text = format!(
        "$LAST=4\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n\
         virtual_ipaddress {{\n{lines}\n}}\n}}\n"
    );
    let loaded = parse_with("t", text, &options());
    assert_eq!(loaded.diagnostics.to_lines(), "", "{lines}");
    let addresses = loaded.plan.vrrp_instances[0].addresses.iter();
    addresses.map(|address| address.address.addr().to_string()).collect()
}

#[test]
fn a_sequence_repeats_its_line_for_each_number() {
    assert_eq!(addresses("~SEQ(I, 2) 192.0.2.${I}"), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(addresses("~SEQ(I, 3, $LAST) 192.0.2.$I"), ["192.0.2.3", "192.0.2.4"]);
    assert_eq!(addresses("~SEQ(I, 9, -4, 1) 192.0.2.$I"), ["192.0.2.9", "192.0.2.5", "192.0.2.1"]);
    assert_eq!(addresses("~SEQ(I, 0x10, 0x10) 192.0.2.$I"), ["192.0.2.16"]);
}

#[test]
fn sequences_chain_and_lists_take_several_names() {
    assert_eq!(
        addresses("~SEQ(A, 1, 2) ~SEQ(B, 5, 6) 10.0.${A}.${B}"),
        ["10.0.1.5", "10.0.1.6", "10.0.2.5", "10.0.2.6"]
    );
    assert_eq!(addresses("~LST({A,B}, {1,2}, {3,4}) 10.0.${A}.${B}"), ["10.0.1.2", "10.0.3.4"]);
    assert_eq!(addresses("~LST(A, 7, 8) 10.0.0.$A"), ["10.0.0.7", "10.0.0.8"]);
}

/// keepalived.conf(5), "Parameter substitution" and "Sequence blocks".
#[test]
fn lines_of_a_definition_are_read_one_by_one_where_it_is_named() {
    let text =
        "$A= \\\n$N=1 \\\n192.0.2.${N} \\\n$N=2 \\\n@red 192.0.2.1${N} \\\n@blue 192.0.2.9\n$A";
    assert_eq!(addresses(text), ["192.0.2.1", "192.0.2.12"]);
    assert_eq!(addresses("$RED=@red\n$BLUE=@blue\n$RED 192.0.2.1\n$BLUE 192.0.2.2"), ["192.0.2.1"]);
    let inner =
        "$IN= \\\n192.0.2.${X} \\\n192.0.3.${X}\n$OUT= \\\n$X=1 \\\n$IN \\\n$X=2 \\\n$IN\n$OUT";
    let four = ["192.0.2.1", "192.0.3.1", "192.0.2.2", "192.0.3.2"];
    assert_eq!(addresses(inner), four);
}

#[test]
fn a_definition_that_is_repeated_sees_the_names_of_the_sequence() {
    let text = "$A= \\\n192.0.2.${X}${Y} \\\n192.0.3.${X}${Y}\n~SEQ(X,1,2) ~SEQ(Y,3,3) $A";
    let four = ["192.0.2.13", "192.0.3.13", "192.0.2.23", "192.0.3.23"];
    assert_eq!(addresses(text), four);
    let by_way = "$B=2.${X}\n$A=192.0.${B}\n~SEQ(X,7,8) $A";
    assert_eq!(addresses(by_way), ["192.0.2.7", "192.0.2.8"]);
    assert_eq!(addresses("~SEQx(X,0xb,-1,0xa) 2001:db8::$X"), ["2001:db8::b", "2001:db8::a"]);
}

/// Found by fuzzing.
#[test]
fn a_repeated_line_of_which_nothing_is_left_is_no_line() {
    assert_eq!(lines("~LST({x,y}, {,}) $x\n"), "");
    assert_eq!(addresses("~LST(x, , 192.0.2.1) $x"), ["192.0.2.1"]);
}

#[test]
fn definitions_of_lines_that_name_each_other_end_with_one_error() {
    let named_itself = "$A= \\\nrouter_id a \\\n$A\n$A\n";
    assert_eq!(lines(named_itself).matches("names itself").count(), 1, "{}", lines(named_itself));
    let double = |n: usize| format!("$A{}= \\\n$A{n} \\\n$A{n}\n", n + 1);
    let text = format!("$A0=x\n{}$A60\n", (0..60).map(double).collect::<String>());
    assert_eq!(lines(&text).matches("names itself").count(), 1);
}

#[test]
fn a_sequence_that_leads_nowhere_is_an_error_and_an_endless_one_too() {
    for text in [
        "~SEQ(I, 1, 0, 5) x",
        "~SEQ(I, 5, 1, 1) x",
        "~SEQ(I) x",
        "~SEQ(I, a) x",
        "~SEQ(I, 3)",
        "~XYZ(I, 3) x",
        "~SEQ x",
        "~SEQ(I, 4000000000) x",
        "~SEQx(I, -3) x",
        "~LST(A, {1,2}) x",
    ] {
        let found = lines(text);
        assert!(
            found.starts_with("t:1:1: error: the line cannot be repeated: "),
            "{text}: {found}"
        );
        assert_eq!(found.lines().count(), 1, "{text}: {found}");
    }
    let endless = "$D=$\n$X=~LST(a,1) ${D}X\n$X\n";
    assert!(lines(endless).contains("error"), "{}", lines(endless));
}

#[test]
fn a_mistake_in_a_repeated_line_is_shown_where_it_was_written() {
    let found = lines("~SEQ(I, 2) nonsense$I x\n");
    assert_eq!(found.lines().next(), Some("t:1:12: warning: unknown keyword `nonsense1`"));
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

/// Each of 60 names stands for the one before, twice: 2^60 references, or octets.
#[test]
fn a_definition_that_doubles_itself_sixty_times_ends_at_once_with_an_error() {
    for first in ["$A0=", "$A0=x"] {
        let doubled = |n: usize| format!("$A{}=${{A{}}}${{A{}}}\n", n + 1, n, n);
        for last in [20, 60] {
            let text: String = (0..last).map(doubled).collect();
            let text = format!("{first}\n{text}global_defs {{\nrouter_id a${{A{last}}}\n}}\n");
            let loaded = crate::config::parse_text("t", text);
            let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
            assert_eq!(codes, ["definition-too-long"], "{first} {last}");
        }
    }
}

/// 4,000 lines of 64 KiB each would be 256 MiB.
#[test]
fn lines_that_definitions_make_are_bounded_together() {
    let value = "x".repeat(60_000);
    let text = format!("$A={value}\n{}", "$A\n".repeat(4000));
    let loaded = crate::config::parse_text("t", text);
    let too_long = loaded.diagnostics.iter().filter(|f| f.code == "definition-too-long").count();
    assert!(loaded.diagnostics.left_out() > 0 || too_long == 1);
    let sources = &loaded.diagnostics.sources;
    assert!(sources.octets() < 160 << 20, "{}", sources.octets());
}

#[test]
fn random_numbers_lie_in_their_range_and_come_again_from_the_same_seed() {
    let number = |text: &str, seed| {
        let options = Options { random_seed: seed, ..options() };
        let text = format!("global_defs {{\nrouter_id {text}\n}}\n");
        parse_with("t", text, &options).plan.global.router_id.expect("a router_id")
    };
    for seed in 0..50 {
        let text = number("${_RANDOM 3 5}", seed);
        assert!((3..=5).contains(&text.parse::<u32>().expect("a number")), "{text}");
        assert_eq!(number("${_RANDOM}", seed), number("${_RANDOM}", seed));
    }
    assert_ne!(number("${_RANDOM}", 1), number("${_RANDOM}", 2));
    assert_eq!(number("${_RANDOM 5 3}", 7), "5", "as keepalived, where the least is above");
    let seeded = |seed| number("x\nrandom_seed 9\nrouter_id ${_RANDOM}", seed);
    assert_eq!(seeded(1), seeded(2), "random_seed counts from its line on");
    assert!(lines("global_defs {\nrouter_id ${_RANDOM a}\n}").contains("is not defined"));
}

/// keepalived 2.2.7, each of these lines by itself: its `-t` ends with 6, and it does not start.
#[test]
fn includes_are_as_strict_as_their_keyword_or_include_check_asks() {
    let files = [("ok.inc", "global_defs {\n}\n"), ("directory/x", "")];
    for (text, strict) in [
        ("include nope", false),
        ("include nope*", false),
        ("includer nope", false),
        ("includem nope", true),
        ("includem nope*", false),
        ("includew nope*", true),
        ("includew nope", true),
        ("includeb {ok,nope}.inc", true),
        ("includeb {ok,ok}.inc", false),
        ("includea nope", true),
        ("include directory", false),
        ("includer directory", true),
        ("global_defs {\ninclude_check\n}\ninclude nope", true),
        ("global_defs {\ninclude_check match\n}\ninclude nope", true),
        ("global_defs {\ninclude_check +wildcard_match\n}\ninclude nope*", true),
        ("global_defs {\ninclude_check +wildcard_match -wildcard_match\n}\ninclude nope*", false),
    ] {
        let directory = Directory::new("strict", &[files[0], files[1], ("main.conf", text)]);
        let loaded = directory.load();
        let expected = if strict { Some(6) } else { None };
        assert_eq!(loaded.refusal_status(), expected, "{text}");
    }
}

#[test]
fn include_check_ends_with_the_file_that_has_it() {
    let main = "include checks\ninclude nope\n";
    let checks = "global_defs {\ninclude_check\n}\n";
    let directory = Directory::new("checks", &[("main.conf", main), ("checks", checks)]);
    assert_eq!(directory.load().refusal_status(), None);
    assert!(lines("global_defs {\ninclude_check read match\n}").contains("`match` is ignored"));
    assert!(lines("global_defs {\ninclude_check readable\n}").contains("`readable` is ignored"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_word_where_a_file_begins() {
    assert_eq!(lines("\u{feff}global_defs {\n}\n"), "");
    assert_eq!(lines("global_defs {\n}\n\u{feff}global_defs {\n}\n"), "");
}
