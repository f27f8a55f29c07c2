//! The kernel's IPVS table against the contract, ipvsadm's view of it, and the clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mainstay::ipvs::{
    Command, DataPlane, Destination, Entry, Family, Forward, Persistence, Protocol, Service,
    ServiceFlags, ServiceKey, SyncDaemon, SyncRole, SyncSettings, Table, Tunnel, TunnelChecksum,
    difference,
};
use mainstay::kernel::KernelDataPlane;

use crate::contract::{key, meets_the_contract, server, service};
use crate::network::{cpu_time, in_own_network, ip, output};

/// Runs `test` on the empty table of a network namespace of its own.
fn with_ipvs(test: impl FnOnce(&mut KernelDataPlane)) {
    in_own_network(|| match KernelDataPlane::open() {
        Ok(mut plane) => {
            // Before the first interface is up there are no routing tables, and the kernel takes
            // every destination's address for a broadcast: EINVAL.
            ip("link set lo up");
            test(&mut plane);
        }
        Err(error) => println!("skipped: {error}"),
    });
}

fn entry(service: Service, servers: impl IntoIterator<Item = Destination>) -> Entry {
    let destinations = servers.into_iter().collect();
    Entry { service, destinations }
}

fn table(entries: impl IntoIterator<Item = Entry>) -> Table {
    Table { services: entries.into_iter().map(|entry| (entry.service.key, entry)).collect() }
}

#[test]
fn kernel_meets_the_contract() {
    with_ipvs(|plane| meets_the_contract(plane));
}

/// Every request for IPVS by generic netlink would wait while the kernel stops a daemon, if that was
/// one, too.
#[test]
fn stopping_a_daemon_holds_up_no_command() {
    with_ipvs(|plane| {
        let settings = SyncSettings {
            interface: "lo".to_owned(),
            id: 1,
            max_len: None,
            group: None,
            port: None,
            ttl: None,
        };
        let mut other = KernelDataPlane::open().unwrap();
        for role in SyncRole::BOTH {
            plane.start_daemon(&SyncDaemon { role, settings: settings.clone() }).unwrap();
        }
        // One that has not begun yet would be stopped at once.
        std::thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        let (stopped, commands) = std::thread::scope(|scope| {
            let stopping = scope.spawn(|| {
                SyncRole::BOTH.iter().for_each(|role| plane.stop_daemon(*role).unwrap());
                began.elapsed()
            });
            let mut longest = Duration::ZERO;
            while !stopping.is_finished() {
                let began = Instant::now();
                other.timeouts().unwrap();
                longest = longest.max(began.elapsed());
            }
            (stopping.join().unwrap(), longest)
        });
        println!("stopping took {stopped:.3?}, the slowest command meanwhile {commands:.3?}");
        assert!(commands < stopped / 2 || stopped < Duration::from_millis(100));
    });
}

#[test]
fn a_daemon_needs_its_interface() {
    with_ipvs(|plane| {
        let settings = SyncSettings {
            interface: "none0".to_owned(),
            id: 1,
            max_len: None,
            group: None,
            port: None,
            ttl: None,
        };
        let refused = plane.start_daemon(&SyncDaemon { role: SyncRole::Master, settings });
        assert!(refused.unwrap_err().to_string().contains("No such device"));
    });
}

