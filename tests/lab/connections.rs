//! What becomes of a connection that is held while the table changes.

use std::time::Duration;

use crate::configs::{Farm, SOON, VIP, start_checks, with_globals};
use crate::for_each_program;
use crate::harness::{Host, Lab, Program, eventually, eventually_eq};
use crate::held::{ECHO, Held, echo};

for_each_program!(
    a_reload_that_changes_others_and_its_weight_loses_no_packet,
    a_server_that_comes_back_goes_on_with_its_connections,
    a_connection_to_a_server_that_goes_may_be_ended,
    another_forwarding_method_is_for_new_connections,
);

const SERVICE: &str = "TCP 192.0.2.142:7";

/// One service with web1, which serves while its check's file is there.
fn service(host: &Host, port: u16, method: &str, weight: u32) -> String {
    let flag = host.dir.join("well");
    format!(
        "virtual_server {VIP} {port} {{\n    delay_loop 1\n    lvs_sched wrr\n    lvs_method {method}\n    \
         protocol TCP\n    real_server 192.0.2.101 {port} {{\n        weight {weight}\n        \
         MISC_CHECK {{\n            misc_path \"/usr/bin/test -e {}\"\n        }}\n    }}\n}}\n",
        flag.display()
    )
}

fn established(host: &Host) -> usize {
    host.run("ipvsadm -Lnc").matches("ESTABLISHED").count()
}

/// Row 53, and the change of its own weight: no packet is lost.
fn a_reload_that_changes_others_and_its_weight_loses_no_packet(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let lb = &farm.lb1;
    echo(&farm.web1);
    lb.write("well", "");
    let other = service(lb, 80, "DR", 1);
    let director = start_checks(lb, program, &(service(lb, ECHO, "DR", 1) + &other));
    eventually_eq("the table", SOON, "192.0.2.101:7/1", || lb.ipvs().servers(SERVICE));
    let mut held = Held::connect(&farm.client, VIP);
    held.answers_at_once();
    for weight in [3, 5] {
        let others = [service(lb, 81, "DR", 1), service(lb, 82, "DR", weight)].concat();
        director.reload(with_globals(&(service(lb, ECHO, "DR", weight) + &others)));
        let wanted = format!("192.0.2.101:7/{weight}");
        eventually_eq("the new weight", SOON, wanted, || {
            held.answers_at_once();
            lb.ipvs().servers(SERVICE)
        });
        eventually("the other service is gone", SOON, || {
            held.answers_at_once();
            lb.ipvs().service("TCP 192.0.2.142:80").is_none()
        });
    }
    assert_eq!(established(lb), 1);
}

/// Row 52: the kernel drops its packets, and remembers it.
fn a_server_that_comes_back_goes_on_with_its_connections(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let lb = &farm.lb1;
    echo(&farm.web1);
    let flag = lb.write("well", "");
    let _director = start_checks(lb, program, &service(lb, ECHO, "DR", 1));
    eventually_eq("the table", SOON, "192.0.2.101:7/1", || lb.ipvs().servers(SERVICE));
    let mut held = Held::connect(&farm.client, VIP);
    held.answers_at_once();
    std::fs::remove_file(&flag).expect("remove the flag");
    eventually_eq("the server is out", SOON, "", || lb.ipvs().servers(SERVICE));
    let silence = held.say("a", Duration::from_secs(1)).expect_err("packets are dropped");
    assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock, "{silence}");
    lb.write("well", "");
    eventually_eq("the server is back", SOON, "192.0.2.101:7/1", || lb.ipvs().servers(SERVICE));
    // The first of these is what was sent in vain, and now again.
    assert_eq!(held.say("b", SOON).expect("it goes on"), "a");
}

/// The same with expire_nodest_conn, which makes the kernel end it at once.
fn a_connection_to_a_server_that_goes_may_be_ended(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let lb = &farm.lb1;
    echo(&farm.web1);
    lb.sysctl("net.ipv4.vs.expire_nodest_conn", "1");
    let flag = lb.write("well", "");
    let _director = start_checks(lb, program, &service(lb, ECHO, "DR", 1));
    eventually_eq("the table", SOON, "192.0.2.101:7/1", || lb.ipvs().servers(SERVICE));
    let mut held = Held::connect(&farm.client, VIP);
    held.answers_at_once();
    std::fs::remove_file(&flag).expect("remove the flag");
    eventually_eq("the server is out", SOON, "", || lb.ipvs().servers(SERVICE));
    eventually("the client is told", SOON, || {
        let said = held.say("a", Duration::from_secs(1));
        said.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
    });
}

/// Row 22. The client is on another network than the server, whose default route is the director.
fn another_forwarding_method_is_for_new_connections(lab: &Lab, program: Program) {
    let (outside, inside) = (lab.lan(), lab.lan());
    let client = outside.host("client", "192.0.2.200/24");
    let lb = outside.host("lb", "192.0.2.11/24");
    lb.plug_into(&inside, "eth1", "198.51.100.1/24");
    lb.sysctl("net.ipv4.ip_forward", "1");
    let web = inside.host("web", "198.51.100.101/24");
    web.ip("route add default via 198.51.100.1");
    echo(&web);
    lb.write("well", "");
    let config = |method| service(&lb, ECHO, method, 1).replace("192.0.2.101", "198.51.100.101");
    let director = start_checks(&lb, program, &config("NAT"));
    let method = || {
        let table = lb.ipvs();
        let servers = table.service(SERVICE).map(|service| service.servers.clone());
        servers.unwrap_or_default().first().map(|server| server.method.clone()).unwrap_or_default()
    };
    eventually_eq("it is NAT", SOON, "Masq", method);
    let mut held = Held::connect(&client, VIP);
    held.answers_at_once();
    director.reload(with_globals(&config("DR")));
    eventually_eq("it is DR", SOON, "Route", method);
    held.answers_at_once();
}
