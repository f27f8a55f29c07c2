//! BFD_CHECK: real servers come and go with their BFD sessions.

use crate::bfd::session;
use crate::checks::{BOTH, HTTP, ONLY_2, service, table_becomes};
use crate::configs::{Farm, LB1, SOON, start_checks, with_globals};
use crate::for_each_program;
use crate::harness::{Director, Lab, Program, seconds, throughout};

for_each_program!(
    a_server_goes_and_comes_with_its_session,
    with_alpha_a_server_waits_for_its_session,
    without_alpha_a_server_is_down_until_its_session_is_up,
);

const WEB1: &str = "192.0.2.101";

/// Server 1 is checked by the session with it, server 2 not at all.
fn configuration(check: &str) -> String {
    let check = format!("        BFD_CHECK {{\n            name s1\n{check}\n        }}");
    session(LB1, WEB1, "") + &service("", [check, String::new()])
}

fn a_server_goes_and_comes_with_its_session(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let web1 = || Director::start(&farm.web1, program, with_globals(&session(WEB1, LB1, "")));
    let neighbor = web1();
    let director = start_checks(&farm.lb1, program, &configuration(""));
    director.wait_for_log(0, "(s1) Entering Up state", SOON);
    table_becomes(&farm, "both serve", BOTH);

    let before = director.log().len();
    let killed = neighbor.kill9();
    let noticed = director.wait_for_log(before, "(s1) Entering Down state", SOON);
    table_becomes(&farm, "only the other one serves", ONLY_2);
    eprintln!("{program:?}: down {:.3} s after the kill", seconds(killed, noticed));

    let _neighbor = web1();
    table_becomes(&farm, "both serve again", BOTH);
    let log = director.log();
    assert!(log[before..].contains("(s1) Entering Up state"), "{log}");
}

fn with_alpha_a_server_waits_for_its_session(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let director = start_checks(&farm.lb1, program, &configuration("            alpha"));
    table_becomes(&farm, "server 1 waits", ONLY_2);
    throughout("server 1 waits", std::time::Duration::from_secs(2), || {
        let seen = farm.lb1.ipvs().servers(HTTP);
        if seen == ONLY_2 { Ok(()) } else { Err(seen) }
    });
    let _neighbor = Director::start(&farm.web1, program, with_globals(&session(WEB1, LB1, "")));
    table_becomes(&farm, "both serve", BOTH);
    drop(director);
}

/// keepalived takes it out at once; Mainstay gives its session three seconds, so that a restart costs
/// no connection.
fn without_alpha_a_server_is_down_until_its_session_is_up(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let director = start_checks(&farm.lb1, program, &configuration(""));
    if program == Program::Mainstay {
        table_becomes(&farm, "both serve at first", BOTH);
        director.wait_for_log(0, "(s1) 192.0.2.101 has not come up within 3", SOON);
    }
    table_becomes(&farm, "server 1 is out", ONLY_2);
    let _neighbor = Director::start(&farm.web1, program, with_globals(&session(WEB1, LB1, "")));
    table_becomes(&farm, "both serve", BOTH);
}
