//! What happens to routers in practice: healed partitions, lost addresses, stopped processes, links
//! that flap, a kernel that tells more than anybody reads.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::configs::{LB1, LB2, Pair, SOON, VIP, instance};
use crate::harness::Program::Mainstay;
use crate::harness::{
    Director, Host, Lab, Program, eventually, in_a_guest, run, run_alone, seconds, throughout,
};
use crate::{for_each_pair, for_each_program};

for_each_pair!(both_masters_after_a_healed_partition_become_one_and_it_announces);
for_each_program!(
    without_its_source_address_it_is_in_fault_until_that_is_back,
    a_start_up_delay_comes_before_the_wait,
    a_unicast_router_that_leaves_fault_announces_its_own_address,
);

/// The MAC address that the harness gave the first host's eth0.
const R1_MAC: [u8; 6] = [2, 0, 0, 0, 1, b'0'];

/// The one that yields says a last word, so that the other hears of it whoever speaks first.
fn both_masters_after_a_healed_partition_become_one_and_it_announces(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let pair = Pair::new(lab);
    let (one, two) = pair.start(first, second, "    higher_prio_send_advert");
    pair.lan.cut_off(&pair.r2);
    two.wait_for_state(0, "MASTER");
    eventually("both hold the VIP", SOON, || pair.r1.holds(VIP) && pair.r2.holds(VIP));
    let (before_one, before_two) = (one.log().len(), two.log().len());
    let healed = SystemTime::now();
    pair.lan.let_through(&pair.r2);
    two.wait_for_state(before_two, "BACKUP");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
    eventually("r1 announces it", SOON, || {
        pair.capture.garps_for(VIP).iter().any(|(at, mac)| *at > healed && *mac == R1_MAC)
    });
    assert!(!one.log()[before_one..].contains("Entering BACKUP"), "{}", one.log());
}

fn without_its_source_address_it_is_in_fault_until_that_is_back(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let director = alone(&pair.r1, program, &instance(100, ""));
    pair.r1.ip(&format!("addr del {LB1}/24 dev eth0"));
    director.wait_for_state(0, "FAULT");
    eventually("the VIP is gone", SOON, || !pair.r1.holds(VIP));
    let before = director.log().len();
    pair.r1.ip(&format!("addr add {LB1}/24 dev eth0"));
    director.wait_for_state(before, "MASTER");
    eventually("it holds the VIP again", SOON, || pair.r1.holds(VIP));
}

/// 3 s and 3.609 s.
fn a_start_up_delay_comes_before_the_wait(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let config = format!("global_defs {{\n vrrp_startup_delay 3\n}}\n{}", instance(100, ""));
    let director = Director::start(&pair.r1, program, config);
    let began = director.wait_for_state(0, "BACKUP");
    director.wait_for_state(0, "MASTER");
    let waited = seconds(began, pair.capture.first_advert_after(LB1, began));
    // Less than the sum, since it was seen late that it began; without the delay it is 3.6 s.
    assert!(waited >= 5.0, "MASTER after {waited:.3} s");
    println!("{program:?}: MASTER after {waited:.3} s");
}

#[test]
fn with_track_src_ip_the_configured_source_must_be_there() {
    run("vrrp_events::track_src_ip", |lab: &Lab| {
        let pair = Pair::new(lab);
        let source = "192.0.2.99";
        pair.r1.ip(&format!("addr add {source}/32 dev lo"));
        let lines = format!("    mcast_src_ip {source}\n    track_src_ip");
        let director = alone(&pair.r1, Mainstay, &instance(100, &lines));
        pair.r1.ip(&format!("addr del {source}/32 dev lo"));
        director.wait_for_state(0, "FAULT");
        assert!(director.log().contains("its configured source address is not on this host"));
        let before = director.log().len();
        pair.r1.ip(&format!("addr add {source}/32 dev lo"));
        director.wait_for_state(before, "MASTER");
    });
}

