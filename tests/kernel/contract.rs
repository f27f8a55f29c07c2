//! What every data plane must do, the kernel's and the one in memory alike.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use mainstay::ipvs::{
    Command, DataPlane, DataPlaneError, Destination, Entry, Family, Forward, MemoryDataPlane,
    Persistence, Protocol, Service, ServiceFlags, ServiceKey, SocketKey, SyncDaemon, SyncRole,
    SyncSettings, Table, Timeouts, Tunnel, TunnelChecksum, difference,
};

#[test]
fn memory_meets_the_contract() {
    meets_the_contract(&mut MemoryDataPlane::default());
}

/// Empties the table and works in it; every rule begins with an empty one.
pub fn meets_the_contract(plane: &mut dyn DataPlane) {
    for rule in [
        holds_every_kind_of_service,
        keys_are_told_apart,
        names_too_long_are_refused,
        timeouts_are_kept_where_nothing_is_said,
        holds_every_kind_of_destination,
        adding_again_changes_nothing,
        setting_changes_everything,
        deleting_what_is_gone_is_no_failure,
        service_takes_its_destinations_along,
        missing_is_told_by_errno,
        values_out_of_range_are_refused,
        unknown_scheduler_is_named,
        failure_stops_nothing_and_is_told_by_its_place,
        difference_reaches_the_wanted_table,
        daemons_run_as_asked_for,
        a_daemon_that_runs_goes_on_as_it_was,
        a_daemon_needs_a_multicast_group,
        daemons_and_mixed_families_exclude_each_other,
    ] {
        must(plane, &[Command::Flush]);
        SyncRole::BOTH.iter().for_each(|role| plane.stop_daemon(*role).unwrap());
        assert_eq!(plane.list().unwrap(), Table::default());
        assert_eq!(plane.daemons().unwrap(), []);
        rule(plane);
    }
    SyncRole::BOTH.iter().for_each(|role| plane.stop_daemon(*role).unwrap());
    must(plane, &[Command::Flush]);
}

pub fn socket(address: &str) -> SocketKey {
    address.parse::<SocketAddr>().unwrap().into()
}

pub fn key(protocol: Protocol, address: &str) -> ServiceKey {
    ServiceKey::Address { protocol, address: socket(address) }
}

fn web() -> ServiceKey {
    key(Protocol::Tcp, "192.0.2.1:80")
}

pub fn service(key: ServiceKey) -> Service {
    let flags = ServiceFlags::default();
    Service { key, scheduler: "rr".to_owned(), flags, persistence: None }
}

fn persistent(key: ServiceKey, prefix_len: u8) -> Service {
    let persistence = Some(Persistence { timeout_s: 300, prefix_len, engine: None });
    Service { persistence, ..service(key) }
}

