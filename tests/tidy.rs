//! Reads our own sources and keeps the layout of `ARCHITECTURE.md`: pure cores stay pure, modules
//! know only whom they may know, `unsafe` stays in `kernel`. Each message says where and what to do.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules without sockets, tasks, processes, threads, files and clock.
const PURE: [&str; 8] = ["vrrp", "bfd", "check", "ipvs", "wire", "config", "routing", "sim"];

/// Names that have no business in a pure module.
const IMPURE: [&str; 20] = [
    "tokio",
    "nix",
    "libc",
    "socket2",
    "neli",
    "netlink_packet_core",
    "netlink_packet_route",
    "netlink_sys",
    "std::fs",
    "std::process",
    "std::thread",
    "std::os",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "TcpStream",
    "TcpListener",
    "Instant::now",
    "SystemTime::now",
];

/// Where `config` reads files and their owners; the rest of it sees text only.
const READS_FILES: [&str; 4] = [
    "src/config/preprocess/include.rs",
    "src/config/preprocess/glob.rs",
    "src/config/key_file.rs",
    "src/config/lower/names.rs",
];

/// Who may not name whom: the driver carries values between the cores, and nobody below it
/// knows it.
const STRANGERS: [(&str, &[&str]); 10] = [
    ("wire", &["vrrp", "check", "ipvs", "config", "probe", "kernel", "driver", "notify", "status"]),
    ("vrrp", &["check", "ipvs", "config", "probe", "kernel", "driver", "notify", "status"]),
    ("check", &["vrrp", "ipvs", "wire", "kernel", "driver", "notify", "status"]),
    ("ipvs", &["vrrp", "check", "wire", "config", "probe", "kernel", "driver", "notify", "status"]),
    ("config", &["kernel", "driver", "notify", "status"]),
    ("sim", &["check", "ipvs", "config", "probe", "kernel", "driver", "notify", "status"]),
    (
        "bfd",
        &[
            "vrrp", "check", "ipvs", "wire", "config", "probe", "kernel", "driver", "notify",
            "status",
        ],
    ),
    (
        "routing",
        &[
            "vrrp", "check", "ipvs", "wire", "config", "probe", "kernel", "driver", "notify",
            "status",
        ],
    ),
    // A script check runs its script the way `notify` runs scripts.
    ("probe", &["kernel", "driver", "status"]),
    ("kernel", &["driver", "notify", "status"]),
];

/// Files over [`LONGEST`] lines that really are one subject, and which.
const LONG_FILES: [(&str, &str); 0] = [];
const LONGEST: usize = 600;

/// One source file, with comments and the contents of strings blanked out in `code`.
struct Source {
    /// From the top of the package, with `/`.
    path: String,
    text: String,
    code: String,
}

impl Source {
    /// The module directly under `src/`; `None` for `lib.rs`, `main.rs` and tests.
    fn module(&self) -> Option<&str> {
        let (module, _) = self.path.strip_prefix("src/")?.split_once('/')?;
        Some(module)
    }

    /// Tests beside the code may use what the code may not.
    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next();
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || matches!(name, Some("tests.rs" | "fixtures.rs"))
    }

    /// Lines of code with their numbers, up to a test module written in the same file.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let own = self.code.find("#[cfg(test)]\nmod tests {").unwrap_or(self.code.len());
        (1..).zip(self.code[..own].lines())
    }
}

