use super::super::{Loaded, parse_text};
use super::*;

/// The findings in short: `LINE:COLUMN code`.
fn findings(text: &str) -> Vec<String> {
    let loaded: Loaded = parse_text("t", text);
    let sources = &loaded.diagnostics.sources;
    let short = |d: &Diagnostic| {
        let place = d.span.map(|span| sources.position(span)).unwrap_or_default();
        format!("{}:{} {}", place.line, place.column, d.code)
    };
    loaded.diagnostics.iter().map(short).collect()
}

const INSTANCE: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\n";
const VIP: &str = "virtual_ipaddress {\n192.0.2.1\n}\n";

#[test]
fn braces_may_stand_anywhere() {
    for text in [
        "vrrp_instance A\n{\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress\n\n{ 192.0.2.1 }\n}",
        "vrrp_instance A{interface eth0\nvirtual_router_id 5\nvirtual_ipaddress{192.0.2.1}}",
    ] {
        assert_eq!(findings(text), [""; 0], "{text}");
        assert_eq!(parse_text("t", text).plan.vrrp_instances[0].addresses.len(), 1);
    }
}

#[test]
fn an_unclosed_block_is_reported_at_its_brace_and_the_rest_is_read_as_meant() {
    let text = format!("{INSTANCE}virtual_ipaddress {{\n192.0.2.1\n\n{INSTANCE}{VIP}}}\n")
        .replacen("eth0", "eth1", 1);
    assert_eq!(findings(&text), ["4:19 missing-closing-brace", "7:1 duplicate"]);
    let inner = format!("{INSTANCE}virtual_ipaddress {{\n192.0.2.1\nauthentication {{\n}}\n}}\n");
    assert_eq!(findings(&inner), ["4:19 missing-closing-brace"]);
}

#[test]
fn a_closing_brace_in_the_wrong_place_is_one_error() {
    let text = format!("{INSTANCE}{VIP}\n{}}}\n}}\n", "vrrp_script a {\n");
    assert_eq!(findings(&text), ["1:17 missing-closing-brace", "8:1 missing-script"]);
}

#[test]
fn a_file_that_ends_inside_a_block_names_the_brace() {
    assert_eq!(findings(&format!("{INSTANCE}{VIP}")), ["1:17 missing-closing-brace"]);
}

#[test]
fn a_surplus_closing_brace_is_one_error() {
    assert_eq!(findings(&format!("{INSTANCE}{VIP}}}\n}}\n")), ["8:1 unexpected-brace"]);
}

/// However deep: what is left open, and what it lacks for being empty, is told once.
#[test]
fn nesting_that_never_ends_is_one_mistake() {
    const DEEP: usize = 10_000;
    let found = |open: &str, close: &str| findings(&(open.repeat(DEEP) + &close.repeat(DEEP)));
    for close in ["", "}\n"] {
        let unknown = found("a {\n", close);
        assert!(unknown.contains(&"33:3 nested-too-deep".to_owned()), "{unknown:?}");
        assert!(unknown.len() <= 3, "{unknown:?}");
        for open in [
            "vrrp_instance A {\n",
            "global_defs {\n",
            "virtual_server 192.0.2.1 80 {\n",
            "{\n",
            "{",
            "vrrp_script a {",
        ] {
            let some = found(open, close);
            assert!((1..=8).contains(&some.len()), "{open:?} {close:?}: {}: {some:?}", some.len());
        }
    }
    assert_eq!(found("", "}\n"), ["1:1 unexpected-brace"]);
    let many: String = (0..DEEP).map(|n| format!("vrrp_instance A{n} {{\n")).collect();
    assert!(findings(&many).len() <= 8, "{:?}", findings(&many));
    let two = "global_defs {\n".to_owned() + &"virtual_server_group A {\n".repeat(DEEP);
    assert!(findings(&two).len() <= 8, "{:?}", findings(&two));
}

#[test]
fn a_forgotten_opening_brace_is_supplied() {
    let text = format!("{INSTANCE}virtual_ipaddress\n192.0.2.1\n}}\npriority 7\n}}\n");
    assert_eq!(findings(&text), ["4:1 missing-opening-brace"]);
    let plan = parse_text("t", text).plan;
    assert_eq!(plan.vrrp_instances[0].router.priority, 7);
    assert_eq!(plan.vrrp_instances[0].addresses.len(), 1);
}

#[test]
fn an_unknown_block_is_one_error_however_much_is_in_it() {
    assert_eq!(findings("nonsense {\n a 1\n b {\n c\n }\n}\n"), ["1:1 unknown-keyword"]);
}

#[test]
fn a_block_without_a_keyword_is_one_error() {
    assert_eq!(findings("{\n a\n}\n"), ["1:1 unexpected-brace"]);
}

#[test]
fn ten_thousand_levels_are_one_error_and_no_stack() {
    let deep = "x {\n".repeat(10_000) + &"}\n".repeat(10_000);
    assert_eq!(findings(&deep), ["1:1 unknown-keyword", "33:3 nested-too-deep"]);
}

#[test]
fn an_unclosed_quote_is_a_warning() {
    assert_eq!(findings("global_defs {\nrouter_id \"a b\n}\n"), ["2:12 unclosed-quote"]);
}

#[test]
fn a_closing_brace_too_many_inside_a_block_is_one_error_and_the_rest_belongs_to_it() {
    let text = format!("{INSTANCE}}}\n{VIP}priority 7\n}}\n");
    assert_eq!(findings(&text), ["5:1 unexpected-brace"]);
    let instance = &parse_text("t", text).plan.vrrp_instances[0];
    assert_eq!((instance.router.priority, instance.addresses.len()), (7, 1));
}

#[test]
fn an_opening_brace_too_many_is_one_error() {
    let text = format!("{INSTANCE}{VIP}}}\n").replacen('{', "{ {", 1);
    assert_eq!(findings(&text), ["1:19 unexpected-brace"]);
    assert_eq!(findings(&(text + "}\n")), ["1:19 unexpected-brace"], "with its counterpart");
}

/// The keyword stands as far out as the block does, so the block must have ended.
#[test]
fn a_missing_closing_brace_is_seen_from_the_indentation_of_what_follows() {
    let text = format!(
        "{INSTANCE}  authentication {{\n    auth_type PASS\n    auth_pass x\n  priority 7\n{VIP}}}\n"
    );
    assert_eq!(findings(&text), ["4:18 missing-closing-brace"]);
    assert_eq!(parse_text("t", text).plan.vrrp_instances[0].router.priority, 7);
}
