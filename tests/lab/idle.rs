//! What a pair costs when nothing happens: the tutorial's configuration with its checks.

use std::thread;
use std::time::Duration;

use crate::configs::{Farm, LB2, SOON, VIP, tutorial};
use crate::for_each_program;
use crate::harness::{Director, Lab, Program, eventually, eventually_eq};

for_each_program!(an_idle_director_uses_next_to_nothing);

const PERIOD: Duration = Duration::from_secs(10);

/// In a second, of all threads together. What a wake-up costs is the machine's doing (a page that was not
/// touched for a second may take longer to find again than all our work takes); how often it must is ours.
const WAKE_UPS: f64 = 10.0;

/// Time is what is measured here, so this test does sleep.
fn an_idle_director_uses_next_to_nothing(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let lb2 = farm.lan.host("lb2", &format!("{LB2}/24"));
    let capture = farm.lan.capture();
    let master = Director::start(&farm.lb1, program, tutorial(100));
    let backup = Director::start(&lb2, program, tutorial(50));
    master.wait_for_state(0, "MASTER");
    for host in [&farm.lb1, &lb2] {
        let both = "192.0.2.101:80/1 192.0.2.102:80/1";
        eventually_eq("the table", SOON, both, || host.ipvs().servers("TCP 192.0.2.142:80"));
    }
    // The second round of gratuitous ARP, 5 s after a take-over, is not idleness.
    eventually("both rounds are over", SOON, || capture.garps_for(VIP).len() >= 10);

    let look = |director: &Director| (director.wake_ups(), director.cpu_time());
    let before = [&master, &backup].map(look);
    thread::sleep(PERIOD);
    for (director, before) in [&master, &backup].into_iter().zip(before) {
        let (wake_ups, cpu) = look(director);
        let each_second = (wake_ups - before.0) as f64 / PERIOD.as_secs_f64();
        let share = 100.0 * (cpu - before.1).as_secs_f64() / PERIOD.as_secs_f64();
        let resident_kb = director.resident_kb();
        let who = &director.host.name;
        println!(
            "{who} ({program:?}): {each_second:.1} wake-ups a second, {share:.2} % of a core, {resident_kb} kB resident"
        );
        assert!(each_second < WAKE_UPS, "{who} wakes up {each_second:.1} times a second");
        // keepalived's three processes together have 19,000 kB.
        assert!(
            resident_kb < 15_000 || program == Program::Keepalived,
            "{who} has {resident_kb} kB resident"
        );
    }
}
