use super::*;
use crate::config::{Verdict, parse_text};

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn rows(text: &str) -> Vec<&'static Keyword> {
    match look_up(&words(text)) {
        Answer::Rows(rows) => rows,
        Answer::Unknown(alike) => panic!("{text}: unknown, {alike:?}"),
    }
}

#[test]
fn a_keyword_is_found_in_each_of_its_blocks_and_a_path_narrows_it() {
    assert!(rows("weight").len() > 2);
    assert!(rows("virtual_server/real_server/weight").len() < rows("weight").len());
    let narrowed = rows("real_server weight");
    assert!(narrowed.iter().all(|row| row.block.contains("real_server")));
}

#[test]
fn a_misspelt_word_gives_what_it_is_like() {
    let Answer::Unknown(alike) = look_up(&words("virtual_router_ip")) else { panic!("known") };
    assert_eq!(alike.first(), Some(&"virtual_router_id"));
}

#[test]
fn a_paragraph_has_meaning_range_default_status_and_an_example() {
    let text = text(rows("vrrp_instance priority")[0]);
    for part in ["Range: ", "Default: 100", "Status: supported", "priority 150\n", "Example"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn nothing_is_missing_of_any_keyword() {
    for row in everything() {
        let (name, text) = (format!("{}/{}", row.block, row.name), text(row));
        assert!(row.alias_of.is_some() || row.meaning.len() > 5, "{name}: meaning");
        let has = |part: &str| text.lines().any(|line| line.trim().starts_with(part));
        assert!(has("Default: ") || has("Mandatory"), "{name}: default\n{text}");
        assert!(has("Status: "), "{name}: status");
        let numeric = row.args.starts_with('<') && row.args.contains("..");
        assert!(!numeric || has("Range: "), "{name}: range\n{text}");
        let example = example(row);
        let named = row.name.starts_with('<') || example.contains(row.name);
        assert!(named && !example.trim().is_empty(), "{name}: example\n{example}");
    }
}

/// Of each supported keyword the example has no error about the keyword itself.
#[test]
fn examples_of_supported_keywords_are_understood() {
    let about_itself = ["unknown-keyword", "missing-parameter", "not-a-number", "bad-value"];
    for row in everything().into_iter().filter(|row| row.support == Support::Supported) {
        // Read, and said to be of no use.
        if row.name == "as" {
            continue;
        }
        let example = example(row);
        let loaded = parse_text("t", example.as_bytes());
        assert_ne!(loaded.verdict, Verdict::Unreadable);
        for finding in &loaded.diagnostics {
            let at = finding.span.map_or("", |span| loaded.diagnostics.sources.text(span));
            let wrong = about_itself.contains(&finding.code)
                && !finding.message.contains("is supported")
                && (at == row.name || finding.message.contains(&format!("`{}`", row.name)));
            assert!(!wrong, "{}/{}: {}\n{example}", row.block, row.name, finding.message);
        }
    }
}