#[test]
fn pure_modules_touch_nothing_outside() {
    let mut faults = String::new();
    for source in sources("src") {
        let Some(module) = source.module().filter(|module| PURE.contains(module)) else { continue };
        if source.is_test() {
            continue;
        }
        for (line, code) in source.code_lines() {
            for name in IMPURE.into_iter().filter(|name| names(code, name)) {
                let allowed = ["std::fs", "std::os"].contains(&name)
                    && READS_FILES.contains(&source.path.as_str());
                if !allowed {
                    complain(
                        &mut faults,
                        &source,
                        line,
                        &format!(
                            "`{name}` in the pure module `{module}`: make it an event, an action or a parameter"
                        ),
                    );
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn modules_name_only_whom_they_may_know() {
    let mut faults = String::new();
    for source in sources("src") {
        let module = source.module().unwrap_or_default().to_owned();
        let Some((_, strangers)) = STRANGERS.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for (line, code) in source.code_lines() {
            for stranger in strangers.iter().filter(|name| names(code, &format!("crate::{name}"))) {
                if !source.is_test() {
                    complain(
                        &mut faults,
                        &source,
                        line,
                        &format!(
                            "`{module}` names `{stranger}`: let the driver carry the value, or move the type"
                        ),
                    );
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn unsafe_lives_in_kernel() {
    let elsewhere = |source: &Source| source.module() != Some("kernel");
    forbid("src", elsewhere, &["unsafe"], "keep it under src/kernel, with its reason beside it");
}

#[test]
fn nothing_is_left_half_done() {
    let names = ["todo!", "unimplemented!", "dbg!", "#[ignore]"];
    forbid("src", |_| true, &names, "finish it, or say `// GAP:` and what happens meanwhile");
    forbid(
        "tests",
        |_| true,
        &names,
        "finish it, or give `ignore` its reason; what a test needs and lacks it reports as skipped",
    );

    let mut faults = String::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        for (line, text) in (1..).zip(source.text.lines()) {
            if ["TODO", "FIXME", "XXX"].iter().any(|mark| names_word(text, mark)) {
                let advice = "finish it, or say `// GAP:` and what happens meanwhile";
                complain(&mut faults, &source, line, advice);
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn unwrap_is_for_tests() {
    let advice = "return the error, or `expect(\"why this holds\")`";
    forbid("src", |source| !source.is_test(), &[".unwrap()"], advice);
}

#[test]
fn long_files_are_few_and_known() {
    let mut faults = String::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        let lines = source.text.lines().count();
        let known = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > LONGEST && !known {
            let advice = format!("{lines} lines: split it, or add it to LONG_FILES with a reason");
            complain(&mut faults, &source, 1, &advice);
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// Each rule of the conformance table has a test beside the code and one from outside, or says in
/// words what is missing: `GAP: …`, or `KERNEL: …` for what the kernel does by itself, which two
/// tests from outside then show.
#[test]
fn each_rule_of_the_conformance_table_has_two_tests_or_its_gap() {
    let table = fs::read_to_string(root().join("tests/rfc9568.md")).expect("the table is there");
    let all: Vec<Source> = sources("src").into_iter().chain(sources("tests")).collect();
    let (mut faults, mut rules) = (String::new(), 0);
    for (line, text) in (1..).zip(table.lines()).filter(|(_, text)| is_rule(text)) {
        rules += 1;
        for fault in faults_of_rule(text, &all) {
            let _ = writeln!(faults, "tests/rfc9568.md:{line}: {fault}");
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    assert!(rules > 80, "only {rules} rules");
}

/// BFD's has one test for each rule, wherever it is.
#[test]
fn every_test_named_in_the_conformance_table_of_bfd_exists() {
    let table = fs::read_to_string(root().join("tests/rfc5880.md")).expect("the table is there");
    let all: Vec<Source> = sources("src").into_iter().chain(sources("tests")).collect();
    let (mut faults, mut named) = (String::new(), 0);
    for (line, text) in (1..).zip(table.lines()) {
        for name in tests_named_in(text) {
            named += 1;
            if !all.iter().any(|source| has_test(source, name)) {
                let _ = writeln!(faults, "tests/rfc5880.md:{line}: no test is called `{name}`");
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    assert!(named > 20, "only {named} tests are named");
}

/// The director's has its observations 1 to 56, and a test or a gap for each.
#[test]
fn every_observation_of_the_director_has_its_test() {
    let table = fs::read_to_string(root().join("tests/lvs.md")).expect("the table is there");
    let all: Vec<Source> = sources("src").into_iter().chain(sources("tests")).collect();
    let mut faults = String::new();
    let rows = table.lines().filter(|line| line.starts_with('|') && is_numbered(line));
    let mut numbers = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, .., tests] = cells[..] else { panic!("one cell: {row}") };
        numbers.push(number.parse::<usize>().expect("is_numbered"));
        let names: Vec<&str> = tests_named_in(tests).collect();
        if cells.len() != 5 || names.is_empty() && !tests.starts_with("GAP: ") {
            let _ = writeln!(faults, "tests/lvs.md: {number} has not five cells with a test");
        }
        for name in names.iter().filter(|name| !all.iter().any(|each| has_test(each, name))) {
            let _ = writeln!(faults, "tests/lvs.md: {number}: no test is called `{name}`");
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    assert_eq!(numbers, (1..=56).collect::<Vec<_>>());
}

fn is_numbered(row: &str) -> bool {
    let number = row.trim_matches('|').split('|').next().unwrap_or_default().trim();
    !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit())
}

/// A row that is neither head nor line below it.
fn is_rule(line: &str) -> bool {
    line.starts_with('|') && !line.starts_with("|---") && !line.starts_with("| § |")
}

/// What speaks against one row: `| § | rule | beside the code | from outside | remarks |`.
fn faults_of_rule(row: &str, all: &[Source]) -> Vec<String> {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [_, _, inside, outside, _] = cells[..] else {
        return vec![format!("{} cells, not five", cells.len())];
    };
    let mut faults = Vec::new();
    let kernels_own = inside.starts_with("KERNEL: ");
    for (cell, directory) in [(inside, "src/"), (outside, "tests/")] {
        let names: Vec<&str> = tests_named_in(cell).collect();
        for name in &names {
            let found = all.iter().filter(|source| source.path.starts_with(directory));
            if !found.clone().any(|source| has_test(source, name)) {
                faults.push(format!(
                    "no test below {directory} is called `{name}`, or it is ignored"
                ));
            }
        }
        let excused = ["GAP: ", "KERNEL: "].iter().any(|mark| cell.starts_with(mark));
        if excused && cell.len() < 30 {
            faults.push(format!("`{cell}` says too little"));
        }
        let wanted = if kernels_own && directory == "tests/" { 2 } else { 1 };
        if !excused && names.len() < wanted {
            faults.push(format!("{} of {wanted} tests below {directory}", names.len()));
        }
    }
    faults
}

/// Names in backticks with `::` in them.
fn tests_named_in(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2).filter(|name| name.contains("::"))
}

/// `router::backup::some_rule`: the path tells the file loosely, the last part is the function. It
/// is a test by its attribute, or by a macro that makes tests of it for each pair of programs.
fn has_test(source: &Source, name: &str) -> bool {
    let mut parts: Vec<&str> = name.split("::").collect();
    let function = parts.pop().unwrap_or_default();
    let in_path = |part: &&str| source.path.split(['/', '.']).any(|piece| piece == *part);
    parts.iter().all(in_path) && (is_marked(&source.code, function) || is_listed(source, function))
}

/// `#[test]`, or tokio's, and nothing but other attributes stand before the function, and no `#[ignore]`.
fn is_marked(code: &str, function: &str) -> bool {
    let place = code.find(&format!("fn {function}("));
    place.is_some_and(|at| {
        let before = code[..at].strip_suffix("async ").unwrap_or(&code[..at]);
        let before: Vec<&str> = before.lines().rev().map(str::trim).collect();
        let attributes = before.iter().skip_while(|line| line.is_empty());
        let attributes = attributes.take_while(|line| line.starts_with("#[") || line.is_empty());
        let mut attributes = attributes.filter(|line| !line.is_empty()).peekable();
        attributes.peek().is_some()
            && attributes
                .clone()
                .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
            && !attributes.any(|line| line.starts_with("#[ignore"))
    })
}

/// The function's name stands between the brackets of `for_each_…!(…)`.
fn is_listed(source: &Source, function: &str) -> bool {
    let mut lists = source.code.split("for_each_").skip(1).filter_map(|rest| {
        let (macro_name, list) = rest.split_once("!(")?;
        let named = macro_name.chars().all(|each| each.is_alphanumeric() || each == '_');
        named.then(|| list.split(')').next().unwrap_or_default())
    });
    source.path.starts_with("tests/lab/") && lists.any(|list| names_word(list, function))
}

/// Complains about each place in `directory` that has one of `names` in a file of `concerned`.
fn forbid(directory: &str, concerned: impl Fn(&Source) -> bool, forbidden: &[&str], advice: &str) {
    let mut faults = String::new();
    for source in sources(directory).into_iter().filter(concerned) {
        for (line, code) in source.code_lines() {
            if let Some(name) = forbidden.iter().find(|name| names(code, name)) {
                complain(&mut faults, &source, line, &format!("`{name}`: {advice}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

fn complain(faults: &mut String, source: &Source, line: usize, advice: &str) {
    let _ = writeln!(faults, "{}:{line}: {advice}", source.path);
}

/// Whether `code` has `name`, not as a part of a longer name. `std::fs` is also found in
/// `use std::{fs, io}`.
fn names(code: &str, name: &str) -> bool {
    let grouped = name.split_once("::").is_some_and(|(first, rest)| {
        code.split_once(&format!("{first}::{{")).is_some_and(|(_, group)| names_word(group, rest))
    });
    grouped || names_word(code, name)
}

fn names_word(code: &str, name: &str) -> bool {
    let part_of_name = |character: char| character.is_alphanumeric() || character == '_';
    let starts_inside = name.starts_with(part_of_name);
    let ends_inside = name.ends_with(part_of_name);
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(part_of_name);
        let after = code[at + name.len()..].chars().next().is_some_and(part_of_name);
        !(starts_inside && before || ends_inside && after)
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `directory` but this one, whose lists hold what they forbid.
fn sources(directory: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join(directory), &mut paths);
    paths.sort();
    let sources: Vec<_> = paths.iter().map(|path| read(path)).collect();
    sources.into_iter().filter(|source| source.path != "tests/tidy.rs").collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of ours") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("a source is UTF-8");
    let path = path.strip_prefix(root()).expect("it is under the root").display().to_string();
    Source { path, code: code_of(&text), text }
}

/// `text` with comments and the contents of strings taken out, line breaks kept.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let skipped = skipped(rest, code.chars().next_back());
        let taken = if skipped > 0 { skipped } else { character.len_utf8() };
        if skipped > 0 {
            code.extend(rest[..taken].chars().filter(|character| *character == '\n'));
        } else {
            code.push(character);
        }
        rest = &rest[taken..];
    }
    code
}

/// Length of the comment, string or quoted character that `rest` begins with; 0: it is code.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    let in_name = before.is_some_and(|character| character.is_alphanumeric() || character == '_');
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        until("*/", 2)
    } else if rest.starts_with("r\"") && !in_name {
        until("\"", 2)
    } else if rest.starts_with("r#") && !in_name {
        let hashes = rest[1..].chars().take_while(|character| *character == '#').count();
        let opens = rest[1 + hashes..].starts_with('"');
        if opens { until(&format!("\"{}", "#".repeat(hashes)), 2 + hashes) } else { 0 }
    } else if rest.starts_with('"') {
        quoted(rest, '"')
    } else if rest.starts_with("'\"'") || rest.starts_with("'\\") {
        // Other quoted characters hold nothing that would mislead us.
        quoted(rest, '\'')
    } else {
        0
    }
}

/// Length of what stands between two `quote`s, with backslash escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

/// The checks above are only worth something while these hold.
#[test]
fn what_is_read_is_code_without_comments_and_strings() {
    let code =
        code_of("a(\"unsafe \\\" x\"); // unsafe\n'\"' b /* unsafe */ r#\"unsafe\"# 'x' c\n");
    assert_eq!(code, "a(); \n b   'x' c\n");

    assert!(names("use std::{fs, io};", "std::fs") && names("std::fs::read", "std::fs"));
    assert!(!names("std::fsx", "std::fs") && !names("unsafe_code", "unsafe"));
    assert!(names("x.unwrap()?", ".unwrap()") && !names("x.unwrap_or(1)", ".unwrap()"));
}

/// And of the conformance table while these do.
#[test]
fn rows_without_their_tests_are_noticed() {
    let source = |path: &str, code: &str| Source {
        path: path.to_owned(),
        text: code.to_owned(),
        code: code_of(code),
    };
    let all = [
        source("src/vrrp/a/tests.rs", "#[test]\nfn one() {}\n\nfn helper() {}\n"),
        source("tests/lab/b.rs", "for_each_pair!(two, three);\nfn two() {}\nfn four() {}\n"),
        source("tests/sim.rs", "#[test]\n#[ignore = \"why\"]\nfn five() {}\n#[test]\nfn six() {}"),
    ];
    let faults = |row: &str| faults_of_rule(row, &all).len();
    assert_eq!(faults("| 1 | r | `a::one` | `b::two`, `sim::six` | |"), 0);
    assert_eq!(faults("| 1 | r | `a::one` | |"), 1, "four cells");
    assert_eq!(faults("| 1 | r | `a::one` | | |"), 1, "one test");
    assert_eq!(faults("| 1 | r | `a::helper` | `b::four` | |"), 2, "no tests");
    assert_eq!(faults("| 1 | r | `a::one` | `sim::five` | |"), 1, "ignored");
    assert_eq!(faults("| 1 | r | `b::two` | `a::one` | |"), 2, "the wrong way round");
    assert_eq!(faults("| 1 | r | `a::one` | GAP: short | |"), 1, "not in words");
    assert_eq!(faults("| 1 | r | GAP: it is not done, for this reason | `b::two` | |"), 0);
    assert_eq!(
        faults("| 1 | r | KERNEL: it does so whatever we do | `b::two` | |"),
        1,
        "one of two"
    );
}
