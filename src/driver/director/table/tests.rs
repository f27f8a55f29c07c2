use std::sync::{Arc, Mutex};

use super::*;
use crate::config::plan::VirtualServer;
use crate::ipvs::{
    MemoryDataPlane, Protocol, Service, ServiceFlags, SocketKey, SyncDaemon, SyncRole,
};

/// A plane that the test can look at, and that can be told to be missing.
#[derive(Clone, Default)]
struct Watched {
    plane: Arc<Mutex<MemoryDataPlane>>,
    missing: Arc<Mutex<bool>>,
    commands: Arc<Mutex<Vec<Command>>>,
}

impl DataPlane for Watched {
    fn list(&mut self) -> Result<Table, DataPlaneError> {
        self.plane.lock().unwrap().list()
    }

    fn timeouts(&mut self) -> Result<Timeouts, DataPlaneError> {
        self.plane.lock().unwrap().timeouts()
    }

    fn apply(&mut self, commands: &[Command]) -> Vec<Failed> {
        self.commands.lock().unwrap().extend_from_slice(commands);
        self.plane.lock().unwrap().apply(commands)
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, DataPlaneError> {
        self.plane.lock().unwrap().daemons()
    }

    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), DataPlaneError> {
        self.plane.lock().unwrap().start_daemon(daemon)
    }

    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), DataPlaneError> {
        self.plane.lock().unwrap().stop_daemon(role)
    }
}

impl Watched {
    fn table(&self) -> KernelTable {
        let watched = self.clone();
        KernelTable::new(Box::new(move || {
            if *watched.missing.lock().unwrap() {
                return Err(DataPlaneError::NoIpvs);
            }
            Ok(Box::new(watched.clone()))
        }))
    }

    fn services(&self) -> Vec<ServiceKey> {
        self.plane.lock().unwrap().table().services.keys().copied().collect()
    }

    fn add_foreign(&self, key: ServiceKey) {
        self.plane.lock().unwrap().apply(&[Command::NewService(service(key))]);
    }
}

fn key(port: u16) -> ServiceKey {
    let address = SocketKey { ip: "192.0.2.1".parse().unwrap(), port };
    ServiceKey::Address { protocol: Protocol::Tcp, address }
}

fn service(key: ServiceKey) -> Service {
    Service { key, scheduler: "wlc".to_owned(), flags: ServiceFlags::default(), persistence: None }
}

fn managed(port: u16) -> Managed {
    let mut managed = Managed::new(Arc::new(VirtualServer {
        service: service(key(port)),
        more_keys: Vec::new(),
        group: None,
        quorum: crate::check::QuorumRule::default(),
        real_servers: Vec::new(),
        sorry_server: None,
        quorum_up: None,
        quorum_down: None,
        omega: false,
        ha_suspend: false,
        mails: None,
    }));
    managed.start(clock::now(), 1, &mut Vec::new());
    managed
}

#[test]
fn leftovers_of_ours_go_and_foreign_services_stay() {
    let watched = Watched::default();
    watched.add_foreign(key(22));
    watched.add_foreign(key(81));
    let mut table = watched.table();
    // 81 was ours in a former run, and is no longer configured.
    table.set_ours(BTreeSet::from([key(80), key(81)]));
    table.synchronise(&[managed(80)]);
    assert_eq!(watched.services(), [key(22), key(80)]);

    table.remove_ours();
    assert_eq!(watched.services(), [key(22)]);
}

#[test]
fn a_kernel_without_ipvs_is_asked_again_until_it_has_it() {
    let watched = Watched::default();
    *watched.missing.lock().unwrap() = true;
    let mut table = watched.table();
    table.set_ours(BTreeSet::from([key(80)]));
    table.synchronise(&[managed(80)]);
    assert!(table.compare_at().is_some());
    assert!(table.trouble().unwrap().contains("modprobe ip_vs"));

    *watched.missing.lock().unwrap() = false;
    table.synchronise(&[managed(80)]);
    assert_eq!((table.retry_at, table.trouble()), (None, None));
    assert_eq!(watched.services(), [key(80)]);
}

#[test]
fn what_others_change_of_ours_is_put_right_and_nothing_else_is_touched() {
    let watched = Watched::default();
    let mut table = watched.table();
    let ours = [managed(80), managed(81)];
    table.set_ours(BTreeSet::from([key(80), key(81)]));
    table.synchronise(&ours);
    assert!(table.compare_at().is_some(), "a look is due some day");
    watched.add_foreign(key(22));
    let changed = Service { scheduler: "rr".to_owned(), ..service(key(81)) };
    let meddling = [Command::DeleteService(key(80)), Command::SetService(changed)];
    watched.plane.lock().unwrap().apply(&meddling);

    table.repair(&ours);
    assert_eq!(watched.services(), [key(22), key(80), key(81)]);
    let held = watched.plane.lock().unwrap().table().services[&key(81)].service.clone();
    assert_eq!(held, service(key(81)));
    assert!(table.repaired.is_some());
    table.repair(&ours);
    assert_eq!(table.repaired, None, "the next look finds nothing to do");
}

