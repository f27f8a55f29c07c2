//! Shell completions: what a shell offers after it has read them.

use std::process::{Command, Stdio};

/// What bash offers for the last of `words`.
fn offered(words: &[&str]) -> Vec<String> {
    let script = format!(
        "source <({} completions bash); COMP_WORDS=({}); COMP_CWORD={}; \
         _mainstay mainstay '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        env!("CARGO_BIN_EXE_mainstay"),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let text = String::from_utf8(output.stdout).expect("is text");
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_keywords_subcommands_and_lints() {
    assert_eq!(
        offered(&["mainstay", "explain", "virtual_rou"]),
        ["virtual_router_id", "virtual_routes"]
    );
    assert_eq!(offered(&["mainstay", "conv"]), ["convert"]);
    assert_eq!(offered(&["mainstay", "check", "--allow", "weight-t"]), ["weight-too-small"]);
}
