//! BFD between two directors, and what it does to VRRP (`bfd_instance`, `track_bfd`).

use std::time::{Duration, SystemTime};

use crate::configs::{LB1, LB2, Pair, SOON, VIP, with_globals};
use crate::harness::{
    Director, Lab, Program, Program::Mainstay, eventually, run, seconds, throughout, undisturbed,
};
use crate::{for_each_pair, for_each_program};

for_each_pair!(
    a_killed_neighbour_is_noticed_within_the_detection_time,
    a_weight_moves_the_vip_with_the_session,
);
for_each_program!(a_mainstay_that_stops_is_down_at_once);

/// 5 packets of 100 ms.
const DETECTION: f64 = 0.5;
/// Seconds that noticing may take beyond it; a guest's clock ticks at 10 ms.
const MARGIN: f64 = 0.1;

/// A session from `source` to `neighbor`, at 100 ms.
pub fn session(source: &str, neighbor: &str, lines: &str) -> String {
    format!(
        "bfd_instance s1 {{\n    neighbor_ip {neighbor}\n    source_ip {source}\n    min_rx 100\n    \
         min_tx 100\n{lines}\n}}\n"
    )
}

/// A session, and an instance with these lines.
pub fn tracking(session: &str, priority: u8, lines: &str) -> String {
    with_globals(&format!(
        "{session}vrrp_instance KAV_1 {{\n    state BACKUP\n    interface eth0\n    \
         virtual_router_id 50\n    priority {priority}\n    advert_int 1\n    \
         virtual_ipaddress {{\n        {VIP}\n    }}\n{lines}\n}}\n"
    ))
}

const TRACK: &str = "    track_bfd {\n        s1\n    }";

/// What is not about how soon a session is lost has one that bears with a busy machine: 2 s.
const PATIENT: &str = "    multiplier 20";

/// The session alone.
fn neighbor(source: &str, neighbor: &str, lines: &str) -> String {
    with_globals(&session(source, neighbor, lines))
}

fn a_killed_neighbour_is_noticed_within_the_detection_time(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let late = undisturbed(|| {
        let pair = Pair::new(lab);
        let configuration = tracking(&session(LB1, LB2, ""), 100, TRACK);
        let one = Director::start(&pair.r1, first, configuration);
        // Until the session is up it is down.
        eventually("r1 is in FAULT", SOON, || {
            let log = one.log();
            log.contains("(KAV_1) Entering FAULT STATE") || log.contains("(KAV_1) entering FAULT")
        });
        let two = Director::start(&pair.r2, second, neighbor(LB2, LB1, ""));
        one.wait_for_log(0, "(s1) Entering Up state", SOON);
        one.wait_for_log(0, "VRRP_Instance(KAV_1) Tracked BFD instance s1 is UP", SOON);
        one.wait_for_state(0, "MASTER");
        let before = one.log().len();
        two.kill9();
        // Killing all processes of a director takes its time in a guest.
        let killed = SystemTime::now();
        let noticed = one.wait_for_state(before, "FAULT");
        let log = one.log();
        let log = &log[before..];
        assert!(overdue(log) <= MARGIN, "{log}");
        let reason = "(s1) Entering Down state (Local diagnostic - Control Detection Time Expired";
        assert!(log.contains(reason), "{log}");
        assert!(log.contains("VRRP_Instance(KAV_1) Tracked BFD instance s1 is DOWN"), "{log}");
        eventually("the VIP is gone", SOON, || !pair.r1.holds(VIP));

        let again = Director::start_again(&pair.r2, second);
        one.wait_for_state(before, "BACKUP");
        one.wait_for_state(before, "MASTER");
        drop(again);
        ((killed, noticed), seconds(killed, noticed))
    });
    eprintln!("{first:?} notices a killed {second:?} after {late:.3} s");
    assert!(late <= DETECTION + MARGIN, "noticed {late:.3} s after the kill");
}

/// Seconds beyond the Detection Time, as `Expired after 500 ms (3348 usec overdue)` has it.
fn overdue(log: &str) -> f64 {
    let said = log.split("(s1) Expired after ").nth(1).and_then(|rest| {
        let (_, rest) = rest.split_once(" ms (")?;
        rest.split_once(" usec overdue)")?.0.parse::<f64>().ok()
    });
    said.unwrap_or_else(|| panic!("nothing expired: {log}")) / 1e6
}

