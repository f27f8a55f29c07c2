//! The parsers of what comes from outside over kept corpora, `tests/fuzz/*/*.txt`: comment lines
//! with `#`, octets in hexadecimal, and after `=>` what they are taken for: `accepted`, the name
//! of the reason why not, or what the kernel says. What once made trouble joins them.

#[path = "fuzz/replies.rs"]
mod replies;
#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;

struct Case {
    name: String,
    octets: Vec<u8>,
    verdict: String,
}

type Target = fn(&[u8]) -> String;

/// Each corpus, and what is done with it.
const CORPORA: [(&str, Target); 15] = [
    ("wire", |octets| targets::wire(octets).to_owned()),
    ("wire6", |octets| targets::wire6(octets).to_owned()),
    ("ah", |octets| targets::authentication_header(octets).to_owned()),
    ("trailer", |octets| targets::hmac_trailer(octets).to_owned()),
    ("bfd", |octets| targets::bfd(octets).to_owned()),
    ("netlink", targets::netlink),
    ("http", replies::http),
    ("dns", replies::dns),
    ("smtp", replies::smtp),
    ("ping", replies::ping),
    ("grpc", replies::grpc),
    ("http2", replies::http2),
    ("search", replies::search),
    ("udp", replies::udp),
    ("handshake", replies::handshake),
];

#[test]
fn each_case_of_a_corpus_has_its_verdict() {
    let mut wrong = Vec::new();
    for (corpus, target) in CORPORA {
        for case in read_corpus(corpus) {
            let found = target(&case.octets);
            if found != case.verdict {
                wrong.push(format!("{}: {found}, not {}", case.name, case.verdict));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every truncation, and every octet replaced by each of the values that make mischief in
/// lengths and counts: a value or a reason, never a panic.
#[test]
fn no_mutation_of_a_corpus_makes_a_parser_panic() {
    for (corpus, target) in CORPORA {
        for case in read_corpus(corpus) {
            for length in 0..case.octets.len() {
                target(&case.octets[..length]);
            }
            for at in 0..case.octets.len() {
                for value in
                    [0x00, 0x01, 0x0f, 0x21, 0x31, 0x40, 0x45, 0x4f, 0x7f, 0x80, 0xfe, 0xff]
                {
                    let mut octets = case.octets.clone();
                    octets[at] = value;
                    target(&octets);
                }
            }
        }
    }
}

fn read_corpus(corpus: &str) -> Vec<Case> {
    let directory = format!("{}/tests/fuzz/{corpus}", env!("CARGO_MANIFEST_DIR"));
    let mut cases: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{directory}: {error}"))
        .map(|entry| entry.unwrap().path())
        .map(|path| read(path.display().to_string(), &fs::read_to_string(&path).unwrap()))
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() > 3, "the corpus {corpus} is gone");
    cases
}

fn read(name: String, text: &str) -> Case {
    let (octets, verdict) = text.split_once("=>").expect("a corpus file ends with `=> VERDICT`");
    let digits: String = octets
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::chars)
        .filter(|character| !character.is_whitespace())
        .collect();
    let octets = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hexadecimal digits"))
        .collect();
    Case { name, octets, verdict: verdict.trim().to_owned() }
}
