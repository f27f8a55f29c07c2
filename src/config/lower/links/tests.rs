use super::*;
use crate::config::parse_text;
use crate::config::plan::Plan;

/// A plan with one instance on eth0 that has these lines, and this before it; and the codes of
/// what there is to say.
fn plan(before: &str, lines: &str) -> (Plan, Vec<&'static str>) {
    let text = format!(
        "{before}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 5\n \
         virtual_ipaddress {{\n 192.0.2.50\n }}\n{lines}\n}}\n"
    );
    let loaded = parse_text("t", text);
    let codes = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    (loaded.plan, codes)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn link_delays_are_seconds_and_without_an_up_delay_there_is_none() {
    let delays = "interface_up_down_delays {\n eth0 0.5 1.25\n eth1 255\n}";
    let (plan, codes) = plan(delays, "");
    let expected = [
        ("eth0".to_owned(), LinkDelays { down: millis(500), up: millis(1250) }),
        ("eth1".to_owned(), LinkDelays { down: millis(255_000), up: millis(0) }),
    ];
    assert_eq!((plan.link_delays.as_slice(), codes.as_slice()), (&expected[..], &[][..]));
}

/// 2 × 1 s less 1/256 s: what is left of three adverts when the last one was just heard.
#[test]
fn a_down_delay_is_no_longer_than_the_peers_wait() {
    let (plan, codes) = plan("interface_up_down_delays {\n eth0 5\n}", "");
    assert_eq!(codes, ["delay-too-long"]);
    assert_eq!(plan.link_delays[0].1.down, Duration::from_nanos(1_996_093_750));
}

/// Where one missing advert is enough for the others, no delay is left.
#[test]
fn peers_that_wait_for_one_advert_leave_no_delay() {
    let (plan, codes) = plan("interface_up_down_delays {\n eth0 5\n}", "down_timer_adverts 1");
    assert!(codes.contains(&"delay-too-long"), "{codes:?}");
    assert_eq!(plan.link_delays[0].1.down, Duration::ZERO);
}

#[test]
fn bad_link_delays_are_left_out_and_told() {
    for (line, code) in [
        ("eth0", "missing-value"),
        ("eth0 256", "number-out-of-range"),
        ("eth0 -1", "number-out-of-range"),
        ("eth0 soon", "number-out-of-range"),
        ("eth0 1 soon", "number-out-of-range"),
    ] {
        let (plan, codes) = plan(&format!("interface_up_down_delays {{\n {line}\n}}"), "");
        assert_eq!((plan.link_delays.len(), codes), (0, vec![code]), "{line}");
    }
    let twice = "interface_up_down_delays {\n eth0 1\n eth0 2\n}";
    assert_eq!(plan(twice, "").1, ["duplicate"]);
}

#[test]
fn announcements_are_spaced_out_by_interface_and_by_group() {
    let before = "global_defs {\n vrrp_garp_interval 0.01\n}\n\
                  garp_group {\n garp_interval 0.1\n gna_interval 0.2\n interfaces {\n eth0\n eth1\n }\n}";
    let (plan, codes) = plan(before, "");
    let pacing = &plan.global.pacing;
    assert_eq!(codes, [""; 0]);
    assert_eq!(pacing.gaps, Gaps { arp: millis(10), neighbour: millis(0) });
    let names = vec!["eth0".to_owned(), "eth1".to_owned()];
    assert_eq!(pacing.groups, [(names, Gaps { arp: millis(100), neighbour: millis(200) })]);
}

#[test]
fn a_garp_group_that_limits_nothing_is_told() {
    for lines in ["interface eth0", "garp_interval 1", "garp_interval 0\n interface eth0"] {
        let (plan, codes) = plan(&format!("garp_group {{\n {lines}\n}}"), "");
        assert_eq!((plan.global.pacing.groups.len(), codes), (0, vec!["empty-garp-group"]));
    }
}

#[test]
fn start_up_delays_are_read() {
    let before = "global_defs {\n vrrp_startup_delay 5.5\n vrrp_delay_after_boot 60\n}";
    let (plan, codes) = plan(before, "");
    assert_eq!(codes, [""; 0]);
    assert_eq!(plan.global.startup_delay, millis(5500));
    assert_eq!(plan.global.delay_after_boot, millis(60_000));
}

#[test]
fn timer_expired_backup_needs_nopreempt() {
    let late = |lines: &str| {
        let (plan, codes) = plan("", lines);
        (plan.vrrp_instances[0].router.late_behind, codes)
    };
    assert_eq!(late("nopreempt\n timer_expired_backup"), (Some(254), vec![]));
    assert_eq!(late("nopreempt\n timer_expired_backup 120"), (Some(120), vec![]));
    assert_eq!(late("timer_expired_backup"), (None, vec!["timer-expired-backup-ignored"]));
    assert_eq!(late("nopreempt\n timer_expired_backup 255"), (None, vec!["number-out-of-range"]));
}

#[test]
fn track_src_ip_needs_a_source() {
    let tracked = |lines: &str| {
        let (plan, codes) = plan("", lines);
        (plan.vrrp_instances[0].tracks_source, codes)
    };
    assert_eq!(tracked("track_src_ip\n mcast_src_ip 192.0.2.7"), (true, vec![]));
    assert_eq!(tracked("track_src_ip"), (false, vec!["nothing-to-track"]));
}

#[test]
fn dont_track_primary_ignores_the_own_link() {
    assert!(plan("", "dont_track_primary").0.vrrp_instances[0].ignores_own_link);
    assert!(!plan("", "").0.vrrp_instances[0].ignores_own_link);
}

#[test]
fn polling_of_links_has_no_effect_and_says_so() {
    for before in ["linkbeat_use_polling", "linkbeat_interfaces {\n eth0 MII\n}"] {
        let (_, codes) = plan(before, "");
        assert_eq!(codes, ["no-effect"], "{before}");
    }
}