/// As keepalived's: peers look for that address, and its interface was away.
fn a_unicast_router_that_leaves_fault_announces_its_own_address(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let peers = format!("    unicast_src_ip {LB1}\n    unicast_peer {{\n        {LB2}\n    }}");
    let director = alone(&pair.r1, program, &instance(100, &peers));
    assert_eq!(pair.capture.garps_for(LB1), [], "not while all is well");
    let announced = || pair.capture.garps_for(LB1).iter().any(|(_, mac)| *mac == R1_MAC);
    // It is said once, and the switch may notice a little later that the cable is back.
    for _ in 0..10 {
        let from = director.log().len();
        pair.r1.ip("link set eth0 down");
        director.wait_for_state(from, "FAULT");
        let from = director.log().len();
        pair.r1.ip("link set eth0 up");
        director.wait_for_state(from, "BACKUP");
        for _ in 0..20 {
            if announced() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    panic!("it does not announce its own address: {}", director.log());
}

#[test]
fn a_peer_that_is_this_host_is_warned_of() {
    run("vrrp_events::own_peer", |lab: &Lab| {
        let pair = Pair::new(lab);
        pair.r1.ip("addr add 192.0.2.77/32 dev lo");
        let peers = format!(
            "    unicast_src_ip {LB1}\n    unicast_peer {{\n        {LB2}\n        192.0.2.77\n    }}"
        );
        let director = alone(&pair.r1, Mainstay, &instance(100, &peers));
        let warning = "(KAV_1) unicast_peer 192.0.2.77 is an address of this host (lo)";
        assert_eq!(director.log().matches(warning).count(), 1, "{}", director.log());
        let other = format!("(KAV_1) unicast_peer {LB2} is an address of this host (side0)");
        assert!(!director.log().contains(&other), "{}", director.log());
        pair.r1.ip(&format!("link add side0 type dummy\naddr add {LB2}/32 dev side0"));
        director.wait_for_log(0, &other, SOON);
        director.reload(instance(100, &peers));
        eventually("both are said again", SOON, || {
            let log = director.log();
            log.matches(warning).count() == 2 && log.matches(&other).count() == 2
        });
    });
}

#[test]
fn with_dont_track_primary_a_pulled_cable_is_no_fault_and_its_return_is_announced() {
    run("vrrp_events::dont_track_primary", |lab: &Lab| {
        let pair = Pair::new(lab);
        let director = alone(&pair.r1, Mainstay, &instance(100, "    dont_track_primary"));
        // The second block of announcements is over by then.
        eventually("ten gratuitous ARPs", SOON, || pair.capture.garps_for(VIP).len() >= 10);
        pair.lan.pull_cable(&pair.r1);
        stays_master(&director, Duration::from_secs(3));
        let mended = SystemTime::now();
        pair.lan.mend_cable(&pair.r1);
        eventually("r1 announces the VIP anew", SOON, || {
            pair.capture.garps_for(VIP).iter().any(|(at, _)| *at > mended)
        });
        stays_master(&director, Duration::from_secs(1));
    });
}

#[test]
fn a_link_that_flaps_within_its_delay_is_no_fault() {
    run("vrrp_events::link_delays", |lab: &Lab| {
        let pair = Pair::new(lab);
        let delays = "interface_up_down_delays {\n eth0 1.9\n}\n";
        let director = alone(&pair.r1, Mainstay, &(delays.to_owned() + &instance(100, "")));
        // At once, so that a machine that stalls for a second does no harm.
        pair.lan.pull_cable(&pair.r1);
        pair.lan.mend_cable(&pair.r1);
        stays_master(&director, Duration::from_secs(3));
        pair.lan.pull_cable(&pair.r1);
        director.wait_for_state(0, "FAULT");
    });
}

#[test]
fn a_garp_interval_spaces_announcements_out() {
    run("vrrp_events::garp_interval", |lab: &Lab| {
        let pair = Pair::new(lab);
        let vips = [VIP, "192.0.2.143", "192.0.2.144"];
        let config = instance(100, "").replace(&format!("{VIP}\n"), &(vips.join("\n") + "\n"));
        let pause = "global_defs {\n vrrp_garp_interval 0.1\n}\n";
        let _director = alone(&pair.r1, Mainstay, &(pause.to_owned() + &config));
        let sent = || {
            let all = vips.iter().flat_map(|vip| pair.capture.garps_for(vip));
            let mut moments: Vec<SystemTime> = all.map(|(at, _)| at).collect();
            moments.sort();
            moments
        };
        eventually("two blocks of five rounds", SOON, || sent().len() >= 30);
        let gaps: Vec<f64> = sent().windows(2).map(|pair| seconds(pair[0], pair[1])).collect();
        // What was late by itself comes closer to the next.
        let close = gaps.iter().filter(|gap| **gap < 0.05).count();
        assert!(close <= 2, "{gaps:?}");
        assert_eq!(sent().len(), 30);
    });
}

/// keepalived's MASTER does the same, and its peers see two for a moment.
#[test]
fn a_master_that_was_stopped_asserts_itself_and_one_remains() {
    run("vrrp_events::stopped_master", |lab: &Lab| {
        let pair = Pair::new(lab);
        let (one, two) = pair.start(Mainstay, Mainstay, "");
        stopped_until_taken_over(&one, &two);
        let before = two.log().len();
        one.signal(Signal::SIGCONT);
        two.wait_for_state(before, "BACKUP");
        eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
    });
}

#[test]
fn with_timer_expired_backup_a_master_that_was_stopped_steps_back() {
    run("vrrp_events::timer_expired_backup", |lab: &Lab| {
        let pair = Pair::new(lab);
        let lines = "    nopreempt\n    timer_expired_backup";
        let (one, two) = pair.start(Mainstay, Mainstay, lines);
        stopped_until_taken_over(&one, &two);
        let before = one.log().len();
        one.signal(Signal::SIGCONT);
        one.wait_for_state(before, "BACKUP");
        eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP) && pair.r2.holds(VIP));
        stays_master(&two, Duration::from_secs(5));
        let adverts = pair.capture.adverts_of(LB2);
        assert!(adverts.iter().all(|(_, priority)| *priority == 50), "{adverts:?}");
    });
}

