//! Cables, interfaces and addresses that go and come back (`vrrp-behaviour`: FAULT and recovery).

use crate::configs::{LB1, Pair, SOON, VIP};
use crate::harness::{Director, Host, Lab, Program, eventually};
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

fn alone(host: &Host, program: Program) -> Director<'_> {
    let director = Director::start(host, program, crate::configs::instance(100, ""));
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
        for _ in 0..6 {
            eventually("r1 holds the VIP", SOON, || pair.r1.holds(VIP));
            pair.r1.ip(&format!("addr del {VIP}/32 dev eth0"));
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        one.wait_for_state(0, "FAULT");
        assert!(one.log().contains("somebody else keeps removing its addresses"), "{}", one.log());
        two.wait_for_state(0, "MASTER");
        eventually("only r2 holds the VIP", SOON, || !pair.r1.holds(VIP) && pair.r2.holds(VIP));
    });
}
