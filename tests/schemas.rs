//! The JSON that programs read is what `etc/*.schema.json` says: each document of each command is held
//! against its schema, and each member that a schema has is seen at least once.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

fn schema(name: &str) -> Value {
    let path = format!("{}/etc/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the schema");
    serde_json::from_str(&text).expect("is JSON")
}

/// What `mainstay WORDS` prints, given `input`.
fn printed(words: &[&str], input: &str) -> Value {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mainstay"))
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("is JSON")
}

/// Holds `value` against `rule`; notes the members seen.
fn hold(value: &Value, rule: &Value, root: &Value, at: &str, seen: &mut BTreeSet<String>) {
    if let Some(name) = rule["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        return hold(value, &root["$defs"][name], root, name, seen);
    }
    if let Some(allowed) = rule["enum"].as_array() {
        return assert!(allowed.contains(value), "{at}: {value} is none of {allowed:?}");
    }
    let right = match rule["type"].as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("{at}: a type {other} that this test does not know"),
    };
    assert!(right, "{at}: {value} is no {}", rule["type"]);
    for item in value.as_array().into_iter().flatten() {
        hold(item, &rule["items"], root, at, seen);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let inner = &rule["properties"][name];
        assert!(inner.is_object(), "{at}: a member {name} that the schema has not");
        seen.insert(format!("{at}.{name}"));
        hold(member, inner, root, &format!("{at}.{name}"), seen);
    }
    for name in rule["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        assert!(value.get(name).is_some(), "{at}: no member {name}");
    }
}

/// All members that the schema has, named as [`hold`] names them.
fn members(rule: &Value, at: &str, out: &mut BTreeSet<String>) {
    members_of_items(&rule["items"], at, out);
    for (name, inner) in rule["properties"].as_object().into_iter().flatten() {
        out.insert(format!("{at}.{name}"));
        members(inner, &format!("{at}.{name}"), out);
    }
}

fn members_of_items(rule: &Value, at: &str, out: &mut BTreeSet<String>) {
    if rule.is_object() && rule.get("$ref").is_none() {
        members(rule, at, out);
    }
}

fn all_members(root: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    members(root, "", &mut all);
    for (name, rule) in root["$defs"].as_object().into_iter().flatten() {
        members(rule, name, &mut all);
    }
    all
}

fn each_member_is_seen(name: &str, documents: &[Value]) {
    let (root, mut seen) = (schema(name), BTreeSet::new());
    for document in documents {
        hold(document, &root, &root, "", &mut seen);
    }
    assert_eq!(seen, all_members(&root), "{name}");
}

#[test]
fn check_prints_what_its_schema_says() {
    let chain = "$A=x\n$B=$A\nvrrp_instance V {\n virtual_router_id $B\n interface eth0\n}\n";
    let check =
        |files: &[&str], input| printed(&[&["check", "--format", "json"], files].concat(), input);
    each_member_is_seen(
        "check",
        &[
            check(&["tests/fixtures/mistakes.conf"], ""),
            check(&["tests/fixtures/included/main.conf"], ""),
            check(&["-"], chain),
            check(&["etc/pair.conf", "tests/fixtures/good.conf"], ""),
        ],
    );
}

#[test]
fn convert_prints_what_its_schema_says() {
    let escaped = "vrrp_script s {\n script \"a \\\"b\\\" c\"\n}\n";
    let convert = |file: &str, input| printed(&["convert", "--to", "json", file], input);
    each_member_is_seen(
        "convert",
        &[convert("tests/fixtures/tutorial.conf", ""), convert("-", escaped)],
    );
}

#[test]
fn explain_prints_what_its_schema_says() {
    each_member_is_seen("explain", &[printed(&["explain", "--list", "--format", "json"], "")]);
}