/// Thousands of addresses come and go while nobody reads what the kernel tells, and with them the
/// VIP: the events are lost, and all is asked anew.
#[test]
fn lost_events_of_the_kernel_are_made_up_for() {
    run("vrrp_events::overrun", |lab: &Lab| {
        let pair = Pair::new(lab);
        pair.r1.ip("link add side0 type dummy\nlink set side0 up");
        let director = alone(&pair.r1, Mainstay, &instance(100, ""));
        director.signal(Signal::SIGSTOP);
        let mut batch = String::new();
        for number in 0..30_000 {
            let address = format!("10.{}.{}.1/32", number / 250, number % 250);
            writeln!(batch, "addr add {address} dev side0\naddr del {address} dev side0").unwrap();
        }
        pair.r1.ip(&batch);
        pair.r1.ip(&format!("addr del {VIP}/32 dev eth0"));
        director.signal(Signal::SIGCONT);
        eventually("the VIP is back", SOON, || pair.r1.holds(VIP));
        director.wait_for_log(0, "looking at all interfaces again", SOON);
        stays_master(&director, Duration::from_secs(1));
        // And what happens from then on is heard.
        pair.r1.ip("link set eth0 down");
        director.wait_for_state(0, "FAULT");
    });
}

/// Sets the clock of the whole guest: the wall clock has no namespaces. With `auth_hmac`, whose
/// numbers are times, both routers' clocks are the same one.
#[test]
fn setting_the_clock_is_no_transition() {
    if !in_a_guest() {
        return println!("skipped: it would set the clock of this machine");
    }
    run_alone("vrrp_events::clock", |lab: &Lab| {
        let key = "0123456789abcdef0123456789abcdef";
        let signed = format!("    auth_hmac {{\n key 1 {key}\n active_key 1\n }}\n");
        for lines in ["", &signed] {
            let pair = Pair::new(lab);
            let config = |priority| {
                let plain = instance(priority, lines);
                let start = plain.find("    authentication").expect("a password");
                let end = plain.find("    virtual_ipaddress").expect("an address");
                [&plain[..start], &plain[end..]].concat()
            };
            let one = alone(&pair.r1, Mainstay, &config(100));
            let two = Director::start(&pair.r2, Mainstay, config(50));
            two.wait_for_state(0, "BACKUP");
            for hours in [3, -6, 3] {
                let heard = two.counter("advert_rcvd");
                step_the_clock(hours);
                stays_master(&one, Duration::from_secs(4));
                assert!(!two.log().contains("Entering MASTER"), "{hours} h: {}", two.log());
                assert!(two.counter("advert_rcvd") >= heard + 3, "{hours} h: it hears r1");
            }
        }
    });
}

fn step_the_clock(hours: i64) {
    use nix::sys::time::TimeSpec;
    use nix::time::{ClockId, clock_gettime, clock_settime};
    let now = clock_gettime(ClockId::CLOCK_REALTIME).expect("the time");
    let then = TimeSpec::new(now.tv_sec() + 3600 * hours, now.tv_nsec());
    clock_settime(ClockId::CLOCK_REALTIME, then).expect("set the clock");
}

fn alone<'h>(host: &'h Host, program: Program, config: &str) -> Director<'h> {
    let director = Director::start(host, program, config);
    director.wait_for_state(0, "MASTER");
    eventually("it holds the VIP", SOON, || host.holds(VIP));
    director
}

fn stopped_until_taken_over(one: &Director, two: &Director) {
    one.signal(Signal::SIGSTOP);
    two.wait_for_state(0, "MASTER");
    eventually("r2 holds the VIP", SOON, || two.host.holds(VIP));
}

fn stays_master(director: &Director, period: Duration) {
    throughout("it stays MASTER", period, || {
        let log = director.log();
        let last = log.rfind("Entering ").map_or("", |at| &log[at..]);
        match last.starts_with("Entering MASTER") && director.host.holds(VIP) {
            true => Ok(()),
            false => Err(log),
        }
    });
}
