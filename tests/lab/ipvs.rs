//! Real connections through the kernel's IPVS: DR, NAT and TUN, weights, persistence, firewall marks.

use std::collections::BTreeMap;

use crate::configs::{
    Farm, LB1, LB2, PAGE_1, SOON, VIP, hold_silently, start_checks, tutorial, with_globals,
};
use crate::harness::{
    Director, Host, Lab, Program, WebServer, eventually, eventually_eq, fetch, fetch_from,
};
use crate::{for_each_pair, for_each_program};

for_each_pair!(both_directors_of_the_tutorial_balance_and_fail_over);
for_each_program!(
    direct_routing_delivers_pages_by_weight,
    nat_delivers_pages,
    tunnelling_delivers_pages,
    persistence_keeps_a_client_on_one_server,
    a_firewall_mark_is_a_service,
    udp_services_and_every_scheduler_reach_the_kernel,
);

const HTTP: &str = "TCP 192.0.2.142:80";
const BOTH: &str = "192.0.2.101:80/1 192.0.2.102:80/1";

/// The source document's scenario: its file, its pages, a client, and a director that dies.
fn both_directors_of_the_tutorial_balance_and_fail_over(
    lab: &Lab,
    first: Program,
    second: Program,
) {
    let farm = Farm::new(lab);
    let lb2 = farm.lan.host("lb2", &format!("{LB2}/24"));
    let one = Director::start(&farm.lb1, first, tutorial(100));
    let two = Director::start(&lb2, second, tutorial(50));
    one.wait_for_state(0, "MASTER");
    for (host, name) in [(&farm.lb1, "lb1"), (&lb2, "lb2")] {
        eventually_eq(&format!("{name}'s table"), SOON, BOTH, || host.ipvs().servers(HTTP));
        let table = host.ipvs();
        let service = table.service(HTTP).expect("seen just now");
        assert_eq!((service.scheduler.as_str(), service.persistent), ("wlc", true));
        assert!(
            host.run("ipvsadm -Ln").contains("wlc persistent 120\n"),
            "{}",
            host.run("ipvsadm -Ln")
        );
        assert!(service.servers.iter().all(|server| server.method == "Route"), "{table}");
    }
    eventually("the client gets a page through the VIP", SOON, || {
        page(&farm.client).starts_with("It works")
    });

    farm.server1.set_page("/service.txt", "something else\n");
    for host in [&farm.lb1, &lb2] {
        let what = format!("{} throws out exactly web1", host.name);
        eventually_eq(&what, SOON, "192.0.2.102:80/1", || host.ipvs().servers(HTTP));
    }
    farm.server1.set_page("/service.txt", PAGE_1);
    for host in [&farm.lb1, &lb2] {
        eventually_eq(&format!("{} takes web1 back", host.name), SOON, BOTH, || {
            host.ipvs().servers(HTTP)
        });
    }

    one.kill9();
    two.wait_for_state(0, "MASTER");
    // The dead director's address is still on its interface. Its machine is gone too, in this story.
    farm.lan.pull_cable(&farm.lb1);
    eventually("the client gets pages from lb2", SOON, || {
        page(&farm.client).starts_with("It works")
    });
}

fn direct_routing_delivers_pages_by_weight(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let director = start_checks(&farm.lb1, program, &service("80", "rr", "DR", "", ""));
    eventually_eq("the table", SOON, BOTH, || farm.lb1.ipvs().servers(HTTP));
    assert_eq!(answers(&farm.client, 10), counts(&[("It works Web1", 5), ("It works Web2", 5)]));

    let heavier = service("80", "wrr", "DR", "", "weight 3");
    director.reload(with_globals(&heavier));
    let weighted = "192.0.2.101:80/3 192.0.2.102:80/1";
    eventually_eq("the table after the reload", SOON, weighted, || farm.lb1.ipvs().servers(HTTP));
    eventually_eq("the scheduler", SOON, "wrr", || {
        farm.lb1.ipvs().service(HTTP).unwrap().scheduler.clone()
    });
    assert_eq!(answers(&farm.client, 12), counts(&[("It works Web1", 9), ("It works Web2", 3)]));
}

/// The client is on another network than the servers, whose default route is the director.
fn nat_delivers_pages(lab: &Lab, program: Program) {
    let (outside, inside) = (lab.lan(), lab.lan());
    let client = outside.host("client", "192.0.2.200/24");
    let lb = outside.host("lb", &format!("{LB1}/24"));
    lb.plug_into(&inside, "eth1", "198.51.100.1/24");
    lb.sysctl("net.ipv4.ip_forward", "1");
    let web = |name: &str, address: &str| {
        let host = inside.host(name, &format!("{address}/24"));
        host.ip("route add default via 198.51.100.1");
        let server = WebServer::start(&host, "0.0.0.0:8080", &[("/", name)]);
        (host, server)
    };
    let (_web1, _web2) = (web("web1", "198.51.100.101"), web("web2", "198.51.100.102"));
    let real = |address| {
        format!("    real_server {address} 8080 {{\n        TCP_CHECK {{\n        }}\n    }}\n")
    };
    let servers = real("198.51.100.101") + &real("198.51.100.102");
    let config = format!(
        "virtual_server {VIP} 80 {{\n    delay_loop 2\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n{servers}}}\n"
    );
    let _director = start_checks(&lb, program, &config);

    let table = "198.51.100.101:8080/1 198.51.100.102:8080/1";
    eventually_eq("the table", SOON, table, || lb.ipvs().servers(HTTP));
    assert!(lb.ipvs().0[0].servers.iter().all(|server| server.method == "Masq"), "{}", lb.ipvs());
    assert_eq!(answers(&client, 6), counts(&[("web1", 3), ("web2", 3)]));
}

