//! BFD beside FRR's bfdd (Debian's 8.4): on the link in both families, and by several hops.

use std::time::{Duration, SystemTime};

use crate::bfd::{session, tracking};
use crate::configs::{LB1, LB2, Pair, SOON, with_globals};
use crate::harness::{
    Bfdd, BfddPeer, Director, Lab, Program::Mainstay, eventually_eq, run, seconds, throughout,
    undisturbed,
};

const OURS6: &str = "2001:db8::11";
const THEIRS6: &str = "2001:db8::12";

#[derive(Clone, Copy)]
struct Way {
    ours: &'static str,
    theirs: &'static str,
    multihop: bool,
}

const IPV4: Way = Way { ours: LB1, theirs: LB2, multihop: false };
const IPV6: Way = Way { ours: OURS6, theirs: THEIRS6, multihop: false };
const MULTIHOP: Way = Way { ours: LB1, theirs: LB2, multihop: true };

macro_rules! for_each_way {
    ($($rule:ident),*) => { $(
        mod $rule {
            use super::*;

            #[test]
            fn ipv4() {
                run(concat!(module_path!(), "::v4"), |lab| super::$rule(lab, IPV4));
            }

            #[test]
            fn ipv6() {
                run(concat!(module_path!(), "::v6"), |lab| super::$rule(lab, IPV6));
            }

            #[test]
            fn multihop() {
                run(concat!(module_path!(), "::hops"), |lab| super::$rule(lab, MULTIHOP));
            }
        }
    )* };
}

for_each_way!(mainstay_notices_what_becomes_of_bfdd, bfdd_notices_what_becomes_of_mainstay);

/// Switched off at the other end is no failure (RFC 5882 §3.2), gone is one: as keepalived has it.
#[test]
fn a_tracked_bfdd_may_be_switched_off_but_not_die() {
    run("bfd_frr::tracked", |lab| {
        let pair = IPV4.pair(lab);
        let lines = "    track_bfd {\n        s1\n    }";
        let one = Director::start(&pair.r1, Mainstay, tracking(&IPV4.session(), 100, lines));
        let two = Bfdd::start(&pair.r2, IPV4.frr());
        one.wait_for_state(0, "MASTER");
        let before = one.log().len();
        two.set_shutdown(true);
        one.wait_for_log(before, "(s1) switched off by the neighbour", SOON);
        throughout("r1 stays MASTER", Duration::from_secs(2), || {
            let log = one.log();
            if log[before..].contains("FAULT") { Err(log[before..].to_owned()) } else { Ok(()) }
        });
        two.set_shutdown(false);
        one.wait_for_log(before, UP, SOON);
        two.wait_for_status("up");
        two.kill9();
        one.wait_for_state(before, "FAULT");
    });
}

impl Way {
    fn pair(self, lab: &Lab) -> Pair {
        let pair = Pair::new(lab);
        pair.r1.ip(&format!("addr add {OURS6}/64 dev eth0 nodad"));
        pair.r2.ip(&format!("addr add {THEIRS6}/64 dev eth0 nodad"));
        pair
    }

    fn session(self) -> String {
        // Each side holds the other to 255 on the link, in both families.
        let lines = if self.multihop { "    multihop\n    max_hops 5" } else { "    ttl 255" };
        session(self.ours, self.theirs, lines)
    }

    fn ours(self) -> String {
        with_globals(&self.session())
    }

    fn frr(self) -> BfddPeer {
        BfddPeer { local: self.theirs, peer: self.ours, multihop: self.multihop }
    }
}

/// Seconds from `moment` until the log has `text`.
fn until(
    director: &Director<'_>,
    from: usize,
    text: &str,
    moment: SystemTime,
) -> (SystemTime, f64) {
    let seen = director.wait_for_log(from, text, SOON);
    (seen, seconds(moment, seen))
}

const UP: &str = "(s1) Entering Up state";
const EXPIRED: &str = "(s1) Entering Down state (Local diagnostic - Control Detection Time Expired";
const SIGNALED: &str =
    "(s1) Entering Down state (Local diagnostic - Neighbor Signaled Session Down";

fn mainstay_notices_what_becomes_of_bfdd(lab: &Lab, way: Way) {
    let late = undisturbed(|| {
        let pair = way.pair(lab);
        let one = Director::start(&pair.r1, Mainstay, way.ours());
        let two = Bfdd::start(&pair.r2, way.frr());
        one.wait_for_log(0, UP, SOON);
        two.wait_for_status("up");

        let before = one.log().len();
        two.set_shutdown(true);
        one.wait_for_log(before, SIGNALED, SOON);
        let before = one.log().len();
        two.set_shutdown(false);
        one.wait_for_log(before, UP, SOON);
        two.wait_for_status("up");

        let before = one.log().len();
        let killed = two.kill9();
        let (noticed, late) = until(&one, before, EXPIRED, killed);
        let before = one.log().len();
        let _two = Bfdd::start(&pair.r2, way.frr());
        one.wait_for_log(before, UP, SOON);
        assert!(one.counter("Times up") >= 3, "{}", one.dump());
        ((killed, noticed), late)
    });
    eprintln!("a killed bfdd is noticed after {late:.3} s");
    assert!((0.3..=0.6).contains(&late), "noticed {late:.3} s after the kill");
}

fn bfdd_notices_what_becomes_of_mainstay(lab: &Lab, way: Way) {
    let pair = way.pair(lab);
    let two = Bfdd::start(&pair.r2, way.frr());
    let one = Director::start(&pair.r1, Mainstay, way.ours());
    two.wait_for_status("up");
    // Ours is agreed on: what bfdd knows of us is what we have.
    eventually_eq("bfdd has our timing", SOON, (100, 100, 5), || {
        let seen = two.show();
        let of = |name: &str| seen[name].as_u64().unwrap_or(0);
        (
            of("remote-receive-interval"),
            of("remote-transmit-interval"),
            of("remote-detect-multiplier"),
        )
    });
    one.stop();
    two.wait_for_status("down");
    let diagnostic = two.show()["diagnostic"].clone();
    assert_eq!(diagnostic, "neighbor signaled session down", "{}", two.show());

    let one = Director::start_again(&pair.r1, Mainstay);
    two.wait_for_status("up");
    one.kill9();
    two.wait_for_status("down");
    let diagnostic = two.show()["diagnostic"].clone();
    assert_eq!(diagnostic, "control detection time expired", "{}", two.show());
    let _one = Director::start_again(&pair.r1, Mainstay);
    two.wait_for_status("up");
}
