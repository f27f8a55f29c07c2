//! Reloads that change a service, as ipvsadm sees them. The numbers of rows are those of `tests/lvs.md`.

use std::time::Duration;

use crate::configs::{SOON, VIP, with_globals};
use crate::for_each_program;
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Host, Lab, Program, eventually, eventually_eq, run};
use crate::switched::{SERVICE, Switched, server};

for_each_program!(
    what_a_service_is_changes_in_place,
    another_protocol_port_or_address_is_another_service,
    flags_engines_and_groups_reach_the_kernel,
    a_firewall_mark_of_ipv6_has_tunnels_into_both_families,
);

/// All services and destinations as ipvsadm saves them, in order.
fn saved(host: &Host) -> Vec<String> {
    let text = host.run("ipvsadm -Sn");
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}

fn becomes(host: &Host, what: &str, wanted: &[&str]) {
    let mut wanted: Vec<String> = wanted.iter().map(|line| (*line).to_owned()).collect();
    wanted.sort();
    eventually_eq(what, SOON, wanted, || saved(host));
}

fn one(extra: &str, inside: &str) -> String {
    with_globals(&format!(
        "virtual_server {VIP} 80 {{\n    lvs_method NAT\n    protocol TCP\n{extra}\n{}}}\n",
        server("192.0.2.111", 1, inside)
    ))
}

/// Row 21. Connections, here one that nobody answers, are not lost with it.
fn what_a_service_is_changes_in_place(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let host = &lab.host;
    let director = Director::start(host, program, one("    lvs_sched rr", ""));
    let destination = "-a -t 192.0.2.142:80 -r 192.0.2.111:80 -m -w 1";
    becomes(host, "the plain service", &["-A -t 192.0.2.142:80 -s rr", destination]);
    knock(host, 80);
    let conns = || connections(host, "192.0.2.142:80");
    eventually_eq("one connection", SOON, 1_usize, conns);
    for (extra, service) in [
        ("    lvs_sched wlc", "-A -t 192.0.2.142:80 -s wlc"),
        ("    lvs_sched wlc\n    persistence_timeout 60", "-A -t 192.0.2.142:80 -s wlc -p 60"),
        (
            "    lvs_sched wlc\n    persistence_timeout 60\n    persistence_granularity 255.255.255.0",
            "-A -t 192.0.2.142:80 -s wlc -p 60 -M 255.255.255.0",
        ),
        ("    lvs_sched rr", "-A -t 192.0.2.142:80 -s rr"),
    ] {
        director.reload(one(extra, ""));
        becomes(host, extra, &[service, destination]);
        assert_eq!(conns(), 1, "the service was made anew by {extra}");
    }
}

/// Row 20. keepalived 2.2.7 changes nothing until something else of the server changes.
#[test]
fn thresholds_change_in_place() {
    run("service_reload::thresholds", |lab: &Lab| {
        let lab = Switched::new(lab);
        let rr = "    lvs_sched rr";
        let director = Director::start(&lab.host, Mainstay, one(rr, ""));
        let shown = || {
            let text = lab.host.run("ipvsadm -Ln --thresholds");
            let line = text.lines().find(|line| line.contains("192.0.2.111:80")).unwrap_or("");
            line.split_whitespace().skip(2).take(2).collect::<Vec<_>>().join(" ")
        };
        eventually_eq("none", SOON, "0 0", shown);
        for (inside, wanted) in [
            ("        uthreshold 10\n        lthreshold 5\n", "10 5"),
            ("        uthreshold 20\n", "20 0"),
            ("", "0 0"),
        ] {
            director.reload(one(rr, inside));
            eventually_eq(inside, SOON, wanted, shown);
        }
    });
}

/// Row 23.
fn another_protocol_port_or_address_is_another_service(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let plain = one("    lvs_sched rr", "");
    let director = Director::start(&lab.host, program, &plain);
    lab.becomes("it serves", "192.0.2.111:80/1");
    let destination = |service: &str| format!("-a {service} -r 192.0.2.111:80 -m -w 1");
    for (config, service) in [
        (plain.replace("TCP", "UDP"), "-u 192.0.2.142:80"),
        (plain.replace("192.0.2.142 80", "192.0.2.142 81"), "-t 192.0.2.142:81"),
        (plain.replace("192.0.2.142 80", "192.0.2.11 80"), "-t 192.0.2.11:80"),
    ] {
        director.reload(config);
        let wanted = [format!("-A {service} -s rr"), destination(service)];
        becomes(&lab.host, service, &[&wanted[0], &wanted[1]]);
    }
}

