//! The parsers of received datagrams over a kept corpus, `tests/fuzz/wire/*.txt`: comment lines
//! with `#`, octets in hexadecimal, and after `=>` `accepted` or the name of the reason. A
//! datagram that once made trouble joins the corpus.

use std::fs;

use mainstay::wire::{Discard, ip::parse_ipv4, vrrp::parse};

struct Case {
    name: String,
    octets: Vec<u8>,
    verdict: String,
}

#[test]
fn each_datagram_of_the_corpus_has_its_verdict() {
    for case in corpus() {
        let verdict = judge(&case.octets).map_or_else(Discard::name, |()| "accepted");
        assert_eq!(verdict, case.verdict, "{}", case.name);
    }
}

/// Every truncation, and every octet replaced by each of the values that make mischief in
/// lengths and counts: a value or a reason, never a panic.
#[test]
fn no_mutation_of_the_corpus_makes_a_parser_panic() {
    for case in corpus() {
        for length in 0..case.octets.len() {
            let _ = judge(&case.octets[..length]);
        }
        for at in 0..case.octets.len() {
            for value in [0x00, 0x01, 0x0f, 0x21, 0x31, 0x40, 0x45, 0x4f, 0x7f, 0x80, 0xfe, 0xff] {
                let mut octets = case.octets.clone();
                octets[at] = value;
                let _ = judge(&octets);
            }
        }
    }
}

fn judge(datagram: &[u8]) -> Result<(), Discard> {
    let (ip, payload) = parse_ipv4(datagram)?;
    let advert = parse(payload, &ip)?;
    assert_eq!(advert.addresses.iter().count(), advert.addresses.len());
    Ok(())
}

fn corpus() -> Vec<Case> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/wire");
    let mut cases: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| read(path.display().to_string(), &fs::read_to_string(&path).unwrap()))
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() > 20, "the corpus is gone");
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