#[test]
fn ipvsadm_sees_what_was_asked_for() {
    let sip = Persistence { timeout_s: 60, prefix_len: 32, engine: Some("sip".to_owned()) };
    let masked = Persistence { timeout_s: 300, prefix_len: 24, engine: None };
    let mh = ServiceFlags(ServiceFlags::SCHED1 | ServiceFlags::SCHED2);
    let gue = Tunnel::Gue { port: 6080, checksum: TunnelChecksum::Full };
    let wanted = table([
        entry(
            Service { persistence: Some(masked), ..service(key(Protocol::Tcp, "192.0.2.1:80")) },
            [
                Destination { weight: 3, ..server("192.0.2.11:8080") },
                Destination { forward: Forward::DirectRoute, ..server("192.0.2.12:80") },
                Destination { forward: Forward::Tunnel(gue), ..server("192.0.2.13:80") },
                Destination { upper_threshold: 9, lower_threshold: 4, ..server("192.0.2.14:80") },
            ],
        ),
        entry(
            Service {
                scheduler: "mh".to_owned(),
                flags: mh,
                ..service(ServiceKey::Fwmark { family: Family::Inet6, mark: 5 })
            },
            [server("[2001:db8::11]:0")],
        ),
        entry(
            Service {
                flags: ServiceFlags(ServiceFlags::ONE_PACKET),
                persistence: Some(sip),
                ..service(key(Protocol::Udp, "192.0.2.1:5060"))
            },
            [],
        ),
    ]);
    with_ipvs(|plane| {
        let failed = plane.apply(&difference(&HashMap::new(), &wanted.services));
        assert!(
            failed.iter().all(|failed| failed.error.to_string().contains("engine")),
            "{failed:?}"
        );
        let saved = output("ipvsadm", "-Sn");
        println!("{saved}{}", output("ipvsadm", "-Ln --thresholds"));
        let mut lines: Vec<_> = saved.lines().map(str::trim_end).collect();
        lines.retain(|line| !line.contains("5060"));
        lines.sort_unstable();
        let mut expected = [
            "-A -t 192.0.2.1:80 -s rr -p 300 -M 255.255.255.0",
            "-a -t 192.0.2.1:80 -r 192.0.2.11:8080 -m -w 3",
            "-a -t 192.0.2.1:80 -r 192.0.2.12:80 -g -w 1",
            "-a -t 192.0.2.1:80 -r 192.0.2.13:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
            "-a -t 192.0.2.1:80 -r 192.0.2.14:80 -m -w 1",
            "-A -f 5 -6 -s mh -b mh-fallback,mh-port",
            "-a -f 5 -6 -r [2001:db8::11]:0 -m -w 1",
        ];
        expected.sort_unstable();
        assert_eq!(lines, expected);
    });
}

#[test]
fn table_made_by_ipvsadm_is_read_back() {
    with_ipvs(|plane| {
        for rule in [
            "-A -t 192.0.2.1:80 -s wlc -p 120 -M 255.255.0.0",
            "-a -t 192.0.2.1:80 -r 192.0.2.11:80 -g -w 2 -x 10 -y 5",
            "-A -f 3 -s rr",
        ] {
            output("ipvsadm", rule);
        }
        let persistence = Some(Persistence { timeout_s: 120, prefix_len: 16, engine: None });
        let web = Service {
            scheduler: "wlc".to_owned(),
            persistence,
            ..service(key(Protocol::Tcp, "192.0.2.1:80"))
        };
        let real = Destination {
            forward: Forward::DirectRoute,
            weight: 2,
            upper_threshold: 10,
            lower_threshold: 5,
            ..server("192.0.2.11:80")
        };
        let marked = service(ServiceKey::Fwmark { family: Family::Inet, mark: 3 });
        assert_eq!(plane.list().unwrap(), table([entry(web, [real]), entry(marked, [])]));
    });
}

#[test]
fn thousand_services_of_ten_servers_are_a_few_system_calls() {
    let wanted = table((0..1000u32).map(|n| {
        let web = key(Protocol::Tcp, &format!("198.18.{}.{}:80", n / 250, n % 250));
        let real = |m| server(&format!("198.19.{}.{}:80", n / 250, m + 1));
        entry(Service { scheduler: "wlc".to_owned(), ..service(web) }, (0..10).map(real))
    }));
    with_ipvs(|plane| {
        let timed = |what: &str, work: &mut dyn FnMut()| {
            let (start, cpu) = (Instant::now(), cpu_time());
            work();
            println!("{what}: {:?}, CPU {:?}", start.elapsed(), cpu_time() - cpu);
        };
        let mut commands = Vec::new();
        timed("difference of 1000 x 10 from nothing", &mut || {
            commands = difference(&HashMap::new(), &wanted.services);
        });
        timed("1000 x 10 into an empty table", &mut || {
            assert!(plane.apply(&commands).is_empty());
        });
        timed("reading it back", &mut || assert_eq!(plane.list().unwrap(), wanted));
        let known: HashMap<_, _> = wanted.services.clone().into_iter().collect();
        timed("difference when nothing is to be done", &mut || {
            assert_eq!(difference(&known, &wanted.services), []);
        });
        let keys: Vec<_> = wanted.services.keys().copied().map(Command::DeleteService).collect();
        timed("deleting the services", &mut || assert!(plane.apply(&keys).is_empty()));
        assert_eq!(plane.list().unwrap(), Table::default());
    });
}
