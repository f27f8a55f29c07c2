//! Routes: the requests that add and remove them, and what the kernel says of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{DefaultNla, Emitable, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    MplsLabel, RouteAttribute, RouteFlags, RouteHeader, RouteIp6Tunnel, RouteIp6TunnelFlags,
    RouteIpTunnel, RouteIpTunnelFlags, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage,
    RouteMetric, RouteMplsIpTunnel, RouteMplsTtlPropagation, RouteNextHop, RouteNextHopFlags,
    RouteRealm,
};

use super::netlink::{attributes, u16_at, u32_at};
use super::netlink_socket::RequestKind;
use crate::routing::{
    Encapsulation, Hop, InstalledRoute, Placement, Route, RouteKey, Tunnel, UNICAST,
};

pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
/// `struct rtmsg`.
pub(super) const RTMSG_LEN: usize = 12;
/// Where `struct rtmsg` has the protocol.
pub(super) const PROTOCOL_OFFSET: usize = 5;

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;

const RTAX_CC_ALGO: u16 = 16;
const ILA_ATTR_LOCATOR: u16 = 1;

/// `struct rtnexthop`.
const RTNEXTHOP_LEN: usize = 8;
/// RTM_F_CLONED: a route of the cache, not of the table.
const CLONED: u32 = 0x200;

pub(super) fn write_addition(route: &Route<u32>, out: &mut Vec<u8>) -> RequestKind {
    let mut message = message(route, true);
    let list = &mut message.attributes;
    let mut metrics: Vec<RouteMetric> = (route.metrics.iter())
        .map(|(kind, value)| RouteMetric::Other(number(*kind, &value.to_ne_bytes())))
        .collect();
    metrics.extend(
        route.congestion_control.as_ref().map(|name| {
            RouteMetric::Other(number(RTAX_CC_ALGO, &[name.as_bytes(), &[0]].concat()))
        }),
    );
    if !metrics.is_empty() {
        list.push(RouteAttribute::Metrics(metrics));
    }
    list.extend(route.expires.map(RouteAttribute::Expires));
    list.extend(route.preference.map(|pref| RouteAttribute::Preference(pref.into())));
    list.extend(
        route
            .ttl_propagate
            .map(|on| RouteAttribute::TtlPropagate(RouteMplsTtlPropagation::from(u8::from(on)))),
    );
    emit(&message, out);
    let flags = match route.placement {
        Placement::Add => NLM_F_CREATE | NLM_F_EXCL,
        Placement::Prepend => NLM_F_CREATE,
        Placement::Append => NLM_F_CREATE | NLM_F_APPEND,
    };
    RequestKind { kind: RTM_NEWROUTE, flags }
}

/// Names everything that tells the route from another one: somebody else's is not ours to remove.
pub(super) fn write_removal(route: &Route<u32>, out: &mut Vec<u8>) -> RequestKind {
    emit(&message(route, false), out);
    RequestKind { kind: RTM_DELROUTE, flags: 0 }
}

fn emit(message: &RouteMessage, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + message.buffer_len(), 0);
    message.emit(&mut out[start..]);
}

/// Without what the kernel does not tell routes apart by.
fn message(route: &Route<u32>, with_encapsulation: bool) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(route.destination),
        destination_prefix_length: route.destination.prefix_len(),
        source_prefix_length: route.source.map_or(0, |source| source.prefix_len()),
        tos: route.tos,
        // Those beyond 255 are in the attribute alone.
        table: u8::try_from(route.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC),
        protocol: route.protocol.into(),
        scope: route.scope.into(),
        kind: route.kind.into(),
        flags: RouteFlags::empty(),
    };
    let list = &mut message.attributes;
    list.push(RouteAttribute::Table(route.table));
    if route.destination.prefix_len() > 0 {
        list.push(RouteAttribute::Destination(route.destination.addr().into()));
    }
    list.extend(route.source.map(|source| RouteAttribute::Source(source.addr().into())));
    list.extend(route.preferred_source.map(|ip| RouteAttribute::PrefSource(ip.into())));
    list.extend(route.metric.map(RouteAttribute::Priority));
    match &route.hops[..] {
        [] => {}
        [hop] => {
            if hop.on_link {
                message.header.flags |= RouteFlags::Onlink;
            }
            list.extend(hop.device.map(RouteAttribute::Oif));
            list.extend(hop_attributes(hop, route.is_ipv6(), with_encapsulation));
        }
        hops => {
            let hops = hops.iter().map(|hop| next_hop(hop, route.is_ipv6(), with_encapsulation));
            list.push(RouteAttribute::MultiPath(hops.collect()));
        }
    }
    message
}

