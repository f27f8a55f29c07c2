//! The firewall's marks for groups (`nftables_ipvs`): each address, or address and port, of a group leads to
//! the mark of its service. In tables of our own, of families ip and ip6, replaced in one transaction of nft(8).
//!
//! Addresses with a port go before those that stand for all ports, as they do in IPVS.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use super::firewall::{Complaint, chain, replace_table};
use crate::config::plan::{Marking, Plan};
use crate::ipvs::{Family, Protocol, ServiceKey, SocketKey};
use crate::kernel::nft;

/// Consecutive addresses with the same port, and their mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: IpAddr,
    last: IpAddr,
    port: u16,
    mark: u32,
}

/// What one rule looks up. True: its addresses stand for all their ports.
type Place = (Family, Protocol, bool);

/// The table, if anything is to be marked.
pub fn table(plan: &Plan) -> Option<&str> {
    let marking = plan.global.marking.as_ref()?;
    let any = plan.virtual_servers.iter().any(|server| !server.marked.is_empty());
    any.then_some(&*marking.table)
}

/// All of it for nft(8); `None`: nothing is to be marked.
pub fn script(plan: &Plan) -> Option<String> {
    let marking = plan.global.marking.as_ref().filter(|_| table(plan).is_some())?;
    let ranges = ranges(plan);
    let mut out = String::new();
    for family in [Family::Inet, Family::Inet6] {
        replace_table(&mut out, name_of(family), &marking.table);
        let ours = ranges.iter().filter(|((each, ..), _)| *each == family);
        let ours: Vec<_> = ours.map(|(place, ranges)| (*place, ranges.as_slice())).collect();
        if !ours.is_empty() {
            write_table(&mut out, family, marking, plan.global.firewall.counters, &ours);
        }
    }
    Some(out)
}

/// Replaces the marks by `script`.
pub fn set(script: &str) -> Option<Complaint> {
    let error = nft(script).err()?;
    let text = format!("cannot set the marks of nftables_ipvs: {error}; its groups get no packets");
    Some(Complaint { text, serious: true })
}

fn write_table(
    out: &mut String,
    family: Family,
    marking: &Marking,
    counters: bool,
    places: &[(Place, &[Range])],
) {
    let _ = writeln!(out, "table {} {} {{", name_of(family), marking.table);
    let counter = if counters { " counter" } else { "" };
    let mut rules = Vec::new();
    for &((_, protocol, any), ranges) in places {
        let map = format!("{protocol}{}_map", if any { "_any" } else { "" });
        write_map(out, &map, family, any, ranges);
        let port = if any { String::new() } else { format!(" . {protocol} dport") };
        rules.push(Some(format!(
            "meta l4proto {protocol} meta mark set {} daddr{port} map @{map}{counter} return",
            name_of(family)
        )));
    }
    chain(out, "in", "input", marking.priority, &rules);
    out.push_str("}\n");
}

fn write_map(out: &mut String, name: &str, family: Family, any: bool, ranges: &[Range]) {
    let address = if family == Family::Inet { "ipv4_addr" } else { "ipv6_addr" };
    let port = if any { "" } else { " . inet_service" };
    // Kernels before 5.6 know no intervals in what has several parts.
    let intervals = ranges.iter().any(|range| range.first != range.last);
    let flags = if intervals { " flags interval;" } else { "" };
    let elements: Vec<_> = ranges.iter().map(Range::element).collect();
    let elements = elements.join(", ");
    let _ = writeln!(
        out,
        "  map {name} {{ type {address}{port} : mark;{flags} elements = {{ {elements} }}; }}"
    );
}

impl Range {
    fn element(&self) -> String {
        let Self { first, last, port, mark } = self;
        let addresses = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let port = if *port == 0 { String::new() } else { format!(" . {port}") };
        format!("{addresses}{port} : {mark:#x}")
    }

    /// Whether it could be made longer by `address`.
    fn take(&mut self, address: SocketKey, mark: u32) -> bool {
        let fits =
            (self.port, self.mark) == (address.port, mark) && next(self.last) == Some(address.ip);
        if fits {
            self.last = address.ip;
        }
        fits
    }
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

fn ranges(plan: &Plan) -> BTreeMap<Place, Vec<Range>> {
    let mut places: BTreeMap<Place, Vec<Range>> = BTreeMap::new();
    let mut given = HashSet::new();
    for server in plan.virtual_servers.iter().filter(|server| !server.marked.is_empty()) {
        let ServiceKey::Fwmark { family, mark } = server.service.key else { continue };
        // Another one of its group and protocol has it as well.
        if !given.insert(mark) {
            continue;
        }
        for key in &server.marked {
            let ServiceKey::Address { protocol, address } = *key else { continue };
            let ranges = places.entry((family, protocol, address.port == 0)).or_default();
            if !ranges.last_mut().is_some_and(|last| last.take(address, mark)) {
                let SocketKey { ip, port } = address;
                ranges.push(Range { first: ip, last: ip, port, mark });
            }
        }
    }
    places
}

fn name_of(family: Family) -> &'static str {
    match family {
        Family::Inet => "ip",
        Family::Inet6 => "ip6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_text;

    fn plan(globals: &str) -> Plan {
        let server = |group: &str, protocol: &str, real: &str| {
            format!(
                "virtual_server group {group} {{\n protocol {protocol}\n lb_algo rr\n lb_kind NAT\n \
                 persistence_timeout 9\n real_server {real} 80 {{\n }}\n}}\n"
            )
        };
        let text = format!(
            "global_defs {{\n{globals}\n}}\n{}{}{}\
             virtual_server_group web {{\n 192.0.2.1-3 80\n 192.0.2.4 81\n}}\n\
             virtual_server_group any {{\n 192.0.2.4\n 2001:db8::1 443\n}}\n",
            server("web", "TCP", "198.51.100.1"),
            server("any", "TCP", "198.51.100.1"),
            server("any", "UDP", "2001:db8::80"),
        );
        parse_text("t", text).plan
    }

    #[test]
    fn an_address_leads_to_its_mark_with_the_port_first() {
        let script = script(&plan("nftables_ipvs\nnftables_counters")).unwrap();
        let expected = "\
table ip keepalived_ipvs { }
delete table ip keepalived_ipvs
table ip keepalived_ipvs {
  map tcp_map { type ipv4_addr . inet_service : mark; flags interval; elements = { 192.0.2.1-192.0.2.3 . 80 : 0x3e8, 192.0.2.4 . 81 : 0x3e8 }; }
  map tcp_any_map { type ipv4_addr : mark; elements = { 192.0.2.4 : 0x3e9 }; }
  chain in {
    type filter hook input priority -1; policy accept;
    meta l4proto tcp meta mark set ip daddr . tcp dport map @tcp_map counter return
    meta l4proto tcp meta mark set ip daddr map @tcp_any_map counter return
  }
}
table ip6 keepalived_ipvs { }
delete table ip6 keepalived_ipvs
table ip6 keepalived_ipvs {
  map udp_map { type ipv6_addr . inet_service : mark; elements = { 2001:db8::1 . 443 : 0x3ea }; }
  chain in {
    type filter hook input priority -1; policy accept;
    meta l4proto udp meta mark set ip6 daddr . udp dport map @udp_map counter return
  }
}
";
        assert_eq!(script, expected);
    }

    #[test]
    fn without_the_keyword_or_a_group_nothing_is_marked() {
        assert_eq!(script(&plan("")), None);
        assert_eq!(script(&parse_text("t", "global_defs {\n nftables_ipvs\n}\n").plan), None);
    }
}
