//! Mail: what is sent is keepalived's, and a bad relay costs nothing.

use std::time::{Duration, Instant};

use crate::configs::{Farm, Pair, SOON, VIP, instance, with_globals};
use crate::harness::Program::{Keepalived, Mainstay};
use crate::harness::{Director, Lab, MailServer, Manner, Program, eventually, eventually_eq, run};

const GLOBALS: &str = "    router_id LB\n    notification_email {\n        admin@example.com\n        \
    ops@example.com\n    }\n    notification_email_from keep@example.com\n    \
    smtp_server 127.0.0.1 25\n    smtp_connect_timeout 5\n";

fn mailing(extra_globals: &str, extra: &str) -> String {
    let head = format!("global_defs {{\n{GLOBALS}{extra_globals}");
    instance(100, extra).replacen("global_defs {\n", &head, 1)
}

/// What `program` sends from its start through a link that is lost and comes back.
fn mails_of(lab: &Lab, program: Program) -> Vec<(Vec<String>, Vec<String>)> {
    let pair = Pair::new(lab);
    let relay = MailServer::start(&pair.r1, Manner::Plain);
    let director = Director::start(&pair.r1, program, mailing("", "    smtp_alert"));
    director.wait_for_state(0, "MASTER");
    let subjects = |number| {
        eventually(&format!("{number} mails"), SOON, || relay.mails().len() == number);
    };
    subjects(2);
    pair.lan.pull_cable(&pair.r1);
    subjects(3);
    pair.lan.mend_cable(&pair.r1);
    subjects(5);
    let mut mails: Vec<_> = relay.mails().into_iter().map(|m| (m.commands, m.lines)).collect();
    for (_, lines) in &mut mails {
        let date = lines.iter_mut().find(|line| line.starts_with("Date: ")).expect("a Date");
        assert_eq!(date.len(), "Date: Wed, 25 Nov 2026 18:02:50 +0000".len(), "{date}");
        date.truncate("Date: ".len());
    }
    // keepalived sends several at a time.
    mails.sort();
    mails
}

#[test]
fn every_line_of_every_mail_is_keepalived_s() {
    run("mail::lines", |lab: &Lab| {
        assert_eq!(mails_of(lab, Mainstay), mails_of(lab, Keepalived));
    });
}

#[test]
fn the_mail_of_a_stop_is_delivered_through_a_slow_relay_of_many_words() {
    run("mail::stop", |lab: &Lab| {
        let pair = Pair::new(lab);
        let relay = MailServer::start(&pair.r1, Manner::Talkative);
        let director = Director::start(&pair.r1, Mainstay, mailing("    smtp_alert\n", ""));
        director.wait_for_state(0, "MASTER");
        director.stop();
        let subject = |what| format!("[LB] VRRP Instance KAV_1 - {what}");
        let expected =
            ["Entering BACKUP state", "Entering MASTER state", "Stopping"].map(subject).to_vec();
        assert_eq!(relay.subjects(), expected);
    });
}

#[test]
fn a_relay_that_says_nothing_holds_up_a_stop_no_longer_than_five_seconds() {
    run("mail::silent", |lab: &Lab| {
        let pair = Pair::new(lab);
        let _relay = MailServer::start(&pair.r1, Manner::Silent);
        let director = Director::start(&pair.r1, Mainstay, mailing("    smtp_alert\n", ""));
        director.wait_for_state(0, "MASTER");
        let before = Instant::now();
        director.stop();
        let took = before.elapsed();
        assert!(took < Duration::from_secs(9), "the stop took {took:?}");
    });
}

#[test]
fn a_relay_that_refuses_is_told_in_the_log_by_its_own_words() {
    run("mail::refusing", |lab: &Lab| {
        let pair = Pair::new(lab);
        let _relay = MailServer::start(&pair.r1, Manner::Refusing);
        let director = Director::start(&pair.r1, Mainstay, mailing("    smtp_alert\n", ""));
        director.wait_for_log(0, "550 no mail from you", SOON);
        director.wait_for_state(0, "MASTER");
    });
}

#[test]
fn no_email_faults_sends_none_for_fault() {
    run("mail::faults", |lab: &Lab| {
        let pair = Pair::new(lab);
        let relay = MailServer::start(&pair.r1, Manner::Plain);
        let globals = "    smtp_alert_vrrp\n    no_email_faults\n";
        let director = Director::start(&pair.r1, Mainstay, mailing(globals, ""));
        director.wait_for_state(0, "MASTER");
        pair.lan.pull_cable(&pair.r1);
        director.wait_for_state(0, "FAULT");
        pair.lan.mend_cable(&pair.r1);
        let subject = |what| format!("[LB] VRRP Instance KAV_1 - Entering {what} state");
        let expected = ["BACKUP", "BACKUP", "MASTER", "MASTER"].map(subject).to_vec();
        eventually_eq("the mails", SOON, expected, || relay.subjects());
    });
}

/// `smtp_alert` is on for real servers and off for virtual ones where nothing is said.
#[test]
fn a_server_that_dies_is_mailed_with_its_quorum() {
    run("mail::server", |lab: &Lab| {
        let mut farm = Farm::new(lab);
        let relay = MailServer::start(&farm.lb1, Manner::Plain);
        let server = format!(
            "virtual_server {VIP} 80 {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind DR\n    \
             protocol TCP\n    smtp_alert\n    real_server 192.0.2.101 80 {{\n        \
             TCP_CHECK {{\n            connect_timeout 2\n            retry 0\n        }}\n    }}\n}}\n"
        );
        let head = format!("global_defs {{\n{GLOBALS}");
        let configuration = with_globals(&server).replacen("global_defs {\n", &head, 1);
        farm.lb1.ip(&format!("addr add {VIP}/32 dev eth0"));
        let _director = Director::start(&farm.lb1, Mainstay, configuration);
        eventually("the mail of the start", SOON, || relay.mails().len() == 1);
        farm.server1.die();
        let expected = [
            "[LB] Realserver [192.0.2.101]:tcp:80 of virtual server [192.0.2.142]:tcp:80 - DOWN",
            "[LB] Virtualserver [192.0.2.142]:tcp:80 - DOWN",
            "[LB] Virtualserver [192.0.2.142]:tcp:80 - UP",
        ];
        eventually_eq("the mails", SOON, expected.map(str::to_owned).to_vec(), || relay.subjects());
        let mails = relay.mails();
        let place = |of| mails.iter().position(|mail| mail.subject() == of).expect("a mail");
        assert!(place(expected[1]) < place(expected[0]), "the quorum first, as keepalived does");
        let has = |body: &str| mails.iter().any(|mail| mail.lines.iter().any(|line| line == body));
        assert!(has("=> Starting with quorum up 1+0=1 <= 1 <="), "{mails:?}");
        assert!(has("=> Lost quorum 1-0=1 > 0 <="), "{mails:?}");
    });
}
