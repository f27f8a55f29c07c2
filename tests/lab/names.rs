//! Real servers given by a DNS name, whose addresses come and go.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::configs::{Farm, SOON, VIP, start_checks};
use crate::harness::{Director, Host, Lab, Program, eventually, eventually_eq, run, throughout};
use crate::held::{ECHO, Held, echo};
use crate::served::{Server, name_server, write_zone};

const SERVICE: &str = "TCP 192.0.2.142:7";

/// web1 by name, with scripts that leave a trace; web2 by address.
fn service(host: &Host) -> String {
    let dir = host.dir.display();
    format!(
        "virtual_server {VIP} {ECHO} {{\n    lvs_sched rr\n    lvs_method DR\n    protocol TCP\n    \
         real_server web.example {ECHO} {{\n        resolve_interval 1\n        weight 5\n        \
         notify_down \"/usr/bin/touch {dir}/went\"\n    }}\n    real_server 192.0.2.102 {ECHO} {{\n    }}\n}}\n"
    )
}

fn by_name_alone(host: &Host) -> String {
    format!(
        "virtual_server {VIP} 8 {{\n    lvs_sched rr\n    lvs_method DR\n    protocol TCP\n    quorum_down \
         \"/usr/bin/touch {}/lost\"\n    sorry_server 192.0.2.102 8\n    \
         real_server web.example 8 {{\n    }}\n}}\n",
        host.dir.display()
    )
}

fn ask_at(host: &Host, server: &str) {
    host.write("resolv.conf", format!("nameserver {server}\noptions timeout:1 attempts:1\n"));
}

fn answer_with(host: &Host, server: &Server, addresses: &[&str]) {
    let records = addresses.iter().map(|ip| format!("web 60 IN A {ip}\n")).collect::<String>();
    write_zone(host, &records);
    kill(Pid::from_raw(server.pid()), Signal::SIGHUP).expect("tell the name server");
}

fn said(director: &Director<'_>, text: &str) -> usize {
    director.log().matches(text).count()
}

#[test]
fn a_name_s_addresses_come_and_go_and_stay_while_nobody_answers() {
    run("names::come_and_go", |lab: &Lab| {
        let farm = Farm::new(lab);
        let ns = farm.lan.host("ns", "192.0.2.53/24");
        echo(&farm.web2);
        ask_at(&farm.lb1, "192.0.2.53");
        let director = start_checks(&farm.lb1, Program::Mainstay, &service(&farm.lb1));
        let table = || farm.lb1.ipvs().servers(SERVICE);
        let becomes = |what, wanted| eventually_eq(what, SOON, wanted, table);

        becomes("nobody answers: web2 serves alone", "192.0.2.102:7/1");
        let failed = "web.example, real_server of [192.0.2.142]:tcp:7, cannot be resolved: ";
        eventually("that is told", SOON, || said(&director, failed) == 1);
        let dump = director.dump();
        assert!(
            dump.contains("Name = web.example:7, no address yet, asked for every 1.000s"),
            "{dump}"
        );
        let mut held = Held::connect(&farm.client, VIP);
        held.answers_at_once();

        write_zone(&ns, "web 60 IN A 192.0.2.101\n");
        let server = name_server(&ns, "192.0.2.53");
        becomes("web1 has an address", "192.0.2.101:7/5 192.0.2.102:7/1");
        let dump = director.dump();
        assert!(dump.contains("Real server = 192.0.2.101:7 (web.example) "), "{dump}");
        assert_eq!(said(&director, "cannot be resolved"), 1, "{}", director.log());

        answer_with(&ns, &server, &["192.0.2.104", "192.0.2.103"]);
        becomes("it has two others", "192.0.2.102:7/1 192.0.2.103:7/5 192.0.2.104:7/5");
        eventually("its scripts hear of it", SOON, || farm.lb1.dir.join("went").exists());
        let left =
            "[192.0.2.101]:tcp:7 of [192.0.2.142]:tcp:7 is no longer an address of web.example";
        assert_eq!(said(&director, left), 1, "{}", director.log());
        held.answers_at_once();

        answer_with(&ns, &server, &["192.0.2.103"]);
        becomes("it has one of them", "192.0.2.102:7/1 192.0.2.103:7/5");

        server.end();
        eventually("nobody answers any more", SOON, || said(&director, failed) == 2);
        assert!(director.log().contains("its last addresses stay: 192.0.2.103"));
        throughout("the table stays", Duration::from_secs(5), || match &*table() {
            "192.0.2.102:7/1 192.0.2.103:7/5" => Ok(()),
            other => Err(other.to_owned()),
        });
        assert_eq!(said(&director, failed), 2, "once each time: {}", director.log());
        assert!(director.dump().contains("the last address stays"), "{}", director.dump());
        held.answers_at_once();

        let _server = name_server(&ns, "192.0.2.53");
        eventually("it resolves again", SOON, || said(&director, "resolves again") == 2);
    });
}

/// A start waits for the first answer. A reload knows what was known, and asks again.
#[test]
fn a_start_has_the_addresses_of_a_name_and_a_reload_keeps_them() {
    run("names::reload", |lab: &Lab| {
        let farm = Farm::new(lab);
        let ns = farm.lan.host("ns", "192.0.2.53/24");
        ask_at(&farm.lb1, "192.0.2.53");
        write_zone(&ns, "web 60 IN A 192.0.2.101\n");
        let server = name_server(&ns, "192.0.2.53");
        let service = service(&farm.lb1) + &by_name_alone(&farm.lb1);
        let director = start_checks(&farm.lb1, Program::Mainstay, &service);
        let table = || farm.lb1.ipvs().servers(SERVICE);
        eventually_eq("both serve", SOON, "192.0.2.101:7/5 192.0.2.102:7/1", table);
        // The name server may have been slower than the first start waits.
        for told in ["went", "lost"] {
            let _ = std::fs::remove_file(farm.lb1.dir.join(told));
        }
        let before = director.log().len();
        director.kill9();
        let director = Director::start_again(&farm.lb1, Program::Mainstay);
        director.wait_for_log(before, "is 192.0.2.101 now", SOON);
        server.end();
        let heavier = service.replace("weight 5", "weight 6");
        director.reload(crate::configs::with_globals(&heavier));
        eventually_eq("the new weight", SOON, "192.0.2.101:7/6 192.0.2.102:7/1", table);
        assert!(!farm.lb1.dir.join("went").exists() && !farm.lb1.dir.join("lost").exists());
        eventually("nobody answers", SOON, || said(&director, "its last addresses stay") == 1);
        eventually_eq("still both", SOON, "192.0.2.101:7/6 192.0.2.102:7/1", table);
    });
}
