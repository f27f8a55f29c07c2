//! `auth_type AH` between Mainstay and keepalived, `auth_hmac` between two of ours (Debian's
//! keepalived is older than it), and what else tells one instance's adverts from another's.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::configs::{LB1, LB2, Pair, SOON, VIP, instance, with_globals};
use crate::for_each_pair;
use crate::harness::Program::{Keepalived, Mainstay};
use crate::harness::raw::PacketSocket;
use crate::harness::{
    Director, Forgery, Host, Lab, Program, eventually, run, seconds, throughout, undisturbed,
};
use crate::vrrp_transports::{
    LINK_LOCAL_1, LINK_LOCAL_2, VIP6, Way, no_packet_was_rejected, tell_the_story,
};

for_each_pair!(
    routers_with_ah_take_over_and_give_back,
    unicast_routers_with_ah_take_over_and_give_back,
);

const AH: &str = "    authentication {\n        auth_type AH\n        auth_pass toto\n    }\n";

/// A pair over IPv4, at one second.
fn way(lines: [String; 2]) -> Way {
    Way { lines, advert_int: "1", addresses: &[VIP], sources: [LB1, LB2], down: 3.805, skew: 0.805 }
}

fn routers_with_ah_take_over_and_give_back(lab: &Lab, first: Program, second: Program) {
    tell_the_story(lab, first, second, &way([AH.into(), AH.into()]));
}

fn unicast_routers_with_ah_take_over_and_give_back(lab: &Lab, first: Program, second: Program) {
    tell_the_story(lab, first, second, &way([unicast(LB1, LB2) + AH, unicast(LB2, LB1) + AH]));
}

fn unicast(own: &str, other: &str) -> String {
    format!("    unicast_src_ip {own}\n    unicast_peer {{\n        {other}\n    }}\n")
}

const KEYS: [&str; 2] = [
    "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "0123456789abcdef0123456789abcdef",
];

/// `auth_hmac` with these keys, of which `active` signs.
fn hmac(ids: &[usize], active: usize, extra: &str) -> String {
    let keys: String =
        ids.iter().map(|id| format!("        key {id} {}\n", KEYS[id - 1])).collect();
    format!("    auth_hmac {{\n{keys}        active_key {active}\n{extra}\n    }}\n")
}

#[test]
fn signing_routers_take_over_and_give_back() {
    run("vrrp_authentication::hmac_v2", |lab: &Lab| {
        let lines = hmac(&[1], 1, "");
        tell_the_story(lab, Mainstay, Mainstay, &way([lines.clone(), lines]));
    });
}

#[test]
fn signing_routers_of_version_3_take_over_and_give_back() {
    run("vrrp_authentication::hmac_v3", |lab: &Lab| {
        let lines =
            |own, other| "    version 3\n".to_owned() + &unicast(own, other) + &hmac(&[1], 1, "");
        tell_the_story(lab, Mainstay, Mainstay, &way([lines(LB1, LB2), lines(LB2, LB1)]));
    });
}

#[test]
fn signing_routers_of_ipv6_take_over_and_give_back() {
    run("vrrp_authentication::hmac_v6", |lab: &Lab| {
        let lines = hmac(&[2], 2, "        anti_replay monotonic");
        let way = Way {
            addresses: &[VIP6],
            sources: [LINK_LOCAL_1, LINK_LOCAL_2],
            ..way([lines.clone(), lines])
        };
        tell_the_story(lab, Mainstay, Mainstay, &way);
    });
}

/// The steps of keepalived.conf(5): the new key everywhere, then sign with it, then away with the
/// old one. One router after the other, and no packet is refused at any time.
#[test]
fn keys_are_exchanged_by_reloads_without_anybody_noticing() {
    run("vrrp_authentication::rotation", |lab: &Lab| {
        let pair = Pair::new(lab);
        let with =
            |priority, lines: &str| way([lines.into(), lines.into()]).configuration(priority);
        let first = hmac(&[1], 1, "");
        let one = Director::start(&pair.r1, Mainstay, with(100, &first));
        one.wait_for_state(0, "MASTER");
        let two = Director::start(&pair.r2, Mainstay, with(50, &first));
        two.wait_for_state(0, "BACKUP");
        let heard = || two.counter("advert_rcvd");
        for lines in [hmac(&[1, 2], 1, ""), hmac(&[1, 2], 2, ""), hmac(&[2], 2, "")] {
            for (director, priority) in [(&two, 50), (&one, 100)] {
                director.reload(with(priority, &lines));
                let before = heard();
                eventually("r2 hears two more adverts", SOON, || heard() >= before + 2);
            }
        }
        no_packet_was_rejected(&two);
        assert!(!two.log().contains("Entering MASTER"), "{}", two.log());
        assert_eq!(one.counter("become_master"), 1);
    });
}

