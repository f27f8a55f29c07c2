use crate::config::plan::{BfdInstance, Checker, Tracker};
use crate::config::{Loaded, Verdict, parse_text};
use crate::probe::Probe;
use crate::vrrp::Tracked;
use std::time::Duration;

const NEIGHBOR: &str = "neighbor_ip 192.0.2.2";

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|finding| finding.code).collect()
}

/// The sessions of blocks with these lines, each with its neighbour, called a, b and so on.
fn read(blocks: &[&str]) -> (Vec<BfdInstance>, Vec<&'static str>) {
    let block = |(name, lines): (char, &&str)| format!("bfd_instance {name} {{\n{lines}\n}}\n");
    let text: String = ('a'..).zip(blocks).map(block).collect();
    let loaded = parse_text("t", text);
    let codes = codes(&loaded);
    (loaded.plan.bfd_instances, codes)
}

/// The only session, and what there is to say of it.
fn one(lines: &str) -> (BfdInstance, Vec<&'static str>) {
    let (mut sessions, codes) = read(&[&format!("{NEIGHBOR}\n{lines}")]);
    assert_eq!(sessions.len(), 1, "{lines}: {codes:?}");
    (sessions.remove(0), codes)
}

#[test]
fn a_session_has_keepaliveds_defaults() {
    let (session, codes) = one("");
    assert_eq!(codes, [""; 0]);
    let ms = Duration::from_millis;
    let settings = &session.settings;
    assert_eq!((settings.min_rx, settings.min_tx, settings.idle_tx), (ms(10), ms(10), ms(1000)));
    assert_eq!((settings.multiplier, settings.passive), (5, false));
    assert_eq!((session.ttl, settings.least_ttl), (255, 255));
    assert_eq!((session.endpoint.source, session.endpoint.multihop), (None, false));
    assert!(session.for_vrrp && session.for_checkers);
}

#[test]
fn a_session_takes_its_keywords() {
    let (session, codes) =
        one("source_ip 192.0.2.1\nmin_rx 3.312\nmin_tx 50\nidle_tx 1500\nmultiplier 3\npassive\n\
         ttl 200\nmax_hops 4\nmultihop\nchecker");
    assert_eq!(codes, [""; 0]);
    let settings = &session.settings;
    assert_eq!(settings.min_rx, Duration::from_micros(3312));
    assert_eq!(settings.min_tx, Duration::from_millis(50));
    assert_eq!(settings.idle_tx, Duration::from_millis(1500));
    assert_eq!((settings.multiplier, settings.passive), (3, true));
    assert_eq!((session.ttl, settings.least_ttl), (200, 196));
    assert_eq!(session.endpoint.source, Some("192.0.2.1".parse().unwrap()));
    assert!(session.endpoint.multihop);
    assert_eq!((session.for_vrrp, session.for_checkers), (false, true));
}

/// What keepalived 2.2.7 takes and refuses, tried one by one.
#[test]
fn bad_lines_are_ignored_with_a_finding() {
    for (lines, code) in [
        ("min_rx 0.5", "number-out-of-range"),
        ("min_tx 4294968", "number-out-of-range"),
        ("idle_tx 500", "number-out-of-range"),
        ("min_rx fast", "not-a-number"),
        ("min_rx 3.3125", "rounded"),
        ("min_tx 20000", "suspicious-time"),
        ("multiplier 0", "number-out-of-range"),
        ("multiplier 256", "number-out-of-range"),
        ("ttl 0", "number-out-of-range"),
        ("max_hops 256", "number-out-of-range"),
        ("max_hops -1", "rounded"),
        ("ttl 10\nmax_hops 20", "number-out-of-range"),
        ("weight 300", "number-out-of-range"),
        ("weight 5 foo", "bad-value"),
        ("multihop maybe", "bad-value"),
        ("source_ip 192.0.2.256", "bad-address"),
    ] {
        assert_eq!(one(lines).1, [code], "{lines}");
    }
}

#[test]
fn a_session_that_cannot_be_is_left_out() {
    let longest = "a".repeat(32);
    for (text, code) in [
        ("bfd_instance a {\n}".to_owned(), "incomplete-bfd"),
        ("bfd_instance a {\nneighbor_ip foo.example\n}".to_owned(), "unresolved-host"),
        (format!("bfd_instance a {{\n{NEIGHBOR}\nsource_ip ::1\n}}"), "mixed-families"),
        (format!("bfd_instance {longest} {{\n{NEIGHBOR}\n}}"), "name-too-long"),
    ] {
        let loaded = parse_text("t", text.as_str());
        assert_eq!(loaded.plan.bfd_instances, [], "{text}");
        assert_eq!(codes(&loaded), [code], "{text}");
        assert_eq!(loaded.verdict, Verdict::Complaints, "{text}");
    }
}

#[test]
fn the_first_of_two_with_one_name_or_the_same_addresses_counts() {
    let (sessions, codes) = read(&[
        NEIGHBOR,
        NEIGHBOR,
        "neighbor_ip 192.0.2.2\nsource_ip 192.0.2.1",
        "neighbour_ip 192.0.2.2\nmultihop",
    ]);
    let names: Vec<&str> = sessions.iter().map(|each| &*each.name).collect();
    assert_eq!((names, codes), (vec!["a", "c", "d"], vec!["duplicate"]));
    let twice = format!("bfd_instance a {{\n{NEIGHBOR}\n}}\n").repeat(2);
    assert_eq!(self::codes(&parse_text("t", twice)), ["duplicate"]);
}

