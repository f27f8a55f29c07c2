//! What VRRP and LVS cost and how late they are, side by side with Debian's keepalived: `scripts/bench vrrp`,
//! `lvs` and `hasty` run it. It shares the lab's harness; two hosts are joined by cables (veth pairs)
//! in namespaces of their own, so that nothing of it is seen outside.

#![allow(clippy::disallowed_methods, reason = "a bench measures time; no core is here")]

#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../../tests/lab/harness/mod.rs"]
mod harness;

mod checks;
#[path = "../../tests/pressure/farm.rs"]
mod farm;
mod hasty;
mod lvs;
mod network;
mod node;
#[allow(dead_code, reason = "tests use the rest")]
#[path = "../../tests/pressure/pulse.rs"]
mod pulse;
mod sink;
mod table;
mod vrrp;
mod watch;
mod work;

use table::Table;

const USAGE: &str = "bench vrrp [LETTER…] [--format json]   (a) to (e), or those named
bench lvs [LETTER…] [--format json]    (a) to (d), in the lab
bench checks [SECONDS] [--format json]    adverts beside 40,000 checks
bench hasty [SECONDS] [--format json]     advert_int 0.01 with all processors busy";

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let json = words
        .iter()
        .position(|word| word == "--format")
        .is_some_and(|at| words.drain(at..(at + 2).min(words.len())).any(|word| word == "json"));
    let which = words.first().map(String::as_str);
    let mut table = Table::new(match which {
        Some("checks") => checks::COLUMNS,
        _ => ["mainstay", "keepalived"],
    });
    match which {
        Some("vrrp") => vrrp::run(&words[1..], &mut table),
        Some("lvs") => lvs::run(&words[1..], &mut table),
        Some("checks") => checks::run(&words[1..], &mut table),
        Some("hasty") => hasty::run(&words[1..], &mut table),
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    }
    if json { table.print_json() } else { table.print() }
}
