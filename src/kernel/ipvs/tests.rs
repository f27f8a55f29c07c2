use proptest::prelude::*;

use super::*;
use crate::ipvs::{
    Destination, Family, Forward, Persistence, Protocol, ServiceFlags, ServiceKey, Tunnel,
    TunnelChecksum,
};

fn tcp(address: &str) -> ServiceKey {
    let address = address.parse::<std::net::SocketAddr>().unwrap().into();
    ServiceKey::Address { protocol: Protocol::Tcp, address }
}

fn service(key: ServiceKey) -> Service {
    let flags = ServiceFlags::default();
    Service { key, scheduler: "rr".to_owned(), flags, persistence: None }
}

fn destination(address: &str, forward: Forward) -> Destination {
    let address = address.parse::<std::net::SocketAddr>().unwrap().into();
    Destination { address, forward, weight: 1, upper_threshold: 0, lower_threshold: 0 }
}

fn encoded(command: &Command) -> Vec<u8> {
    let mut out = Vec::new();
    encode::command(command, &mut out);
    out
}

/// Written out by hand after `linux/ip_vs.h`: ports and the mask as on the wire, the rest in
/// the machine's order.
#[cfg(target_endian = "little")]
#[test]
fn new_service_is_encoded_octet_by_octet() {
    let octets = encoded(&Command::NewService(service(tcp("192.0.2.1:80"))));

    #[rustfmt::skip]
    let wanted = [
        1, 1, 0, 0, // IPVS_CMD_NEW_SERVICE, version 1
        84, 0, 1, 0, // IPVS_CMD_ATTR_SERVICE: its own 4, then 8 + 8 + 20 + 8 + 8 + 12 + 8 + 8
        6, 0, 1, 0, 2, 0, 0, 0, // AF: AF_INET
        6, 0, 2, 0, 6, 0, 0, 0, // PROTOCOL: TCP
        20, 0, 3, 0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // ADDR
        6, 0, 4, 0, 0, 80, 0, 0, // PORT
        7, 0, 6, 0, b'r', b'r', 0, 0, // SCHED_NAME
        12, 0, 7, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, // FLAGS, mask
        8, 0, 8, 0, 0, 0, 0, 0, // TIMEOUT
        8, 0, 9, 0, 0xff, 0xff, 0xff, 0xff, // NETMASK
    ];
    assert_eq!(octets, wanted);
}

#[test]
fn persistence_mask_is_octets_for_ipv4_and_a_number_for_ipv6() {
    for (key, prefix_len, mask) in [
        (tcp("192.0.2.1:80"), 20, [255, 255, 240, 0]),
        (tcp("[2001:db8::1]:80"), 64, 64u32.to_ne_bytes()),
    ] {
        let persistence = Some(Persistence { timeout_s: 300, prefix_len, engine: None });
        let octets = encoded(&Command::SetService(Service { persistence, ..service(key) }));

        let [.., a, b, c, d] = octets[..] else { panic!("short") };
        assert_eq!([a, b, c, d], mask, "{key:?}");
    }
}

#[test]
fn services_come_back_as_they_were_sent() {
    let persistent = |key, engine: Option<&str>| Service {
        flags: ServiceFlags(ServiceFlags::SCHED1 | ServiceFlags::SCHED2),
        persistence: Some(Persistence {
            timeout_s: 300,
            prefix_len: 24,
            engine: engine.map(str::to_owned),
        }),
        ..service(key)
    };
    let fwmark = |family| ServiceKey::Fwmark { family, mark: 7 };
    for sent in [
        service(tcp("192.0.2.1:80")),
        service(fwmark(Family::Inet)),
        service(fwmark(Family::Inet6)),
        persistent(tcp("192.0.2.1:0"), None),
        persistent(tcp("[2001:db8::1]:443"), Some("sip")),
    ] {
        let octets = encoded(&Command::NewService(sent.clone()));
        assert_eq!(decode::service(&octets[GENL_HEADER_LEN..]), Some(sent));
    }
}