/// keepalived's own IPv6 packets come with 64; one hop less is not from this link.
#[test]
fn ipv6_packets_with_keepaliveds_hop_limit_are_taken() {
    let of = |lines: &str| {
        let (sessions, _) = read(&[&format!("neighbor_ip 2001:db8::2\n{lines}")]);
        (sessions[0].ttl, sessions[0].settings.least_ttl)
    };
    assert_eq!(of(""), (255, 64));
    assert_eq!(of("hoplimit 255"), (255, 255));
    assert_eq!(of("max_hops 3"), (255, 61));
    assert_eq!(of("max_hops 255"), (255, 0));
}

/// What an instance tracks, after the blocks of `head`.
fn tracked(head: &str, lines: &str) -> (Vec<Tracker>, Vec<&'static str>) {
    let text = format!(
        "{head}\nvrrp_instance V {{\n state BACKUP\n interface eth0\n virtual_router_id 5\n \
         priority 100\n virtual_ipaddress {{\n 192.0.2.50/24\n }}\n track_bfd {{\n{lines}\n }}\n}}\n"
    );
    let loaded = parse_text("t", text);
    let codes = codes(&loaded);
    (loaded.plan.vrrp_instances[0].trackers.clone(), codes)
}

#[test]
fn track_bfd_begins_with_what_the_session_says() {
    let head = format!("bfd_instance a {{\n{NEIGHBOR}\nweight -7 reverse\n}}");
    let of = |lines: &str| {
        let (trackers, codes) = tracked(&head, lines);
        let [Tracker { what: Tracked::Bfd(name), weight, reverse }] = &trackers[..] else {
            panic!("{trackers:?} {codes:?}")
        };
        assert_eq!(&**name, "a");
        (*weight, *reverse, codes)
    };
    assert_eq!(of("a"), (-7, true, vec![]));
    assert_eq!(of("a weight 253 noreverse"), (253, false, vec![]));
    assert_eq!(of("a weight 0"), (0, true, vec![]));
    assert_eq!(of("a weight 300"), (-7, true, vec!["number-out-of-range"]));
    assert_eq!(of("a\na"), (-7, true, vec!["duplicate"]));
}

#[test]
fn a_session_that_vrrp_does_not_hear_of_cannot_be_tracked() {
    let head = format!("bfd_instance a {{\n{NEIGHBOR}\nchecker\n}}");
    assert_eq!(tracked(&head, "a"), (vec![], vec!["unknown-bfd"]));
    assert_eq!(tracked(&head, "b"), (vec![], vec!["unknown-bfd"]));
    let both = format!("bfd_instance a {{\n{NEIGHBOR}\nchecker\nvrrp\n}}");
    assert_eq!(tracked(&both, "a").1, [""; 0]);
}

/// The checkers of a real server, after the blocks of `head`.
fn checkers(head: &str, lines: &str) -> (Vec<Checker>, Vec<&'static str>) {
    let text = format!(
        "{head}\nvirtual_server 192.0.2.10 80 {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n \
         real_server 198.51.100.1 80 {{\n{lines}\n }}\n}}\n"
    );
    let loaded = parse_text("t", text);
    let codes = codes(&loaded);
    (loaded.plan.virtual_servers[0].real_servers[0].checkers.to_vec(), codes)
}

#[test]
fn bfd_check_follows_a_session_defined_above() {
    let head = format!("bfd_instance a {{\n{NEIGHBOR}\n}}");
    let (found, codes) = checkers(&head, "BFD_CHECK {\n name a\n alpha\n}");
    assert_eq!(codes, [""; 0]);
    assert!(found[0].timing.alpha);
    let Probe::Bfd(probe) = &found[0].probe else { panic!("{found:?}") };
    assert_eq!(&*probe.session, "a");

    let (found, codes) = checkers("", "BFD_CHECK {\n name a\n}");
    assert_eq!((found, codes), (vec![], vec!["unknown-bfd"]));
    let vrrp_only = format!("bfd_instance a {{\n{NEIGHBOR}\nvrrp\n}}");
    let (found, codes) = checkers(&vrrp_only, "BFD_CHECK {\n name a\n}");
    assert_eq!((found, codes), (vec![], vec!["unknown-bfd"]));
}

#[test]
fn a_server_follows_each_session_once() {
    let head = format!("bfd_instance a {{\n{NEIGHBOR}\n}}\nbfd_instance b {{\nneighbor_ip ::2\n}}");
    let check = |name: &str| format!("BFD_CHECK {{\n name {name}\n}}\n");
    let lines = [check("a"), check("b"), check("a")].concat();
    let (found, codes) = checkers(&head, &lines);
    assert_eq!((found.len(), codes), (2, vec!["duplicate"]));
}

#[test]
fn the_bfd_thread_has_its_own_scheduling() {
    let text = "global_defs {\n bfd_priority -5\n bfd_rt_priority 20\n bfd_cpu_affinity 0 1\n}";
    let loaded = parse_text("t", text);
    let scheduling = &loaded.plan.global.bfd_scheduling;
    assert_eq!((scheduling.nice, scheduling.real_time), (Some(-5), Some(20)));
    assert_eq!(scheduling.cpus, [0, 1]);
    assert_eq!(codes(&loaded), [""; 0]);
}
