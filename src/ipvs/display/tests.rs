use std::net::SocketAddr;

use super::*;
use crate::ipvs::{Family, Protocol};

fn key(protocol: Protocol, address: &str) -> ServiceKey {
    ServiceKey::Address { protocol, address: address.parse::<SocketAddr>().unwrap().into() }
}

#[test]
fn service_is_written_as_keepalived_writes_it() {
    assert_eq!(key(Protocol::Tcp, "192.0.2.1:80").to_string(), "[192.0.2.1]:tcp:80");
    assert_eq!(key(Protocol::Udp, "[2001:db8::1]:53").to_string(), "[2001:db8::1]:udp:53");
    let marked = ServiceKey::Fwmark { family: Family::Inet6, mark: 1 };
    assert_eq!(marked.to_string(), "FWM 1");
}

#[test]
fn server_and_method_are_written_as_ipvsadm_writes_them() {
    let server = SocketKey::from("[2001:db8::11]:8080".parse::<SocketAddr>().unwrap());
    assert_eq!(server.to_string(), "[2001:db8::11]:8080");
    let written: Vec<_> = [Forward::Nat, Forward::DirectRoute, Forward::Tunnel(Tunnel::Ipip)]
        .iter()
        .map(|forward| format!("{forward:<7}|"))
        .collect();
    assert_eq!(written, ["Masq   |", "Route  |", "Tunnel |"]);
}
