//! Packets that are not to be believed: counted by reason and dropped, moving neither a state nor a
//! timer. keepalived's MASTER falls silent under such a stream; ours must not, so here both are ours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::configs::{LB1, LB2, Pair, SOON, VIP, instance};
use crate::for_each_program;
use crate::harness::Program::Mainstay;
use crate::harness::{
    Capture, Director, Forgery, Host, Lab, Program, eventually, longest_gap, run, seconds,
    undisturbed,
};

/// One reason to discard: the counter that must move, and a packet that is wrong in just that way.
/// Priority 254 or 0 would move a believer at once.
fn forgeries() -> Vec<(&'static str, Forgery)> {
    let right = Forgery { priority: 254, ..Forgery::of_the_tutorial("192.0.2.66", VIP) };
    vec![
        ("ip_ttl_err", Forgery { ttl: 254, ..right.clone() }),
        ("chk_err", Forgery { checksum_error: 1, ..right.clone() }),
        ("packet_len_err", Forgery { cut_to: Some(14), ..right.clone() }),
        ("packet_len_err", Forgery { cut_to: Some(3), ..right.clone() }),
        ("vers_err", Forgery { version_and_type: 0x31, ..right.clone() }),
        ("invalid_type_rcvd", Forgery { version_and_type: 0x22, ..right.clone() }),
        ("authtype_mismatch", Forgery { auth_type: 0, ..right.clone() }),
        ("auth_failure", Forgery { password: *b"tutu\0\0\0\0", ..right.clone() }),
        ("auth_failure", Forgery { password: *b"tutu\0\0\0\0", priority: 0, ..right.clone() }),
        ("advert_interval_err", Forgery { interval: 2, ..right.clone() }),
        ("unknown_vrid", Forgery { vrid: 51, ..right }),
    ]
}

for_each_program!(a_forged_packet_that_is_right_is_believed);

/// Shows the packets built here to be right but for what is changed in them.
fn a_forged_packet_that_is_right_is_believed(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let rogue = pair.lan.host("rogue", "192.0.2.66/24");
    let director = Director::start(&pair.r1, program, instance(100, ""));
    director.wait_for_state(0, "MASTER");
    let before = director.log().len();
    Forgery { priority: 254, ..Forgery::of_the_tutorial("192.0.2.66", VIP) }.send_from(&rogue);
    director.wait_for_state(before, "BACKUP");
}

/// Sends all of them again and again, about thirty packets a second, while `during` runs.
fn under_garbage<T>(rogue: &Host, during: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for (_, forgery) in forgeries().iter().cycle() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                forgery.send_from(rogue);
                thread::sleep(Duration::from_millis(30));
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(during));
        ended.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn a_packet_that_is_wrong_is_counted_by_its_reason() {
    run("vrrp_garbage::counted", |lab: &Lab| {
        let pair = Pair::new(lab);
        let rogue = pair.lan.host("rogue", "192.0.2.66/24");
        let (master, backup) = pair.start(Mainstay, Mainstay, "");
        for director in [&master, &backup] {
            for (reason, forgery) in forgeries() {
                let before = director.counter(reason);
                forgery.send_from(&rogue);
                let who = &director.host.name;
                eventually(&format!("{who} counts a packet as {reason}"), SOON, || {
                    director.counter(reason) > before
                });
            }
        }
        assert_eq!(master.counter("release_master"), 0, "a discarded packet made r1 let go");
        assert_eq!(backup.counter("become_master"), 0, "a discarded packet made r2 take over");
    });
}

#[test]
fn wrong_packets_do_not_delay_the_masters_advertisements() {
    run("vrrp_garbage::master", |lab: &Lab| {
        let pair = Pair::new(lab);
        let rogue = pair.lan.host("rogue", "192.0.2.66/24");
        let (_one, two) = pair.start(Mainstay, Mainstay, "");
        let began = SystemTime::now();
        under_garbage(&rogue, || {
            eventually("r1 sends ten advertisements", SOON, || {
                ours_since(&pair.capture, began).len() >= 10
            });
        });
        assert!(!two.log().contains("Entering MASTER"), "r2 took over");
        let longest = longest_gap(&ours_since(&pair.capture, began));
        assert!(longest < 1.1, "the MASTER was silent for {longest:.3} s; its interval is 1 s");
    });
}

#[test]
fn wrong_packets_do_not_keep_a_backup_from_taking_over() {
    run("vrrp_garbage::backup", |lab: &Lab| {
        let gap = undisturbed(|| {
            let pair = Pair::new(lab);
            let rogue = pair.lan.host("rogue", "192.0.2.66/24");
            let (one, two) = pair.start(Mainstay, Mainstay, "");
            under_garbage(&rogue, || take_over_after_kill(one, &two, &pair.capture))
        });
        assert!(
            (3.7..=3.91).contains(&gap),
            "r2 took over {gap:.3} s after the last advertisement, not 3.805 s"
        );
    });
}

fn take_over_after_kill(
    one: Director,
    two: &Director,
    capture: &Capture,
) -> ((SystemTime, SystemTime), f64) {
    let killed = one.kill9();
    two.wait_for_state(0, "MASTER");
    let (last, _) = *capture.adverts_of(LB1).last().expect("advertisements from r1");
    let taken = capture.first_advert_after(LB2, killed);
    ((last, taken), seconds(last, taken))
}

fn ours_since(capture: &Capture, moment: SystemTime) -> Vec<SystemTime> {
    capture.adverts_of(LB1).into_iter().map(|(at, _)| at).filter(|at| *at > moment).collect()
}
