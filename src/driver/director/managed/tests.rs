use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::check::{AttemptId, Outcome, QuorumRule, Timing};
use crate::config::plan::{SorryServer, Wording};
use crate::driver::clock;
use crate::ipvs::{Forward, Protocol, Service, ServiceFlags, SocketKey};
use crate::probe::Connect;

const SORRY: &str = "192.0.2.99:80";

fn key(text: &str) -> SocketKey {
    text.parse::<SocketAddr>().unwrap().into()
}

fn destination(address: &str) -> Destination {
    Destination {
        address: key(address),
        forward: Forward::Nat,
        weight: 3,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn tcp_check(address: &str) -> Checker {
    let connect =
        Connect { target: address.parse().unwrap(), origin: None, timeout: Duration::from_secs(5) };
    let timing = Timing {
        delay_loop: Duration::from_secs(10),
        retry: 1,
        delay_before_retry: Duration::from_secs(1),
        warmup: Duration::ZERO,
        alpha: false,
    };
    Checker { timing: timing.into(), probe: Probe::Tcp(connect) }
}

fn real_server(address: &str) -> RealServer {
    RealServer {
        destination: destination(address),
        inhibit_on_failure: false,
        mails: None,
        checkers: [tcp_check(address)].into(),
        rare: None,
    }
}

fn virtual_server(servers: &[&str]) -> VirtualServer {
    let address = key("192.0.2.1:80");
    VirtualServer {
        service: Service {
            key: ServiceKey::Address { protocol: Protocol::Tcp, address },
            scheduler: "wlc".to_owned(),
            flags: ServiceFlags::default(),
            persistence: None,
        },
        more_keys: Vec::new(),
        marked: Box::default(),
        group: None,
        protocol: Some(Protocol::Tcp),
        quorum: QuorumRule::default(),
        real_servers: servers.iter().map(|each| real_server(each)).collect(),
        sorry_server: Some(SorryServer { destination: destination(SORRY), inhibit: false }),
        quorum_up: None,
        quorum_down: None,
        omega: false,
        drain_time: Duration::from_secs(30),
        ha_suspend: false,
        mails: None,
        wording: Wording::default(),
    }
}

/// Address and weight of what IPVS is to hold.
fn held(managed: &Managed) -> Vec<(String, u32)> {
    let destinations = managed.entries().next().unwrap().destinations;
    destinations.iter().map(|each| (each.address.to_string(), each.weight)).collect()
}

/// Lets the first attempt that is due fail.
fn fail_next(managed: &mut Managed) {
    let mut actions = Vec::new();
    let at = managed.pool.next_deadline().unwrap();
    managed.pool.handle(at, Event::DeadlineReached, &mut actions);
    let attempt = actions.iter().find_map(|action| match action {
        Action::Attempt { attempt, .. } => Some(*attempt),
        _ => None,
    });
    fail(managed, at, attempt.unwrap());
}

fn fail(managed: &mut Managed, at: Instant, attempt: AttemptId) {
    let outcome = Outcome::Failure("connection refused".to_owned());
    managed.pool.handle(at, Event::Result { attempt, outcome }, &mut Vec::new());
}

#[test]
fn a_lost_quorum_leaves_the_sorry_server_alone_in_the_table() {
    let mut managed = Managed::new(Arc::new(virtual_server(&["192.0.2.11:80"])));
    managed.start(clock::now(), 1, &mut Vec::new());
    assert_eq!(held(&managed), [("192.0.2.11:80".to_owned(), 3)]);

    fail_next(&mut managed);
    assert_eq!(held(&managed), [(SORRY.to_owned(), 1)]);
}

#[test]
fn a_reload_pairs_servers_by_address_and_keeps_a_failed_one_out() {
    let mut before = Managed::new(Arc::new(virtual_server(&["192.0.2.11:80", "192.0.2.12:80"])));
    before.start(clock::now(), 1, &mut Vec::new());
    fail_next(&mut before);
    let failed = held(&before);
    assert_eq!(failed.len(), 1);

    // The same servers in the other order, and a new one.
    let plan = virtual_server(&["192.0.2.12:80", "192.0.2.13:80", "192.0.2.11:80"]);
    let mut after = Managed::new(Arc::new(plan));
    after.adopt(clock::now(), &before, 2, &mut Vec::new());
    let expected = [failed[0].clone(), ("192.0.2.13:80".to_owned(), 3)];
    assert_eq!(held(&after), expected);
}

#[test]
fn two_checkers_alike_are_paired_one_to_one() {
    let old = RealServer {
        checkers: [tcp_check("192.0.2.11:80"), tcp_check("192.0.2.11:80")].into(),
        ..real_server("192.0.2.11:80")
    };
    assert_eq!(pair_checkers(&old, &old), [Some(0), Some(1)]);
}

#[test]
fn servers_are_named_with_the_services_protocol() {
    let managed = Managed::new(Arc::new(virtual_server(&["192.0.2.11:80"])));
    assert_eq!(managed.name, "[192.0.2.1]:tcp:80");
    assert_eq!(managed.name_of(0), "[192.0.2.11]:tcp:80");
}

#[test]
fn a_server_that_a_reload_takes_out_drains() {
    let plan = |servers: &[&str]| Arc::new(virtual_server(servers));
    let mut before = Managed::new(plan(&["192.0.2.11:80", "192.0.2.12:80", "192.0.2.13:80"]));
    before.start(clock::now(), 1, &mut Vec::new());
    // It is not in the table, so that it has no connections to keep.
    fail_next(&mut before);
    let serving: Vec<_> = held(&before).into_iter().map(|(address, _)| address).collect();
    assert_eq!(serving.len(), 2);

    let (now, kept) = (clock::now(), serving[0].as_str());
    let mut after = Managed::new(plan(&[kept]));
    after.adopt(now, &before, 2, &mut Vec::new());
    assert_eq!(held(&after), [(kept.to_owned(), 3), (serving[1].clone(), 0)]);
    assert_eq!(after.draining.next(), Some(now + Duration::from_secs(30)));

    // Back before its time is over, it is a server like any other.
    let mut back = Managed::new(plan(&[kept, &serving[1]]));
    back.adopt(now, &after, 3, &mut Vec::new());
    assert_eq!(held(&back), [(kept.to_owned(), 3), (serving[1].clone(), 3)]);
    assert_eq!(back.draining.next(), None);
}
