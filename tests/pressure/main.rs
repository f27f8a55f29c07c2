//! Whole directors under pressure: floods of bad packets, intervals of 10 ms, all processors busy, 40,000 checks. On this
//! machine's own kernel, in network namespaces, because what is measured are milliseconds, of which a
//! guest's clock knows only tens. Needs root; shares the lab's harness.

#![allow(clippy::disallowed_methods, reason = "time is measured here; no core is here")]

mod beside_checks;
mod farm;
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../lab/harness/mod.rs"]
mod harness;
mod pulse;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use harness::Program::Mainstay;
use harness::raw::PacketSocket;
use harness::{Capture, Director, Forgery, Host, Lab, Lan, eventually, seconds};
use pulse::Pulse;

const LB1: &str = "192.0.2.11";
const LB2: &str = "192.0.2.12";
const VIP: &str = "192.0.2.142";
const SOON: Duration = Duration::from_secs(30);

struct Pair {
    lan: Lan,
    capture: Capture,
    r1: Host,
    r2: Host,
}

impl Pair {
    fn new(lab: &Lab) -> Pair {
        let lan = lab.lan();
        let (r1, r2) = (lan.host("r1", "192.0.2.11/24"), lan.host("r2", "192.0.2.12/24"));
        Pair { capture: lan.capture(), lan, r1, r2 }
    }

    /// r1 is MASTER, r2 BACKUP and has heard it.
    fn start(&self, instance: impl Fn(u8) -> String) -> (Director<'_>, Director<'_>) {
        let one = Director::start(&self.r1, Mainstay, instance(100));
        one.wait_for_state(0, "MASTER");
        let two = Director::start(&self.r2, Mainstay, instance(50));
        let listening = two.wait_for_state(0, "BACKUP");
        self.capture.first_advert_after(LB1, listening);
        (one, two)
    }
}

/// Says why nothing can be shown here, if so.
fn runs_here(name: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped {name}: needs root");
    }
    root
}

/// One at a time: each has a machine to itself, as far as this program is concerned.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const TUTORIAL: &str =
    "    authentication {\n        auth_type PASS\n        auth_pass toto\n    }";

fn instance(priority: u8, version: u8, interval: &str, more: &str) -> String {
    format!(
        "vrrp_instance KAV_1 {{\n    interface eth0\n    version {version}\n    virtual_router_id 50\n    \
         priority {priority}\n    advert_int {interval}\n{more}\n    virtual_ipaddress {{\n        {VIP}\n    }}\n}}\n"
    )
}

/// What virtual servers need is told, and keeps no address from being held.
#[test]
fn without_ipvs_the_log_says_what_is_missing_and_vrrp_runs() {
    const LONG: Duration = Duration::from_secs(60);
    if !runs_here("a kernel without IPVS") {
        return;
    }
    let _alone = alone();
    let lab = Lab::new("pressure-no-ipvs");
    let pair = Pair::new(&lab);
    let service = "virtual_server 192.0.2.142 80 {\n    lvs_sched rr\n    lvs_method DR\n    protocol TCP\n    \
                   real_server 192.0.2.101 80 {\n    }\n}\n";
    let (one, two) = pair.start(|priority| instance(priority, 2, "1", TUTORIAL) + service);
    if std::path::Path::new("/proc/net/ip_vs").exists() {
        eprintln!("skipped: this kernel has IPVS");
        return;
    }
    let missing =
        "cannot read the IPVS table: this kernel has no IPVS: load it with `modprobe ip_vs`";
    one.wait_for_log(0, missing, LONG);
    eventually("it holds the address", LONG, || pair.r1.holds(VIP));
    assert!(one.dump().contains("this kernel has no IPVS"), "{}", one.dump());
    assert_eq!(two.counter("become_master"), 0, "the BACKUP took over");
    one.kill9();
    eventually("the other one holds it", LONG, || pair.r2.holds(VIP));
}