#[test]
fn timeouts_are_set_one_by_one_and_put_back_at_the_end() {
    let watched = Watched::default();
    let mut table = watched.table();
    let timeouts = |tcp_s, tcp_fin_s, udp_s| Timeouts { tcp_s, tcp_fin_s, udp_s };
    let held = || watched.plane.lock().unwrap().timeouts().unwrap();
    table.set_timeouts(timeouts(1000, 0, 200));
    table.synchronise(&[]);
    assert_eq!(held(), timeouts(1000, 120, 200));
    table.set_timeouts(timeouts(0, 60, 0));
    table.synchronise(&[]);
    assert_eq!(held(), timeouts(900, 60, 300), "what a reload takes out is as it was");
    table.restore_timeouts();
    assert_eq!(held(), timeouts(900, 120, 300));
}

/// A service with one server of this weight, which the kernel refuses above 2147483647.
fn with_server(port: u16, weight: u32) -> Managed {
    let destination = crate::ipvs::Destination {
        address: SocketKey { ip: "192.0.2.11".parse().unwrap(), port },
        forward: crate::ipvs::Forward::Nat,
        weight,
        // Refused: the lower one is above.
        upper_threshold: 0,
        lower_threshold: weight - 1,
    };
    let mut managed = managed(port);
    let server = Arc::make_mut(&mut managed.server);
    server.real_servers.push(crate::config::plan::RealServer {
        destination,
        host: None,
        inhibit_on_failure: false,
        mails: None,
        checkers: Vec::new(),
        notify_up: None,
        notify_down: None,
        slow_start: Duration::ZERO,
    });
    let mut managed = Managed::new(managed.server);
    managed.start(clock::now(), 1, &mut Vec::new());
    managed
}

impl Watched {
    fn weights(&self, port: u16) -> Vec<u32> {
        let plane = self.plane.lock().unwrap();
        let entry = &plane.table().services[&key(port)];
        entry.destinations.values().map(|destination| destination.weight).collect()
    }
}

#[test]
fn what_is_refused_holds_up_nothing_else() {
    let watched = Watched::default();
    let mut table = watched.table();
    table.set_ours(BTreeSet::from([key(80), key(81)]));
    let servers = [with_server(80, 2), with_server(81, 1)];
    table.synchronise(&servers);
    assert_eq!((watched.weights(80), watched.weights(81)), (vec![], vec![1]));
    assert!(table.trouble().unwrap().contains("out of range"), "{:?}", table.trouble());
    assert!(table.retry_at.is_some());
    assert_eq!(table.take_changed_refusals(), BTreeSet::from([key(80)]));
    assert_eq!((servers[0].refused_by(&table), servers[1].refused_by(&table)), (vec![0], vec![]));

    // The other one changes while the retry is awaited.
    let changed = [with_server(80, 2), managed(81)];
    table.mark(1);
    table.write_dirty(&changed);
    assert_eq!(watched.weights(81), [0; 0]);

    // And what was refused is taken once it can be.
    let mended = [with_server(80, 1), managed(81)];
    table.synchronise(&mended);
    assert_eq!(watched.weights(80), [1]);
    assert_eq!((table.trouble(), table.retry_at), (None, None));
    assert_eq!(table.take_changed_refusals(), BTreeSet::from([key(80)]));
    assert_eq!(mended[0].refused_by(&table), [0; 0]);
}

/// 300 services, of one of which a server has another weight after a reload.
#[test]
fn one_changed_weight_is_one_command() {
    let watched = Watched::default();
    let mut table = watched.table();
    let ports = 1..=300;
    table.set_ours(ports.clone().map(key).collect());
    let all = |weight| -> Vec<Managed> {
        let heavier = |port| if port == 77 { weight } else { 1 };
        ports.clone().map(|port| with_server(port, heavier(port))).collect()
    };
    let without_thresholds = |mut all: Vec<Managed>| -> Vec<Managed> {
        for managed in &mut all {
            let server = Arc::make_mut(&mut managed.server);
            server.real_servers[0].destination.lower_threshold = 0;
        }
        all
    };
    table.synchronise(&without_thresholds(all(1)));
    assert_eq!(watched.commands.lock().unwrap().len(), 600);
    watched.commands.lock().unwrap().clear();

    table.synchronise(&without_thresholds(all(7)));
    let commands = std::mem::take(&mut *watched.commands.lock().unwrap());
    let [Command::SetDestination(changed, destination)] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!((*changed, destination.weight), (key(77), 7));

    table.synchronise(&without_thresholds(all(7)));
    assert_eq!(watched.commands.lock().unwrap()[..], []);
}
