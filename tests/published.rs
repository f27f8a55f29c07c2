//! Configurations that people published, against what keepalived 2.4.3 says of them.
//!
//! `MAINSTAY_REAL_CONFIGS` names a folder with the files, their `INDEX.tsv` (exit status of
//! `keepalived -t` in column `v243`) and, for each, an `.expected`: line, kind and subject of each of
//! keepalived's messages. Without the folder the tests say "skipped".

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mainstay::config::diagnostic::{Diagnostic, Effect};
use mainstay::config::{self, Loaded, convert, format};

/// What keepalived finds out from the host: users, programs, interfaces, files to watch. Without a
/// host `check` cannot know; `check --live` does.
const DECIDED_BY_HOST: [&str; 8] = [
    "script-not-found",
    "script-insecure",
    "script-user-missing",
    "script-security-off",
    "script-missing",
    "interface-missing",
    "file-missing",
    "include-matches-nothing",
];

/// Lines where keepalived speaks and we, on purpose, do not: file, lines, why.
const DIFFERENT: [(&str, std::ops::RangeInclusive<usize>, &str); 4] = [
    (
        "006-mixed-checks-zh",
        58..=110,
        "an unknown keyword with `{}` on one line makes keepalived lose count of its braces: all \
         that follows is unknown to it; here only the keyword is",
    ),
    (
        "032-proxysql-pair",
        53..=53,
        "the last line has no newline, and keepalived gives the number of the line before",
    ),
    (
        "007-gridftp-dual-stack",
        217..=217,
        "the `{` missing in line 135 leaves one block open too few or too many from there on: said \
         there, and where the file ends",
    ),
    (
        "007-gridftp-dual-stack",
        126..=126,
        "an address of the other family in an instance that is refused as a whole",
    ),
];

/// Files that keepalived starts with and we, on purpose, do not: file, why.
const REFUSED: [(&str, &str); 3] = [
    (
        "007-gridftp-dual-stack",
        "an instance whose only unicast peer is of the other family would speak to nobody, and be \
         MASTER beside its peer",
    ),
    ("029-cloud-floating-ip", "all unicast peers are placeholders: as above"),
    (
        "045-strict-with-unicast",
        "strict mode forbids unicast; keepalived says so and goes on, we do not choose for the author",
    ),
];

/// A finding that covers the whole block it stands before: its lines need no finding each.
const COVERS_BLOCK: [&str; 4] =
    ["unknown-keyword", "missing-opening-brace", "not-supported-yet", "cannot-run-yet"];

struct Published {
    name: String,
    text: String,
    starts: bool,
    expected: Vec<(usize, String)>,
}

fn published() -> Option<Vec<Published>> {
    let folder = PathBuf::from(std::env::var_os("MAINSTAY_REAL_CONFIGS")?);
    let index = std::fs::read_to_string(folder.join("INDEX.tsv")).ok()?;
    let read = |row: &str| {
        let fields: Vec<_> = row.split('\t').collect();
        let text = std::fs::read(folder.join(fields[0])).expect("a file of the index");
        let name = fields[0].trim_end_matches(".conf").to_owned();
        let expected = std::fs::read_to_string(folder.join(format!("{name}.expected")));
        Published {
            text: String::from_utf8_lossy(&text).into_owned(),
            // 0, 5 and 6: the daemon would run.
            starts: matches!(fields[8], "0" | "5" | "6"),
            expected: expected.expect("its messages").lines().map(message).collect(),
            name,
        }
    };
    Some(index.lines().skip(1).map(read).collect())
}

fn message(row: &str) -> (usize, String) {
    let mut fields = row.split('\t');
    let line = fields.next().and_then(|line| line.parse().ok()).expect("a line number");
    (line, fields.next().unwrap_or_default().to_owned())
}

fn load(file: &Published) -> Loaded {
    config::parse_text(&file.name, file.text.as_bytes())
}

