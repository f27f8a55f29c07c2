//! Commands as the kernel reads them: `genlmsghdr` and attributes. Plain functions, no socket.

use std::net::IpAddr;

use super::numbers::*;
use crate::ipvs::{
    Command, Destination, Family, Forward, Persistence, Protocol, Service, ServiceKey, SocketKey,
    SyncDaemon, SyncRole, Tunnel, TunnelChecksum,
};
use crate::kernel::netlink::{push_attribute, push_nested};

/// Appends one command, without the netlink header.
pub fn command(command: &Command, out: &mut Vec<u8>) {
    match command {
        Command::NewService(service) => full_service(IPVS_CMD_NEW_SERVICE, service, out),
        Command::SetService(service) => full_service(IPVS_CMD_SET_SERVICE, service, out),
        Command::DeleteService(key) => {
            header(IPVS_CMD_DEL_SERVICE, out);
            service_key(key, out);
        }
        Command::NewDestination(key, destination) => {
            full_destination(IPVS_CMD_NEW_DEST, key, destination, out);
        }
        Command::SetDestination(key, destination) => {
            full_destination(IPVS_CMD_SET_DEST, key, destination, out);
        }
        Command::DeleteDestination(key, address) => {
            header(IPVS_CMD_DEL_DEST, out);
            service_key(key, out);
            push_nested(out, IPVS_CMD_ATTR_DEST, |out| destination_key(*address, out));
        }
        Command::Flush => header(IPVS_CMD_FLUSH, out),
        Command::SetTimeouts(timeouts) => {
            header(IPVS_CMD_SET_CONFIG, out);
            push_u32(out, IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp_s);
            push_u32(out, IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin_s);
            push_u32(out, IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp_s);
        }
    }
}

/// Appends the request for the connection time-outs.
pub fn get_timeouts(out: &mut Vec<u8>) {
    header(IPVS_CMD_GET_CONFIG, out);
}

/// Appends the request for the sync daemons that run.
pub fn get_daemons(out: &mut Vec<u8>) {
    header(IPVS_CMD_GET_DAEMON, out);
}

/// Appends the command that starts a sync daemon. What is not said is left to the kernel.
pub fn new_daemon(daemon: &SyncDaemon, out: &mut Vec<u8>) {
    let SyncDaemon { role, settings } = daemon;
    header(IPVS_CMD_NEW_DAEMON, out);
    push_nested(out, IPVS_CMD_ATTR_DAEMON, |out| {
        push_u32(out, IPVS_DAEMON_ATTR_STATE, sync_state(*role));
        push_name(out, IPVS_DAEMON_ATTR_MCAST_IFN, &settings.interface);
        push_u32(out, IPVS_DAEMON_ATTR_SYNC_ID, settings.id);
        if let Some(len) = settings.max_len {
            push_u16(out, IPVS_DAEMON_ATTR_SYNC_MAXLEN, len);
        }
        match settings.group {
            Some(IpAddr::V4(group)) => {
                push_attribute(out, IPVS_DAEMON_ATTR_MCAST_GROUP, &group.octets());
            }
            Some(IpAddr::V6(group)) => {
                push_attribute(out, IPVS_DAEMON_ATTR_MCAST_GROUP6, &group.octets());
            }
            None => {}
        }
        // In the machine's order, unlike all other ports.
        if let Some(port) = settings.port {
            push_u16(out, IPVS_DAEMON_ATTR_MCAST_PORT, port);
        }
        if let Some(ttl) = settings.ttl {
            push_attribute(out, IPVS_DAEMON_ATTR_MCAST_TTL, &[ttl]);
        }
    });
}

/// The kernel's number for a role.
pub fn sync_state(role: SyncRole) -> u32 {
    match role {
        SyncRole::Master => IP_VS_STATE_MASTER,
        SyncRole::Backup => IP_VS_STATE_BACKUP,
    }
}

/// Appends the request for a dump of all services.
pub fn get_services(out: &mut Vec<u8>) {
    header(IPVS_CMD_GET_SERVICE, out);
}

/// Appends the request for a dump of one service's destinations.
pub fn get_destinations(key: &ServiceKey, out: &mut Vec<u8>) {
    header(IPVS_CMD_GET_DEST, out);
    service_key(key, out);
}

fn header(command: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[command, IPVS_GENL_VERSION, 0, 0]);
}

fn service_key(key: &ServiceKey, out: &mut Vec<u8>) {
    push_nested(out, IPVS_CMD_ATTR_SERVICE, |out| key_attributes(key, out));
}

fn full_service(command: u8, service: &Service, out: &mut Vec<u8>) {
    header(command, out);
    push_nested(out, IPVS_CMD_ATTR_SERVICE, |out| {
        key_attributes(&service.key, out);
        push_name(out, IPVS_SVC_ATTR_SCHED_NAME, &service.scheduler);
        push_attribute(out, IPVS_SVC_ATTR_FLAGS, &flags_and_mask(service));
        persistence(service, out);
    });
}

fn key_attributes(key: &ServiceKey, out: &mut Vec<u8>) {
    push_u16(out, IPVS_SVC_ATTR_AF, address_family(key.family()));
    match key {
        ServiceKey::Address { protocol, address } => {
            push_u16(out, IPVS_SVC_ATTR_PROTOCOL, protocol_number(*protocol));
            push_attribute(out, IPVS_SVC_ATTR_ADDR, &union_nf_inet_addr(address.ip));
            push_attribute(out, IPVS_SVC_ATTR_PORT, &address.port.to_be_bytes());
        }
        ServiceKey::Fwmark { mark, .. } => push_u32(out, IPVS_SVC_ATTR_FWMARK, *mark),
    }
}