#[test]
fn destinations_come_back_as_they_were_sent() {
    let gue = Tunnel::Gue { port: 6080, checksum: TunnelChecksum::Remote };
    for sent in [
        destination("192.0.2.11:80", Forward::Nat),
        destination("192.0.2.11:80", Forward::DirectRoute),
        destination("192.0.2.11:80", Forward::Tunnel(Tunnel::Ipip)),
        destination("[2001:db8::11]:80", Forward::Tunnel(gue)),
        destination(
            "192.0.2.11:80",
            Forward::Tunnel(Tunnel::Gre { checksum: TunnelChecksum::Full }),
        ),
        Destination {
            weight: 0x7fff_ffff,
            upper_threshold: 100,
            lower_threshold: 75,
            ..destination("192.0.2.11:80", Forward::Nat)
        },
    ] {
        let octets = encoded(&Command::NewDestination(tcp("192.0.2.1:80"), sent.clone()));
        let found = decode::destination(&octets[GENL_HEADER_LEN..], Family::Inet);
        assert_eq!(found, Some(sent));
    }
}

/// Replies carry HASHED (0x2) and may carry PERSISTENT (0x1): neither is a flag of ours.
#[test]
fn kernels_own_flags_are_taken_off() {
    let mut octets = encoded(&Command::NewService(service(tcp("192.0.2.1:80"))));
    // After header, nest, AF, PROTOCOL, ADDR, PORT, SCHED_NAME and FLAGS' own header.
    octets[4 + 4 + 8 + 8 + 20 + 8 + 8 + 4] = 0x2 | 0x4;

    let found = decode::service(&octets[GENL_HEADER_LEN..]).expect("a service");

    assert_eq!((found.flags, found.persistence), (ServiceFlags(ServiceFlags::ONE_PACKET), None));
}

#[test]
fn refusals_that_leave_things_as_wanted_are_no_failures() {
    let key = tcp("192.0.2.1:80");
    let server = destination("192.0.2.11:80", Forward::Nat);
    let refusal = |errno| Refusal { index: 0, errno, text: None };
    let error = |command: &Command, errno| command_error(command, &refusal(errno));

    assert!(error(&Command::NewService(service(key)), libc::EEXIST).is_none());
    assert!(error(&Command::NewDestination(key, server.clone()), libc::EEXIST).is_none());
    for errno in [libc::ESRCH, libc::ENOENT] {
        assert!(error(&Command::DeleteService(key), errno).is_none());
        assert!(error(&Command::DeleteDestination(key, server.address), errno).is_none());
        assert!(error(&Command::SetDestination(key, server.clone()), errno).is_some());
    }
}

/// The kernel says the same for both; the module that is not there is named, or else both are.
#[test]
fn a_missing_scheduler_or_engine_is_told_with_its_module() {
    let with = |engine: Option<&str>| {
        let engine = engine.map(str::to_owned);
        let persistence = Persistence { timeout_s: 300, prefix_len: 32, engine };
        let service = Service {
            scheduler: "nosuch".to_owned(),
            persistence: Some(persistence),
            ..service(tcp("192.0.2.1:80"))
        };
        let refusal = Refusal { index: 0, errno: libc::ENOENT, text: None };
        command_error(&Command::NewService(service), &refusal).unwrap().to_string()
    };
    assert_eq!(with(None), "scheduler nosuch is not in this kernel (module ip_vs_nosuch)");
    assert_eq!(
        with(Some("sip")),
        "IPVS: scheduler nosuch (module ip_vs_nosuch) or persistence engine sip (module ip_vs_pe_sip) is not in this kernel"
    );
}

#[test]
fn missing_right_is_told_as_such() {
    let refusal = Refusal { index: 0, errno: libc::EPERM, text: None };
    let error = command_error(&Command::Flush, &refusal);
    assert!(matches!(error, Some(DataPlaneError::NotPermitted)));
    let error = read_error(io::Error::from_raw_os_error(libc::EPERM));
    assert!(matches!(error, DataPlaneError::NotPermitted));
}

#[test]
fn missing_scheduler_is_named() {
    let refusal = Refusal { index: 0, errno: libc::ENOENT, text: None };
    let command = Command::NewService(service(tcp("192.0.2.1:80")));

    let error = command_error(&command, &refusal).expect("a failure");

    assert_eq!(error.to_string(), "scheduler rr is not in this kernel (module ip_vs_rr)");
}

proptest! {
    #[test]
    fn any_reply_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::service(&bytes);
        let _ = decode::destination(&bytes, Family::Inet6);
        let _ = payloads(&bytes, 30).count();
    }

    /// A good reply with one octet changed: gets further in than noise does.
    #[test]
    fn any_damaged_reply_is_read_without_panic(at in 0usize..84, value in any::<u8>()) {
        let mut octets = encoded(&Command::NewService(service(tcp("192.0.2.1:80"))));
        octets[GENL_HEADER_LEN + at] = value;
        let _ = decode::service(&octets[GENL_HEADER_LEN..]);
    }
}