/// Rows 32, 34.
fn flags_engines_and_groups_reach_the_kernel(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    lab.host.ip("addr add 2001:db8::11/64 dev d0 nodad");
    let service = |port: u16, extra: &str, protocol: &str| {
        format!(
            "virtual_server {VIP} {port} {{\n    lvs_method DR\n    protocol {protocol}\n{extra}\n    \
             real_server 192.0.2.111 {port} {{\n        weight 1\n    }}\n}}\n"
        )
    };
    let config = [
        service(1, "    lvs_sched sh\n    sh-port\n    sh-fallback", "TCP"),
        service(2, "    lvs_sched mh\n    mh-port\n    mh-fallback", "TCP"),
        service(3, "    lvs_sched wrr\n    flag-1\n    flag-2\n    flag-3", "SCTP"),
        service(
            4,
            "    lvs_sched rr\n    persistence_engine sip\n    persistence_timeout 60",
            "UDP",
        ),
        "virtual_server_group six {\n    2001:db8::60-61 53\n}\nvirtual_server group six {\n    \
         lvs_sched rr\n    lvs_method DR\n    protocol UDP\n    ops\n    \
         real_server 2001:db8::111 80 {\n        weight 1\n    }\n}\n"
            .to_owned(),
    ];
    let _director = Director::start(&lab.host, program, with_globals(&config.concat()));
    becomes(
        &lab.host,
        "all of it",
        &[
            "-A -t 192.0.2.142:1 -s sh -b sh-fallback,sh-port",
            "-a -t 192.0.2.142:1 -r 192.0.2.111:1 -g -w 1",
            "-A -t 192.0.2.142:2 -s mh -b mh-fallback,mh-port",
            "-a -t 192.0.2.142:2 -r 192.0.2.111:2 -g -w 1",
            "-A --sctp-service 192.0.2.142:3 -s wrr -b flag-1,flag-2,flag-3",
            "-a --sctp-service 192.0.2.142:3 -r 192.0.2.111:3 -g -w 1",
            "-A -u 192.0.2.142:4 -s rr -p 60 --pe sip",
            "-a -u 192.0.2.142:4 -r 192.0.2.111:4 -g -w 1",
            "-A -u [2001:db8::60]:53 -s rr -o",
            "-a -u [2001:db8::60]:53 -r [2001:db8::111]:53 -g -w 1",
            "-A -u [2001:db8::61]:53 -s rr -o",
            "-a -u [2001:db8::61]:53 -r [2001:db8::111]:53 -g -w 1",
        ],
    );
}

/// Row 35, without a sync daemon.
fn a_firewall_mark_of_ipv6_has_tunnels_into_both_families(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    lab.host.ip("addr add 2001:db8::11/64 dev d0 nodad");
    let _director = Director::start(&lab.host, program, mixed(""));
    becomes(
        &lab.host,
        "all three",
        &[
            "-A -f 10 -6 -s rr",
            "-a -f 10 -6 -r [2001:db8::111]:0 -i -w 1 --tun-type gre --tun-csum",
            "-a -f 10 -6 -r [2001:db8::112]:0 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            "-a -f 10 -6 -r 192.0.2.113:0 -i -w 1 --tun-type ipip",
        ],
    );
}

fn mixed(globals: &str) -> String {
    let server = |address: &str, method: &str| {
        format!(
            "    real_server {address} 0 {{\n        weight 1\n        lvs_method {method}\n    }}\n"
        )
    };
    let servers = [
        server("2001:db8::111", "TUN type gre csum"),
        server("2001:db8::112", "TUN type gue port 6080"),
        server("192.0.2.113", "TUN"),
    ];
    let service = format!(
        "virtual_server fwmark 10 {{\n    ip_family inet6\n    lvs_sched rr\n    lvs_method TUN\n{}}}\n",
        servers.concat()
    );
    with_globals(&service).replacen("global_defs {\n", &format!("global_defs {{\n{globals}"), 1)
}