fn next_hop(hop: &Hop<u32>, ipv6: bool, with_encapsulation: bool) -> RouteNextHop {
    let mut next = RouteNextHop::default();
    if hop.on_link {
        next.flags |= RouteNextHopFlags::Onlink;
    }
    next.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    next.interface_index = hop.device.unwrap_or(0);
    next.attributes = hop_attributes(hop, ipv6, with_encapsulation);
    next
}

fn hop_attributes(hop: &Hop<u32>, ipv6: bool, with_encapsulation: bool) -> Vec<RouteAttribute> {
    let mut list = Vec::new();
    list.extend(hop.via.map(|via| {
        if via.is_ipv6() == ipv6 {
            RouteAttribute::Gateway(via.into())
        } else {
            RouteAttribute::Via(via.into())
        }
    }));
    list.extend(hop.realms.map(|realms| {
        let (source, destination) = ((realms >> 16) as u16, realms as u16);
        RouteAttribute::Realm(RouteRealm { source, destination })
    }));
    if let Some(encapsulation) = hop.encapsulation.as_ref().filter(|_| with_encapsulation) {
        let (kind, fields) = encapsulated(encapsulation);
        list.push(RouteAttribute::EncapType(kind));
        list.push(RouteAttribute::Encap(fields));
    }
    list
}

fn encapsulated(encapsulation: &Encapsulation) -> (RouteLwEnCapType, Vec<RouteLwTunnelEncap>) {
    match encapsulation {
        Encapsulation::Ip(tunnel) => {
            let fields = ip_tunnel(tunnel).into_iter().map(RouteLwTunnelEncap::Ip);
            (RouteLwEnCapType::Ip, fields.collect())
        }
        Encapsulation::Ip6(tunnel) => {
            let fields = ip6_tunnel(tunnel).into_iter().map(RouteLwTunnelEncap::Ip6);
            (RouteLwEnCapType::Ip6, fields.collect())
        }
        Encapsulation::Mpls(labels) => {
            let last = labels.len().saturating_sub(1);
            let stack = labels.iter().enumerate().map(|(place, label)| MplsLabel {
                label: *label,
                traffic_class: 0,
                bottom_of_stack: place == last,
                ttl: 0,
            });
            let stack = RouteMplsIpTunnel::Destination(stack.collect());
            (RouteLwEnCapType::Mpls, vec![RouteLwTunnelEncap::Mpls(stack)])
        }
        Encapsulation::Ila(locator) => {
            let locator = number(ILA_ATTR_LOCATOR, &locator.to_be_bytes());
            (RouteLwEnCapType::Ila, vec![RouteLwTunnelEncap::Other(locator)])
        }
    }
}

fn ip_tunnel(tunnel: &Tunnel) -> Vec<RouteIpTunnel> {
    let v4 = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    };
    let fields = [
        tunnel.id.map(RouteIpTunnel::Id),
        tunnel.destination.and_then(v4).map(RouteIpTunnel::Destination),
        tunnel.source.and_then(v4).map(RouteIpTunnel::Source),
        tunnel.tos.map(RouteIpTunnel::Tos),
        tunnel.ttl.map(RouteIpTunnel::Ttl),
        tunnel.flags.map(|f| RouteIpTunnel::Flags(RouteIpTunnelFlags::from_bits_retain(f))),
    ];
    fields.into_iter().flatten().collect()
}

