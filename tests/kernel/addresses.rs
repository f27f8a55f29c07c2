//! Addresses added and removed in batches, and the events that tell of it.

use std::net::Ipv4Addr;
use std::time::Instant;

use mainstay::kernel::{
    Assignment, ChangeFailure, IFAPROT_KEEPALIVED, InterfaceAddress, KernelChange, KernelEvent,
    KernelObject, Rtnl, RtnlMonitor, interface_index,
};

use crate::network::{
    cpu_time, eventually, in_own_network, in_own_network_async, ip, output, veth_pair, without_ipv6,
};

fn assignment(ifindex: u32, address: &str) -> Assignment {
    Assignment::plain(ifindex, address.parse().unwrap())
}

/// `count` addresses of 198.18.0.0/15, which is for measurements (RFC 2544).
fn many(ifindex: u32, count: u32) -> Vec<Assignment> {
    let first = u32::from(Ipv4Addr::new(198, 18, 0, 1));
    let ip = |n| Ipv4Addr::from(first + n);
    (0..count).map(|n| assignment(ifindex, &format!("{}/32", ip(n)))).collect()
}

fn held(rtnl: &mut Rtnl, ifindex: u32) -> Vec<InterfaceAddress> {
    let mut addresses = rtnl.addresses().unwrap();
    addresses.retain(|address| address.ifindex == ifindex && address.scope != 253);
    addresses
}

