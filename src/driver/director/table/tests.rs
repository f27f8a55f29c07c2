use super::fixtures::Watched;
use super::*;
use crate::ipvs::{Destination, Destinations, Forward, Protocol, Service, ServiceFlags};

impl Watched {
    fn table(&self) -> KernelTable {
        KernelTable::new(self.open())
    }

    fn services(&self) -> Vec<ServiceKey> {
        self.plane.lock().unwrap().table().services.keys().copied().collect()
    }

    fn weights(&self, port: u16) -> Vec<u32> {
        let plane = self.plane.lock().unwrap();
        let entry = &plane.table().services[&key(port)];
        entry.destinations.iter().map(|destination| destination.weight).collect()
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

fn empty(port: u16) -> Entry {
    Entry { service: service(key(port)), destinations: Destinations::default() }
}

fn server(weight: u32) -> Destination {
    Destination {
        address: SocketKey { ip: "192.0.2.11".parse().unwrap(), port: 80 },
        forward: Forward::Nat,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

/// The kernel refuses it: the lower threshold is above the upper.
fn refused() -> Destination {
    Destination { lower_threshold: 1, ..server(2) }
}

fn with(port: u16, server: Destination) -> Entry {
    Entry { destinations: Destinations::from_iter([server]), ..empty(port) }
}

fn wanted(services: impl IntoIterator<Item = Entry>) -> Wanted {
    let services: Vec<_> = services.into_iter().collect();
    let ours = services.iter().map(|entry| entry.service.key).collect();
    Wanted { services, ours, ..Wanted::default() }
}

/// Services of which something was refused, with the addresses that lack.
fn refusals(table: &mut KernelTable) -> Vec<(ServiceKey, usize)> {
    let refusals = table.standing().refusals.into_iter();
    refusals.map(|(key, lacking)| (key, lacking.len())).collect()
}

#[test]
fn leftovers_of_ours_go_and_foreign_services_stay() {
    let watched = Watched::default();
    watched.add_foreign(key(22));
    watched.add_foreign(key(81));
    let mut table = watched.table();
    // 81 was ours in a former run, and is no longer configured.
    let ours = BTreeSet::from([key(80), key(81)]);
    table.adopt(Wanted { ours, ..wanted([empty(80)]) });
    assert_eq!(watched.services(), [key(22), key(80)]);

    table.remove_ours();
    assert_eq!(watched.services(), [key(22)]);
}

#[test]
fn at_first_everything_goes_if_so_wanted() {
    let watched = Watched::default();
    watched.add_foreign(key(22));
    watched.table().adopt(Wanted { flush: true, ..wanted([empty(80)]) });
    assert_eq!(watched.services(), [key(80)]);
}

#[test]
fn a_kernel_without_ipvs_is_asked_again_until_it_has_it() {
    let watched = Watched::default();
    *watched.missing.lock().unwrap() = true;
    let mut table = watched.table();
    table.adopt(wanted([empty(80)]));
    assert!(table.compare_at().is_some());
    assert!(table.standing().trouble.unwrap().contains("modprobe ip_vs"));
    // What changes meanwhile is not lost.
    table.write(vec![Change::Service(with(80, server(3)))]);
    assert_eq!(watched.services(), []);

    *watched.missing.lock().unwrap() = false;
    table.try_again();
    assert_eq!((table.retry_at, table.standing().trouble), (None, None));
    assert_eq!(watched.weights(80), [3]);
}

#[test]
fn what_others_change_of_ours_is_put_right_and_nothing_else_is_touched() {
    let watched = Watched::default();
    let mut table = watched.table();
    table.adopt(wanted([empty(80), empty(81)]));
    assert!(table.compare_at().is_some(), "a look is due some day");
    watched.add_foreign(key(22));
    let changed = Service { scheduler: "rr".to_owned(), ..service(key(81)) };
    let meddling = [Command::DeleteService(key(80)), Command::SetService(changed)];
    watched.plane.lock().unwrap().apply(&meddling);

    table.repair();
    assert_eq!(watched.services(), [key(22), key(80), key(81)]);
    let held = watched.plane.lock().unwrap().table().services[&key(81)].service.clone();
    assert_eq!(held, service(key(81)));
    assert!(table.repaired.is_some());
    table.repair();
    assert_eq!(table.repaired, None, "the next look finds nothing to do");
}

#[test]
fn timeouts_are_set_one_by_one_and_put_back_at_the_end() {
    let watched = Watched::default();
    let mut table = watched.table();
    let timeouts = |tcp_s, tcp_fin_s, udp_s| Timeouts { tcp_s, tcp_fin_s, udp_s };
    let held = || watched.plane.lock().unwrap().timeouts().unwrap();
    table.adopt(Wanted { timeouts: timeouts(1000, 0, 200), ..wanted([]) });
    assert_eq!(held(), timeouts(1000, 120, 200));
    table.adopt(Wanted { timeouts: timeouts(0, 60, 0), ..wanted([]) });
    assert_eq!(held(), timeouts(900, 60, 300), "what a reload takes out is as it was");
    table.restore_timeouts();
    assert_eq!(held(), timeouts(900, 120, 300));
}

#[test]
fn what_is_refused_holds_up_nothing_else() {
    let watched = Watched::default();
    let mut table = watched.table();
    table.adopt(wanted([with(80, refused()), with(81, server(1))]));
    assert_eq!((watched.weights(80), watched.weights(81)), (vec![], vec![1]));
    assert!(table.trouble().unwrap().contains("out of range"), "{:?}", table.trouble());
    assert!(table.retry_at.is_some());
    assert_eq!(refusals(&mut table), [(key(80), 1)]);

    // The other one changes while the retry is awaited.
    table.write(vec![Change::Destination(key(81), server(1).address, None)]);
    assert_eq!(watched.weights(81), [0; 0]);
    table.try_again();
    assert_eq!((watched.weights(80), watched.weights(81)), (vec![], vec![]));
    assert!(table.retry_at.is_some());

    // And what was refused is taken once it can be.
    table.write(vec![Change::Destination(key(80), server(1).address, Some(server(1)))]);
    table.try_again();
    assert_eq!(watched.weights(80), [1]);
    assert_eq!((table.trouble(), table.retry_at), (None, None));
    assert_eq!(refusals(&mut table), [(key(80), 0)]);
}

/// A change that is refused is wanted all the same.
#[test]
fn a_refused_change_is_tried_again() {
    let watched = Watched::default();
    let mut table = watched.table();
    table.adopt(wanted([with(80, server(1))]));
    table.write(vec![Change::Destination(key(80), server(1).address, Some(refused()))]);
    assert_eq!(watched.weights(80), [1]);
    assert_eq!(refusals(&mut table), [(key(80), 0)], "the old one is there");
    watched.take_commands();
    table.try_again();
    assert_eq!(watched.take_commands(), [Command::SetDestination(key(80), refused())]);
}

/// Among 300 services one that lacks something is no reason to read them all every five seconds; what others do
/// is seen all the same.
#[test]
fn what_is_tried_again_costs_no_look_at_the_table() {
    let watched = Watched::default();
    let mut table = watched.table();
    let others = (1..=300).map(|port| with(port, server(1)));
    table.adopt(wanted(others.chain([with(400, refused())])));
    watched.take_commands();
    for _ in 0..3 {
        table.try_again();
        assert_eq!(watched.take_commands(), [Command::NewDestination(key(400), refused())]);
    }
    assert_eq!(*watched.reads.lock().unwrap(), 1);

    watched.plane.lock().unwrap().apply(&[Command::DeleteService(key(7))]);
    (table.retry_at, table.inspect_at) = (Some(clock::now() + RETRY), Some(clock::now()));
    table.compare();
    assert_eq!(watched.weights(7), [1]);
}

/// 300 services, of one of which a server has another weight after a reload.
#[test]
fn one_changed_weight_is_one_command_and_reads_nothing() {
    let watched = Watched::default();
    let mut table = watched.table();
    let all = |weight| {
        let weight = move |port| if port == 77 { weight } else { 1 };
        wanted((1..=300).map(|port| with(port, server(weight(port)))))
    };
    table.adopt(all(1));
    assert_eq!(watched.take_commands().len(), 600);

    table.adopt(all(7));
    assert_eq!(watched.take_commands(), [Command::SetDestination(key(77), server(7))]);
    table.adopt(all(7));
    assert_eq!(watched.take_commands(), []);
    assert_eq!(*watched.reads.lock().unwrap(), 1);
}

/// Somebody else's service that a reload makes ours is made as we want it.
#[test]
fn a_service_that_is_new_to_us_is_looked_for() {
    let watched = Watched::default();
    let mut table = watched.table();
    table.adopt(wanted([empty(80)]));
    watched.add_foreign(key(81));
    let foreign = Command::NewDestination(key(81), server(9));
    watched.plane.lock().unwrap().apply(&[foreign]);
    table.adopt(wanted([empty(80), empty(81)]));
    assert_eq!(watched.weights(81), [0; 0]);
}

/// Unchanged services are named only: what is known of them, or still to be done, is not lost.
#[test]
fn what_is_unchanged_needs_no_more_than_its_name() {
    let watched = Watched::default();
    let mut table = watched.table();
    table.adopt(wanted([with(80, server(1)), with(81, refused()), with(82, server(1))]));
    watched.take_commands();

    let unchanged = HashSet::from([key(80), key(81)]);
    let ours = BTreeSet::from([80, 81, 82].map(key));
    table.adopt(Wanted { unchanged: unchanged.clone(), ours: ours.clone(), ..wanted([]) });
    let again = Command::NewDestination(key(81), refused());
    assert_eq!(watched.take_commands(), [again.clone(), Command::DeleteService(key(82))]);
    assert_eq!(watched.weights(80), [1]);
    assert!(table.standing().trouble.is_some());

    // One that is new to us has the table read, and everything compared.
    watched.plane.lock().unwrap().apply(&[Command::DeleteService(key(80))]);
    table.adopt(Wanted { unchanged, ours, ..wanted([empty(83)]) });
    assert_eq!(watched.weights(80), [1]);
    assert_eq!(watched.services(), [80, 81, 83].map(key));
}

#[test]
fn what_could_not_be_written_at_all_is_not_lost_by_being_unchanged() {
    let watched = Watched::default();
    *watched.missing.lock().unwrap() = true;
    let mut table = watched.table();
    table.adopt(wanted([with(80, server(1))]));
    let (unchanged, ours) = (HashSet::from([key(80)]), BTreeSet::from([key(80)]));
    table.adopt(Wanted { unchanged, ours, ..wanted([]) });
    *watched.missing.lock().unwrap() = false;
    table.try_again();
    assert_eq!(watched.weights(80), [1]);
}
