use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::ipvs::{
    Change, DataPlane, Family, Forward, MemoryDataPlane, Persistence, Protocol, Service,
    ServiceFlags, SocketKey, Table,
};

const WEB: &str = "192.0.2.1:80";

fn key(address: &str) -> ServiceKey {
    let address = address.parse::<SocketAddr>().unwrap().into();
    ServiceKey::Address { protocol: Protocol::Tcp, address }
}

fn service(key: ServiceKey) -> Service {
    let flags = ServiceFlags::default();
    Service { key, scheduler: "wlc".to_owned(), flags, persistence: None }
}

/// Server 192.0.2.(10 + n).
fn server(n: u8, weight: u32) -> Destination {
    let address = SocketKey { ip: Ipv4Addr::new(192, 0, 2, 10 + n).into(), port: 80 };
    Destination { address, forward: Forward::Nat, weight, upper_threshold: 0, lower_threshold: 0 }
}

fn entry(address: &str, servers: &[Destination]) -> Entry {
    let destinations = servers.iter().cloned().collect();
    Entry { service: service(key(address)), destinations }
}

fn table(entries: &[Entry]) -> Table {
    Table { services: entries.iter().map(|e| (e.service.key, e.clone())).collect() }
}

fn known(table: &Table) -> HashMap<ServiceKey, Entry> {
    table.services.clone().into_iter().collect()
}

#[test]
fn equal_tables_need_no_command() {
    let both = table(&[entry(WEB, &[server(1, 1), server(2, 3)])]);
    assert_eq!(difference(&known(&both), &both.services), []);
}

#[test]
fn new_service_comes_before_its_destinations() {
    let wanted = entry(WEB, &[server(1, 1)]);
    assert_eq!(
        entry_difference(None, Some(&wanted)),
        [Command::NewService(service(key(WEB))), Command::NewDestination(key(WEB), server(1, 1))]
    );
}

#[test]
fn changed_weight_is_one_command() {
    let found = entry(WEB, &[server(1, 1), server(2, 1), server(3, 1)]);
    let wanted = entry(WEB, &[server(1, 1), server(2, 5), server(3, 1)]);
    assert_eq!(
        entry_difference(Some(&found), Some(&wanted)),
        [Command::SetDestination(key(WEB), server(2, 5))]
    );
}

/// keepalived forgets the thresholds here until another edit (seen with 2.2.7 and 2.4.3).
#[test]
fn changed_threshold_or_method_sets_the_destination() {
    let found = entry(WEB, &[server(1, 1)]);
    for changed in [
        Destination { upper_threshold: 100, ..server(1, 1) },
        Destination { upper_threshold: 9, lower_threshold: 5, ..server(1, 1) },
        Destination { forward: Forward::DirectRoute, ..server(1, 1) },
    ] {
        let wanted = entry(WEB, std::slice::from_ref(&changed));
        let set = [Command::SetDestination(key(WEB), changed)];
        assert_eq!(entry_difference(Some(&found), Some(&wanted)), set);
    }
}

#[test]
fn changed_scheduler_flags_or_persistence_sets_the_service() {
    let found = entry(WEB, &[server(1, 1)]);
    let persistence = Some(Persistence { timeout_s: 300, prefix_len: 32, engine: None });
    for changed in [
        Service { scheduler: "rr".to_owned(), ..service(key(WEB)) },
        Service { flags: ServiceFlags(ServiceFlags::SCHED1), ..service(key(WEB)) },
        Service { persistence, ..service(key(WEB)) },
    ] {
        let wanted = Entry { service: changed.clone(), ..found.clone() };
        let set = [Command::SetService(changed)];
        assert_eq!(entry_difference(Some(&found), Some(&wanted)), set);
    }
}

/// The sorry server is there before the last real server goes, and the other way round: the
/// service always has somewhere to send to.
#[test]
fn additions_and_raised_weights_come_before_lowered_ones_and_removals() {
    let found = entry(WEB, &[server(1, 5), server(2, 0), server(3, 1)]);
    let wanted = entry(WEB, &[server(1, 0), server(2, 5), server(4, 1)]);
    assert_eq!(
        entry_difference(Some(&found), Some(&wanted)),
        [
            Command::NewDestination(key(WEB), server(4, 1)),
            Command::SetDestination(key(WEB), server(2, 5)),
            Command::SetDestination(key(WEB), server(1, 0)),
            Command::DeleteDestination(key(WEB), server(3, 1).address),
        ]
    );
}

