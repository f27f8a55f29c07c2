//! What a pair costs when nothing happens: the tutorial's configuration with its checks.

use std::thread;
use std::time::Duration;

use crate::configs::{Farm, LB2, SOON, tutorial};
use crate::for_each_program;
use crate::harness::{Director, Lab, Program, eventually_eq};

for_each_program!(an_idle_director_uses_next_to_nothing);

const PERIOD: Duration = Duration::from_secs(20);

/// Time is what is measured here, so this test does sleep. A busy machine does not change CPU time.
fn an_idle_director_uses_next_to_nothing(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let lb2 = farm.lan.host("lb2", &format!("{LB2}/24"));
    let master = Director::start(&farm.lb1, program, tutorial(100));
    let backup = Director::start(&lb2, program, tutorial(50));
    master.wait_for_state(0, "MASTER");
    for host in [&farm.lb1, &lb2] {
        let both = "192.0.2.101:80/1 192.0.2.102:80/1";
        eventually_eq("the table", SOON, both, || host.ipvs().servers("TCP 192.0.2.142:80"));
    }
    // The second round of gratuitous ARP, 5 s after a take-over, is not idleness.
    thread::sleep(Duration::from_secs(6));

    let before = [&master, &backup].map(|director| director.usage().0);
    thread::sleep(PERIOD);
    for (director, before) in [&master, &backup].into_iter().zip(before) {
        let (cpu, resident_kb) = director.usage();
        let share = (cpu - before).as_secs_f64() / PERIOD.as_secs_f64();
        let who = &director.host.name;
        println!(
            "{who} ({program:?}): {:.3} % of a core, {resident_kb} kB resident",
            100.0 * share
        );
        assert!(share < 0.005, "{who} uses {:.3} % of a core", 100.0 * share);
        // keepalived's three processes together have 19,000 kB.
        assert!(
            resident_kb < 15_000 || program == Program::Keepalived,
            "{who} has {resident_kb} kB resident"
        );
    }
}
