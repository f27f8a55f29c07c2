//! ha_suspend: checks run only where the service's address is.

use std::time::{Duration, Instant};

use crate::checks::table_becomes;
use crate::configs::{Farm, SOON, VIP, instance, with_globals};
use crate::for_each_program;
use crate::harness::{Director, Lab, Program, eventually, run, throughout};

for_each_program!(checks_run_only_while_the_address_is_here);

const BOTH: &str = "192.0.2.101:80/1 192.0.2.102:80/1";
const ONLY_2: &str = "192.0.2.102:80/1";

/// An HTTP_GET, which a server counts.
fn checked() -> String {
    "        HTTP_GET {\n            url {\n                path /service.txt\n                \
     status_code 200\n            }\n            retry 0\n        }"
        .to_owned()
}

fn service(name: &str) -> String {
    let server = |address: &str, check: String| {
        format!("    real_server {address} 80 {{\n{check}\n    }}\n")
    };
    format!(
        "virtual_server {name} {{\n    delay_loop 1\n    ha_suspend\n    lb_algo rr\n    lb_kind DR\n    \
         protocol TCP\n{}{}}}\n",
        server("192.0.2.101", checked()),
        server("192.0.2.102", checked())
    )
}

/// Nobody asks web1 for anything.
fn nobody_asks(farm: &Farm) {
    let before = farm.server1.requests().len();
    throughout("web1 is left alone", Duration::from_secs(4), || {
        let more = farm.server1.requests().len() - before;
        if more == 0 { Ok(()) } else { Err(format!("{more} requests")) }
    });
}

/// The same as a question.
fn is_left_alone(farm: &Farm) -> bool {
    let (before, began) = (farm.server1.requests().len(), Instant::now());
    while began.elapsed() < Duration::from_secs(4) {
        if farm.server1.requests().len() > before {
            return false;
        }
        std::thread::sleep(Duration::from_millis(80));
    }
    true
}

fn somebody_asks(farm: &Farm) {
    let before = farm.server1.requests().len();
    eventually("web1 is checked", SOON, || farm.server1.requests().len() > before + 1);
}

fn checks_run_only_while_the_address_is_here(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let config = with_globals(&service(&format!("{VIP} 80")));
    let director = Director::start(&farm.lb1, program, config);
    table_becomes(&farm, "both serve, unchecked", BOTH);
    nobody_asks(&farm);

    farm.lb1.ip(&format!("addr add {VIP}/32 dev eth0"));
    somebody_asks(&farm);
    farm.server1.remove_page("/service.txt");
    table_becomes(&farm, "web1 is out", ONLY_2);

    farm.lb1.ip(&format!("addr add {VIP}/32 dev lo\naddr del {VIP}/32 dev eth0"));
    somebody_asks(&farm);
    farm.lb1.ip(&format!("addr del {VIP}/32 dev lo"));
    farm.server1.set_page("/service.txt", "back");
    // One that was under way may still come in.
    eventually("web1 is left alone", SOON, || is_left_alone(&farm));
    table_becomes(&farm, "as it was found", ONLY_2);
    if program == Program::Mainstay {
        assert!(director.dump().contains("Checks = suspended"), "{}", director.dump());
    }

    farm.lb1.ip(&format!("addr add {VIP}/24 dev eth0"));
    table_becomes(&farm, "web1 is found again", BOTH);
    if program == Program::Mainstay {
        assert!(!director.dump().contains("Checks = suspended"), "{}", director.dump());
    }
}

/// keepalived 2.2.7 never checks such servers.
#[test]
fn of_a_group_one_address_is_enough_and_the_vrrp_instance_may_bring_it() {
    run("ha_suspend::group", |lab: &Lab| {
        let farm = Farm::new(lab);
        let group = format!("virtual_server_group web {{\n    192.0.2.60 80\n    {VIP} 80\n}}\n");
        let servers = group + &service("group web");
        let director = Director::start(&farm.lb1, Program::Mainstay, instance(100, "") + &servers);
        director.wait_for_state(0, "MASTER");
        eventually("it holds the VIP", SOON, || farm.lb1.holds(VIP));
        somebody_asks(&farm);
        farm.lan.pull_cable(&farm.lb1);
        eventually("FAULT: no VIP", SOON, || !farm.lb1.holds(VIP));
        eventually("so no checks", SOON, || director.dump().contains("Checks = suspended"));
        farm.lan.mend_cable(&farm.lb1);
        somebody_asks(&farm);
    });
}
