use super::super::super::parse_text;
use super::*;
use crate::config::Loaded;

const INSTANCE: &str = "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n \
                        virtual_ipaddress {\n  192.0.2.10\n }\n EXTRA\n}\n";

fn loaded(globals: &str, extra: &str, servers: &str) -> Loaded {
    let instance = INSTANCE.replace("EXTRA", extra);
    parse_text("t", format!("global_defs {{\n {globals}\n}}\n{instance}{servers}"))
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|finding| finding.code).collect()
}

fn daemons(line: &str) -> (Option<SyncDaemons>, Vec<&'static str>) {
    let loaded = loaded(&format!("lvs_sync_daemon {line}"), "", "");
    let codes = codes(&loaded);
    (loaded.plan.global.sync_daemons, codes)
}

fn plain() -> SyncSettings {
    SyncSettings::new("eth1", 0)
}

#[test]
fn all_options_are_taken_in_any_order() {
    let settings = SyncSettings {
        id: 7,
        max_len: Some(1_400),
        group: Some("224.0.0.82".parse().unwrap()),
        port: Some(8_000),
        ttl: Some(3),
        ..plain()
    };
    let wanted = SyncDaemons { instance: Some("VI_1".to_owned()), settings };
    for line in [
        "eth1 VI_1 id 7 maxlen 1400 port 8000 ttl 3 group 224.0.0.82",
        "eth1 group 224.0.0.82 ttl 3 inst VI_1 port 8000 maxlen 1400 id 7",
    ] {
        assert_eq!(daemons(line), (Some(wanted.clone()), vec![]), "{line}");
    }
}

#[test]
fn the_id_is_the_vrid_of_the_instance_or_0() {
    let both = SyncDaemons { instance: None, settings: plain() };
    assert_eq!(daemons("eth1"), (Some(both), vec![]));
    let settings = SyncSettings { id: 51, ..plain() };
    let followed = SyncDaemons { instance: Some("VI_1".to_owned()), settings };
    assert_eq!(daemons("eth1 inst VI_1").0.as_ref(), Some(&followed));
    assert_eq!(daemons("eth1 VI_1 id 256"), (Some(followed), vec!["number-out-of-range"]));
    let (bare, codes) = daemons("eth1 VI_1 9 ttl 2");
    assert_eq!(bare.map(|each| (each.settings.id, each.settings.ttl)), Some((9, Some(2))));
    assert_eq!(codes, ["deprecated"]);
}

#[test]
fn an_option_that_is_no_good_is_left_out_by_itself() {
    for (line, code) in [
        ("eth1 group 192.0.2.1", "bad-address"),
        ("eth1 group everybody", "unresolved-host"),
        ("eth1 maxlen 0", "number-out-of-range"),
        ("eth1 maxlen 65508", "number-out-of-range"),
        ("eth1 port 0", "number-out-of-range"),
        ("eth1 ttl 0", "number-out-of-range"),
        ("eth1 id", "missing-value"),
        ("eth1 inst VI_1 hops 3", "bad-value"),
    ] {
        let (daemons, codes) = daemons(line);
        assert_eq!(codes, [code], "{line}");
        assert!(daemons.is_some(), "{line}");
    }
}

#[test]
fn without_its_interface_or_its_instance_there_is_none() {
    assert_eq!(daemons("abcdefghijklmnop"), (None, vec!["bad-value"]));
    assert_eq!(daemons("eth1 VI_9"), (None, vec!["sync-daemon-instance"]));
    let twice = loaded("lvs_sync_daemon eth1\n lvs_sync_daemon eth2", "", "");
    assert_eq!(codes(&twice), ["duplicate"]);
    assert_eq!(twice.plan.global.sync_daemons.unwrap().settings.interface, "eth1");
}

#[test]
fn the_line_of_an_instance_counts_where_there_is_no_other() {
    let old = loaded("", "lvs_sync_daemon_interface eth1", "");
    assert_eq!(codes(&old), ["deprecated"]);
    let settings = SyncSettings { id: 51, ..plain() };
    let wanted = SyncDaemons { instance: Some("VI_1".to_owned()), settings };
    assert_eq!(old.plan.global.sync_daemons, Some(wanted));
    let both = loaded("lvs_sync_daemon eth2", "lvs_sync_daemon_interface eth1", "");
    assert_eq!(codes(&both), ["deprecated"]);
    assert_eq!(both.plan.global.sync_daemons.unwrap().settings.interface, "eth2");
}

/// The kernel refuses them with EINVAL, and says no more.
#[test]
fn tunnels_into_the_other_family_are_left_out_beside_a_sync_daemon() {
    let servers = "virtual_server 192.0.2.10 80 {\n lvs_sched rr\n lvs_method TUN\n protocol TCP\n \
                   real_server 192.0.2.11 80 {\n }\n real_server 2001:db8::11 80 {\n }\n}\n\
                   virtual_server 192.0.2.10 81 {\n lvs_sched rr\n lvs_method TUN\n protocol TCP\n \
                   real_server 2001:db8::11 81 {\n }\n}\n";
    let without = loaded("", "", servers);
    assert_eq!((codes(&without), without.plan.virtual_servers.len()), (vec![], 2));
    let with = loaded("lvs_sync_daemon eth1", "", servers);
    assert_eq!(codes(&with), ["mixed-family-tunnel", "mixed-family-tunnel"]);
    let [server] = &with.plan.virtual_servers[..] else { panic!("{:?}", with.plan) };
    assert_eq!(server.real_servers.len(), 1);
    assert!(server.real_servers[0].destination.address.ip.is_ipv4());
}
