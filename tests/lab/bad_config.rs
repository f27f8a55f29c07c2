//! Files that cannot be right: the words an operator gets, and the exit status keepalived would give.
//!
//! The numbers are Debian's keepalived 2.2.7's, which the ignored variant of each test confirms.
//! Later versions give 4 instead of 5 for some, so either is right where that is known.

use std::time::{Duration, Instant};

use crate::configs::{Pair, SOON, VIP, instance};
use crate::for_each_program;
use crate::harness::Program::{Keepalived, Mainstay};
use crate::harness::{Director, Host, Lab, Program, eventually, run};

for_each_program!(
    a_bad_file_is_refused_at_start_with_keepalived_s_status,
    the_configuration_test_gives_keepalived_s_status,
    all_errors_are_listed_at_once,
);

/// One mistake.
struct Mistake {
    what: &'static str,
    file: Vec<u8>,
    /// Words that the message has to contain.
    words: &'static str,
    /// How the daemon ends; `None` when it goes on without the part that is wrong.
    start: Option<i32>,
    /// What `-t` may give.
    test: &'static [i32],
}

fn mistakes() -> Vec<Mistake> {
    let edit = |from: &str, to: &str| both().replacen(from, to, 1).into_bytes();
    let bytes = |from: &[u8], to: &[u8]| {
        let file = both().into_bytes();
        let at =
            file.windows(from.len()).position(|window| window == from).expect("a place to edit");
        [&file[..at], to, &file[at + from.len()..]].concat()
    };
    let mistake = |what, file, words, start, test| Mistake { what, file, words, start, test };
    vec![
        mistake(
            "VRID 300",
            edit("virtual_router_id 50", "virtual_router_id 300"),
            "300",
            Some(2),
            &[4, 5],
        ),
        mistake("no VRID", edit("virtual_router_id 50", ""), "KAV_1", Some(2), &[4, 5]),
        mistake(
            "a word missing",
            edit("virtual_router_id 50", "virtual_router_id"),
            "virtual_router_id",
            Some(2),
            &[2],
        ),
        mistake(
            "no such interface",
            edit("interface eth0", "interface eth7"),
            "eth7",
            Some(2),
            &[4, 5],
        ),
        mistake("port 70000", edit(" 80 {", " 70000 {"), "70000", None, &[5]),
        mistake(
            "a name that cannot be",
            edit("192.0.2.101", "no..such-host.example"),
            "no..such-host.example",
            None,
            &[5],
        ),
        mistake("bad VIP", edit(VIP, "192.0.2.342"), "192.0.2.342", None, &[5]),
        mistake("priority 999", edit("priority 100", "priority 999"), "999", None, &[5]),
        mistake("unclosed brace", edit("TCP_CHECK {\n        }", "TCP_CHECK {\n"), "", None, &[5]),
        mistake("unknown keyword", edit("advert_int 1", "advert_nit 1"), "advert_nit", None, &[5]),
        mistake("invalid UTF-8", bytes(b"state BACKUP", b"st\xffate BACKUP"), "ate", None, &[5]),
        mistake(
            "invalid UTF-8 in a comment",
            bytes(b"    state", b"    # \xff\xfe\n    state"),
            "",
            None,
            &[0, 5],
        ),
    ]
}

/// A VRRP instance and a virtual server, both right.
fn both() -> String {
    instance(100, "")
        + &format!(
            "virtual_server {VIP} 80 {{\n    delay_loop 2\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    \
             real_server 192.0.2.101 80 {{\n        TCP_CHECK {{\n        }}\n    }}\n}}\n"
        )
}

fn a_bad_file_is_refused_at_start_with_keepalived_s_status(lab: &Lab, program: Program) {
    for Mistake { what, file, words, start, .. } in mistakes() {
        let pair = Pair::new(lab);
        let mut director = Director::start(&pair.r1, program, file);
        match start {
            Some(code) => assert_eq!(
                director.wait_for_end(SOON).code(),
                Some(code),
                "{what}: {}",
                director.log()
            ),
            None => {
                // Where keepalived makes do without the part that is wrong, so do we.
                eventually(&format!("{what}: it goes on"), SOON, || {
                    director.assert_alive();
                    director.log().contains("(KAV_1) Entering BACKUP STATE")
                });
            }
        }
        eventually(&format!("{what}: it says {words:?}"), SOON, || director.log().contains(words));
        assert_clear(what, words, &director.log());
    }
}

fn the_configuration_test_gives_keepalived_s_status(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let (code, output) = config_test(&pair.r1, program, both().as_bytes());
    assert_eq!(code, Some(0), "the file without a mistake: {output}");
    for Mistake { what, file, words, test, .. } in mistakes() {
        let (code, output) = config_test(&pair.r1, program, &file);
        assert!(
            code.is_some_and(|code| test.contains(&code)),
            "{what}: status {code:?}, not one of {test:?}: {output}"
        );
        assert_clear(what, words, &output);
    }
}

fn all_errors_are_listed_at_once(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let file = both()
        .replace("virtual_router_id 50", "virtual_router_id 300")
        .replace("192.0.2.101", "no..such-host.example")
        .replace("priority 100", "priority 999");
    let (_, output) = config_test(&pair.r1, program, file.as_bytes());
    for word in ["300", "no..such-host.example", "999"] {
        let line = 1 + file.lines().position(|line| line.contains(word)).expect("a mistake");
        let place = match program {
            Mainstay => format!("keepalived.conf:{line}:"),
            Keepalived => format!("keepalived.conf: Line {line})"),
        };
        assert!(
            output.contains(word) && output.contains(&place),
            "nothing about {word} in line {line}:\n{output}"
        );
    }
}

/// keepalived 2.2.7 writes without end when it meets one.
#[test]
fn a_line_of_50_megabytes_gets_a_short_message() {
    run("bad_config::long", |lab: &Lab| {
        let pair = Pair::new(lab);
        let comment = format!("# {}\n{}", "x".repeat(50_000_000), both());
        let (code, output) = config_test(&pair.r1, Mainstay, comment.as_bytes());
        assert!(
            matches!(code, Some(0 | 5)) && output.len() < 10_000,
            "{code:?}, {} octets of output",
            output.len()
        );

        let keyword = format!("{}{}\n", both(), "y".repeat(50_000_000));
        let (code, output) = config_test(&pair.r1, Mainstay, keyword.as_bytes());
        assert!(
            code == Some(5) && output.len() < 10_000,
            "{code:?}, {} octets of output",
            output.len()
        );
        assert_clear("a long keyword", "yyyy", &output);

        let name = both().replace("KAV_1", &"K".repeat(50_000_000));
        let (code, output) = config_test(&pair.r1, Mainstay, name.as_bytes());
        assert!(
            code.is_some() && output.len() < 10_000,
            "{code:?}, {} octets of output",
            output.len()
        );
        assert_clear("a long name", "", &output);
    });
}

/// Runs `-t` on the file; its exit status, `None` for a signal, and all it printed.
fn config_test(host: &Host, program: Program, file: &[u8]) -> (Option<i32>, String) {
    let path = host.write("keepalived.conf", file);
    let began = Instant::now();
    let output = host
        .output(host.command(program.path(host)).arg("-t").arg("-f").arg(path))
        .expect("run it");
    assert!(began.elapsed() < Duration::from_secs(60), "-t took {:?}", began.elapsed());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn assert_clear(what: &str, words: &str, output: &str) {
    assert!(output.contains(words), "{what}: no {words:?} in what it says:\n{output}");
    assert!(!output.contains("panicked at"), "{what}: {output}");
}
