//! What somebody else does to our entries in the IPVS table is put right without being told.

use crate::checks::{BOTH, HTTP, service, table_becomes, tcp_check};
use crate::configs::{Farm, SOON, start_checks};
use crate::harness::{Lab, Program, eventually_eq, run};

#[test]
fn removed_and_changed_entries_come_back_and_foreign_ones_stay() {
    run("drift::removed_and_changed_entries_come_back", |lab: &Lab| {
        let farm = Farm::new(lab);
        let config = service("", [tcp_check(), tcp_check()]);
        let director = start_checks(&farm.lb1, Program::Mainstay, &config);
        table_becomes(&farm, "both serve", BOTH);
        farm.lb1.run("ipvsadm -A -t 192.0.2.150:22 -s rr");
        farm.lb1.run("ipvsadm -d -t 192.0.2.142:80 -r 192.0.2.101:80");
        farm.lb1.run("ipvsadm -e -t 192.0.2.142:80 -r 192.0.2.102:80 -g -w 7");
        table_becomes(&farm, "both are as they were", BOTH);
        director.wait_for_log(0, "somebody else changed the IPVS table", SOON);
        farm.lb1.run("ipvsadm -D -t 192.0.2.142:80");
        table_becomes(&farm, "the whole service is back", BOTH);
        let foreign = "TCP 192.0.2.150:22";
        eventually_eq("the foreign service is untouched", SOON, "", || {
            farm.lb1.ipvs().servers(foreign)
        });
        assert!(farm.lb1.ipvs().service(HTTP).is_some());
    });
}

#[test]
fn connection_timeouts_are_set_and_put_back() {
    run("drift::connection_timeouts", |lab: &Lab| {
        let farm = Farm::new(lab);
        let config = service("", [tcp_check(), tcp_check()]);
        let timeouts = "global_defs {\n    lvs_timeouts tcp 1000 udp 200\n}\n";
        let director = start_checks(&farm.lb1, Program::Mainstay, &(timeouts.to_owned() + &config));
        let shown = || farm.lb1.run("ipvsadm -L --timeout").trim().to_owned();
        let set = "Timeout (tcp tcpfin udp): 1000 120 200";
        eventually_eq("they are as configured", SOON, set, shown);
        director.stop();
        assert_eq!(shown(), "Timeout (tcp tcpfin udp): 900 120 300");
    });
}