/// With the last service of a family the kernel forgets that family's connections
/// (seen with Linux 6.1), so a replacement is there before the old one goes.
#[test]
fn services_are_deleted_after_everything_else() {
    let (old, new) = (entry("192.0.2.1:80", &[]), entry("192.0.2.9:80", &[]));
    assert_eq!(
        difference(&known(&table(&[old])), &table(&[new]).services),
        [
            Command::NewService(service(key("192.0.2.9:80"))),
            Command::DeleteService(key("192.0.2.1:80")),
        ]
    );
}

#[test]
fn foreign_destinations_of_ours_are_not_left_alone() {
    let found = table(&[entry(WEB, &[server(1, 1), server(8, 8)])]);
    let wanted = table(&[entry(WEB, &[server(1, 1)])]);
    assert_eq!(
        difference(&known(&found), &wanted.services),
        [Command::DeleteDestination(key(WEB), server(8, 8).address)]
    );
}

#[test]
fn what_is_neither_there_nor_wanted_needs_no_command() {
    assert_eq!(entry_difference(None, None), []);
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let keys = prop_oneof![
        (0u8..4).prop_map(|n| key(&format!("192.0.2.{n}:80"))),
        (1u32..3).prop_map(|mark| ServiceKey::Fwmark { family: Family::Inet, mark }),
    ];
    let schedulers = prop::sample::select(vec!["rr", "wlc", "mh"]);
    let servers = prop::collection::vec((0u8..5, 0u32..3, any::<bool>()), 0..5);
    (keys, schedulers, servers).prop_map(|(key, scheduler, servers)| {
        let servers = servers.into_iter().map(|(n, weight, routed)| {
            let forward = if routed { Forward::DirectRoute } else { Forward::Nat };
            Destination { forward, ..server(n, weight) }
        });
        let service = Service { scheduler: scheduler.to_owned(), ..service(key) };
        let destinations = servers.collect();
        Entry { service, destinations }
    })
}

fn any_table() -> impl Strategy<Value = Table> {
    prop::collection::vec(any_entry(), 0..6).prop_map(|entries| table(&entries))
}

proptest! {
    /// Whatever is found: afterwards it is as wanted.
    #[test]
    fn commands_make_what_is_found_what_is_wanted(found in any_table(), wanted in any_table()) {
        let mut plane = MemoryDataPlane::with_table(found.clone());
        let failed = plane.apply(&difference(&known(&found), &wanted.services));
        prop_assert!(failed.is_empty(), "{failed:?}");
        prop_assert_eq!(plane.table(), &wanted);
        prop_assert_eq!(difference(&known(&wanted), &wanted.services), vec![]);
    }

    /// What one destination takes is what the whole service would take; what is wanted afterwards is so too.
    #[test]
    fn a_destination_by_itself_is_changed_like_all(found in any_entry(), n in 0u8..5, weight: Option<u8>) {
        let key = found.service.key;
        let change = Change::Destination(key, server(n, 0).address, weight.map(|w| server(n, w.into())));
        let mut wanted = Some(found.clone());
        change.clone().make(&mut wanted);

        let before = HashMap::from([(key, found.clone())]);
        prop_assert_eq!(change.commands(&before), entry_difference(Some(&found), wanted.as_ref()));
        let after = HashMap::from([(key, wanted.unwrap())]);
        prop_assert_eq!(change.commands(&after), vec![]);
    }

    /// A service with a usable destination before and after has one after each command.
    #[test]
    fn no_service_runs_out_of_servers_on_the_way(found in any_entry(), other in any_entry()) {
        let wanted = Entry { service: found.service.clone(), ..other };
        let usable = |entry: &Entry| entry.destinations.iter().any(|server| server.weight > 0);
        prop_assume!(usable(&found) && usable(&wanted));
        let mut plane = MemoryDataPlane::with_table(table(std::slice::from_ref(&found)));

        for command in entry_difference(Some(&found), Some(&wanted)) {
            plane.apply(std::slice::from_ref(&command));
            prop_assert!(usable(&plane.table().services[&found.service.key]), "{:?}", command);
        }
    }
}

#[test]
fn unchanged_services_are_neither_touched_nor_deleted() {
    let found = table(&[entry(WEB, &[server(1, 1)]), entry("192.0.2.2:80", &[server(2, 1)])]);
    let unchanged = HashSet::from([key(WEB)]);
    let commands = difference_beside(&unchanged, &known(&found), &BTreeMap::new());
    assert_eq!(commands, [Command::DeleteService(key("192.0.2.2:80"))]);
}
