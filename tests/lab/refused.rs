//! What this kernel will not take: told, tried again, not counted, and no hindrance to anything else.

use std::time::Duration;

use crate::configs::{SOON, VIP, with_globals};
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Lab, eventually, eventually_eq, run, throughout};
use crate::switched::{SERVICE, Switched, server};

/// Row 36. The lab's kernel has no `twos`. keepalived 2.2.7 calls the service up and never tries again.
#[test]
fn a_missing_scheduler_means_no_quorum_until_it_is_there() {
    run("refused::scheduler", |lab: &Lab| {
        let lab = Switched::new(lab);
        let servers = [lab.server("1", 3, ""), lab.server("2", 2, "")];
        let config = lab.service("", &servers).replace("lvs_sched rr", "lvs_sched twos");
        let other = with_globals(&format!(
            "virtual_server {VIP} 81 {{\n    delay_loop 1\n    lvs_sched rr\n    lvs_method NAT\n    protocol TCP\n{}}}\n",
            server("192.0.2.113", 1, &lab.check("3", ""))
        ));
        let config = config + &other;
        let director = Director::start(&lab.host, Mainstay, &config);
        let told =
            "scheduler twos is not in this kernel (module ip_vs_twos); trying again every 5s";
        director.wait_for_log(0, told, SOON);
        assert!(director.dump().contains("refused by the kernel"), "{}", director.dump());
        eventually("they are checked", SOON, || lab.runs("1") > 2);
        assert_eq!(lab.told(), [""; 0], "no quorum, and no server that came or went");

        // The other service goes its way meanwhile, and not only each five seconds.
        let elsewhere = || lab.host.ipvs().servers("TCP 192.0.2.142:81");
        for (status, table) in [(1, ""), (0, "192.0.2.113:81/1"), (1, "")] {
            lab.set("3", status);
            let table = table.replace(":81", ":80");
            eventually_eq("the other service follows", SOON, table, elsewhere);
        }
        let said = director.log().matches("scheduler twos is not in this kernel").count();
        assert!(said <= 2, "said {said} times");

        director.reload(config.replace("lvs_sched twos", "lvs_sched rr"));
        lab.becomes("both serve", "192.0.2.111:80/3 192.0.2.112:80/2");
        eventually("now it has its quorum", SOON, || lab.told() == ["quorum up"]);
    });
}

/// Row 37. keepalived 2.2.7 counts a server as alive that the kernel has refused.
#[test]
fn a_lower_threshold_alone_is_told_and_the_server_serves() {
    run("refused::threshold", |lab: &Lab| {
        let lab = Switched::new(lab);
        let alone = lab.server("1", 3, "").replace("weight 3", "weight 3\n        lthreshold 5");
        let director = Director::start(&lab.host, Mainstay, lab.service("", &[alone]));
        lab.becomes("it serves", "192.0.2.111:80/3");
        assert!(director.log().contains("lthreshold is above uthreshold"), "{}", director.log());
    });
}

/// A sorry server serves in the place of servers that the kernel refuses, here for a multicast address, and
/// nothing goes to and fro.
#[test]
fn servers_that_are_refused_leave_their_place_to_the_sorry_server() {
    run("refused::sorry", |lab: &Lab| {
        let lab = Switched::new(lab);
        let refused = server("224.0.0.9", 1, "");
        let config = lab.service("    sorry_server 192.0.2.119 80", &[refused]);
        let director = Director::start(&lab.host, Mainstay, &config);
        lab.becomes("the sorry server alone", "192.0.2.119:80/1");
        let stays = || match lab.host.ipvs().servers(SERVICE) {
            table if table == "192.0.2.119:80/1" => Ok(()),
            table => Err(table),
        };
        // Longer than the pause before it is tried again.
        throughout("it stays", Duration::from_secs(7), stays);
        assert!(director.log().contains("cannot add 224.0.0.9:80"), "{}", director.log());
        assert_eq!(lab.told(), ["quorum down"]);
    });
}
