//! Who has the address, and how soon: RFC 3768 §6 between two directors.
//!
//! Times are taken from the switch's capture. At priority 100 a router waits
//! 3 × 1 s + (256 − 100)/256 s = 3.609 s, at priority 50 it waits 3.805 s; after a priority 0 only the
//! skews, 0.609 s and 0.805 s. A measurement during which the machine stalled is repeated.

use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::configs::{LB1, LB2, Pair, SOON, VIP, instance};

use crate::harness::Program::Mainstay;
use crate::harness::{
    Director, Lab, Program, eventually, eventually_eq, run, seconds, throughout, undisturbed,
};
use crate::{for_each_pair, for_each_program};

for_each_pair!(
    priority_100_takes_the_vip_after_3_6_s_and_priority_50_never,
    after_kill_9_the_other_takes_over_within_three_intervals_and_skew,
    after_a_clean_stop_the_other_takes_over_within_skew,
    a_returning_higher_priority_takes_the_vip_back,
    with_nopreempt_a_returning_higher_priority_stays_backup,
    preempt_delay_holds_a_returning_higher_priority_off,
    two_instances_have_each_their_own_master,
);

for_each_program!(what_a_master_sends_is_octet_for_octet_right);

/// RFC 3768 §5.1, worked out by hand: version 2 and type 1, VRID 50, priority 100, one address; PASS,
/// 1 s, checksum; 192.0.2.142; `toto`.
const ADVERT: [u8; 20] =
    [0x21, 50, 100, 1, 1, 1, 0xce, 0x5d, 192, 0, 2, 142, b't', b'o', b't', b'o', 0, 0, 0, 0];

fn what_a_master_sends_is_octet_for_octet_right(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let one = Director::start(&pair.r1, program, instance(100, ""));
    one.wait_for_state(0, "MASTER");
    eventually("five gratuitous ARPs", SOON, || pair.capture.garps_for(VIP).len() >= 5);
    one.stop();
    let sent = pair.capture.advert_octets_of(LB1);
    assert_eq!(sent[0].1, ADVERT);
    pair.capture.assert_tshark_agrees(&[LB1]);
    // The harness gave the first host's eth0 this address.
    assert!(
        pair.capture.garps_for(VIP).iter().all(|(_, mac)| *mac == [2, 0, 0, 0, 1, b'0']),
        "{:?}",
        pair.capture.garps_for(VIP)
    );
    let garp = pair.capture.garps_for(VIP)[0].0;
    assert!(sent[0].0 <= garp, "the first advertisement goes out before the gratuitous ARP");
    // Priority 0, and a checksum that is higher by the 100 that are missing.
    let mut goodbye = ADVERT;
    (goodbye[2], goodbye[6], goodbye[7]) = (0, 0x32, 0x5e);
    assert_eq!(sent.last().expect("advertisements").1, goodbye);
}

const DOWN_INTERVAL_50: f64 = 3.805;
const SKEW_50: f64 = 0.805;
const MARGIN: f64 = 0.1;

fn priority_100_takes_the_vip_after_3_6_s_and_priority_50_never(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let waited = undisturbed(|| {
        let pair = Pair::new(lab);
        let one = Director::start(&pair.r1, first, instance(100, ""));
        let began = one.wait_for_state(0, "BACKUP");
        let two = Director::start(&pair.r2, second, instance(50, ""));
        one.wait_for_state(0, "MASTER");

        let master = pair.capture.first_advert_after(LB1, began);
        eventually("r1 holds the VIP", SOON, || pair.r1.holds(VIP));
        throughout("r2 stays BACKUP", Duration::from_secs(5), || {
            match two.log().contains("Entering MASTER") {
                false if !pair.r2.holds(VIP) => Ok(()),
                log => {
                    Err(format!("MASTER in its log: {log}; addresses {:?}", pair.r2.addresses()))
                }
            }
        });
        assert_eq!(pair.capture.adverts_of(LB2), [], "r2 advertised");
        ((began, master), seconds(began, master))
    });
    println!("{first:?} beside {second:?}: MASTER after {waited:.3} s");
    assert!((3.4..=3.8).contains(&waited), "r1 waited {waited:.3} s, not 3.6 ± 0.2 s");
}

fn after_kill_9_the_other_takes_over_within_three_intervals_and_skew(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let gap = undisturbed(|| {
        let pair = Pair::new(lab);
        let (one, two) = pair.start(first, second, "");
        let killed = one.kill9();
        two.wait_for_state(0, "MASTER");
        eventually("r2 holds the VIP", SOON, || pair.r2.holds(VIP));

        let (last, priority) =
            *pair.capture.adverts_of(LB1).last().expect("advertisements from r1");
        assert_eq!(priority, 100, "a killed director does not resign");
        assert!(pair.r1.holds(VIP), "a killed director cannot remove its address");
        // It announces the address when it has it.
        let taken = pair.capture.first_garp_after(VIP, killed);
        ((last, taken), seconds(last, taken))
    });
    println!("{second:?} after kill -9 of {first:?}: VIP {gap:.3} s after the last advertisement");
    assert!(
        gap <= DOWN_INTERVAL_50 + MARGIN,
        "the VIP came back {gap:.3} s after the last advertisement"
    );
    assert!(
        gap >= DOWN_INTERVAL_50 - MARGIN,
        "r2 was early: {gap:.3} s after the last advertisement"
    );
}

