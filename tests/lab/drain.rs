//! `drain_time`: a server that a reload takes out keeps its connections for a while.

use std::time::Duration;

use crate::configs::{Farm, SOON, VIP, start_checks, with_globals};
use crate::harness::Program::Mainstay;
use crate::harness::{Lab, eventually_eq, run};
use crate::held::{ECHO, Held, echo};

const SERVICE: &str = "TCP 192.0.2.142:7";

fn service(drain_time: u32, servers: &[&str]) -> String {
    let servers: String =
        servers.iter().map(|ip| format!("    real_server {ip} {ECHO} {{\n    }}\n")).collect();
    format!(
        "virtual_server {VIP} {ECHO} {{\n    lvs_sched rr\n    lvs_method DR\n    protocol TCP\n    \
         drain_time {drain_time}\n{servers}}}\n"
    )
}

#[test]
fn a_server_that_is_taken_out_keeps_its_connections_for_its_time() {
    run("drain::reload", |lab: &Lab| {
        let farm = Farm::new(lab);
        let (web1, web2) = ("192.0.2.101", "192.0.2.102");
        echo(&farm.web1);
        echo(&farm.web2);
        let director = start_checks(&farm.lb1, Mainstay, &service(15, &[web1]));
        let table = || farm.lb1.ipvs().servers(SERVICE);
        let becomes = |what, wanted| eventually_eq(what, SOON, wanted, table);
        becomes("web1 serves", "192.0.2.101:7/1");
        let mut held = Held::connect(&farm.client, VIP);
        held.answers_at_once();

        director.reload(with_globals(&service(15, &[web2])));
        becomes("web1 drains", "192.0.2.101:7/0 192.0.2.102:7/1");
        let dump = director.dump();
        assert!(dump.contains("   Draining = 192.0.2.101:7, for 1"), "{dump}");
        held.answers_at_once();

        director.reload(with_globals(&service(15, &[web1, web2])));
        becomes("web1 is back", "192.0.2.101:7/1 192.0.2.102:7/1");
        assert!(!director.dump().contains("Draining"));
        held.answers_at_once();

        director.reload(with_globals(&service(3, &[web2])));
        becomes("web1 drains again", "192.0.2.101:7/0 192.0.2.102:7/1");
        held.answers_at_once();
        let long = SOON + Duration::from_secs(10);
        eventually_eq("its time is over", long, "192.0.2.102:7/1", table);
        director.stop();
        assert_eq!(table(), "no such service");
    });
}