/// Somebody records what r1 signs, and sends it again when r1 is dead: r2 takes over as if
/// nobody had, and stays. keepalived counts AH's as it counts a wrong password.
#[test]
fn a_recorded_advert_sent_again_is_counted_and_moves_no_timer() {
    let monotonic = hmac(&[1], 1, "        anti_replay monotonic");
    for (name, lines, reason) in [
        ("replay_ah", AH.to_owned(), "auth_failure"),
        ("replay_hmac", hmac(&[1], 1, ""), "auth_ext_replay"),
        ("replay_monotonic", monotonic, "auth_ext_replay"),
    ] {
        run(&format!("vrrp_authentication::{name}"), |lab: &Lab| {
            let gap = undisturbed(|| {
                let pair = Pair::new(lab);
                let rogue = pair.lan.host("rogue", "192.0.2.66/24");
                let way = way([lines.clone(), lines.clone()]);
                let one = Director::start(&pair.r1, Mainstay, way.configuration(100));
                one.wait_for_state(0, "MASTER");
                let two = Director::start(&pair.r2, Mainstay, way.configuration(50));
                two.wait_for_state(0, "BACKUP");
                eventually("r2 hears three adverts", SOON, || two.counter("advert_rcvd") >= 3);
                let recorded = pair.capture.frames_from(LB1).pop().expect("an advert");
                let killed = one.kill9();
                let (last, _) = *pair.capture.adverts_of(LB1).last().expect("an advert");
                let taken = again_and_again(&rogue, &recorded, || {
                    two.wait_for_state(0, "MASTER");
                    let taken = pair.capture.first_advert_after(LB2, killed);
                    eventually("r2 sends five adverts", SOON, || {
                        pair.capture.adverts_of(LB2).len() >= 5
                    });
                    taken
                });
                assert!(two.counter(reason) >= 10, "{}", two.dump());
                assert_eq!(two.counter("release_master"), 0, "{}", two.log());
                ((last, taken), seconds(last, taken))
            });
            println!("{name}: r2 took over {gap:.3} s after r1's last advert");
            assert!((3.7..=3.91).contains(&gap), "{name}: {gap:.3} s, not 3.805 s");
        });
    }
}

/// Sends a frame some ten times a second while `during` runs.
fn again_and_again<T>(rogue: &Host, frame: &[u8], during: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                rogue.enter(|| PacketSocket::open("eth0").send(frame));
                thread::sleep(Duration::from_millis(100));
            }
        });
        let result = catch_unwind(AssertUnwindSafe(during));
        ended.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Why `receive-only` and `permissive` exist: who has no `auth_hmac` hears nobody who signs, and
/// says so. keepalived without it calls them too long.
#[test]
fn a_router_without_auth_hmac_does_not_hear_those_that_sign() {
    run("vrrp_authentication::unaware", |lab: &Lab| {
        let pair = Pair::new(lab);
        let configuration =
            |priority, lines: String| way([lines.clone(), lines]).configuration(priority);
        let one = Director::start(&pair.r1, Mainstay, configuration(100, hmac(&[1], 1, "")));
        one.wait_for_state(0, "MASTER");
        let two = Director::start(&pair.r2, Mainstay, configuration(50, String::new()));
        two.wait_for_log(0, "auth_hmac trailer, and this virtual router has no auth_hmac", SOON);
        two.wait_for_state(0, "MASTER");
        assert!(two.counter("packet_len_err") > 0);
        eventually("r1 misses r2's trailer", SOON, || one.counter("auth_ext_missing") > 0);

        // The way there: both accept first, then sign, then insist.
        two.reload(configuration(50, hmac(&[1], 1, "        mode receive-only")));
        let before = two.log().len();
        two.wait_for_state(0, "BACKUP");
        one.reload(configuration(100, hmac(&[1], 1, "        mode permissive")));
        two.reload(configuration(50, hmac(&[1], 1, "")));
        throughout("r2 stays BACKUP", Duration::from_secs(5), || {
            match two.log().get(before..).is_some_and(|new| new.contains("Entering MASTER")) {
                false => Ok(()),
                true => Err(two.log()),
            }
        });
    });
}

/// What one side means by AH and the other by PASS is told as what it is.
#[test]
fn a_peer_without_ah_is_told_of() {
    run("vrrp_authentication::mixed", |lab: &Lab| {
        let pair = Pair::new(lab);
        let with_both = with_globals(
            &(way([AH.into(), AH.into()]).configuration(100).replace(
                "global_defs {\n    script_user root\n    enable_script_security\n}\n",
                "",
            ) + "vrrp_instance OTHER {\n interface eth0\n virtual_router_id 51\n priority 10\n \
                   virtual_ipaddress {\n 192.0.2.150\n }\n}\n"),
        );
        let one = Director::start(&pair.r1, Mainstay, with_both);
        one.wait_for_state(0, "MASTER");
        let _two = Director::start(&pair.r2, Keepalived, instance(50, ""));
        one.wait_for_log(0, "it has no authentication header, ours is `auth_type AH`", SOON);
        eventually("it is counted", SOON, || one.counter("authtype_mismatch") > 0);
    });
}