fn after_a_clean_stop_the_other_takes_over_within_skew(lab: &Lab, first: Program, second: Program) {
    let gap = undisturbed(|| {
        let pair = Pair::new(lab);
        let (one, two) = pair.start(first, second, "");
        let (asked, status) = one.stop();
        two.wait_for_state(0, "MASTER");
        eventually("r2 holds the VIP", SOON, || pair.r2.holds(VIP));

        assert!(status.success(), "r1 ended with {status}");
        assert!(!pair.r1.holds(VIP), "r1 left the VIP behind");
        let (resigned, priority) =
            *pair.capture.adverts_of(LB1).last().expect("advertisements from r1");
        assert_eq!(priority, 0, "r1 did not resign");
        let taken = pair.capture.first_garp_after(VIP, asked);
        // From r1's word on: how soon a busy machine lets it speak is not r2's doing.
        ((resigned, taken), seconds(resigned, taken))
    });
    println!("{second:?} after a clean stop of {first:?}: VIP {gap:.3} s after priority 0");
    assert!(gap <= SKEW_50 + MARGIN, "the VIP came back {gap:.3} s after r1 resigned");
}

fn a_returning_higher_priority_takes_the_vip_back(lab: &Lab, first: Program, second: Program) {
    let pair = Pair::new(lab);
    let (one, two) = pair.start(first, second, "");
    one.stop();
    two.wait_for_state(0, "MASTER");
    eventually("r2 holds the VIP", SOON, || pair.r2.holds(VIP));
    let (before, before_two) = (pair.r1.read("log").len(), two.log().len());

    let one = Director::start_again(&pair.r1, first);
    one.wait_for_state(before, "MASTER");
    two.wait_for_state(before_two, "BACKUP");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
}

fn with_nopreempt_a_returning_higher_priority_stays_backup(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let pair = Pair::new(lab);
    let (one, two) = pair.start(first, second, "    nopreempt");
    one.stop();
    two.wait_for_state(0, "MASTER");
    eventually("r2 holds the VIP", SOON, || pair.r2.holds(VIP));
    let before = pair.r1.read("log").len();

    let one = Director::start_again(&pair.r1, first);
    one.wait_for_state(before, "BACKUP");
    throughout("r2 keeps the VIP", Duration::from_secs(6), || {
        match (pair.r1.holds(VIP), pair.r2.holds(VIP)) {
            (false, true) => Ok(()),
            held => Err(format!("(r1, r2) hold it: {held:?}")),
        }
    });

    // Staying behind is not being useless: when the other goes, it takes over.
    two.stop();
    one.wait_for_state(before, "MASTER");
    eventually("r1 holds the VIP", SOON, || pair.r1.holds(VIP));
}

fn preempt_delay_holds_a_returning_higher_priority_off(lab: &Lab, first: Program, second: Program) {
    let pair = Pair::new(lab);
    let (one, two) = pair.start(first, second, "    preempt_delay 4");
    one.stop();
    two.wait_for_state(0, "MASTER");
    eventually("r2 holds the VIP", SOON, || pair.r2.holds(VIP));
    let before = pair.r1.read("log").len();

    let one = Director::start_again(&pair.r1, first);
    let began = one.wait_for_state(before, "BACKUP");
    one.wait_for_state(before, "MASTER");
    let back = pair.capture.first_advert_after(LB1, began);
    let waited = seconds(began, back);
    assert!(
        waited >= 4.0,
        "r1 took over {waited:.3} s after its start, in spite of preempt_delay 4"
    );
    eventually("r2 lets go", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
}

/// The second instance, without a password, prefers the other director. Both take over for both.
fn two_instances_have_each_their_own_master(lab: &Lab, first: Program, second: Program) {
    let other = "192.0.2.143";
    let both = |here: u8, there: u8| {
        format!(
            "{}vrrp_instance KAV_2 {{\n    interface eth0\n    virtual_router_id 51\n    priority {there}\n    \
             virtual_ipaddress {{\n        {other}\n    }}\n}}\n",
            instance(here, "")
        )
    };
    let pair = Pair::new(lab);
    let one = Director::start(&pair.r1, first, both(100, 50));
    let _two = Director::start(&pair.r2, second, both(50, 100));
    let held =
        || (pair.r1.holds(VIP), pair.r1.holds(other), pair.r2.holds(VIP), pair.r2.holds(other));
    eventually_eq("who holds what", SOON, (true, false, false, true), held);
    one.stop();
    eventually_eq("who holds what", SOON, (false, false, true, true), held);
}

/// A process that was stopped finds its deadline long past and its master's word still unread.
#[test]
fn a_backup_that_was_suspended_reads_its_queue_before_it_believes_its_deadline() {
    run("vrrp_failover::suspended", |lab: &Lab| {
        let pair = Pair::new(lab);
        let (_one, two) = pair.start(Mainstay, Mainstay, "");
        for _ in 0..3 {
            let stopped = SystemTime::now();
            two.signal(Signal::SIGSTOP);
            eventually("r1 sends six advertisements", SOON, || {
                pair.capture.adverts_of(LB1).iter().filter(|(at, _)| *at > stopped).count() >= 6
            });
            two.signal(Signal::SIGCONT);
            throughout("r2 stays BACKUP", Duration::from_secs(1), || {
                match two.log().contains("Entering MASTER") {
                    false => Ok(()),
                    true => Err("it says that it is MASTER".into()),
                }
            });
        }
        assert_eq!(pair.capture.adverts_of(LB2), [], "r2 advertised");
    });
}
