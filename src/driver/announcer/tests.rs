use std::sync::Arc;

use super::*;
use crate::config::plan::{OldChecksum, Position, Transport, VRRP_GROUP_IPV4, VrrpInstance};
use crate::vrrp::{Authentication, RouterSettings, Vrid};

fn script(name: &str) -> Option<Box<Script>> {
    Some(Box::new(Script { argv: vec![name.to_owned()], user: None }))
}

fn report(news: News, notify: NotifyScripts) -> Report {
    let router = RouterSettings::new(Vrid::new(50).unwrap(), 100);
    let instance = VrrpInstance {
        name: "KAV_1".to_owned(),
        interface: "eth0".to_owned(),
        vrf: None,
        interface_at: Position::default(),
        router,
        authentication: Authentication::None,
        ipv6: false,
        transport: Transport::Multicast(VRRP_GROUP_IPV4.into()),
        unicast_ttl: 255,
        old_checksum: OldChecksum::AsPeers,
        old_group: VRRP_GROUP_IPV4.into(),
        hmac: None,
        receive_queue: None,
        message_checksum: false,
        source: None,
        addresses: Vec::new(),
        excluded_addresses: Vec::new(),
        ignores_own_link: false,
        tracks_source: false,
        link: None,
        adverts_by_parent: false,
        address_links: Vec::new(),
        garp_extra_all: false,
        accept: true,
        routes: Vec::new(),
        rules: Vec::new(),
        promote_secondaries: false,
        skip_check_adv_addr: false,
        owner_ignores_adverts: false,
        trackers: Vec::new(),
        notify,
    };
    Report { who: Who::Instance(Arc::new(instance)), news, priority: 100 }
}

/// What is run, as one line for each script.
fn lines(state: PublicState, notify: NotifyScripts) -> Vec<String> {
    let scripts = scripts_for(&report(News::Entered(state), notify));
    scripts.into_iter().map(|(script, words)| [script.argv, words].concat().join(" ")).collect()
}

/// keepalived.conf(5): `notify` gets four words, the state's own script none.
#[test]
fn the_states_own_script_runs_before_notify_with_its_words() {
    let notify =
        NotifyScripts { any: script("any"), master: script("master"), ..Default::default() };
    assert_eq!(lines(PublicState::Master, notify), ["master", "any INSTANCE KAV_1 MASTER 100"]);
}

#[test]
fn an_instance_removed_by_a_reload_reports_fault_unless_it_has_notify_deleted() {
    let fault = NotifyScripts { any: script("any"), fault: script("fault"), ..Default::default() };
    let deleted =
        NotifyScripts { deleted: script("deleted"), tells_deleted: true, ..fault.clone() };
    let without_script = NotifyScripts { deleted: None, ..deleted.clone() };
    assert_eq!(lines(PublicState::Deleted, without_script), ["any INSTANCE KAV_1 DELETED 100"]);
    assert_eq!(lines(PublicState::Deleted, fault), ["fault", "any INSTANCE KAV_1 FAULT 100"]);
    assert_eq!(lines(PublicState::Deleted, deleted), ["deleted", "any INSTANCE KAV_1 DELETED 100"]);
}

#[test]
fn every_state_calls_its_own_script() {
    let notify = NotifyScripts {
        master: script("master"),
        backup: script("backup"),
        fault: script("fault"),
        stop: script("stop"),
        ..Default::default()
    };
    let states = [PublicState::Master, PublicState::Backup, PublicState::Fault, PublicState::Stop];
    let called: Vec<String> =
        states.iter().flat_map(|&state| lines(state, notify.clone())).collect();
    assert_eq!(called, ["master", "backup", "fault", "stop"]);
}

/// A script of its own, without words; `notify` is not for this.
#[test]
fn hearing_a_lower_priority_runs_its_script_alone() {
    let notify =
        NotifyScripts { any: script("any"), lower_priority: script("lower"), ..Default::default() };
    let scripts = scripts_for(&report(News::HeardLowerPriority, notify));
    assert_eq!(scripts, [(*script("lower").unwrap(), Vec::new())]);
}

/// As keepalived 2.2.7 writes them.
#[test]
fn fifo_lines_have_kind_quoted_name_word_and_priority() {
    let line = |news| fifo_line(&report(news, NotifyScripts::default()));
    let lines = [
        (News::Entered(PublicState::Master), "MASTER"),
        (News::StillIn(PublicState::Backup), "BACKUP"),
        (News::Entered(PublicState::Deleted), "FAULT"),
        (News::HeardLowerPriority, "MASTER_RX_LOWER_PRI"),
        (News::PriorityChanged(PublicState::Master), "MASTER_PRIORITY"),
        (News::PriorityChanged(PublicState::Backup), "BACKUP_PRIORITY"),
    ];
    for (news, word) in lines {
        assert_eq!(line(news), Some(format!("INSTANCE \"KAV_1\" {word} 100\n")));
    }
    assert_eq!(line(News::PriorityChanged(PublicState::Fault)), None);
}
