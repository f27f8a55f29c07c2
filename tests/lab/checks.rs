//! Health checks: each kind of failure takes out exactly the server it concerns, and its end brings
//! it back. keepalived's first failure after a start counts at once; the tests let servers come up first.

use std::time::Duration;

use crate::configs::{Farm, PAGE_1, PAGE_2, SOON, VIP, start_checks};
use crate::for_each_program;
use crate::harness::{Lab, Program, WebServer, eventually, eventually_eq, fetch, seconds};

for_each_program!(
    a_wrong_digest_removes_that_server_until_the_page_is_right_again,
    a_wrong_status_code_removes_that_server,
    a_dead_server_is_removed_within_delay_loop_and_retries,
    a_failing_script_removes_that_server,
    a_dynamic_script_sets_the_weight,
    inhibit_on_failure_keeps_the_server_with_weight_0,
    with_alpha_a_server_is_absent_until_its_first_success,
    without_a_quorum_the_sorry_server_answers,
    checks_ask_what_they_are_told_to_ask,
);

pub const HTTP: &str = "TCP 192.0.2.142:80";
pub const BOTH: &str = "192.0.2.101:80/1 192.0.2.102:80/1";
pub const ONLY_2: &str = "192.0.2.102:80/1";

/// MD5 of the tutorial's two pages, as `genhash` prints them.
const DIGESTS: [&str; 2] = ["5f2b4547f41470dc3e293e7267461575", "fe020663a9ac3e61b71f6921d423251d"];

/// A service on the VIP: `checks` are the two servers' blocks, `extra` goes into the service's own.
pub fn service(extra: &str, checks: [String; 2]) -> String {
    let [first, second] = checks;
    let real = |address, check| {
        format!("    real_server {address} 80 {{\n        weight 1\n{check}\n    }}\n")
    };
    format!(
        "virtual_server {VIP} 80 {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n{extra}\n{}{}}}\n",
        real("192.0.2.101", first),
        real("192.0.2.102", second)
    )
}

fn http_get(expectation: &str) -> String {
    format!(
        "        HTTP_GET {{\n            url {{\n                path /service.txt\n                {expectation}\n            }}\n            \
         connect_timeout 2\n            retry 1\n            delay_before_retry 1\n        }}"
    )
}

pub fn tcp_check() -> String {
    "        TCP_CHECK {\n            connect_timeout 2\n            retry 1\n            delay_before_retry 1\n        }".into()
}

fn misc_check(path: &str, extra: &str) -> String {
    format!(
        "        MISC_CHECK {{\n            misc_path \"{path}\"\n            misc_timeout 2\n{extra}\n        }}"
    )
}

pub fn table_becomes(farm: &Farm, what: &str, expected: &str) {
    eventually_eq(what, SOON, expected, || farm.lb1.ipvs().servers(HTTP));
}

fn a_wrong_digest_removes_that_server_until_the_page_is_right_again(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let checks = DIGESTS.map(|digest| http_get(&format!("digest {digest}")));
    let _director = start_checks(&farm.lb1, program, &service("", checks));
    table_becomes(&farm, "both serve", BOTH);
    eventually("both are checked", SOON, || checked(&farm.server1) && checked(&farm.server2));
    farm.server1.set_page("/service.txt", PAGE_2);
    table_becomes(&farm, "web1 is out", ONLY_2);
    farm.server1.set_page("/service.txt", PAGE_1);
    table_becomes(&farm, "web1 is back", BOTH);
}

fn a_wrong_status_code_removes_that_server(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let config = service("", [http_get("status_code 200"), http_get("status_code 200")]);
    let _director = start_checks(&farm.lb1, program, &config);
    table_becomes(&farm, "both serve", BOTH);
    eventually("both are checked", SOON, || checked(&farm.server1) && checked(&farm.server2));
    farm.server1.remove_page("/service.txt");
    table_becomes(&farm, "web1 is out", ONLY_2);
    farm.server1.set_page("/service.txt", "anything");
    table_becomes(&farm, "web1 is back", BOTH);
}

/// delay_loop 1 s, one retry after 1 s, connections refused at once: 2 s, and one more for the machine.
/// One that is held up may be for longer, but not each time.
fn a_dead_server_is_removed_within_delay_loop_and_retries(lab: &Lab, program: Program) {
    let mut farm = Farm::new(lab);
    let _director = start_checks(&farm.lb1, program, &service("", [tcp_check(), tcp_check()]));
    let mut stays = Vec::new();
    for _ in 0..3 {
        table_becomes(&farm, "both serve", BOTH);
        let died = std::time::SystemTime::now();
        farm.server1.die();
        table_becomes(&farm, "web1 is out", ONLY_2);
        stays.push(seconds(died, std::time::SystemTime::now()));
        farm.server1 = WebServer::start(&farm.web1, "0.0.0.0:80", &[]);
        table_becomes(&farm, "web1 is back", BOTH);
    }
    assert!(stays.iter().any(|seconds| *seconds <= 3.0), "web1 stayed for {stays:.3?} s");
}

