//! The configuration pipeline over a kept corpus, `tests/fuzz/config/`: files that once made
//! trouble or reach parts that others do not, cut short at each octet and changed in each.
//! `fuzz/` looks for more of them, guided by coverage; what it kept is run, too.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use mainstay::config::{Options, convert, format, parse_again, parse_linted, parse_with};

/// Octets that make mischief in this language.
const MISCHIEF: [u8; 12] = *b"{}\"'\\#!$@~\n\0";

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/config");
    let files = fs::read_dir(folder).expect("the corpus is part of the repository");
    let read = |entry: fs::DirEntry| {
        let octets = fs::read(entry.path()).expect("a file of it");
        (entry.file_name().to_string_lossy().into_owned(), octets)
    };
    let all: Vec<_> = files.map(|entry| read(entry.expect("an entry"))).collect();
    assert!(all.len() > 10, "the corpus is there");
    all
}

/// What coverage-guided fuzzing kept, shortest first: `tests/fuzz/config-found.hex`, an input a line.
fn found() -> Vec<Vec<u8>> {
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let inputs = include_str!("fuzz/config-found.hex").lines();
    inputs.map(|line| line.as_bytes().chunks(2).map(octet).collect()).collect()
}

/// Everything that is done with a configuration before it is run.
fn all_of_it(octets: &[u8]) {
    let linted = parse_linted("corpus", octets, &Options::default(), &[]);
    let findings = &linted.loaded.diagnostics;
    let _ = (findings.to_text(true), findings.to_json());
    if let Ok(text) = std::str::from_utf8(octets) {
        let laid_out = format::layout(text);
        assert_eq!(format::layout(&laid_out), laid_out, "{text:?}");
        let read = |text: &str| convert::document("t", text.into(), None, &Options::default());
        let (document, findings) = read(text);
        // Where braces do not match, what was meant is guessed from the layout.
        if !findings.has_errors() {
            assert_eq!(document, read(&laid_out).0, "{text:?}");
        }
    }
}

#[test]
fn each_file_of_the_corpus_gives_a_plan_and_findings() {
    for (name, octets) in corpus() {
        eprintln!("{name}");
        all_of_it(&octets);
    }
}

#[test]
fn each_input_that_fuzzing_found_gives_a_plan_and_findings() {
    let found = found();
    assert!(found.len() > 1_000, "the inputs are there");
    found.iter().for_each(|octets| all_of_it(octets));
}

#[test]
fn no_mutation_of_the_corpus_ends_the_program() {
    for (name, octets) in corpus() {
        eprintln!("{name}");
        mutations(&octets).for_each(|changed| all_of_it(&changed));
    }
}

/// What a reload comes to is what a start with the same text comes to, whatever ran before.
#[test]
fn no_mutation_of_the_corpus_is_taken_for_what_runs() {
    let options = Options::default();
    for (name, octets) in corpus() {
        eprintln!("{name}");
        let mut running = Arc::default();
        for changed in mutations(&octets) {
            let text = String::from_utf8_lossy(&changed).into_owned();
            let again = parse_again("corpus", changed.clone(), &options, running);
            let fresh = parse_with("corpus", changed, &options);
            assert_eq!(again.plan, fresh.plan, "{text}");
            assert_eq!(again.diagnostics.to_lines(), fresh.diagnostics.to_lines(), "{text}");
            running = Arc::new(again.plan);
        }
    }
}

/// The text itself, cut short and changed in a sample of its places, about forty.
fn mutations(octets: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let places = (0..octets.len()).step_by(octets.len() / 40 + 1);
    let changed = places.flat_map(move |at| {
        let with = move |octet: &u8| {
            let mut changed = octets.to_vec();
            changed[at] = *octet;
            changed
        };
        std::iter::once(octets[..at].to_vec()).chain(MISCHIEF.iter().map(with))
    });
    std::iter::once(octets.to_vec()).chain(changed)
}
