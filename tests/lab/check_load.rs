//! Many checks: those that are alike, those that hang, and servers that come back slowly.

use std::time::Duration;

use crate::checks::{BOTH, HTTP, ONLY_2, service, table_becomes, tcp_check};
use crate::configs::{Farm, SOON, VIP, start_checks, with_globals};
use crate::harness::{Lab, Program, WebServer, eventually, run, run_alone};

/// Services that web1 is behind, with the same check in each.
const SERVICES: u16 = 5;

fn alike() -> String {
    let get = "        HTTP_GET {\n            url {\n                path /\n            }\n            \
               connect_port 80\n            connect_timeout 3\n            retry 0\n        }";
    let service = |number: u16| {
        let port = 8_000 + number;
        format!(
            "virtual_server {VIP} {port} {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    \
             real_server 192.0.2.101 80 {{\n        weight 1\n{get}\n    }}\n}}\n"
        )
    };
    let single = format!(
        "virtual_server {VIP} 80 {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    \
         real_server 192.0.2.102 80 {{\n        weight 1\n{get}\n    }}\n}}\n"
    );
    (1..=SERVICES).map(service).collect::<String>() + &single
}

/// How many requests web1 gets while web2, which has one check, gets twenty.
fn requests(farm: &Farm) -> usize {
    let count = |server: &WebServer| server.requests().len();
    let (first, second) = (count(&farm.server1), count(&farm.server2));
    eventually("web2 has twenty more", Duration::from_secs(120), || {
        count(&farm.server2) >= second + 20
    });
    count(&farm.server1) - first
}

fn services_become(farm: &Farm, what: &str, expected: &str) {
    eventually(what, SOON, || {
        let table = farm.lb1.ipvs();
        let of = |number| table.servers(&format!("TCP {VIP}:{}", 8_000 + number));
        (1..=SERVICES).all(|number| of(number) == expected)
    });
}

#[test]
fn identical_checks_are_made_once_and_each_service_has_the_result() {
    run("check_load::shared", |lab: &Lab| {
        let mut farm = Farm::new(lab);
        let director = start_checks(&farm.lb1, Program::Mainstay, &alike());
        eventually("both are checked", SOON, || {
            [&farm.server1, &farm.server2].iter().all(|server| server.requests().len() > 3)
        });
        let together = requests(&farm);
        assert!(together < 40, "{together} requests beside 20 of one check");
        let dump = director.dump();
        let shared = format!("HTTP_GET of 192.0.2.101:80: 192.0.2.101:80 of [{VIP}]:tcp:8001, ");
        assert!(dump.contains("Shared checks = 1") && dump.contains(&shared), "{dump}");

        farm.server1.die();
        services_become(&farm, "it is out everywhere", "");
        farm.server1 = WebServer::start(&farm.web1, "0.0.0.0:80", &[("/", "It works Web1")]);
        services_become(&farm, "it is back everywhere", "192.0.2.101:80/1");

        let alone =
            with_globals(&alike()).replace("global_defs {", "global_defs {\n    share_checks off");
        director.reload(&alone);
        eventually("nobody shares", SOON, || director.dump().contains("Shared checks = 0"));
        let apart = requests(&farm);
        assert!(apart > 60, "{apart} requests of five checks beside 20 of one");
    });
}

/// Servers that take no connection and refuse none.
const HANGING: u32 = 1_500;

/// Each hangs for a minute, from the same second on.
#[test]
fn checks_that_hang_delay_nobody() {
    run_alone("check_load::hanging", |lab: &Lab| {
        let mut farm = Farm::new(lab);
        // A host that is no router drops what it is to pass on.
        farm.lb1.ip("route add 198.51.96.0/20 via 192.0.2.102");
        let hanging = |number: u32| {
            let address = std::net::Ipv4Addr::from(0xc633_6001 + number);
            format!(
                "    real_server {address} 80 {{\n        TCP_CHECK {{\n            connect_timeout 60\n        }}\n    }}\n"
            )
        };
        let servers: String = (0..HANGING).map(hanging).collect();
        let config = format!(
            "virtual_server {VIP} 81 {{\n    delay_loop 60\n    warmup 0\n    lb_algo rr\n    lb_kind NAT\n    \
             protocol TCP\n{servers}}}\n{}",
            service("    warmup 0", [tcp_check(), tcp_check()])
        );
        let director = start_checks(&farm.lb1, Program::Mainstay, &config);
        table_becomes(&farm, "all serve, being up from the start", BOTH);
        let under_way = || {
            let dump = director.dump();
            let line = dump.lines().find(|line| line.trim_start().starts_with("Sockets = "))?;
            let used: u32 = line.split("= ").nth(1)?.split(' ').next()?.parse().ok()?;
            Some((used, line.contains(" 0 waiting")))
        };
        eventually("all hang, and nobody waits for a place", SOON, || {
            under_way().is_some_and(|(used, nobody)| used >= HANGING && nobody)
        });
        farm.server1.die();
        table_becomes(&farm, "web1 is out while they hang", ONLY_2);
        assert!(under_way().is_some_and(|(used, _)| used >= HANGING), "they still hang");
    });
}

#[test]
fn a_server_that_comes_back_gets_its_weight_step_by_step() {
    run("check_load::slow_start", |lab: &Lab| {
        let mut farm = Farm::new(lab);
        let slow = format!("        weight 100\n        slow_start 10\n{}", tcp_check());
        let config = service("", [slow, tcp_check()]);
        let _director = start_checks(&farm.lb1, Program::Mainstay, &config);
        let both = "192.0.2.101:80/100 192.0.2.102:80/1";
        table_becomes(&farm, "both serve, with all of their weight", both);
        farm.server1.die();
        table_becomes(&farm, "web1 is out", ONLY_2);
        farm.server1 = WebServer::start(&farm.web1, "0.0.0.0:80", &[]);
        let mut seen = Vec::new();
        eventually("web1 has its weight again", Duration::from_secs(60), || {
            let table = farm.lb1.ipvs().servers(HTTP);
            let weight = table.split(' ').find_map(|each| each.strip_prefix("192.0.2.101:80/"));
            let weight: Option<u32> = weight.and_then(|weight| weight.parse().ok());
            if weight != seen.last().copied() {
                seen.extend(weight);
            }
            weight == Some(100)
        });
        assert!(seen.len() > 4 && seen.is_sorted() && seen[0] <= 50, "{seen:?}");
        assert!(seen.iter().all(|weight| weight % 10 == 0), "{seen:?}");
    });
}