/// r1 watches r3; r2 waits with a priority between the two of r1.
fn a_weight_moves_the_vip_with_the_session(lab: &Lab, first: Program, second: Program) {
    const R3: &str = "192.0.2.13";
    let pair = Pair::new(lab);
    let r3 = pair.lan.host("r3", &format!("{R3}/24"));
    let lines = "    track_bfd {\n        s1 weight -20\n    }";
    let configuration = tracking(&session(LB1, R3, "    weight 5"), 100, lines);
    let three = Director::start(&r3, second, neighbor(R3, LB1, ""));
    let one = Director::start(&pair.r1, first, configuration);
    one.wait_for_state(0, "MASTER");
    let two = Director::start(&pair.r2, Mainstay, tracking("", 90, ""));
    two.wait_for_state(0, "BACKUP");
    one.wait_for_log(0, "(s1) Entering Up state", SOON);
    eventually("r1 holds the VIP", SOON, || pair.r1.holds(VIP));

    three.kill9();
    two.wait_for_state(0, "MASTER");
    one.wait_for_state(0, "BACKUP");
    eventually("only r2 holds the VIP", SOON, || pair.r2.holds(VIP) && !pair.r1.holds(VIP));

    let before = one.log().len();
    let _three = Director::start_again(&r3, second);
    one.wait_for_state(before, "MASTER");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
}

/// It says that it is down, for which nobody has to wait. (A keepalived that stops says nothing, and
/// takes AdminDown for no failure, so that it would never notice.)
fn a_mainstay_that_stops_is_down_at_once(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let one = Director::start(&pair.r1, program, tracking(&session(LB1, LB2, ""), 100, TRACK));
    let two = Director::start(&pair.r2, Mainstay, neighbor(LB2, LB1, ""));
    one.wait_for_state(0, "MASTER");
    let before = one.log().len();
    two.stop();
    one.wait_for_state(before, "FAULT");
    let log = one.log();
    let reason = "Entering Down state (Local diagnostic - Neighbor Signaled Session Down, Remote diagnostic \
         - Administratively Down)";
    assert!(log[before..].contains(reason), "{}", &log[before..]);
}

/// What the dump says of the only session.
fn fact(director: &Director<'_>, name: &str) -> String {
    let dump = director.dump();
    let fact = dump.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    fact.unwrap_or_else(|| panic!("no {name} in\n{dump}"))
}

/// Beside keepalived, which would say so if it lost us.
#[test]
fn a_reload_keeps_sessions_and_agrees_on_new_timing() {
    run("bfd::reload", |lab| {
        let pair = Pair::new(lab);
        let one =
            Director::start(&pair.r1, Mainstay, tracking(&session(LB1, LB2, PATIENT), 100, TRACK));
        let two = Director::start(&pair.r2, Program::Keepalived, neighbor(LB2, LB1, PATIENT));
        one.wait_for_state(0, "MASTER");
        let discriminator = fact(&one, "local discriminator");
        let before = one.log().len();

        // Another name, another priority: the session is the same one.
        let renamed =
            |timing: &str| tracking(&session(LB1, LB2, timing), 99, TRACK).replace("s1", "other");
        one.reload(renamed(PATIENT));
        one.wait_for_log(before, "reloaded", SOON);
        eventually("the new name is there", SOON, || one.dump().contains("BFD Instance = other"));
        one.reload(renamed(&format!("    min_rx 300\n    min_tx 200\n{PATIENT}")));
        eventually("both have agreed", SOON, || {
            fact(&one, "local tx intv") == "200000 us" && fact(&one, "poll") == "false"
        });
        assert_eq!(fact(&one, "local detection time"), "6000000 us");
        throughout("r1 stays MASTER", Duration::from_secs(2), || {
            let log = one.log();
            let fault = log[before..].contains("FAULT");
            if fault || !pair.r1.holds(VIP) { Err(log[before..].to_owned()) } else { Ok(()) }
        });
        assert_eq!(fact(&one, "local discriminator"), discriminator);
        assert_eq!(fact(&one, "Times up"), "1");
        assert!(!two.log().contains("Entering Down"), "{}", two.log());

        // Gone from the file: the neighbour hears of it. What it does not track cannot fail.
        let before = two.log().len();
        one.reload(tracking("", 99, ""));
        two.wait_for_log(before, "Neighbor Signaled Session Down", SOON);
        assert!(!one.dump().contains("BFD Instance"), "{}", one.dump());
    });
}

/// No session is lost, and none is late, while the instance beside it takes thousands of addresses.
#[test]
fn a_session_survives_what_vrrp_does_beside_it() {
    run("bfd::beside", |lab| {
        let pair = Pair::new(lab);
        let addresses: String =
            (0..500).map(|n| format!("        10.9.{}.{}/32\n", n / 250, n % 250)).collect();
        let many = format!("    virtual_ipaddress_excluded {{\n{addresses}    }}");
        let one =
            Director::start(&pair.r1, Mainstay, tracking(&session(LB1, LB2, PATIENT), 100, &many));
        let two = Director::start(&pair.r2, Mainstay, neighbor(LB2, LB1, PATIENT));
        two.wait_for_log(0, "(s1) Entering Up state", SOON);
        one.wait_for_state(0, "MASTER");
        eventually("all addresses are there", SOON, || pair.r1.holds("10.9.1.249"));
        for director in [&one, &two] {
            assert_eq!(fact(director, "Times down"), "0", "{}", director.dump());
        }
    });
}