fn a_failing_script_removes_that_server(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let script = farm.lb1.script("check", &format!("[ ! -e {}/fail-$1 ]", farm.lb1.dir.display()));
    let checks = ["1", "2"].map(|server| misc_check(&format!("{} {server}", script.display()), ""));
    let _director = start_checks(&farm.lb1, program, &service("", checks));
    table_becomes(&farm, "both serve", BOTH);
    let flag = farm.lb1.write("fail-1", "");
    table_becomes(&farm, "web1 is out", ONLY_2);
    std::fs::remove_file(flag).expect("remove the flag");
    table_becomes(&farm, "web1 is back", BOTH);

    // A script that never answers fails too, by its deadline.
    farm.lb1.script("check", "[ $1 = 2 ] || sleep 1000");
    table_becomes(&farm, "web1 is out again", ONLY_2);
}

/// Exit status n of 2 to 255 means weight n − 2.
fn a_dynamic_script_sets_the_weight(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let status = farm.lb1.write("status", "0");
    let script = farm.lb1.script("check", &format!("exit $(cat {})", status.display()));
    let dynamic = misc_check(&script.display().to_string(), "            misc_dynamic");
    let _director = start_checks(&farm.lb1, program, &service("", [dynamic, tcp_check()]));
    table_becomes(&farm, "both serve", BOTH);
    farm.lb1.write("status", "9");
    table_becomes(&farm, "web1 has weight 7", "192.0.2.101:80/7 192.0.2.102:80/1");
    farm.lb1.write("status", "1");
    table_becomes(&farm, "web1 is out", ONLY_2);
    farm.lb1.write("status", "0");
    table_becomes(&farm, "web1 has its own weight", BOTH);
}

fn inhibit_on_failure_keeps_the_server_with_weight_0(lab: &Lab, program: Program) {
    let mut farm = Farm::new(lab);
    let inhibited = format!("        inhibit_on_failure\n{}", tcp_check());
    let _director = start_checks(&farm.lb1, program, &service("", [inhibited, tcp_check()]));
    table_becomes(&farm, "both serve", BOTH);
    farm.server1.die();
    table_becomes(&farm, "web1 gets nothing new", "192.0.2.101:80/0 192.0.2.102:80/1");
    farm.server1 = WebServer::start(&farm.web1, "0.0.0.0:80", &[]);
    table_becomes(&farm, "web1 serves again", BOTH);
}

fn with_alpha_a_server_is_absent_until_its_first_success(lab: &Lab, program: Program) {
    let mut farm = Farm::new(lab);
    farm.server1.die();
    let _director =
        start_checks(&farm.lb1, program, &service("    alpha", [tcp_check(), tcp_check()]));
    table_becomes(&farm, "only web2 serves", ONLY_2);
    farm.server1 = WebServer::start(&farm.web1, "0.0.0.0:80", &[]);
    table_becomes(&farm, "web1 serves", BOTH);
}

fn without_a_quorum_the_sorry_server_answers(lab: &Lab, program: Program) {
    let mut farm = Farm::new(lab);
    let sorry = farm.lan.host("sorry", "192.0.2.103/24");
    crate::configs::hold_silently(&sorry, "lo");
    let _sorry_server = WebServer::start(&sorry, "0.0.0.0:80", &[("/", "sorry")]);
    let extra = "    quorum 2\n    sorry_server 192.0.2.103 80";
    let _director = start_checks(&farm.lb1, program, &service(extra, [tcp_check(), tcp_check()]));
    table_becomes(&farm, "both serve", BOTH);
    farm.server1.die();
    table_becomes(&farm, "the sorry server alone", "192.0.2.103:80/1");
    let answer =
        fetch(&farm.client, &format!("{VIP}:80"), "/").unwrap_or_else(|error| error.to_string());
    assert_eq!(answer, "sorry");
    farm.server1 = WebServer::start(&farm.web1, "0.0.0.0:80", &[("/", "It works Web1")]);
    table_becomes(&farm, "both serve again", BOTH);
}

/// Several urls in turn, each with its own host name, on another port and from an address of ours.
fn checks_ask_what_they_are_told_to_ask(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let pages = [("/a", "a"), ("/b", "b")];
    let status = WebServer::start(&farm.web1, "192.0.2.101:8080", &pages);
    let check = "        HTTP_GET {
            url {
                path /a
                virtualhost a.example
                status_code 200
            }
            url {
                path /b
                status_code 200
            }
            virtualhost b.example
            connect_ip 192.0.2.101
            connect_port 8080
            bindto 192.0.2.11
        }";
    let _director = start_checks(&farm.lb1, program, &service("", [check.into(), tcp_check()]));
    table_becomes(&farm, "both serve", BOTH);
    let request = |path: &str, host: &str| {
        let heads = status.requests();
        heads.iter().any(|head| {
            head.starts_with(&format!("GET {path} HTTP/1.0\r\n"))
                && head.contains(&format!("\r\nHost: {host}\r\n"))
        })
    };
    eventually("both urls are asked for", Duration::from_secs(20), || {
        request("/a", "a.example") && request("/b", "b.example")
    });
    let polite =
        status.requests().iter().all(|head| head.contains("\r\nUser-Agent: KeepAliveClient\r\n"));
    assert!(polite, "requests: {:?}", status.requests());
    drop(status);
    table_becomes(&farm, "web1 is out", ONLY_2);
}

fn checked(server: &WebServer) -> bool {
    server.requests().iter().any(|head| head.starts_with("GET /service.txt "))
}
