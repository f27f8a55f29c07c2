use super::super::super::plan::{Plan, ProcessMatch};
use crate::config::parse_text;

/// A plan of one instance `VI_1`, with these lines in `global_defs` and in the instance, after `head`;
/// and the codes of what there is to say.
fn plan(head: &str, global: &str, lines: &str) -> (Plan, Vec<&'static str>) {
    let text = format!(
        "{head}\nglobal_defs {{\n{global}\n}}\nvrrp_instance VI_1 {{\n interface eth0\n \
         virtual_router_id 51\n virtual_ipaddress {{\n 192.0.2.10/24\n }}\n{lines}\n}}\n"
    );
    let loaded = parse_text("t", text);
    let codes = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    (loaded.plan, codes)
}

fn codes(head: &str, global: &str, lines: &str) -> Vec<&'static str> {
    plan(head, global, lines).1
}

const MAIL: &str = "smtp_server mail.example.com 587\nnotification_email {\n admin@example.com\n \
                    \"Ops Team <ops@example.com>\"\n}";

#[test]
fn fifos_have_a_path_a_user_and_a_script() {
    let (plan, codes) = plan(
        "",
        "notify_fifo /run/all user group\nnotify_fifo_script \"/bin/reader a b\"\n\
         vrrp_notify_fifo /run/vrrp\nfifo_write_vrrp_states_on_reload",
        "notify_deleted\nnotify_priority_changes",
    );
    assert_eq!(codes, [""; 0]);
    let fifos = plan.global.fifos;
    let all = fifos.all.unwrap();
    assert_eq!(all.path.to_str(), Some("/run/all"));
    assert_eq!(all.user.unwrap().group.as_deref(), Some("group"));
    assert_eq!(all.script.unwrap().argv, ["/bin/reader", "a", "b"]);
    assert_eq!((fifos.vrrp.unwrap().script, fifos.lvs), (None, None));
    assert!(fifos.states_on_reload);
    let notify = &plan.vrrp_instances[0].notify;
    assert!(notify.tells_deleted && notify.deleted.is_none() && notify.priority_changes);
}

#[test]
fn one_path_is_one_fifo() {
    let (plan, codes) = plan("", "lvs_notify_fifo /run/a\nvrrp_notify_fifo /run/a", "");
    assert_eq!(codes, ["duplicate"]);
    assert!(plan.global.fifos.vrrp.is_some() && plan.global.fifos.lvs.is_none());
}

#[test]
fn mail_needs_a_relay_and_somebody_to_write_to() {
    let (plan, found) = plan("", MAIL, "smtp_alert");
    assert_eq!(found, ["looked-up-later"]);
    let mail = plan.global.mail.unwrap();
    assert_eq!((mail.server.as_str(), mail.port), ("mail.example.com", 587));
    assert_eq!(mail.to, ["admin@example.com", "Ops Team <ops@example.com>"]);
    assert!(plan.vrrp_instances[0].notify.mails);
    assert_eq!(codes("", "smtp_alert\nsmtp_server 192.0.2.25", ""), ["mail-goes-nowhere"]);
    assert_eq!(codes("", "smtp_server 192.0.2.25 70000", ""), ["number-out-of-range"]);
    let found = codes("", "notification_email {\n not an address\n}", "");
    assert!(found.contains(&"bad-mail-address"), "{found:?}");
}

/// The instance's own word, then `smtp_alert_vrrp`, then `smtp_alert`, then no.
#[test]
fn what_is_said_nearest_decides_over_mail() {
    let mails = |global: &str, lines: &str| {
        let (plan, found) = plan("", &format!("{MAIL}\n{global}"), lines);
        assert_eq!(found, ["looked-up-later"]);
        plan.vrrp_instances[0].notify.mails
    };
    assert!(!mails("", ""));
    assert!(mails("smtp_alert", ""));
    assert!(!mails("smtp_alert\nsmtp_alert_vrrp off", ""));
    assert!(mails("smtp_alert_vrrp off", "smtp_alert on"));
}

/// The instance, then its group, then the global setting.
#[test]
fn a_group_decides_over_priority_lines_of_its_members() {
    let group = "vrrp_sync_group G {\n group {\n VI_1\n }\n notify_priority_changes\n}";
    let tells = |lines| plan(group, "", lines).0.vrrp_instances[0].notify.priority_changes;
    assert!(tells(""));
    assert!(!tells("notify_priority_changes off"));
}

#[test]
fn a_tracked_process_has_all_it_needs_filled_in() {
    let track = "track_process {\n p\n}";
    let head = "vrrp_track_process p {\n process haproxy -f \"/etc/a b\"\n param_match initial\n \
                quorum 2\n quorum_max 3\n delay 0.5\n weight 20 reverse\n}";
    let (plan, found) = plan(head, "", track);
    assert_eq!(found, [""; 0]);
    let process = &plan.track_processes[0];
    assert_eq!((process.command.as_str(), process.matching), ("haproxy", ProcessMatch::Initial));
    assert_eq!((process.least, process.most), (2, Some(3)));
    assert_eq!(process.up_delay, process.down_delay);
    let tracker = &plan.vrrp_instances[0].trackers[0];
    assert_eq!((tracker.weight, tracker.reverse), (20, true));
}

#[test]
fn a_tracked_process_that_cannot_be_is_pointed_out() {
    let found = |lines: &str| {
        let head = format!("vrrp_track_process p {{\n{lines}\n}}");
        codes(&head, "", "track_process {\n p\n}")
    };
    assert_eq!(found("quorum 1"), ["incomplete-track-process", "unknown-track-process"]);
    assert_eq!(found("process a\nquorum 3\nquorum_max 2"), ["bad-quorum"]);
    assert_eq!(found("process a\nquorum 0"), ["number-out-of-range"]);
    assert_eq!(found("process a\nparam_match most"), ["bad-value"]);
    assert_eq!(found("process a\nweight 300"), ["number-out-of-range"]);
    assert_eq!(found("process a-name-beyond-fifteen"), ["name-too-long"]);
}

#[test]
fn scheduling_takes_what_the_kernel_does() {
    let (plan, found) = plan(
        "child_wait_time 0",
        "vrrp_priority -20\nvrrp_rt_priority 50\nvrrp_cpu_affinity 0 3\numask IWGRP|IRWXO",
        "",
    );
    assert_eq!(found, ["number-out-of-range"], "child_wait_time 0 is taken as 1");
    let scheduling = plan.global.vrrp_scheduling;
    assert_eq!((scheduling.nice, scheduling.real_time), (Some(-20), Some(50)));
    assert_eq!((scheduling.cpus, plan.global.umask), (vec![0, 3], Some(0o027)));
    let bad = ["vrrp_priority 20", "checker_rt_priority 100", "vrrp_cpu_affinity 0 5000"];
    for line in bad {
        assert_eq!(codes("", line, ""), ["number-out-of-range"], "{line}");
    }
    assert_eq!(codes("", "umask 01000", ""), ["bad-value"]);
}