/// 10,000 packets a second of every wrong kind for ten seconds: adverts stay within 5 ms of their
/// schedule, a second apart, and the BACKUP stays what it is.
#[test]
fn ten_thousand_bad_packets_a_second_delay_no_advert() {
    const FLOOD: Duration = Duration::from_secs(10);
    const PER_MILLISECOND: usize = 10;
    if !runs_here("a flood of bad packets") {
        return;
    }
    let _alone = alone();
    let lab = Lab::new("pressure-flood");
    let pair = Pair::new(&lab);
    let rogue = pair.lan.host("rogue", "192.0.2.66/24");
    let (one, two) = pair.start(|priority| instance(priority, 2, "1", TUTORIAL));
    let pulse = Pulse::start();
    let began = SystemTime::now();
    let sent = flood(&rogue, FLOOD, PER_MILLISECOND);
    let rate = sent as f64 / FLOOD.as_secs_f64();
    assert!(rate > 9_500.0, "only {rate:.0} packets a second were sent");

    let adverts: Vec<SystemTime> = pair
        .capture
        .adverts_of(LB1)
        .into_iter()
        .map(|(at, _)| at)
        .filter(|at| *at > began)
        .collect();
    // By how much each is off a schedule that begins with the one before it.
    let judged: Vec<f64> = (adverts.windows(2))
        .filter(|two| two.iter().all(|at| pulse.was_regular_at(*at)))
        .map(|two| (seconds(two[0], two[1]) - 1.0).abs())
        .collect();
    assert!(
        judged.len() >= 5,
        "the machine is too busy to measure on: {} of {} intervals",
        judged.len(),
        adverts.len()
    );
    let worst = judged.iter().copied().fold(0.0, f64::max);
    println!(
        "{rate:.0} packets a second, {} adverts, off by {:.2} ms at most",
        adverts.len(),
        worst * 1e3
    );
    assert!(worst < 0.005, "an advert was off its schedule by {:.1} ms", worst * 1e3);
    assert_eq!(two.counter("become_master"), 0, "the BACKUP took over");
    assert_eq!(one.counter("release_master"), 0, "the MASTER let go");
    let discarded: u64 = ["ip_ttl_err", "chk_err", "packet_len_err", "auth_failure"]
        .iter()
        .map(|name| two.counter(name))
        .sum();
    assert!(
        discarded > sent as u64 / 2,
        "the BACKUP has counted only {discarded} of {sent} packets"
    );
}

/// Sends `each_ms` packets in each millisecond; gives their number.
fn flood(rogue: &Host, period: Duration, each_ms: usize) -> usize {
    let right = Forgery { priority: 254, ..Forgery::of_the_tutorial("192.0.2.66", VIP) };
    let frames: Vec<Vec<u8>> = [
        Forgery { ttl: 254, ..right.clone() },
        Forgery { checksum_error: 1, ..right.clone() },
        Forgery { cut_to: Some(14), ..right.clone() },
        Forgery { password: *b"tutu\0\0\0\0", priority: 0, ..right.clone() },
        Forgery { version_and_type: 0x31, ..right.clone() },
        Forgery { vrid: 51, ..right },
    ]
    .iter()
    .map(Forgery::frame)
    .collect();
    let socket = rogue.enter(|| PacketSocket::open("eth0"));
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < period {
        let due = (began.elapsed().as_secs_f64() * 1e3) as usize * each_ms;
        // After a pause it catches up: the rate is what counts.
        for frame in frames.iter().cycle().skip(sent % frames.len()).take(due.saturating_sub(sent))
        {
            socket.send(frame);
            sent += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    sent
}

/// `advert_int 0.01` with all processors busy. Master-down at priority 50 is 3 × 10 ms + 206/256 × 10 ms = 38 ms.
#[test]
fn at_ten_milliseconds_and_all_processors_busy_none_takes_over_but_after_a_death_and_then_soon() {
    const QUIET: Duration = Duration::from_secs(15);
    const KILLS: usize = 5;
    if !runs_here("advert_int 0.01") {
        return;
    }
    let _alone = alone();
    busy_while(|| {
        let pulse = Pulse::start();
        let mut gaps = Vec::new();
        for kill in 0..KILLS {
            let lab = Lab::new("pressure-hasty");
            let pair = Pair::new(&lab);
            let (one, two) = pair.start(|priority| instance(priority, 3, "0.01", ""));
            if kill == 0 {
                thread::sleep(QUIET);
                let taken = two.log().matches("Entering MASTER").count();
                // 20 ms late is what the protocol bears at this interval.
                let stalls = pulse.longer_than(Duration::from_millis(20));
                assert!(taken <= stalls, "{taken} false takeovers, {stalls} stalls of the machine");
            }
            let killed = one.kill9();
            let taken = pair.capture.first_advert_after(LB2, killed);
            let last = pair.capture.adverts_of(LB1).last().expect("adverts of r1").0;
            if pulse.was_regular_at(last) && pulse.was_regular_at(taken) {
                gaps.push(seconds(last, taken));
            }
        }
        assert!(!gaps.is_empty(), "the machine is too busy to measure on");
        println!("takeovers after {gaps:.4?} s");
        assert!(gaps.iter().all(|gap| *gap < 0.060), "takeovers after {gaps:.4?} s");
    });
}

/// Runs `during` beside two threads for each processor that only count.
fn busy_while(during: impl FnOnce()) {
    let ended = AtomicBool::new(false);
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..2 * processors {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(during));
        ended.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn the_pulse_is_felt() {
    let _alone = alone();
    let pulse = Pulse::start();
    eventually("the pulse has been felt for a while", SOON, || pulse.beats() > 20);
}
