//! virtual_server_group: many services of one set of checked servers.

use crate::checks::tcp_check;
use crate::configs::{Farm, SOON, start_checks};
use crate::for_each_program;
use crate::harness::{Director, Lab, Program, eventually_eq, run};

for_each_program!(virtual_servers_of_a_group_have_its_mark_in_common);

fn configuration(members: &str) -> String {
    let server = |address: &str| {
        format!("    real_server {address} 80 {{\n        weight 1\n{}\n    }}\n", tcp_check())
    };
    format!(
        "virtual_server_group web {{\n{members}\n}}\nvirtual_server group web {{\n    delay_loop 1\n    \
         lb_algo rr\n    lb_kind DR\n    protocol TCP\n{}{}}}\n",
        server("192.0.2.101"),
        server("192.0.2.102")
    )
}

/// The destinations of all services, as ipvsadm saves them. (Where several namespaces have services, reading
/// /proc/net/ip_vs in more than one piece leaves some out.)
fn table(farm: &Farm) -> Vec<String> {
    let saved = farm.lb1.run("ipvsadm -Sn");
    let mut lines: Vec<_> =
        saved.lines().filter(|line| line.starts_with("-a")).map(str::to_owned).collect();
    lines.sort();
    lines
}

fn expected(members: &[(&str, u16)], servers: &[&str]) -> Vec<String> {
    let of = |(service, port): &(&str, u16)| {
        let each = |server: &&str| format!("-a {service} -r {server}:{port} -g -w 1");
        servers.iter().map(each).collect::<Vec<_>>()
    };
    let mut lines: Vec<String> = members.iter().flat_map(of).collect();
    lines.sort();
    lines
}

/// keepalived 2.2.7 does not: after the reload the address and the mark that are gone are still there, and the
/// new mark has destinations with port 80.
#[test]
fn a_group_serves_all_its_addresses_and_marks_and_follows_a_reload() {
    run("groups::a_group_serves_all", follows_a_reload);
}

fn follows_a_reload(lab: &Lab) {
    let mut farm = Farm::new(lab);
    let both = ["192.0.2.101", "192.0.2.102"];
    let first = "    192.0.2.60 80\n    192.0.2.70-71 80\n    fwmark 3";
    let director = start_checks(&farm.lb1, Program::Mainstay, &configuration(first));
    let members =
        [("-t 192.0.2.60:80", 80), ("-t 192.0.2.70:80", 80), ("-t 192.0.2.71:80", 80), ("-f 3", 0)];
    eventually_eq("all serve", SOON, expected(&members, &both), || table(&farm));

    let second = "    192.0.2.60 80\n    192.0.2.71-72 80\n    fwmark 4";
    director.reload(crate::configs::with_globals(&configuration(second)));
    let members =
        [("-t 192.0.2.60:80", 80), ("-t 192.0.2.71:80", 80), ("-t 192.0.2.72:80", 80), ("-f 4", 0)];
    eventually_eq("the new members serve", SOON, expected(&members, &both), || table(&farm));

    farm.server1.die();
    let one = expected(&members, &["192.0.2.102"]);
    eventually_eq("web1 is out everywhere", SOON, one, || table(&farm));
}

/// A mark says nothing of the protocol: one virtual server for TCP and one for UDP have it in common.
fn virtual_servers_of_a_group_have_its_mark_in_common(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let over = |protocol: &str, servers: &[&str]| {
        let servers: String = (servers.iter())
            .map(|server| format!("    real_server {server} 80 {{\n        weight 1\n    }}\n"))
            .collect();
        format!(
            "virtual_server group web {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind DR\n    \
             protocol {protocol}\n{servers}}}\n"
        )
    };
    let group = "virtual_server_group web {\n    192.0.2.60 80\n    fwmark 3\n}\n";
    let both = ["192.0.2.101", "192.0.2.102"];
    let tcp = format!("{group}{}", over("TCP", &both[..1]));
    let config = format!("{tcp}{}", over("UDP", &both));
    let director = Director::start(&farm.lb1, program, crate::configs::with_globals(&config));
    let all = |services: [(&str, &[&str]); 3]| {
        let mut lines = Vec::new();
        for (service, servers) in services {
            let port = if service.starts_with("-f") { 0 } else { 80 };
            lines.extend(expected(&[(service, port)], servers));
        }
        lines.sort();
        lines
    };
    let first = [("-t 192.0.2.60:80", &both[..1]), ("-u 192.0.2.60:80", &both), ("-f 3", &both)];
    eventually_eq("all serve", SOON, all(first), || table(&farm));
    if program == Program::Keepalived {
        // 2.2.7 takes the mark from the other as well.
        return;
    }
    director.reload(crate::configs::with_globals(&tcp));
    let second =
        [("-t 192.0.2.60:80", &both[..1]), ("-u 192.0.2.60:80", &[]), ("-f 3", &both[..1])];
    eventually_eq("the mark has those of the other", SOON, all(second), || table(&farm));
}

/// `nftables_ipvs`. The marks themselves are seen by tests/kernel: the lab's kernel has no nf_tables.
#[test]
fn a_marked_group_is_one_service_however_many_addresses_it_has() {
    run("groups::marked", |lab: &Lab| {
        let farm = Farm::new(lab);
        let both = ["192.0.2.101", "192.0.2.102"];
        let marked = |members: &str| {
            crate::configs::with_globals(&configuration(members)).replacen(
                "global_defs {",
                "global_defs {\n    nftables_ipvs",
                1,
            )
        };
        let director =
            Director::start(&farm.lb1, Program::Mainstay, marked("    192.0.2.60-99 80"));
        let mark = |number: &'static str| expected(&[(number, 0)], &both);
        eventually_eq("one service", SOON, mark("-f 1000"), || table(&farm));
        director.wait_for_log(0, "cannot set the marks of nftables_ipvs", SOON);
        director.reload(marked("    192.0.2.60-98 80\n    192.0.2.99 81"));
        director.wait_for_log(0, "reloaded: ", SOON);
        eventually_eq("the same service", SOON, mark("-f 1000"), || table(&farm));
        director.reload(crate::configs::with_globals(&configuration("    192.0.2.60 80")));
        let plain = expected(&[("-t 192.0.2.60:80", 80)], &both);
        eventually_eq("a service for each address", SOON, plain, || table(&farm));
    });
}
