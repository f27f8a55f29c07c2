//! Policy rules: the requests that add and remove them, and what the kernel says of them.

use ipnet::IpNet;
use netlink_packet_core::{Emitable, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::RouteRealm;
use netlink_packet_route::rule::{
    RuleAction as Action, RuleAttribute, RuleFlags, RuleHeader, RuleMessage, RulePortRange,
    RuleUidRange,
};

use super::netlink::{attributes, string, u16_at, u32_at};
use super::netlink_socket::RequestKind;
use super::route::ip;
use crate::routing::{Rule, RuleAction};

pub(super) const RTM_NEWRULE: u16 = 32;
pub(super) const RTM_DELRULE: u16 = 33;
/// `struct fib_rule_hdr`.
pub(super) const FIB_RULE_HDR_LEN: usize = 12;
const FIB_RULE_INVERT: u32 = 2;

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;

const FR_ACT_TO_TBL: u8 = 1;
const FR_ACT_GOTO: u8 = 2;
const FR_ACT_NOP: u8 = 3;
const FR_ACT_BLACKHOLE: u8 = 6;
const FR_ACT_UNREACHABLE: u8 = 7;
const FR_ACT_PROHIBIT: u8 = 8;

pub(super) fn write_addition(rule: &Rule, out: &mut Vec<u8>) -> RequestKind {
    emit(&message(rule), out);
    // Without the latter the kernel would take the same rule twice.
    RequestKind { kind: RTM_NEWRULE, flags: NLM_F_CREATE | NLM_F_EXCL }
}

pub(super) fn write_removal(rule: &Rule, out: &mut Vec<u8>) -> RequestKind {
    emit(&message(rule), out);
    RequestKind { kind: RTM_DELRULE, flags: 0 }
}

fn emit(message: &RuleMessage, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + message.buffer_len(), 0);
    message.emit(&mut out[start..]);
}

fn message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let table = match rule.action {
        RuleAction::Table(table) => table,
        _ => 0,
    };
    message.header = RuleHeader {
        family: if rule.ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet },
        dst_len: rule.to.map_or(0, |to| to.prefix_len()),
        src_len: rule.from.map_or(0, |from| from.prefix_len()),
        tos: rule.tos,
        // Those beyond 255 are in the attribute alone.
        table: u8::try_from(table).unwrap_or(0),
        action: action(rule.action),
        flags: if rule.invert { RuleFlags::Invert } else { RuleFlags::empty() },
    };
    let list = &mut message.attributes;
    list.push(RuleAttribute::Priority(rule.priority));
    list.push(RuleAttribute::Protocol(rule.protocol.into()));
    match rule.action {
        RuleAction::Table(table) => list.push(RuleAttribute::Table(table)),
        RuleAction::L3Master => list.push(RuleAttribute::L3MDev(true)),
        RuleAction::Goto(priority) => list.push(RuleAttribute::Goto(priority)),
        RuleAction::Nop
        | RuleAction::Blackhole
        | RuleAction::Unreachable
        | RuleAction::Prohibit => {}
    }
    selectors(rule, list);
    list.extend(rule.realms.map(|realms| {
        let (source, destination) = ((realms >> 16) as u16, realms as u16);
        RuleAttribute::Realm(RouteRealm { source, destination })
    }));
    list.extend(rule.suppress_prefix_length.map(RuleAttribute::SuppressPrefixLen));
    list.extend(rule.suppress_group.map(RuleAttribute::SuppressIfGroup));
    message
}

fn selectors(rule: &Rule, list: &mut Vec<RuleAttribute>) {
    let some = |network: &IpNet| network.prefix_len() > 0;
    list.extend(rule.from.filter(some).map(|from| RuleAttribute::Source(from.addr())));
    list.extend(rule.to.filter(some).map(|to| RuleAttribute::Destination(to.addr())));
    if let Some((mark, mask)) = rule.mark {
        list.extend([RuleAttribute::FwMark(mark), RuleAttribute::FwMask(mask)]);
    }
    list.extend(rule.input_interface.clone().map(RuleAttribute::Iifname));
    list.extend(rule.output_interface.clone().map(RuleAttribute::Oifname));
    list.extend(rule.tunnel_id.map(RuleAttribute::TunId));
    list.extend(
        rule.users.map(|(start, end)| RuleAttribute::UidRange(RuleUidRange { start, end })),
    );
    list.extend(rule.ip_protocol.map(|p| RuleAttribute::IpProtocol(i32::from(p).into())));
    let range = |(start, end)| RulePortRange { start, end };
    list.extend(rule.source_ports.map(|ports| RuleAttribute::SourcePortRange(range(ports))));
    list.extend(
        rule.destination_ports.map(|ports| RuleAttribute::DestinationPortRange(range(ports))),
    );
}

