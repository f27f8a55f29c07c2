//! net_namespace_ipvs: the table is in one network namespace, checks run in another.

use std::os::unix::fs::symlink;

use crate::checks::{BOTH, HTTP, ONLY_2, service, tcp_check};
use crate::configs::{Farm, SOON, with_globals};
use crate::for_each_program;
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Host, Lab, Program, eventually, eventually_eq, run};

for_each_program!(the_table_is_in_the_named_namespace_and_checks_are_not);

/// Lets programs on `host` find `other` by this name.
fn name_namespace(host: &Host, name: &str, other: &Host) {
    let named = host.dir.join("run/netns");
    std::fs::create_dir_all(&named).expect("a directory");
    symlink(other.netns(), named.join(name)).expect("a symbolic link");
}

/// One with a route to the servers, which IPVS asks for, and nobody on it.
fn elsewhere(lab: &Lab) -> Host {
    let host = Host::unplugged(&lab.dir, "elsewhere");
    host.ip("link add d0 type dummy\naddr add 192.0.2.11/24 dev d0\nlink set d0 up");
    host
}

fn the_table_is_in_the_named_namespace_and_checks_are_not(lab: &Lab, program: Program) {
    let mut farm = Farm::new(lab);
    let other = elsewhere(lab);
    name_namespace(&farm.lb1, "blue", &other);
    let config = with_globals(&service("", [tcp_check(), tcp_check()]));
    let config = format!("net_namespace_ipvs blue\n{config}");
    let director = Director::start(&farm.lb1, program, config);
    eventually_eq("the table", SOON, BOTH, || other.ipvs().servers(HTTP));
    assert_eq!(farm.lb1.ipvs().to_string(), "(empty)");
    farm.server1.die();
    eventually_eq("web1 is out", SOON, ONLY_2, || other.ipvs().servers(HTTP));
    director.stop();
    assert_eq!(other.ipvs().to_string(), "(empty)");
}

#[test]
fn without_a_name_it_is_the_namespace_of_the_start_with_its_sync_daemons() {
    run("ipvs_namespace::start", |lab: &Lab| {
        let farm = Farm::new(lab);
        let start = elsewhere(lab);
        name_namespace(&start, "green", &farm.lb1);
        let sync = "    lvs_sync_daemon d0\n";
        let config = with_globals(&service("", [tcp_check(), tcp_check()]));
        let config = config.replacen("global_defs {\n", &format!("global_defs {{\n{sync}"), 1);
        let config = format!("net_namespace green\nnet_namespace_ipvs\n{config}");
        let director = Director::start(&start, Mainstay, &config);
        eventually_eq("the table", SOON, BOTH, || start.ipvs().servers(HTTP));
        let daemons = || start.run("ipvsadm -L --daemon").lines().count();
        eventually("the daemons are there, too", SOON, || daemons() == 2);
        assert_eq!(farm.lb1.ipvs().to_string(), "(empty)");

        let from = director.log().len();
        director.reload(config.replace("net_namespace_ipvs", "net_namespace_ipvs green"));
        director.wait_for_log(
            from,
            "another net_namespace_ipvs, which holds until a restart",
            SOON,
        );
        director.stop();
        assert_eq!((start.ipvs().to_string().as_str(), daemons()), ("(empty)", 0));
    });
}