/// keepalived.conf(5), unicast_peer: one VRID, one source, two sets of peers.
#[test]
fn unicast_instances_of_one_vrid_are_told_apart_by_their_peers() {
    run("vrrp_authentication::twins", |lab: &Lab| {
        let pair = Pair::new(lab);
        let (lb3, other_vip) = ("192.0.2.13", "192.0.2.143");
        let r3 = pair.lan.host("r3", &format!("{lb3}/24"));
        let block = |name: &str, priority: u8, own: &str, peer: &str, vip: &str| {
            format!(
                "vrrp_instance {name} {{\n interface eth0\n virtual_router_id 50\n priority {priority}\n{}\
                 virtual_ipaddress {{\n {vip}\n }}\n}}\n",
                unicast(own, peer)
            )
        };
        let both = with_globals(
            &(block("KAV_1", 100, LB1, LB2, VIP) + &block("KAV_2", 50, LB1, lb3, other_vip)),
        );
        let one = Director::start(&pair.r1, Mainstay, &both);
        one.wait_for_state(0, "MASTER");
        let two =
            Director::start(&pair.r2, Keepalived, with_globals(&block("KAV_1", 50, LB2, LB1, VIP)));
        let three = Director::start(
            &r3,
            Keepalived,
            with_globals(&block("KAV_1", 100, lb3, LB1, other_vip)),
        );
        three.wait_for_state(0, "MASTER");
        let settled = || {
            (pair.r1.holds(VIP), pair.r1.holds(other_vip), pair.r2.holds(VIP), r3.holds(other_vip))
                == (true, false, false, true)
        };
        eventually("each set of peers has its master", SOON, settled);
        throughout("it stays so", Duration::from_secs(5), || {
            if settled() { Ok(()) } else { Err(one.log()) }
        });
        // A reload that exchanges their places in the file moves nothing.
        one.reload(with_globals(
            &(block("KAV_2", 50, LB1, lb3, other_vip) + &block("KAV_1", 100, LB1, LB2, VIP)),
        ));
        throughout("a reload moves nothing", Duration::from_secs(5), || {
            if settled() { Ok(()) } else { Err(one.log()) }
        });
        assert!(!two.log().contains("Entering MASTER"), "{}", two.log());
        three.stop();
        eventually("r1 takes over from r3", SOON, || pair.r1.holds(other_vip));
        eventually("and keeps what it had", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
    });
}

/// keepalived can be made to compute unicast checksums as 1.3.6 did: we follow as soon as we hear one.
#[test]
fn a_peer_with_old_checksums_is_answered_with_old_checksums() {
    run("vrrp_authentication::old_checksum", |lab: &Lab| {
        let pair = Pair::new(lab);
        let lines =
            |own, other, more: &str| format!("    version 3\n{more}\n{}", unicast(own, other));
        let ways = way([lines(LB1, LB2, ""), lines(LB2, LB1, "    old_unicast_checksum")]);
        let one = Director::start(&pair.r1, Mainstay, ways.configuration(100));
        one.wait_for_state(0, "MASTER");
        let two = Director::start(&pair.r2, Keepalived, ways.configuration(50));
        two.wait_for_state(0, "BACKUP");
        // Told to make them so, it refuses any other: until we have heard it, both are MASTER.
        one.wait_for_log(0, "makes its checksums as keepalived 1.3.6 and older did", SOON);
        let alone = || pair.r1.holds(VIP) && !pair.r2.holds(VIP);
        eventually("r1 is MASTER alone", SOON, alone);
        throughout("it stays so", Duration::from_secs(5), || {
            if alone() { Ok(()) } else { Err(two.log()) }
        });
        no_packet_was_rejected(&one);
    });
}

#[test]
fn unknown_vrids_are_logged_when_asked_for_and_once() {
    run("vrrp_authentication::unknown_vrid", |lab: &Lab| {
        let pair = Pair::new(lab);
        let rogue = pair.lan.host("rogue", "192.0.2.66/24");
        let configuration =
            instance(100, "").replace("global_defs {\n", "global_defs {\n    log_unknown_vrids\n");
        let one = Director::start(&pair.r1, Mainstay, configuration);
        one.wait_for_state(0, "MASTER");
        let stranger = Forgery { vrid: 99, ..Forgery::of_the_tutorial("192.0.2.66", VIP) };
        let mut sent = 0;
        eventually("ten strangers are counted", SOON, || {
            stranger.send_from(&rogue);
            sent += 1;
            one.counter("unknown_vrid") >= 10
        });
        let line = "eth0: advert from 192.0.2.66 for virtual_router_id 99";
        assert_eq!(one.log().matches(line).count(), 1, "of {sent}: {}", one.log());
    });
}