/// Row 35, with one: what the kernel would refuse is left out and does not count. keepalived 2.2.7 counts it as
/// alive.
#[test]
fn beside_a_sync_daemon_tunnels_into_the_other_family_are_left_out() {
    run("service_reload::beside_a_sync_daemon", |lab: &Lab| {
        let lab = Switched::new(lab);
        lab.host.ip("addr add 2001:db8::11/64 dev d0 nodad");
        let sync = mixed("    lvs_sync_daemon d0\n");
        let director = Director::start(&lab.host, Mainstay, &sync);
        let both = [
            "-A -f 10 -6 -s rr",
            "-a -f 10 -6 -r [2001:db8::111]:0 -i -w 1 --tun-type gre --tun-csum",
            "-a -f 10 -6 -r [2001:db8::112]:0 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
        ];
        becomes(&lab.host, "those of its family", &both);
        eventually("the daemons run", SOON, || {
            lab.host.run("ipvsadm -L --daemon").lines().count() == 2
        });
        let told = "192.0.2.113 is of the other address family than its virtual_server";
        assert!(director.log().contains(told), "{}", director.log());

        // And back: the daemons stop before the server comes.
        let from = director.log().len();
        director.reload(mixed(""));
        eventually("all three", SOON, || saved(&lab.host).len() == 4);
        let log = director.log();
        assert!(!log[from..].contains("cannot "), "{log}");
        director.reload(&sync);
        director.wait_for_log(from, "has errors: nothing has changed", SOON);
        let server = sync.find("    real_server 192.0.2.113").expect("the third server");
        director.reload(format!("{}}}\n", &sync[..server]));
        eventually("the daemons run again", SOON, || {
            lab.host.run("ipvsadm -L --daemon").lines().count() == 2
        });
        assert!(!director.log()[from..].contains("cannot "), "{}", director.log());
    });
}

/// Row 31: what is in both ranges is not touched. keepalived 2.2.7 makes .71 anew.
#[test]
fn a_group_s_range_may_move_over_what_it_keeps() {
    run("service_reload::group", |lab: &Lab| {
        let lab = Switched::new(lab);
        lab.host.ip("addr add 192.0.2.71/32 dev d0");
        let config = |range: &str| {
            with_globals(&format!(
                "virtual_server_group web {{\n    {range} 80\n}}\nvirtual_server group web {{\n    lvs_sched rr\n    \
                 lvs_method NAT\n    protocol TCP\n{}}}\n",
                server("192.0.2.111", 1, "")
            ))
        };
        let director = Director::start(&lab.host, Mainstay, config("192.0.2.70-71"));
        eventually("both", SOON, || saved(&lab.host).len() == 4);
        lab.host.enter(|| drop(connect("192.0.2.71:80")));
        let conns = || connections(&lab.host, "192.0.2.71:80");
        eventually_eq("one connection", SOON, 1_usize, conns);
        director.reload(config("192.0.2.71-72"));
        let wanted = ["192.0.2.71", "192.0.2.72"];
        let keys = || lab.host.ipvs().0.iter().map(|each| each.key.clone()).collect::<Vec<_>>();
        eventually_eq(
            "the new range",
            SOON,
            wanted.map(|ip| format!("TCP {ip}:80")).to_vec(),
            keys,
        );
        assert_eq!(conns(), 1, "the service of 192.0.2.71 was made anew");
    });
}

/// Row 27: with as many reloads as one likes. keepalived 2.2.7 begins to wait anew with each.
#[test]
fn reloads_in_quick_succession_hold_up_no_check() {
    run("service_reload::succession", |lab: &Lab| {
        let lab = Switched::new(lab);
        let config = |weight| {
            lab.service("", &[lab.server("1", 3, ""), lab.server("2", weight, "")])
                .replace("delay_loop 1", "delay_loop 8")
                .replace("warmup 0", "warmup 8")
        };
        let director = Director::start(&lab.host, Mainstay, config(1));
        eventually("it is checked", SOON, || lab.runs("1") > 0);
        lab.set("1", 1);
        let began = std::time::Instant::now();
        for weight in 2.. {
            if lab.host.ipvs().servers(SERVICE) == format!("192.0.2.112:80/{}", weight - 1) {
                break;
            }
            let from = director.log().len();
            director.reload(config(weight));
            director.wait_for_log(from, "reloaded", SOON);
            eventually("the reload is through", SOON, || {
                lab.host.ipvs().servers(SERVICE).ends_with(&format!("192.0.2.112:80/{weight}"))
            });
            assert!(began.elapsed() < Duration::from_secs(20), "the check did not run");
        }
    });
}

/// A connection attempt of the host itself, which goes the way of IPVS like all others.
fn knock(host: &Host, port: u16) {
    host.enter(|| drop(connect(&format!("{VIP}:{port}"))));
}

fn connect(address: &str) -> std::io::Result<std::net::TcpStream> {
    let address = address.parse().expect("an address");
    std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300))
}

/// How many connections the service has had since it was made.
fn connections(host: &Host, service: &str) -> usize {
    let text = host.run("ipvsadm -Ln --stats");
    let line = text.lines().find(|line| line.starts_with("TCP") && line.contains(service));
    line.and_then(|line| line.split_whitespace().nth(2)?.parse().ok()).unwrap_or(0)
}
