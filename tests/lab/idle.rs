//! What a pair costs when nothing happens: the tutorial's configuration with its checks.

use std::thread;
use std::time::Duration;

use crate::configs::{Farm, LB2, SOON, VIP, tutorial};
use crate::for_each_program;
use crate::harness::{Director, Lab, Program, eventually, eventually_eq};

for_each_program!(an_idle_director_uses_next_to_nothing);

const PERIOD: Duration = Duration::from_secs(10);

/// Periods to measure at most. A guest charges the time that its host takes away to whoever ran,
/// in ticks of 10 ms: a busy machine only ever adds, so the least of them counts.
const PERIODS: usize = 6;

/// Of one core.
const NEXT_TO_NOTHING: f64 = 0.005;

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

    let shares = least_shares([&master, &backup]);
    for (director, share) in [&master, &backup].into_iter().zip(shares) {
        let resident_kb = director.usage().1;
        let who = &director.host.name;
        println!(
            "{who} ({program:?}): {:.3} % of a core, {resident_kb} kB resident",
            100.0 * share
        );
        assert!(share < NEXT_TO_NOTHING, "{who} uses {:.3} % of a core", 100.0 * share);
        // keepalived's three processes together have 19,000 kB.
        assert!(
            resident_kb < 15_000 || program == Program::Keepalived,
            "{who} has {resident_kb} kB resident"
        );
    }
}

/// The least part of a core that each used in any period; stops measuring when that is little.
fn least_shares(directors: [&Director; 2]) -> [f64; 2] {
    let mut least = [f64::MAX; 2];
    for _ in 0..PERIODS {
        let before = directors.map(|director| director.usage().0);
        thread::sleep(PERIOD);
        for (place, director) in directors.iter().enumerate() {
            let used = director.usage().0 - before[place];
            least[place] = least[place].min(used.as_secs_f64() / PERIOD.as_secs_f64());
        }
        if least.iter().all(|share| *share < NEXT_TO_NOTHING) {
            break;
        }
    }
    least
}
