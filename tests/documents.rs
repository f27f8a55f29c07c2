//! Holds the documents true: links lead somewhere, files that are named exist, the manual lists
//! what the program takes.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mainstay::config::{lint, reference};

/// What operators and newcomers read; `man/` and `etc/` are added to it.
const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];

/// A path in backticks that begins so is one of ours.
const OURS: [&str; 6] = ["scripts/", "etc/", "man/", "src/", "tests/", ".ci/"];

const BEGIN: &str =
    ".\\\" BEGIN of what is generated: UPDATE_DOCUMENTS=1 cargo test --test documents\n";
const END: &str = ".\\\" END of what is generated\n";

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn files_of(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(top().join(directory)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| format!("{directory}/{name}")).collect()
}

fn everything() -> Vec<String> {
    let documents = DOCUMENTS.into_iter().map(str::to_owned);
    documents.chain(files_of("man")).chain(files_of("etc")).collect()
}

/// Targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// What stands between backticks, and every word of code blocks.
fn quoted(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2).collect::<Vec<_>>().join(" ");
    let quoted = prose.split('`').skip(1).step_by(2).map(|quoted| quoted.trim().to_owned());
    let code = text.split("```").skip(1).step_by(2).flat_map(str::split_whitespace);
    quoted.chain(code.map(str::to_owned)).collect()
}

#[test]
fn relative_links_lead_somewhere() {
    for name in DOCUMENTS {
        let text = read(name);
        for link in links(&text).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let path = link.split('#').next().unwrap();
            assert!(top().join(path).exists(), "{name}: link to {link}");
        }
    }
}

#[test]
fn files_that_documents_name_exist() {
    for name in DOCUMENTS {
        for quoted in quoted(&read(name)) {
            let path = quoted.split([' ', ':', '*']).next().unwrap();
            if OURS.iter().any(|ours| path.starts_with(ours)) {
                assert!(top().join(path).exists(), "{name} names `{quoted}`");
            }
        }
    }
}

/// Run with UPDATE_DOCUMENTS=1 after the keyword table or the lints have changed.
#[test]
fn manual_has_what_is_generated_for_it() {
    generated("man/mainstay.conf.5", &reference::man_section());
    generated("man/mainstay.8", &lint::man_section());
}

/// Compares the generated part of `name` with `wanted`, or puts it there.
fn generated(name: &str, wanted: &str) {
    let path = top().join(name);
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the line that begins the generated part");
    let (found, after) = rest.split_once(END).expect("the line that ends it");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, [before, BEGIN, wanted, END, after].concat()).unwrap();
        return;
    }
    let differing = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    assert!(
        found == wanted,
        "{name} is not that of the keyword table or the lints, first at {differing:?}: \
         UPDATE_DOCUMENTS=1 cargo test --test documents"
    );
}

#[test]
fn documents_are_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("CHANGELOG.md").contains(&format!("[{version}]")), "CHANGELOG.md: {version}");
    for page in files_of("man") {
        let title = format!("\"Mainstay {version}\"");
        assert!(read(&page).contains(&title), "{page}: .TH does not say {title}");
    }
}

/// What `name --help` of the program under test prints.
fn help(name: &str, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    let output = command.arg0(name).args(words).stdin(Stdio::null()).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn manual_has_every_option() {
    let page = read("man/mainstay.8").replace("\\-", "-");
    let commands: [(&str, &[&str]); 7] = [
        ("mainstay", &["run", "--help"]),
        ("mainstay", &["check", "--help"]),
        ("mainstay", &["explain", "--help"]),
        ("mainstay", &["fmt", "--help"]),
        ("mainstay", &["convert", "--help"]),
        ("keepalived", &["--help"]),
        ("genhash", &["--help"]),
    ];
    for (name, words) in commands {
        let text = help(name, words);
        let options = text.split(|c: char| c.is_whitespace() || "[]=,".contains(c));
        let options: Vec<&str> = options
            .map(|word| word.trim_end_matches('.'))
            .filter(|word| word.starts_with("--") && word.len() > 2 && *word != "--help")
            .collect();
        assert!(options.len() > 1, "{name} {words:?}: {text}");
        for option in options {
            assert!(page.contains(option), "man/mainstay.8 lacks {option} of {name} {words:?}");
        }
    }
}

#[test]
fn documents_say_nothing_of_the_machine_they_were_written_on() {
    // Put together here, so that this file does not say it either.
    let strange = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|parts| parts.concat());
    for name in everything() {
        let text = read(&name);
        for word in &strange {
            assert!(!text.contains(word.as_str()), "{name} mentions {word}");
        }
    }
}

#[test]
fn sample_configurations_are_without_complaint() {
    for sample in ["etc/pair.conf", "etc/director.conf"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
        let output = command.arg("check").arg(top().join(sample)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Skipped where there is no groff.
#[test]
fn manual_pages_are_clean() {
    for page in files_of("man") {
        let command = Command::new("groff")
            .args(["-ww", "-man", "-Tutf8", "-z"])
            .arg(PathBuf::from(top()).join(&page))
            .output();
        let Ok(output) = command else { return eprintln!("skipped: there is no groff") };
        assert!(output.stderr.is_empty(), "{page}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