/// A refusal of ours that keepalived does not share is always about a feature that is not here
/// yet and that must not be left out: a router with half of its protocol makes two MASTERs.
#[test]
fn published_configurations_start_exactly_where_keepalived_starts() {
    let Some(files) = published() else {
        eprintln!("skipped: MAINSTAY_REAL_CONFIGS names no folder");
        return;
    };
    let mut faults = String::new();
    for file in &files {
        let loaded = load(file);
        let starts = loaded.refusal_status().is_none();
        let refuses = |finding: &&Diagnostic| {
            finding.effect > Effect::ScriptSecurity && finding.code != "cannot-run-yet"
        };
        let other_reason = loaded.diagnostics.iter().any(|finding| refuses(&finding));
        let on_purpose = REFUSED.iter().any(|(name, _)| *name == file.name);
        let agrees = starts == file.starts || (file.starts && (!other_reason || on_purpose));
        if !agrees {
            let _ = writeln!(
                faults,
                "{}: starts: keepalived {}, ours {starts}\n{}",
                file.name,
                file.starts,
                loaded.diagnostics.to_lines()
            );
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn each_line_that_keepalived_complains_of_has_a_finding() {
    let Some(files) = published() else {
        eprintln!("skipped: MAINSTAY_REAL_CONFIGS names no folder");
        return;
    };
    let mut faults = String::new();
    for file in &files {
        let covered = covered_lines(&load(file), &file.text);
        for (line, kind) in &file.expected {
            let different =
                DIFFERENT.iter().any(|(name, lines, _)| *name == file.name && lines.contains(line));
            // A script whose user is missing is left out, and then nobody knows its name.
            let left_out = kind == "tracked-name-unknown"
                && file.expected.iter().any(|(_, kind)| kind == "script-user-missing");
            let by_host = DECIDED_BY_HOST.contains(&kind.as_str()) || left_out;
            // Line 0: keepalived gives no place.
            if *line > 0 && !covered[*line] && !different && !by_host {
                let _ = writeln!(faults, "{}.conf:{line}: nothing about {kind}", file.name);
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// By line number: whether a finding is there, or is about the whole block around it.
fn covered_lines(loaded: &Loaded, text: &str) -> Vec<bool> {
    let lines: Vec<_> = text.lines().map(without_comment).collect();
    let mut covered = vec![false; lines.len() + 2];
    for finding in loaded.diagnostics.to_json() {
        let places = finding.at.iter().chain(finding.related.iter().map(|related| &related.at));
        for line in places.map(|place| place.line as usize) {
            let last = match finding.code {
                "missing-opening-brace" => block_end(&lines, line, 1),
                code if COVERS_BLOCK.contains(&code) => block_end(&lines, line, 0),
                _ => line,
            };
            covered[line..=last].fill(true);
        }
    }
    covered
}

fn without_comment(line: &str) -> &str {
    line.split(['#', '!']).next().unwrap_or_default()
}

/// The line of the `}` that closes the block whose keyword is at `line` (from 1), `depth` of its
/// braces being open before it; `line` if no block follows.
fn block_end(lines: &[&str], line: usize, mut depth: i32) -> usize {
    let here = lines[line - 1];
    let below = lines.get(line).is_some_and(|next| next.trim_start().starts_with('{'));
    if depth == 0 && !here.contains('{') && !below {
        return line;
    }
    for (number, text) in (1..).zip(lines).skip(line - 1) {
        let braces = |brace| text.matches(brace).count() as i32;
        depth += braces('{') - braces('}');
        if depth <= 0 && (number > line || text.contains('}')) {
            return number;
        }
    }
    lines.len()
}

/// Laid out, and by way of JSON, they ask for the same.
#[test]
fn published_configurations_keep_their_meaning_when_they_are_rewritten() {
    let Some(files) = published() else {
        eprintln!("skipped: MAINSTAY_REAL_CONFIGS names no folder");
        return;
    };
    let options = config::Options::default();
    let statements = |text: &str| convert::document("t", text.into(), None, &options).0;
    for file in &files {
        let laid_out = format::layout(&file.text);
        assert_eq!(format::layout(&laid_out), laid_out, "{}", file.name);
        let (document, diagnostics) =
            convert::document("t", file.text.as_bytes().to_vec(), None, &options);
        // With a brace missing, what is read as meant is not what was written.
        if diagnostics.has_errors() {
            continue;
        }
        assert_eq!(document, statements(&laid_out), "{}", file.name);
        let json = serde_json::to_string(&document).expect("is JSON");
        let back = convert::from_json(&json).expect("it was a configuration");
        let plan = |text: &str| config::parse_text("t", text.as_bytes()).plan;
        assert!(plan(&file.text) == plan(&back), "{}:\n{back}", file.name);
    }
}

/// The folder is there in full, or the tests above say nothing.
#[test]
fn every_published_configuration_has_its_messages() {
    if let Some(files) = published() {
        assert!(files.len() > 50, "{} files", files.len());
        assert!(files.iter().any(|file| !file.starts && !file.expected.is_empty()));
        assert!(Path::new(&std::env::var_os("MAINSTAY_REAL_CONFIGS").unwrap()).is_dir());
    }
}
