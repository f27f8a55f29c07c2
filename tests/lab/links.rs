//! Cables, interfaces and addresses that go and come back (`vrrp-behaviour`: FAULT and recovery).

use nix::sys::signal::Signal;

use crate::configs::{LB1, Pair, SOON, VIP, fight, instance};
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Host, Lab, Program, eventually, run};
use crate::{for_each_pair, for_each_program};

for_each_pair!(a_pulled_cable_is_fault_and_the_other_takes_over);
for_each_program!(
    an_interface_set_down_is_fault_until_it_is_up_again,
    an_interface_that_was_deleted_and_made_again_is_used_again,
    a_vip_removed_by_somebody_comes_back,
);

fn a_pulled_cable_is_fault_and_the_other_takes_over(lab: &Lab, first: Program, second: Program) {
    let pair = Pair::new(lab);
    let (one, two) = pair.start(first, second, "");
    pair.lan.pull_cable(&pair.r1);
    one.wait_for_state(0, "FAULT");
    two.wait_for_state(0, "MASTER");
    eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP) && pair.r2.holds(VIP));

    let (before, before_two) = (one.log().len(), two.log().len());
    pair.lan.mend_cable(&pair.r1);
    one.wait_for_state(before, "BACKUP");
    one.wait_for_state(before, "MASTER");
    two.wait_for_state(before_two, "BACKUP");
    eventually("only r1 holds the VIP", SOON, || pair.r1.holds(VIP) && !pair.r2.holds(VIP));
}

fn an_interface_set_down_is_fault_until_it_is_up_again(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let director = alone(&pair.r1, program);
    pair.r1.ip("link set eth0 down");
    director.wait_for_state(0, "FAULT");
    eventually("the VIP is gone", SOON, || !pair.r1.holds(VIP));
    recovers(&director, || pair.r1.ip("link set eth0 up"));
}

fn an_interface_that_was_deleted_and_made_again_is_used_again(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let director = alone(&pair.r1, program);
    pair.r1.ip("link delete eth0");
    director.wait_for_state(0, "FAULT");
    recovers(&director, || pair.r1.plug_into(&pair.lan, "eth0", &format!("{LB1}/24")));
}

fn a_vip_removed_by_somebody_comes_back(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let _director = alone(&pair.r1, program);
    pair.r1.ip(&format!("addr del {VIP}/32 dev eth0"));
    eventually("the VIP is back", SOON, || pair.r1.holds(VIP));
}

/// keepalived 2.2.7 is not asked: what it does with a new name depends on when it hears of it.
#[test]
fn a_renamed_interface_keeps_no_vip() {
    run("links::renamed", |lab: &Lab| {
        let pair = Pair::new(lab);
        let director = alone(&pair.r1, Mainstay);
        // It hears of all three at once, when the old name is gone already.
        director.signal(Signal::SIGSTOP);
        for change in ["eth0 down", "eth0 name lan0", "lan0 up"] {
            pair.r1.ip(&format!("link set {change}"));
        }
        director.signal(Signal::SIGCONT);
        director.wait_for_state(0, "FAULT");
        eventually("the VIP is gone", SOON, || !pair.r1.holds(VIP));
    });
}

#[test]
fn an_address_on_another_interface_returns_with_it() {
    run("links::side", |lab: &Lab| {
        let pair = Pair::new(lab);
        let (side, there) = ("192.0.2.143", || pair.r1.holds("192.0.2.143"));
        pair.r1.ip("link add side0 type dummy");
        let config =
            instance(100, "").replace(&format!("{VIP}\n"), &format!("{VIP}\n{side} dev side0\n"));
        let _director = Director::start(&pair.r1, Mainstay, config);
        eventually("it holds the address", SOON, there);
        pair.r1.ip("link delete side0");
        eventually("it is gone", SOON, || !there());
        pair.r1.ip("link add side0 type dummy");
        eventually("it is back", SOON, there);
    });
}

fn alone(host: &Host, program: Program) -> Director<'_> {
    let director = Director::start(host, program, instance(100, ""));
    director.wait_for_state(0, "MASTER");
    eventually("it holds the VIP", SOON, || host.holds(VIP));
    director
}

fn recovers(director: &Director, mend: impl FnOnce()) {
    let before = director.log().len();
    mend();
    director.wait_for_state(before, "BACKUP");
    director.wait_for_state(before, "MASTER");
    eventually("it holds the VIP again", SOON, || director.host.holds(VIP));
}

/// Somebody, or something, keeps taking the VIP off: the other router gets its turn.
#[test]
fn after_five_repairs_in_ten_seconds_the_vip_is_left_to_the_other_router() {
    crate::harness::run("links::fight", |lab: &Lab| {
        use crate::harness::Program::Mainstay;
        let pair = Pair::new(lab);
        let (one, two) = pair.start(Mainstay, Mainstay, "");
        eventually("r1 holds the VIP", SOON, || pair.r1.holds(VIP));
        fight(&one, &format!("addr del {VIP}/32 dev eth0"));
        assert!(
            one.log().contains("somebody else keeps removing its addresses, routes or rules"),
            "{}",
            one.log()
        );
        two.wait_for_state(0, "MASTER");
        eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP) && pair.r2.holds(VIP));
    });
}
