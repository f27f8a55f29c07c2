//! What a stop tells, and what it leaves in the IPVS table.

use crate::configs::{SOON, VIP, with_globals};
use crate::for_each_program;
use crate::harness::{Director, Host, Lab, Program, eventually, eventually_eq, run};
use crate::switched::{SERVICE, Switched, server};

for_each_program!(
    flush_on_stop_empties_the_whole_table,
    flush_on_stop_of_servers_leaves_foreign_ones,
    a_table_may_be_left_as_it_is,
);

/// Row 50: scripts and FIFO hear of it, the table is empty, time-outs are as before. keepalived 2.2.7 takes its
/// scripts along into its end.
#[test]
fn omega_tells_of_the_stop() {
    run("stopping::omega", omega);
}

fn omega(lab: &Lab) {
    let lab = Switched::new(lab);
    let fifo = lab.host.dir.join("lvs.fifo");
    let reader = lab.host.script("read", &format!("exec cat $1 >>{}/read", lab.host.dir.display()));
    let globals = format!(
        "global_defs {{\n    lvs_timeouts tcp 1000 udp 200\n    lvs_notify_fifo {}\n    lvs_notify_fifo_script {}\n",
        fifo.display(),
        reader.display()
    );
    let config = lab.service("    omega", &[lab.server("1", 3, "")]);
    let director = Director::start(
        &lab.host,
        Program::Mainstay,
        config.replacen("global_defs {\n", &globals, 1),
    );
    lab.becomes("it serves", "192.0.2.111:80/3");
    let timeouts = || lab.host.run("ipvsadm -L --timeout").trim().to_owned();
    eventually_eq("time-outs", SOON, "Timeout (tcp tcpfin udp): 1000 120 200", timeouts);
    eventually("the start is told", SOON, || !lab.told().is_empty());
    lab.forget();
    let (_, status) = director.stop();
    assert!(status.success(), "it ended with {status}");
    // Scripts outlive the director: they may still write.
    eventually("the stop is told", SOON, || {
        let told = lab.told();
        ["quorum down", "1 down"].iter().all(|line| told.iter().any(|each| each == line))
    });
    eventually("the FIFO tells of it", SOON, || {
        let read = lab.host.read("read");
        let server = "RS [192.0.2.111]:tcp:80 [192.0.2.142]:tcp:80 DOWN\n";
        read.contains(server) && read.contains("VS [192.0.2.142]:tcp:80 DOWN\n")
    });
    assert_eq!(timeouts(), "Timeout (tcp tcpfin udp): 900 120 300");
    assert_eq!(lab.host.ipvs().to_string(), "(empty)");
}

fn with_foreign(host: &Host) {
    host.run("ipvsadm -A -t 192.0.2.142:8080 -s sh");
}

fn config(globals: &str) -> String {
    let service = format!(
        "virtual_server {VIP} 80 {{\n    lvs_sched rr\n    lvs_method NAT\n    protocol TCP\n{}}}\n",
        server("192.0.2.111", 3, "")
    );
    with_globals(&service).replacen(
        "global_defs {\n",
        &format!("global_defs {{\n    {globals}\n"),
        1,
    )
}

fn keys(host: &Host) -> Vec<String> {
    host.ipvs().0.iter().map(|service| service.key.clone()).collect()
}

/// Row 51.
fn flush_on_stop_empties_the_whole_table(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let director = Director::start(&lab.host, program, config("lvs_flush_on_stop"));
    lab.becomes("it serves", "192.0.2.111:80/3");
    with_foreign(&lab.host);
    director.stop();
    assert_eq!(keys(&lab.host), [""; 0]);
}

/// Row 51, with `VS`.
fn flush_on_stop_of_servers_leaves_foreign_ones(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let director = Director::start(&lab.host, program, config("lvs_flush_on_stop VS"));
    lab.becomes("it serves", "192.0.2.111:80/3");
    with_foreign(&lab.host);
    director.stop();
    assert_eq!(keys(&lab.host), ["TCP 192.0.2.142:8080"]);
}

/// After a crash; a stop with `--dont-release-ipvs` is the same to the kernel.
fn a_table_may_be_left_as_it_is(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let director = Director::start(&lab.host, program, config(""));
    lab.becomes("it serves", "192.0.2.111:80/3");
    director.kill9();
    assert_eq!(lab.host.ipvs().servers(SERVICE), "192.0.2.111:80/3");
    let _director = Director::start_again(&lab.host, program);
    let from = std::time::Instant::now();
    while from.elapsed() < std::time::Duration::from_secs(3) {
        assert_eq!(lab.host.ipvs().servers(SERVICE), "192.0.2.111:80/3", "no flap");
    }
}