fn action(action: RuleAction) -> Action {
    match action {
        RuleAction::Table(_) | RuleAction::L3Master => Action::ToTable,
        RuleAction::Goto(_) => Action::Goto,
        RuleAction::Nop => Action::Nop,
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::Unreachable => Action::Unreachable,
        RuleAction::Prohibit => Action::Prohibit,
    }
}

/// From the payload of RTM_NEWRULE or RTM_DELRULE. `None` when it is cut short, of another
/// family, or does what no rule of ours does.
pub(super) fn parse(payload: &[u8]) -> Option<Rule> {
    let header = payload.get(..FIB_RULE_HDR_LEN)?;
    let [family, to_length, from_length, tos, table, _, _, kind] = *header.first_chunk()?;
    let ipv6 = match i32::from(family) {
        libc::AF_INET => false,
        libc::AF_INET6 => true,
        _ => return None,
    };
    let mut rule = Rule::new(ipv6, 0, RuleAction::Nop, "");
    (rule.protocol, rule.tos) = (0, tos);
    rule.invert = u32_at(header, 8)? & FIB_RULE_INVERT != 0;
    let (mut table, mut goto, mut l3_master) = (u32::from(table), 0, false);
    let (mut mark, mut mask) = (None, None);
    let none = |number: u32| Some(number).filter(|number| *number != u32::MAX);
    for (kind, value) in attributes(&payload[FIB_RULE_HDR_LEN..]) {
        let number = u32_at(value, 0);
        match kind {
            FRA_DST => rule.to = IpNet::new(ip(family, value)?, to_length).ok(),
            FRA_SRC => rule.from = IpNet::new(ip(family, value)?, from_length).ok(),
            FRA_IIFNAME => rule.input_interface = Some(string(value)),
            FRA_OIFNAME => rule.output_interface = Some(string(value)),
            FRA_GOTO => goto = number?,
            FRA_PRIORITY => rule.priority = number?,
            FRA_FWMARK => mark = number,
            FRA_FWMASK => mask = number,
            FRA_FLOW => rule.realms = number,
            FRA_TUN_ID => rule.tunnel_id = Some(u64::from_be_bytes(value.try_into().ok()?)),
            FRA_SUPPRESS_IFGROUP => rule.suppress_group = none(number?),
            FRA_SUPPRESS_PREFIXLEN => rule.suppress_prefix_length = none(number?),
            FRA_TABLE => table = number?,
            FRA_L3MDEV => l3_master = value.first().is_some_and(|flag| *flag != 0),
            FRA_UID_RANGE => rule.users = Some((number?, u32_at(value, 4)?)),
            FRA_PROTOCOL => rule.protocol = *value.first()?,
            FRA_IP_PROTO => rule.ip_protocol = value.first().copied(),
            FRA_SPORT_RANGE => rule.source_ports = Some((u16_at(value, 0)?, u16_at(value, 2)?)),
            FRA_DPORT_RANGE => {
                rule.destination_ports = Some((u16_at(value, 0)?, u16_at(value, 2)?));
            }
            _ => {}
        }
    }
    if mark.is_some() || mask.is_some_and(|mask| mask != 0) {
        rule.mark = Some((mark.unwrap_or(0), mask.unwrap_or(u32::MAX)));
    }
    rule.action = match kind {
        FR_ACT_TO_TBL if l3_master => RuleAction::L3Master,
        FR_ACT_TO_TBL => RuleAction::Table(table),
        FR_ACT_GOTO => RuleAction::Goto(goto),
        FR_ACT_NOP => RuleAction::Nop,
        FR_ACT_BLACKHOLE => RuleAction::Blackhole,
        FR_ACT_UNREACHABLE => RuleAction::Unreachable,
        FR_ACT_PROHIBIT => RuleAction::Prohibit,
        _ => return None,
    };
    Some(rule)
}