fn tunnelling_delivers_pages(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    for web in [&farm.web1, &farm.web2] {
        // On a tunnel the packets come out, so there the address must be, and no filter that doubts it.
        web.ip(&format!("addr del {VIP}/32 dev lo\nlink set tunl0 up"));
        hold_silently(web, "tunl0");
        web.sysctl("net.ipv4.conf.all.rp_filter", "0");
        web.sysctl("net.ipv4.conf.tunl0.rp_filter", "0");
    }
    let _director = start_checks(&farm.lb1, program, &service("80", "rr", "TUN", "", ""));
    eventually_eq("the table", SOON, BOTH, || farm.lb1.ipvs().servers(HTTP));
    assert!(
        farm.lb1.ipvs().0[0].servers.iter().all(|server| server.method == "Tunnel"),
        "{}",
        farm.lb1.ipvs()
    );
    assert_eq!(answers(&farm.client, 6), counts(&[("It works Web1", 3), ("It works Web2", 3)]));
}

fn persistence_keeps_a_client_on_one_server(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let _director =
        start_checks(&farm.lb1, program, &service("80", "rr", "DR", "persistence_timeout 120", ""));
    eventually_eq("the table", SOON, BOTH, || farm.lb1.ipvs().servers(HTTP));
    assert!(
        farm.lb1.run("ipvsadm -Ln").contains("rr persistent 120\n"),
        "{}",
        farm.lb1.run("ipvsadm -Ln")
    );

    let mut seen = std::collections::BTreeSet::new();
    for source in ["192.0.2.201", "192.0.2.202", "192.0.2.203", "192.0.2.204"] {
        farm.client.ip(&format!("addr add {source}/24 dev eth0"));
        let ask =
            |_| fetch_from(&farm.client, source, &format!("{VIP}:80"), "/", SOON).expect("a page");
        let answers: Vec<String> = (0..4).map(ask).collect();
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "one client came to several servers: {answers:?}"
        );
        seen.insert(answers[0].clone());
    }
    assert_eq!(seen.len(), 2, "all clients came to one server");
}

fn a_firewall_mark_is_a_service(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let config = service("80", "rr", "DR", "", "").replace(&format!("{VIP} 80"), "fwmark 7");
    // Without a port of its own, the check of a mark's server needs to be told one.
    let config = config.replace("TCP_CHECK {\n", "TCP_CHECK {\n            connect_port 80\n");
    let _director = start_checks(&farm.lb1, program, &config);
    eventually_eq("the table", SOON, "192.0.2.101:0/1 192.0.2.102:0/1", || {
        farm.lb1.ipvs().servers("FWM 7")
    });
}

fn udp_services_and_every_scheduler_reach_the_kernel(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let schedulers =
        ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq"];
    let config: String = (1000..)
        .zip(schedulers)
        .map(|(port, scheduler)| {
            format!(
                "virtual_server {VIP} {port} {{\n    lb_algo {scheduler}\n    lb_kind DR\n    protocol UDP\n    \
                 real_server 192.0.2.101 {port} {{\n        weight 1\n    }}\n}}\n"
            )
        })
        .collect();
    let _director = start_checks(&farm.lb1, program, &config);
    for (port, scheduler) in (1000..).zip(schedulers) {
        let key = format!("UDP {VIP}:{port}");
        eventually_eq(&key, SOON, scheduler, || {
            farm.lb1
                .ipvs()
                .service(&key)
                .map(|service| service.scheduler.clone())
                .unwrap_or_default()
        });
        eventually_eq(&key, SOON, format!("192.0.2.101:{port}/1"), || {
            farm.lb1.ipvs().servers(&key)
        });
    }
}

/// A service on the VIP with both web servers; `first` goes into the first server's block.
fn service(port: &str, scheduler: &str, method: &str, extra: &str, first: &str) -> String {
    let real = |address, extra| {
        format!(
            "    real_server {address} {port} {{\n        {extra}\n        TCP_CHECK {{\n        }}\n    }}\n"
        )
    };
    format!(
        "virtual_server {VIP} {port} {{\n    delay_loop 2\n    lb_algo {scheduler}\n    lb_kind {method}\n    {extra}\n    \
         protocol TCP\n{}{}}}\n",
        real("192.0.2.101", first),
        real("192.0.2.102", "")
    )
}

fn page(client: &Host) -> String {
    fetch(client, &format!("{VIP}:80"), "/").unwrap_or_else(|error| error.to_string())
}

/// How often each answer came in `number` requests.
fn answers(client: &Host, number: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..number {
        *counts.entry(page(client)).or_default() += 1;
    }
    counts
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(answer, number)| (answer.to_string(), *number)).collect()
}
