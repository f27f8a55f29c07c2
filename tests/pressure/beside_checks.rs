//! Ten instances beside 40,000 real servers with checks, in one process: adverts stay within 5 ms of their
//! schedule, whatever becomes of the servers. `scripts/bench checks` has the figures.

use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::farm::{
    ALL_SERVERS, Acceptor, INTERVAL, ROUTERS, instances, lateness, prepare, servers,
};
use crate::harness::Program::Mainstay;
use crate::harness::{Capture, Director, Lab, eventually, seconds};
use crate::pulse::Pulse;
use crate::{LB1, alone, runs_here};

const LONG: Duration = Duration::from_secs(120);

/// Later than this, in milliseconds, is late.
const LATE: f64 = 5.0;

#[test]
fn forty_thousand_checks_delay_no_advert() {
    if !runs_here("adverts beside checks") {
        return;
    }
    let _alone = alone();
    let lab = Lab::new("pressure-checks");
    let lan = lab.lan();
    let (host, capture) = (lan.host("r1", &format!("{LB1}/24")), lan.capture());
    prepare(&host);
    let script = host.script("well", "exit 0");
    let config = |weight| instances("eth0", "192.0.2") + &servers(&script, weight);
    let server = Acceptor::start(&host);
    let pulse = Pulse::start();
    let director = Director::start(&host, Mainstay, config(1));
    eventually("all instances send", LONG, || !moments(&capture).contains(&Vec::new()));

    // All are up from the start, so that each has been checked once when so many have.
    eventually("all are checked", LONG, || server.accepted() > ALL_SERVERS);
    let from = director.log().len();
    director.reload(config(7));
    director.wait_for_log(from, "reloaded: ", LONG);
    let checks = server.accepted();
    eventually("the checks go on", LONG, || server.accepted() > checks + ALL_SERVERS / 10);
    assert!(director.dump().contains("up, weight 7\n"), "the new weight is not in the dump");
    let from = director.log().len();
    drop(server);
    eventually("thousands fail", LONG, || {
        director.log()[from..].matches(" is down: ").count() > ALL_SERVERS / 4
    });
    let end = SystemTime::now();
    director.signal(Signal::SIGTERM);

    let verdict = judge(&moments(&capture), end, &pulse);
    println!("{verdict:.1?}");
    assert!(verdict.judged > 500, "the machine is too busy to measure on: {verdict:.1?}");
    assert_eq!(verdict.missing, 0, "adverts are missing: {verdict:.1?}");
    assert!(verdict.late.is_empty(), "adverts are late: {verdict:.1?}");
}

/// When each VRID's adverts came.
fn moments(capture: &Capture) -> Vec<Vec<SystemTime>> {
    let all = capture.advert_octets_of(LB1);
    let of = |vrid: u8| all.iter().filter(move |(_, octets)| octets[1] == vrid).map(|(at, _)| *at);
    (1..=ROUTERS).map(|vrid| of(vrid).collect()).collect()
}

#[derive(Debug)]
struct Verdict {
    /// Adverts that came while the machine kept time.
    judged: usize,
    /// By how much those of them were late that were.
    late: Vec<f64>,
    /// The latest of the others.
    latest: f64,
    /// Intervals at whose ends the machine kept time, and in which an advert is missing.
    missing: usize,
}

/// What became of the adverts until `end`.
fn judge(moments: &[Vec<SystemTime>], end: SystemTime, pulse: &Pulse) -> Verdict {
    let mut verdict = Verdict { judged: 0, late: Vec::new(), latest: 0.0, missing: 0 };
    for moments in moments {
        let moments: Vec<SystemTime> = moments.iter().copied().filter(|at| *at < end).collect();
        let regular = |at: &SystemTime| pulse.was_regular_at(*at);
        // The first begins the schedule: it goes out with all that a takeover is.
        let timed = moments.iter().zip(lateness(&moments)).skip(1);
        for (_, late) in timed.filter(|(at, _)| regular(at)) {
            verdict.judged += 1;
            if late > LATE {
                verdict.late.push(late);
            } else {
                verdict.latest = verdict.latest.max(late);
            }
        }
        let gaps = moments.windows(2).filter(|two| seconds(two[0], two[1]) > 1.5 * INTERVAL);
        verdict.missing += gaps.filter(|two| two.iter().all(regular)).count();
    }
    verdict
}
