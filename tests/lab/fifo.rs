//! FIFOs: their lines are keepalived's, octet for octet, and reach the reader.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use crate::configs::{Farm, LB2, Pair, SOON, VIP, instance, with_globals};
use crate::harness::Program::{Keepalived, Mainstay};
use crate::harness::{Director, Forgery, Host, Lab, Program, eventually, eventually_eq, run};

/// A script that keeps each line it reads, in `NAME.read`.
fn reader(host: &Host, name: &str) -> String {
    let kept = host.dir.join(format!("{name}.read"));
    let body = format!("while read -r line; do echo \"$line\" >>{}; done <\"$2\"", kept.display());
    format!("\"{} {name}\"", host.script(&format!("reader.{name}"), &body).display())
}

fn with_fifos(host: &Host, configuration: &str, more: &str) -> String {
    let at = |name: &str| host.dir.join(name).display().to_string();
    let head = format!(
        "global_defs {{\n    notify_fifo {}\n    notify_fifo_script {}\n    vrrp_notify_fifo {}\n    \
         vrrp_notify_fifo_script {}\n{more}",
        at("all.fifo"),
        reader(host, "all"),
        at("vrrp.fifo"),
        reader(host, "vrrp"),
    );
    configuration.replacen("global_defs {\n", &head, 1)
}

/// What `program` writes from its start, through a change of priority, an advert of a lower priority,
/// and a link that is lost and comes back.
fn lines_of(lab: &Lab, program: Program) -> [String; 2] {
    let pair = Pair::new(lab);
    let number = pair.r1.write("number", "0\n");
    let block = instance(100, "    notify_priority_changes\n    track_file {\n        n\n    }");
    let block = format!(
        "{}\ntrack_file n {{\n    file {}\n    weight 1\n}}\n{}",
        &block[..block.find("vrrp_instance").expect("the instance")],
        number.display(),
        &block[block.find("vrrp_instance").expect("the instance")..]
    );
    let director = Director::start(&pair.r1, program, with_fifos(&pair.r1, &block, ""));
    let lines = |words: &[&str]| {
        let line = |word: &&str| format!("INSTANCE \"KAV_1\" {word}\n");
        let expected: String = words.iter().map(line).collect();
        for name in ["all.read", "vrrp.read"] {
            eventually_eq("the lines read", SOON, expected.clone(), || pair.r1.read(name));
        }
    };
    director.wait_for_state(0, "MASTER");
    lines(&["BACKUP 100", "MASTER 100"]);
    pair.r1.write("number", "7\n");
    lines(&["BACKUP 100", "MASTER 100", "MASTER_PRIORITY 107"]);
    Forgery { priority: 50, ..Forgery::of_the_tutorial(LB2, VIP) }.send_from(&pair.r2);
    let lower = ["BACKUP 100", "MASTER 100", "MASTER_PRIORITY 107", "MASTER_RX_LOWER_PRI 107"];
    lines(&lower);
    pair.lan.pull_cable(&pair.r1);
    lines(&[&lower[..], &["FAULT 107"]].concat());
    pair.lan.mend_cable(&pair.r1);
    lines(&[&lower[..], &["FAULT 107", "BACKUP 107", "MASTER 107"]].concat());
    ["all.read", "vrrp.read"].map(|name| pair.r1.read(name))
}

#[test]
fn every_line_is_keepalived_s_octet_for_octet() {
    run("fifo::lines", |lab: &Lab| {
        let (ours, theirs) = (lines_of(lab, Mainstay), lines_of(lab, Keepalived));
        assert_eq!(ours, theirs);
        assert_eq!(ours[0], ours[1], "both FIFOs have the same");
    });
}

#[test]
fn a_fifo_is_made_for_root_alone_told_of_the_stop_and_removed() {
    run("fifo::stop", |lab: &Lab| {
        let pair = Pair::new(lab);
        let configuration = with_fifos(&pair.r1, &instance(100, ""), "");
        let director = Director::start(&pair.r1, Mainstay, configuration);
        director.wait_for_state(0, "MASTER");
        let fifo = pair.r1.dir.join("all.fifo");
        let found = std::fs::metadata(&fifo).expect("the FIFO");
        assert!(found.file_type().is_fifo());
        assert_eq!(found.permissions().mode() & 0o7777, 0o600);
        director.stop();
        assert!(pair.r1.read("all.read").ends_with("INSTANCE \"KAV_1\" STOP 100\n"));
        assert!(!fifo.exists(), "made by the director, so gone with it");
    });
}