pub fn server(address: &str) -> Destination {
    Destination {
        address: socket(address),
        forward: Forward::Nat,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn must(plane: &mut dyn DataPlane, commands: &[Command]) {
    let failed = plane.apply(commands);
    assert!(failed.is_empty(), "{failed:?}");
}

/// The table that has just these services and destinations.
fn table(entries: &[(Service, &[Destination])]) -> Table {
    let entry = |(service, servers): &(Service, &[Destination])| {
        let destinations = servers.iter().cloned().collect();
        (service.key, Entry { service: service.clone(), destinations })
    };
    Table { services: entries.iter().map(entry).collect() }
}

fn holds_every_kind_of_service(plane: &mut dyn DataPlane) {
    let fwmark = |family, mark| ServiceKey::Fwmark { family, mark };
    let flags = |bits, scheduler: &str, key| Service {
        flags: ServiceFlags(bits),
        scheduler: scheduler.to_owned(),
        ..service(key)
    };
    let services = [
        service(web()),
        service(key(Protocol::Udp, "192.0.2.1:53")),
        service(key(Protocol::Sctp, "192.0.2.1:9")),
        service(key(Protocol::Tcp, "[2001:db8::1]:80")),
        service(fwmark(Family::Inet, 1)),
        service(fwmark(Family::Inet6, 1)),
        persistent(key(Protocol::Tcp, "192.0.2.2:0"), 24),
        persistent(key(Protocol::Tcp, "[2001:db8::2]:0"), 64),
        persistent(fwmark(Family::Inet, 0xffff_fffe), 32),
        flags(ServiceFlags::ONE_PACKET, "rr", key(Protocol::Udp, "192.0.2.3:53")),
        flags(ServiceFlags::SCHED1 | ServiceFlags::SCHED2, "sh", key(Protocol::Tcp, "192.0.2.4:1")),
        flags(0, "none", key(Protocol::Tcp, "192.0.2.5:1")),
    ];
    let commands: Vec<_> = services.iter().cloned().map(Command::NewService).collect();
    must(plane, &commands);
    let wanted: Vec<_> = services.into_iter().map(|service| (service, &[][..])).collect();
    assert_eq!(plane.list().unwrap(), table(&wanted));
}

fn holds_every_kind_of_destination(plane: &mut dyn DataPlane) {
    let tunnel =
        |address, tunnel| Destination { forward: Forward::Tunnel(tunnel), ..server(address) };
    let servers = [
        server("192.0.2.11:80"),
        // Ours to reach without a network: still the method that was asked for.
        Destination { forward: Forward::DirectRoute, ..server("127.0.0.1:80") },
        Destination { forward: Forward::DirectRoute, ..server("192.0.2.12:80") },
        Destination { weight: 0, ..server("192.0.2.13:81") },
        Destination { weight: 0x7fff_ffff, ..server("192.0.2.14:80") },
        Destination { upper_threshold: 100, lower_threshold: 75, ..server("192.0.2.15:80") },
        tunnel("192.0.2.16:80", Tunnel::Ipip),
        tunnel("192.0.2.17:80", Tunnel::Gue { port: 6080, checksum: TunnelChecksum::Remote }),
        tunnel("192.0.2.18:80", Tunnel::Gue { port: 6080, checksum: TunnelChecksum::None }),
        tunnel("192.0.2.19:80", Tunnel::Gre { checksum: TunnelChecksum::Full }),
        // A tunnel may lead into the other family.
        tunnel("[2001:db8::16]:80", Tunnel::Ipip),
    ];
    must(plane, &[Command::NewService(service(web()))]);
    let commands: Vec<_> =
        servers.iter().map(|server| Command::NewDestination(web(), server.clone())).collect();
    must(plane, &commands);
    assert_eq!(plane.list().unwrap(), table(&[(service(web()), &servers)]));
}

fn adding_again_changes_nothing(plane: &mut dyn DataPlane) {
    let first = [server("192.0.2.11:80")];
    must(
        plane,
        &[
            Command::NewService(service(web())),
            Command::NewDestination(web(), first[0].clone()),
            Command::NewService(persistent(web(), 24)),
            Command::NewDestination(web(), Destination { weight: 9, ..first[0].clone() }),
        ],
    );
    assert_eq!(plane.list().unwrap(), table(&[(service(web()), &first)]));
}

fn setting_changes_everything(plane: &mut dyn DataPlane) {
    let before = Destination { upper_threshold: 9, lower_threshold: 3, ..server("192.0.2.11:80") };
    let after = Destination { forward: Forward::DirectRoute, weight: 5, ..server("192.0.2.11:80") };
    let other = Service { scheduler: "wlc".to_owned(), ..service(web()) };
    must(
        plane,
        &[
            Command::NewService(persistent(web(), 24)),
            Command::NewDestination(web(), before),
            Command::SetService(other.clone()),
            Command::SetDestination(web(), after.clone()),
        ],
    );
    assert_eq!(plane.list().unwrap(), table(&[(other, &[after])]));
}

fn deleting_what_is_gone_is_no_failure(plane: &mut dyn DataPlane) {
    must(
        plane,
        &[
            Command::DeleteService(web()),
            Command::DeleteDestination(web(), socket("192.0.2.11:80")),
            Command::NewService(service(web())),
            Command::DeleteDestination(web(), socket("192.0.2.11:80")),
        ],
    );
    assert_eq!(plane.list().unwrap(), table(&[(service(web()), &[])]));
}

fn service_takes_its_destinations_along(plane: &mut dyn DataPlane) {
    must(
        plane,
        &[
            Command::NewService(service(web())),
            Command::NewDestination(web(), server("192.0.2.11:80")),
            Command::DeleteService(web()),
            Command::NewService(service(web())),
        ],
    );
    assert_eq!(plane.list().unwrap(), table(&[(service(web()), &[])]));
}

/// The errno of one command that must fail.
fn errno(plane: &mut dyn DataPlane, command: Command) -> Option<i32> {
    match plane.apply(std::slice::from_ref(&command)).pop().map(|failed| failed.error) {
        Some(DataPlaneError::Io(error)) => error.raw_os_error(),
        other => panic!("{command:?}: {other:?}"),
    }
}

fn missing_is_told_by_errno(plane: &mut dyn DataPlane) {
    let at = server("192.0.2.11:80");
    assert_eq!(errno(plane, Command::SetService(service(web()))), Some(libc::ESRCH));
    assert_eq!(errno(plane, Command::NewDestination(web(), at.clone())), Some(libc::ESRCH));
    assert_eq!(errno(plane, Command::SetDestination(web(), at.clone())), Some(libc::ESRCH));
    must(plane, &[Command::NewService(service(web()))]);
    assert_eq!(errno(plane, Command::SetDestination(web(), at)), Some(libc::ENOENT));
}

fn values_out_of_range_are_refused(plane: &mut dyn DataPlane) {
    let at = || server("192.0.2.11:80");
    let no_port = Tunnel::Gue { port: 0, checksum: TunnelChecksum::None };
    must(plane, &[Command::NewService(service(web()))]);
    for (refused, wanted) in [
        (Destination { weight: 0x8000_0000, ..at() }, libc::ERANGE),
        (Destination { upper_threshold: 3, lower_threshold: 4, ..at() }, libc::ERANGE),
        (Destination { upper_threshold: 0, lower_threshold: 1, ..at() }, libc::ERANGE),
        (Destination { forward: Forward::Tunnel(no_port), ..at() }, libc::EINVAL),
        (server("224.0.0.1:80"), libc::EINVAL),
        (server("255.255.255.255:80"), libc::EINVAL),
        (server("[2001:db8::11]:80"), libc::EINVAL),
    ] {
        let command = Command::NewDestination(web(), refused);
        assert_eq!(errno(plane, command.clone()), Some(wanted), "{command:?}");
    }
    let v6 = key(Protocol::Tcp, "[2001:db8::1]:80");
    for prefix_len in [0, 129] {
        let command = Command::NewService(persistent(v6, prefix_len));
        assert_eq!(errno(plane, command), Some(libc::EINVAL), "/{prefix_len}");
    }
    assert_eq!(plane.list().unwrap(), table(&[(service(web()), &[])]));
}

fn unknown_scheduler_is_named(plane: &mut dyn DataPlane) {
    let unknown = Service { scheduler: "fastest".to_owned(), ..service(web()) };
    let mut refused = |commands: &[Command]| {
        let failed = plane.apply(commands);
        let [failed] = &failed[..] else { panic!("{failed:?}") };
        assert!(matches!(&failed.error, DataPlaneError::NoScheduler(name) if name == "fastest"));
    };
    refused(&[Command::NewService(unknown.clone())]);
    refused(&[Command::NewService(service(web())), Command::SetService(unknown)]);
    assert_eq!(plane.list().unwrap(), table(&[(service(web()), &[])]));
}

/// 1,000 commands, so that they do not go out in one piece.
fn failure_stops_nothing_and_is_told_by_its_place(plane: &mut dyn DataPlane) {
    let mut commands = vec![Command::NewService(service(web()))];
    commands.extend((1..1000).map(|n: u32| {
        let weight = if [3, 500, 999].contains(&n) { u32::MAX } else { n };
        let address = format!("192.0.2.{}:{}", n % 250, 1000 + n / 250);
        Command::NewDestination(web(), Destination { weight, ..server(&address) })
    }));

    let failed = plane.apply(&commands);

    assert_eq!(failed.iter().map(|failed| failed.index).collect::<Vec<_>>(), [3, 500, 999]);
    let range = Some(libc::ERANGE);
    for failed in failed {
        let DataPlaneError::Io(error) = failed.error else { panic!("{:?}", failed.error) };
        assert_eq!(io::Error::raw_os_error(&error), range);
    }
    assert_eq!(plane.list().unwrap().services[&web()].destinations.len(), 996);
}

fn difference_reaches_the_wanted_table(plane: &mut dyn DataPlane) {
    let [old, foreign] = ["192.0.2.8:80", "203.0.113.1:25"].map(|a| service(key(Protocol::Tcp, a)));
    let [a, b, c] = ["192.0.2.11:80", "192.0.2.12:80", "192.0.2.13:80"].map(server);
    let found = table(&[
        (service(web()), &[a.clone(), b.clone()]),
        (old.clone(), std::slice::from_ref(&a)),
        (foreign.clone(), &[]),
    ]);
    must(plane, &difference(&HashMap::new(), &found.services));
    assert_eq!(plane.list().unwrap(), found);

    let heavier = Destination { weight: 7, ..b };
    let wanted = table(&[(persistent(web(), 24), &[heavier, c])]);
    let ours = found.services.into_iter().filter(|(key, _)| *key != foreign.key).collect();
    must(plane, &difference(&ours, &wanted.services));

    let mut expected = wanted;
    expected.services.extend(table(&[(foreign, &[])]).services);
    assert_eq!(plane.list().unwrap(), expected);
}

/// Protocol, family, port and mark each make another service; address, port and family another
/// destination.
fn keys_are_told_apart(plane: &mut dyn DataPlane) {
    let fwmark = |family| service(ServiceKey::Fwmark { family, mark: 80 });
    let services = [
        service(web()),
        service(key(Protocol::Udp, "192.0.2.1:80")),
        service(key(Protocol::Tcp, "192.0.2.1:81")),
        service(key(Protocol::Tcp, "192.0.2.2:80")),
        fwmark(Family::Inet),
        fwmark(Family::Inet6),
    ];
    let tunnel =
        |address| Destination { forward: Forward::Tunnel(Tunnel::Ipip), ..server(address) };
    // 192.0.2.11 and an IPv6 address that begins with the same octets.
    let servers = [tunnel("192.0.2.11:80"), tunnel("192.0.2.11:81"), tunnel("[c000:20b::]:80")];
    let mut commands: Vec<_> = services.iter().cloned().map(Command::NewService).collect();
    commands.extend(servers.iter().map(|at| Command::NewDestination(web(), at.clone())));
    must(plane, &commands);

    must(plane, &[Command::DeleteDestination(web(), servers[0].address)]);
    must(plane, &[Command::DeleteService(services[4].key)]);

    let mut wanted: Vec<_> = services.into_iter().map(|service| (service, &[][..])).collect();
    wanted.remove(4);
    wanted[0].1 = &servers[1..];
    assert_eq!(plane.list().unwrap(), table(&wanted));
}

/// IP_VS_SCHEDNAME_MAXLEN is 16, the NUL included.
fn names_too_long_are_refused(plane: &mut dyn DataPlane) {
    let long = Service { scheduler: "s".repeat(16), ..service(web()) };
    let failed = plane.apply(&[Command::NewService(long)]);
    assert_eq!(failed.len(), 1);
    assert_eq!(plane.list().unwrap(), Table::default());
}

fn timeouts_are_kept_where_nothing_is_said(plane: &mut dyn DataPlane) {
    let before = plane.timeouts().unwrap();
    let udp = Timeouts { udp_s: 200, ..Timeouts::default() };
    must(plane, &[Command::SetTimeouts(udp)]);
    assert_eq!(plane.timeouts().unwrap(), Timeouts { udp_s: 200, ..before });
    must(plane, &[Command::SetTimeouts(before)]);
    assert_eq!(plane.timeouts().unwrap(), before);
}

/// `lo` is everywhere.
fn daemon(role: SyncRole) -> SyncDaemon {
    SyncDaemon { role, settings: SyncSettings::new("lo", 51) }
}

fn daemons_run_as_asked_for(plane: &mut dyn DataPlane) {
    let mut full = daemon(SyncRole::Backup);
    full.settings = SyncSettings {
        id: 0,
        max_len: Some(1_400),
        group: Some("224.0.0.82".parse().unwrap()),
        port: Some(8_000),
        ttl: Some(3),
        ..full.settings
    };
    let plain = daemon(SyncRole::Master);
    plane.start_daemon(&plain).unwrap();
    plane.start_daemon(&full).unwrap();
    let [master, backup] = &plane.daemons().unwrap()[..] else { panic!("two daemons run") };
    assert!(plain.is_met_by(master), "{master}");
    assert_eq!(master.settings.port, Some(8_848), "what is left out is filled in");
    assert_eq!(*backup, full);

    plane.stop_daemon(SyncRole::Master).unwrap();
    plane.stop_daemon(SyncRole::Master).unwrap();
    assert_eq!(plane.daemons().unwrap(), [full]);
}

fn a_daemon_that_runs_goes_on_as_it_was(plane: &mut dyn DataPlane) {
    let (first, mut second) = (daemon(SyncRole::Master), daemon(SyncRole::Master));
    second.settings.id = 7;
    plane.start_daemon(&first).unwrap();
    plane.start_daemon(&second).unwrap();
    assert!(first.is_met_by(&plane.daemons().unwrap()[0]));
}

/// The errno of a daemon that must not start.
fn daemon_errno(plane: &mut dyn DataPlane, daemon: &SyncDaemon) -> Option<i32> {
    match plane.start_daemon(daemon) {
        Err(DataPlaneError::Io(error)) => error.raw_os_error(),
        other => panic!("{daemon}: {other:?}"),
    }
}

fn a_daemon_needs_a_multicast_group(plane: &mut dyn DataPlane) {
    let mut daemon = daemon(SyncRole::Master);
    daemon.settings.group = Some("192.0.2.1".parse().unwrap());
    assert_eq!(daemon_errno(plane, &daemon), Some(libc::EINVAL));
    assert_eq!(plane.daemons().unwrap(), []);
}

/// Daemons tell of connections in one family only.
fn daemons_and_mixed_families_exclude_each_other(plane: &mut dyn DataPlane) {
    let mixed =
        Destination { forward: Forward::Tunnel(Tunnel::Ipip), ..server("[2001:db8::11]:80") };
    must(plane, &[Command::NewService(service(web()))]);
    let add = || Command::NewDestination(web(), mixed.clone());

    plane.start_daemon(&daemon(SyncRole::Backup)).unwrap();
    assert_eq!(errno(plane, add()), Some(libc::EINVAL));
    plane.stop_daemon(SyncRole::Backup).unwrap();
    must(plane, &[add()]);
    assert_eq!(daemon_errno(plane, &daemon(SyncRole::Backup)), Some(libc::EINVAL));

    must(plane, &[Command::DeleteDestination(web(), mixed.address)]);
    plane.start_daemon(&daemon(SyncRole::Backup)).unwrap();
}