fn ip6_tunnel(tunnel: &Tunnel) -> Vec<RouteIp6Tunnel> {
    let v6 = |ip: IpAddr| match ip {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    };
    let fields = [
        tunnel.id.map(RouteIp6Tunnel::Id),
        tunnel.destination.and_then(v6).map(RouteIp6Tunnel::Destination),
        tunnel.source.and_then(v6).map(RouteIp6Tunnel::Source),
        tunnel.tos.map(RouteIp6Tunnel::Tc),
        tunnel.ttl.map(RouteIp6Tunnel::Hoplimit),
        tunnel.flags.map(|f| RouteIp6Tunnel::Flags(RouteIp6TunnelFlags::from_bits_retain(f))),
    ];
    fields.into_iter().flatten().collect()
}

fn number(kind: u16, octets: &[u8]) -> DefaultNla {
    DefaultNla::new(kind, octets.to_vec())
}

fn family(network: IpNet) -> AddressFamily {
    match network {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    }
}

/// From the payload of RTM_NEWROUTE or RTM_DELROUTE. `None` when it is cut short, of a family
/// without IP addresses, or of the cache.
pub(super) fn parse(payload: &[u8]) -> Option<InstalledRoute> {
    let header = payload.get(..RTMSG_LEN)?;
    let [family, length, source_length, tos, table, protocol, _, kind] = *header.first_chunk()?;
    let any = unspecified(family)?;
    if u32_at(header, 8)? & CLONED != 0 {
        return None;
    }
    let (mut destination, mut source) = (any, any);
    let (mut table, mut metric) = (u32::from(table), 0);
    let (mut preferred_source, mut gateway, mut index) = (None, None, None);
    let mut hops = Vec::new();
    for (kind, value) in attributes(&payload[RTMSG_LEN..]) {
        match kind {
            RTA_DST => destination = ip(family, value)?,
            RTA_SRC => source = ip(family, value)?,
            RTA_OIF => index = u32_at(value, 0),
            RTA_GATEWAY => gateway = ip(family, value),
            RTA_VIA => gateway = via(value),
            RTA_PRIORITY => metric = u32_at(value, 0)?,
            RTA_PREFSRC => preferred_source = ip(family, value),
            RTA_TABLE => table = u32_at(value, 0)?,
            RTA_MULTIPATH => hops = parse_hops(family, value),
            _ => {}
        }
    }
    hops.extend(index.filter(|_| hops.is_empty()).map(|index| (gateway, index)));
    let source = (source_length > 0).then(|| IpNet::new(source, source_length));
    Some(InstalledRoute {
        key: RouteKey {
            table,
            destination: IpNet::new(destination, length).ok()?,
            source: source.transpose().ok()?,
            tos,
            metric,
        },
        // Some say 0 for the ordinary kind.
        kind: kind.max(UNICAST),
        protocol,
        preferred_source,
        hops,
    })
}

fn parse_hops(family: u8, mut octets: &[u8]) -> Vec<(Option<IpAddr>, u32)> {
    let mut hops = Vec::new();
    while let (Some(length), Some(index)) = (u16_at(octets, 0), u32_at(octets, 4)) {
        let length = usize::from(length);
        let Some(inside) = octets.get(RTNEXTHOP_LEN..length) else { break };
        let gateway = attributes(inside).find_map(|(kind, value)| match kind {
            RTA_GATEWAY => ip(family, value),
            RTA_VIA => via(value),
            _ => None,
        });
        hops.push((gateway, index));
        octets = octets.get(super::netlink::padded(length)..).unwrap_or_default();
    }
    hops
}

/// `struct rtvia`: a family, and an address of it.
fn via(value: &[u8]) -> Option<IpAddr> {
    let family = u8::try_from(u16_at(value, 0)?).ok()?;
    ip(family, value.get(2..)?)
}

fn unspecified(family: u8) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => Some(Ipv4Addr::UNSPECIFIED.into()),
        libc::AF_INET6 => Some(Ipv6Addr::UNSPECIFIED.into()),
        _ => None,
    }
}

pub(super) fn ip(family: u8, octets: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