#[test]
fn nobody_reads_for_a_while_and_nothing_is_lost() {
    run("fifo::slow", |lab: &Lab| {
        let pair = Pair::new(lab);
        let fifo = pair.r1.dir.join("fifo");
        let head = format!("global_defs {{\n    vrrp_notify_fifo {}\n", fifo.display());
        let configuration = instance(100, "").replacen("global_defs {\n", &head, 1);
        let director = Director::start(&pair.r1, Mainstay, configuration);
        director.wait_for_state(0, "MASTER");
        // Of each a line of 43 octets: more than twice the pipe's 64 KiB.
        for _ in 0..4_000 {
            Forgery { priority: 50, ..Forgery::of_the_tutorial(LB2, VIP) }.send_from(&pair.r2);
        }
        let heard = || director.counter("advert_rcvd");
        eventually("the adverts are heard", SOON, || heard() > 3_000);
        let heard = heard() as usize;
        let read = pair.r1.dir.join("read");
        let command = format!("timeout 10 cat {} >{}", fifo.display(), read.display());
        let _ = pair.r1.output(std::process::Command::new("sh").args(["-c", &command]));
        let lines = pair.r1.read("read");
        let lower = lines.lines().filter(|line| line.contains("MASTER_RX_LOWER_PRI")).count();
        assert!(lower >= heard, "{lower} lines for {heard} adverts");
        assert!(
            lines.starts_with("INSTANCE \"KAV_1\" BACKUP 100\nINSTANCE \"KAV_1\" MASTER 100\n")
        );
        assert!(!director.log().contains("lost"), "{}", director.log());
    });
}

#[test]
fn a_reload_starts_the_reader_again_and_repeats_the_states() {
    run("fifo::reload", |lab: &Lab| {
        let pair = Pair::new(lab);
        let more = "    fifo_write_vrrp_states_on_reload\n";
        let configuration = with_fifos(&pair.r1, &instance(100, ""), more);
        let director = Director::start(&pair.r1, Mainstay, &configuration);
        director.wait_for_state(0, "MASTER");
        let line = |word: &str| format!("INSTANCE \"KAV_1\" {word} 100\n");
        let first = line("BACKUP") + &line("MASTER");
        // The reload ends the reader, which takes a line octet by octet.
        eventually_eq("the first lines read", SOON, first.clone(), || pair.r1.read("all.read"));
        director.reload(&configuration);
        let all = first + &line("MASTER");
        eventually_eq("the lines read", SOON, all, || pair.r1.read("all.read"));
    });
}

/// What `program` writes of a server that is up from the start and goes; clients reach it by `reach`, which
/// `group` defines if it is a group.
fn lvs_lines_of(lab: &Lab, program: Program, reach: &str, group: &str) -> String {
    let mut farm = Farm::new(lab);
    let host = &farm.lb1;
    let server = format!(
        "{group}virtual_server {reach} {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind DR\n    \
         protocol TCP\n    real_server 192.0.2.101 80 {{\n        TCP_CHECK {{\n            \
         connect_timeout 2\n            retry 0\n        }}\n    }}\n}}\n"
    );
    let head = format!(
        "global_defs {{\n    lvs_notify_fifo {}\n    lvs_notify_fifo_script {}\n    \
         rs_init_notifies\n",
        host.dir.join("lvs.fifo").display(),
        reader(host, "lvs")
    );
    let configuration = with_globals(&server).replacen("global_defs {\n", &head, 1);
    host.ip(&format!("addr add {VIP}/32 dev eth0"));
    let _director = Director::start(host, program, configuration);
    eventually("the start is read", SOON, || host.read("lvs.read").contains("VS "));
    farm.server1.die();
    let read = || farm.lb1.read("lvs.read");
    eventually("the failure of both is read", SOON, || read().matches("DOWN").count() == 2);
    read()
}

#[test]
fn every_line_of_servers_is_keepalived_s_octet_for_octet() {
    run("fifo::lvs", |lab: &Lab| {
        let reach = format!("{VIP} 80");
        let ours = lvs_lines_of(lab, Mainstay, &reach, "");
        assert_eq!(ours, lvs_lines_of(lab, Keepalived, &reach, ""));
        assert!(ours.starts_with("RS [192.0.2.101]:tcp:80 [192.0.2.142]:tcp:80 UP\n"), "{ours}");
    });
}

/// Servers of a group have the protocol of its virtual server, unless marks alone reach them.
#[test]
fn servers_of_a_group_are_told_of_as_keepalived_does() {
    run("fifo::group", |lab: &Lab| {
        let address = "192.0.2.142 80";
        for (lines, protocol) in [
            ("fwmark 7".to_owned(), "none"),
            (format!("fwmark 7\n    {address}"), "tcp"),
            (format!("{address}\n    fwmark 7"), "tcp"),
        ] {
            let group = format!("virtual_server_group web {{\n    {lines}\n}}\n");
            let ours = lvs_lines_of(lab, Mainstay, "group web", &group);
            assert_eq!(ours, lvs_lines_of(lab, Keepalived, "group web", &group), "{lines}");
            let first = format!("RS [192.0.2.101]:{protocol}:80 [web]:0 UP\n");
            assert!(ours.starts_with(&first), "{lines}: {ours}");
        }
    });
}
