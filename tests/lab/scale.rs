//! Thousands of services: a start, a reload and a stop take seconds, and checks keep their time meanwhile.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use crate::configs::with_globals;
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Host, IpvsCommands, Lab, eventually, run_alone};
use crate::switched::Switched;

const SERVICES: u32 = 4_000;
const SERVERS: u32 = 4;

/// So many checks must be made while one reload follows the other.
const CHECKS: u32 = 5;
const SECOND: Duration = Duration::from_secs(1);

/// Row 56. One server, of the switched service, is checked all the time.
#[test]
fn four_thousand_services_start_reload_and_stop_within_seconds() {
    run_alone("scale::four_thousand", |lab: &Lab| {
        let lab = Switched::new(lab);
        let switched = lab.service("", &[lab.server("1", 3, "")]);
        let config = |weight: u32| switched.clone() + &services(weight);

        let began = Instant::now();
        let director = Director::start(&lab.host, Mainstay, config(1));
        within_seconds("the start", began, || lines(&lab.host) == lines_of_all());
        eventually("the one is checked", Duration::from_secs(20), || lab.runs("1") > 2);

        // The one is due every second, whatever the kernel is being told meanwhile: there is one
        // reload after the other until it was checked often enough.
        let (began, due) = (Instant::now(), lab.runs("1") + CHECKS as usize);
        let mut reloads = 0;
        while lab.runs("1") < due {
            assert!(began.elapsed() < 12 * CHECKS * SECOND, "checks wait for {reloads} reloads");
            reloads += 1;
            let (asked, from, weight) = (Instant::now(), director.log().len(), 10 + reloads);
            director.reload(config(weight));
            within_seconds("a reload", asked, || {
                director.log().get(from..).is_some_and(|new| new.contains("reloaded: "))
                    && servers_of_weight(&lab.host, weight) == 1
            });
        }
        println!("{reloads} reloads and {CHECKS} checks in {:.1?}", began.elapsed());

        let began = Instant::now();
        let (_, status) = director.stop();
        assert!(status.success(), "it ended with {status}");
        within_seconds("the stop", began, || lab.host.ipvs().0.is_empty());
    });
}

/// Whatever is in the table, one changed weight is one command, and what has failed is not tried anew.
#[test]
fn one_changed_weight_is_one_command_and_failed_servers_stay_failed() {
    run_alone("scale::one_command", |lab: &Lab| {
        let lab = Switched::new(lab);
        let switched = lab.service("", &[lab.server("1", 3, ""), lab.server("2", 3, "")]);
        let config = |weight: u32| switched.clone() + &services(weight);
        let director = Director::start(&lab.host, Mainstay, config(1));
        let all = Duration::from_secs(60);
        eventually("all are there", all, || lines(&lab.host) == lines_of_all() + 1);
        lab.set("2", 1);
        eventually("one has failed", all, || lines(&lab.host) == lines_of_all());
        eventually("that is told", all, || lab.told().last().is_some_and(|last| last == "2 down"));

        lab.forget();
        let commands = IpvsCommands::watch(&lab.host);
        for weight in 11..14 {
            let from = director.log().len();
            director.reload(config(weight));
            director.wait_for_log(from, "reloaded: ", all);
            eventually("the new weight", all, || servers_of_weight(&lab.host, weight) == 1);
            assert_eq!(commands.take(), 1, "for weight {weight}");
        }
        // Long enough for what a reload might have set off.
        let runs = lab.runs("2");
        eventually("it is tried again and again", all, || lab.runs("2") > runs + 1);
        assert_eq!(lines(&lab.host), lines_of_all());
        assert_eq!((commands.take(), lab.told()), (0, Vec::<String>::new()));
    });
}

/// The first server of the first service has this weight.
fn services(weight: u32) -> String {
    let mut config = String::new();
    for service in 0..SERVICES {
        let (third, last) = (service / 250, service % 250 + 1);
        let _ = writeln!(
            config,
            "virtual_server 198.18.{third}.{last} 80 {{\n    lvs_sched rr\n    lvs_method NAT\n    protocol TCP"
        );
        for server in 0..SERVERS {
            let weight = if service + server == 0 { weight } else { 1 };
            let _ = writeln!(
                config,
                "    real_server 198.19.{third}.{last} {} {{\n        weight {weight}\n    }}",
                8_000 + server
            );
        }
        config.push_str("}\n");
    }
    with_globals(&config)
}

fn table(host: &Host) -> String {
    host.enter(|| fs::read_to_string("/proc/thread-self/net/ip_vs")).expect("the table")
}

fn lines(host: &Host) -> usize {
    table(host).lines().count()
}

/// Three lines of headings, and the switched service with its server.
fn lines_of_all() -> usize {
    (3 + 2 + SERVICES + SERVICES * SERVERS) as usize
}

fn servers_of_weight(host: &Host, weight: u32) -> usize {
    let (text, weight) = (table(host), weight.to_string());
    let weight = |line: &&str| line.split_whitespace().nth(3) == Some(weight.as_str());
    text.lines().filter(|line| line.contains("->")).filter(weight).count()
}

fn within_seconds(what: &str, began: Instant, holds: impl FnMut() -> bool) {
    eventually(what, Duration::from_secs(30), holds);
    println!("{what} took {:.2?}", began.elapsed());
}