/// Flags, and the mask of those to be changed: all.
fn flags_and_mask(service: &Service) -> [u8; 8] {
    let persistent = if service.persistence.is_some() { IP_VS_SVC_F_PERSISTENT } else { 0 };
    let [f0, f1, f2, f3] = (service.flags.0 | persistent).to_ne_bytes();
    [f0, f1, f2, f3, 0xff, 0xff, 0xff, 0xff]
}

/// Time-out and mask, which the kernel demands of every service. Without an engine attribute a
/// service loses the engine it had.
fn persistence(service: &Service, out: &mut Vec<u8>) {
    let family = service.key.family();
    let whole = if family == Family::Inet { 32 } else { 128 };
    let (timeout_s, prefix_len, engine) = match &service.persistence {
        Some(Persistence { timeout_s, prefix_len, engine }) => (*timeout_s, *prefix_len, engine),
        None => (0, whole, &None),
    };
    push_u32(out, IPVS_SVC_ATTR_TIMEOUT, timeout_s);
    push_attribute(out, IPVS_SVC_ATTR_NETMASK, &netmask(family, prefix_len));
    if let Some(engine) = engine {
        push_name(out, IPVS_SVC_ATTR_PE_NAME, engine);
    }
}

/// IPv4: the mask, as on the wire. IPv6: the prefix length, as a number of the machine's.
fn netmask(family: Family, prefix_len: u8) -> [u8; 4] {
    match family {
        Family::Inet => {
            let host_bits = 32u32.saturating_sub(prefix_len.into());
            u32::MAX.checked_shl(host_bits).unwrap_or(0).to_be_bytes()
        }
        Family::Inet6 => u32::from(prefix_len).to_ne_bytes(),
    }
}

fn full_destination(command: u8, key: &ServiceKey, destination: &Destination, out: &mut Vec<u8>) {
    header(command, out);
    service_key(key, out);
    push_nested(out, IPVS_CMD_ATTR_DEST, |out| {
        destination_key(destination.address, out);
        push_u32(out, IPVS_DEST_ATTR_FWD_METHOD, forward_method(destination.forward));
        push_u32(out, IPVS_DEST_ATTR_WEIGHT, destination.weight);
        push_u32(out, IPVS_DEST_ATTR_U_THRESH, destination.upper_threshold);
        push_u32(out, IPVS_DEST_ATTR_L_THRESH, destination.lower_threshold);
        if let Forward::Tunnel(kind) = destination.forward {
            tunnel(kind, out);
        }
    });
}

/// The family is part of the key: a tunnel's destination may be of the other one.
fn destination_key(address: SocketKey, out: &mut Vec<u8>) {
    push_attribute(out, IPVS_DEST_ATTR_ADDR, &union_nf_inet_addr(address.ip));
    push_attribute(out, IPVS_DEST_ATTR_PORT, &address.port.to_be_bytes());
    push_u16(out, IPVS_DEST_ATTR_ADDR_FAMILY, address_family(Family::of(address.ip)));
}

fn forward_method(forward: Forward) -> u32 {
    match forward {
        Forward::Nat => IP_VS_CONN_F_MASQ,
        Forward::DirectRoute => IP_VS_CONN_F_DROUTE,
        Forward::Tunnel(_) => IP_VS_CONN_F_TUNNEL,
    }
}

fn tunnel(tunnel: Tunnel, out: &mut Vec<u8>) {
    let mut push_type = |kind: u8| push_attribute(out, IPVS_DEST_ATTR_TUN_TYPE, &[kind]);
    match tunnel {
        Tunnel::Ipip => push_type(IP_VS_CONN_F_TUNNEL_TYPE_IPIP),
        Tunnel::Gue { port, checksum } => {
            push_type(IP_VS_CONN_F_TUNNEL_TYPE_GUE);
            push_attribute(out, IPVS_DEST_ATTR_TUN_PORT, &port.to_be_bytes());
            push_u16(out, IPVS_DEST_ATTR_TUN_FLAGS, tunnel_flags(checksum));
        }
        Tunnel::Gre { checksum } => {
            push_type(IP_VS_CONN_F_TUNNEL_TYPE_GRE);
            push_u16(out, IPVS_DEST_ATTR_TUN_FLAGS, tunnel_flags(checksum));
        }
    }
}

fn tunnel_flags(checksum: TunnelChecksum) -> u16 {
    match checksum {
        TunnelChecksum::None => IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM,
        TunnelChecksum::Full => IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
        TunnelChecksum::Remote => IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM,
    }
}

fn address_family(family: Family) -> u16 {
    match family {
        Family::Inet => AF_INET,
        Family::Inet6 => AF_INET6,
    }
}

fn protocol_number(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => libc::IPPROTO_TCP as u16,
        Protocol::Udp => libc::IPPROTO_UDP as u16,
        Protocol::Sctp => libc::IPPROTO_SCTP as u16,
    }
}

/// 16 octets whatever the family; IPv4 takes the first four.
fn union_nf_inet_addr(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn push_u16(out: &mut Vec<u8>, kind: u16, value: u16) {
    push_attribute(out, kind, &value.to_ne_bytes());
}

fn push_u32(out: &mut Vec<u8>, kind: u16, value: u32) {
    push_attribute(out, kind, &value.to_ne_bytes());
}

/// A name ends with a NUL. One longer than any the kernel takes (15 octets) is cut behind what
/// shows that it is too long, so that the kernel refuses it.
fn push_name(out: &mut Vec<u8>, kind: u16, name: &str) {
    let mut octets: Vec<u8> = name.bytes().take(64).collect();
    octets.push(0);
    push_attribute(out, kind, &octets);
}