fn assert_none(failures: &[ChangeFailure]) {
    let told: Vec<_> = failures.iter().map(|f| format!("{}: {f}", f.index)).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn addresses_are_added_with_all_their_attributes_and_removed() {
    in_own_network(|| {
        veth_pair("v0", "v1");
        let v0 = interface_index("v0").unwrap();
        let mut rtnl = Rtnl::open().unwrap();
        let wanted = [
            Assignment {
                broadcast: Some(Ipv4Addr::new(203, 0, 113, 255)),
                label: Some("v0:vip".to_owned()),
                scope: 200,
                ..assignment(v0, "203.0.113.10/24")
            },
            assignment(v0, "192.0.2.11/24"),
            assignment(v0, "192.0.2.12/24"),
            assignment(v0, "2001:db8::10/128"),
            assignment(v0, "2001:db8::11/64"),
        ];

        let add: Vec<_> = wanted.iter().cloned().map(KernelChange::add).collect();
        assert_none(&rtnl.change(&add));
        // What is there already is no failure.
        assert_none(&rtnl.change(&add));

        let shown = output("ip", "-o -d address show dev v0");
        for (address, words) in [
            ("203.0.113.10/24", &["brd 203.0.113.255", "scope site", "v0:vip"][..]),
            ("192.0.2.11/24", &["scope global", " v0\\"]),
            ("192.0.2.12/24", &["scope global", "secondary"]),
            ("2001:db8::10/128", &["nodad", "deprecated", "preferred_lft 0sec"]),
            ("2001:db8::11/64", &["nodad", "valid_lft forever preferred_lft forever"]),
        ] {
            let line = shown.lines().find(|line| line.contains(&format!(" {address} ")));
            let line = line.unwrap_or_else(|| panic!("no {address} in:\n{shown}"));
            assert!(words.iter().all(|word| line.contains(word)), "not {words:?}: {line}");
        }
        assert!(!shown.contains("tentative scope global"), "{shown}");
        let first = &held(&mut rtnl, v0)[0];
        assert_eq!(first.label.as_deref(), Some("v0:vip"));
        // Kernels before 5.18 have no origins of addresses.
        assert!(first.protocol.is_none_or(|protocol| protocol == IFAPROT_KEEPALIVED));

        let remove: Vec<_> = wanted.into_iter().map(KernelChange::remove).collect();
        assert_none(&rtnl.change(&remove));
        assert_eq!(held(&mut rtnl, v0), []);
        // What is gone already is no failure, nor is it with the interface gone.
        assert_none(&rtnl.change(&remove));
        ip("link del v0");
        assert_none(&rtnl.change(&remove));
    });
}

#[test]
fn refused_change_is_told_by_its_place_and_stops_no_other() {
    in_own_network(|| {
        veth_pair("v0", "v1");
        let v0 = interface_index("v0").unwrap();
        let mut changes: Vec<_> = many(v0, 300).into_iter().map(KernelChange::add).collect();
        changes[5] = KernelChange::add(assignment(9999, "192.0.2.1/24"));
        changes[200] = KernelChange::add(Assignment {
            label: Some("a label beyond all measure".to_owned()),
            ..assignment(v0, "192.0.2.2/24")
        });
        let mut rtnl = Rtnl::open().unwrap();

        let failed = rtnl.change(&changes);

        let places: Vec<_> = failed.iter().map(|f| (f.index, f.error.raw_os_error())).collect();
        assert_eq!(places, [(5, Some(libc::ENODEV)), (200, Some(libc::ERANGE))], "{failed:?}");
        println!("the kernel's words: {}; {}", failed[0], failed[1]);
        assert_eq!(held(&mut rtnl, v0).len(), 298);
    });
}

#[test]
fn four_thousand_addresses_are_a_few_system_calls() {
    in_own_network(|| {
        veth_pair("v0", "v1");
        let v0 = interface_index("v0").unwrap();
        let mut rtnl = Rtnl::open().unwrap();
        let wanted = many(v0, 4000);
        for (what, change) in [
            ("added", KernelChange::add as fn(Assignment) -> KernelChange),
            ("removed", KernelChange::remove),
        ] {
            let changes: Vec<_> = wanted.iter().cloned().map(change).collect();
            let (start, cpu) = (Instant::now(), cpu_time());
            assert_none(&rtnl.change(&changes));
            println!("4000 addresses {what}: {:?}, CPU {:?}", start.elapsed(), cpu_time() - cpu);
        }
        assert_eq!(held(&mut rtnl, v0), []);
    });
}

#[test]
fn monitor_tells_of_links_and_addresses() {
    in_own_network_async(async || {
        let mut monitor = RtnlMonitor::open().unwrap();
        let mut events = Vec::new();
        veth_pair("v0", "v1");
        ip("address add 192.0.2.1/24 dev v0");
        ip("address del 192.0.2.1/24 dev v0");
        ip("link set v1 down");
        ip("link del v0");

        let mut seen = async |what: &str, wanted: fn(&KernelEvent) -> bool| {
            loop {
                while !events.is_empty() {
                    if wanted(&events.remove(0)) {
                        return;
                    }
                }
                let ready =
                    tokio::time::timeout(std::time::Duration::from_secs(5), monitor.ready());
                ready.await.unwrap_or_else(|_| panic!("never seen: {what}")).unwrap();
                monitor.drain(&mut events).unwrap();
            }
        };
        seen("v0 up", |e| matches!(e, KernelEvent::Link(l) if l.name == "v0" && l.up)).await;
        seen("address", |e| {
            matches!(e, KernelEvent::AddressAdded(a) if a.address == "192.0.2.1/24".parse().unwrap())
        })
        .await;
        seen("no address", |e| {
            matches!(e, KernelEvent::AddressRemoved(a) if a.address == "192.0.2.1/24".parse().unwrap())
        })
        .await;
        seen(
            "v0 without carrier",
            |e| matches!(e, KernelEvent::Link(l) if l.name == "v0" && !l.up),
        )
        .await;
        seen("v0 gone", |e| matches!(e, KernelEvent::LinkGone { name, .. } if name == "v0")).await;
    });
}

/// An interface that leaves a bridge is still there.
#[test]
fn leaving_a_bridge_is_not_being_gone() {
    in_own_network_async(async || {
        veth_pair("v0", "v1");
        ip("link add br0 type bridge");
        ip("link set v0 master br0");
        let mut monitor = RtnlMonitor::open().unwrap();
        ip("link set v0 nomaster");
        let is_v0 = |event: &KernelEvent| matches!(event, KernelEvent::Link(l) if l.name == "v0");
        let mut events = Vec::new();
        eventually("news of v0", || {
            monitor.drain(&mut events).unwrap();
            events.iter().any(is_v0).then_some(())
        })
        .await;
        let gone = events.iter().any(|event| matches!(event, KernelEvent::LinkGone { .. }));
        assert!(!gone, "{events:?}");
    });
}

#[test]
fn lost_events_are_told() {
    in_own_network_async(async || {
        without_ipv6();
        veth_pair("v0", "v1");
        let v0 = interface_index("v0").unwrap();
        let mut monitor = RtnlMonitor::open_with_queue(64 * 1024).unwrap();
        let mut rtnl = Rtnl::open().unwrap();
        let add: Vec<_> = many(v0, 1000).into_iter().map(KernelChange::add).collect();
        assert_none(&rtnl.change(&add));

        let mut events = Vec::new();
        monitor.drain(&mut events).unwrap();

        println!("1000 addresses while nobody read: {} events", events.len());
        assert!(events.contains(&KernelEvent::Overrun), "{events:?}");
        let KernelObject::Address(first) = add[0].object().clone() else {
            unreachable!("made so above")
        };
        assert_none(&rtnl.change(&[KernelChange::remove(first)]));
        events.clear();
        monitor.drain(&mut events).unwrap();
        assert!(matches!(events[..], [KernelEvent::AddressRemoved(_)]), "hears on: {events:?}");
    });
}
