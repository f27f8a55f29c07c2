//! `virtual_server_group`: many addresses, ranges and marks, served as one.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::{RealServer, VirtualServer};
use super::super::source::Span;
use super::super::tree::Statement;
use super::context::Context;
use crate::ipvs::{Family, Forward, Protocol, ServiceKey, SocketKey};
use crate::probe::Probe;

/// Most addresses that one line may stand for: each becomes a service in the kernel.
const MOST: u128 = 65_536;

/// One line of a group.
#[derive(Debug, Clone, PartialEq)]
enum Member {
    /// All addresses from the first to the last, as numbers.
    Addresses { family: Family, first: u128, last: u128, port: u16 },
    /// `family`: `None` is that of the servers.
    Mark { mark: u32, family: Option<Family> },
}

/// A group as read.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: Vec<Member>,
    /// Virtual servers that use it, so far: they are numbered.
    pub users: usize,
}

/// The block with its name; lines that are no good have been reported.
pub(super) fn read(cx: &mut Context<'_>, block: &Statement) -> Option<(String, Group)> {
    let name = cx.string(block)?;
    let tree = cx.tree;
    let members = tree.children(block).filter_map(|at| member(cx, at)).collect();
    Some((name, Group { members, users: 0 }))
}

fn member(cx: &mut Context<'_>, at: &Statement) -> Option<Member> {
    let word = *cx.words(at).first()?;
    let text = cx.text(word.span);
    if text == "fwmark" {
        let word = cx.argument(at)?;
        let mark = cx.number_in(at, "fwmark", word, (1, u32::MAX.into()))?;
        let family = match cx.text_at(at, 2) {
            Some("inet") => Some(Family::Inet),
            Some("inet6") => Some(Family::Inet6),
            Some(other) => {
                cx.bad("bad-value", at, at.raw, format!("`{other}` is neither inet nor inet6"));
                return None;
            }
            None => None,
        };
        return Some(Member::Mark { mark, family });
    }
    let port = match cx.words(at).get(1).copied() {
        Some(word) => cx.port(at, word)?,
        None => 0,
    };
    let (first, last) = match range(text) {
        Ok(range) => range,
        Err(why) => {
            cx.bad("bad-address", at, word.span, format!("`{text}` {why}"));
            return None;
        }
    };
    let (family, first, last) = (Family::of(first), number(first), number(last));
    if first > last || last - first >= MOST {
        let message = format!("`{text}` must stand for 1 to {MOST} addresses");
        cx.bad("bad-address", at, word.span, message);
        return None;
    }
    Some(Member::Addresses { family, first, last, port })
}

/// `ADDRESS`, `ADDRESS/LENGTH` (first and last included), `ADDRESS-ADDRESS`, or `ADDRESS-END` where END is
/// the last part of an address, decimal or, for IPv6, hexadecimal.
fn range(text: &str) -> Result<(IpAddr, IpAddr), &'static str> {
    const NONE: &str = "is neither an address nor a range of addresses";
    if let Ok(net) = text.parse::<IpNet>() {
        return Ok((net.network(), net.broadcast()));
    }
    let Some((first, last)) = text.split_once('-') else {
        let address: IpAddr = text.parse().map_err(|_| NONE)?;
        return Ok((address, address));
    };
    let first: IpAddr = first.parse().map_err(|_| NONE)?;
    let last = match (last.parse::<IpAddr>(), first) {
        (Ok(last), _) => last,
        (Err(_), IpAddr::V4(first)) => {
            let [a, b, c, _] = first.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, last.parse().map_err(|_| NONE)?))
        }
        (Err(_), IpAddr::V6(first)) => {
            let mut parts = first.segments();
            parts[7] = u16::from_str_radix(last, 16).map_err(|_| NONE)?;
            IpAddr::V6(Ipv6Addr::from(parts))
        }
    };
    if first.is_ipv4() != last.is_ipv4() {
        return Err("goes from one address family to the other");
    }
    Ok((first, last))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::Inet => IpAddr::V4(Ipv4Addr::from(number as u32)),
        Family::Inet6 => IpAddr::V6(number.into()),
    }
}

impl Group {
    /// The services that the group stands for, of servers of `family`; a note for those of the other.
    pub fn keys(
        &self,
        protocol: Protocol,
        family: Family,
        at: Span,
    ) -> (Vec<ServiceKey>, Option<Diagnostic>) {
        let (mut keys, mut others) = (Vec::new(), 0_usize);
        for member in &self.members {
            match *member {
                Member::Mark { mark, family: own } if own.is_none_or(|own| own == family) => {
                    keys.push(ServiceKey::Fwmark { family, mark });
                }
                Member::Addresses { family: own, first, last, port } if own == family => {
                    keys.extend((first..=last).map(|each| ServiceKey::Address {
                        protocol,
                        address: SocketKey { ip: address(family, each), port },
                    }));
                }
                Member::Mark { .. } | Member::Addresses { .. } => others += 1,
            }
        }
        let note = (others > 0).then(|| {
            let message = format!("{others} lines of the group are of the other address family");
            Diagnostic::warning("address-family-mismatch", at, message).label("they are left out")
        });
        (keys, note)
    }
}

/// Settles what the ports of a group's services decide. Packets that are not translated arrive at the port they were
/// for, and where all services have the same one, checks go there as well.
pub(super) fn settle_ports(server: &mut VirtualServer, at: Span, diagnostics: &mut Diagnostics) {
    let port_of = |key| match key {
        ServiceKey::Address { address, .. } => Some(address.port),
        ServiceKey::Fwmark { .. } => None,
    };
    let ports: BTreeSet<u16> =
        server.keys().filter_map(port_of).filter(|port| *port != 0).collect();
    let only = ports.first().copied().filter(|_| ports.len() == 1);
    for real in &mut server.real_servers {
        let SocketKey { ip, port: written } = real.destination.address;
        let is_kept = real.destination.forward != Forward::Nat;
        let port = only.filter(|_| is_kept || written == 0).unwrap_or(written);
        if let Some(only) = only.filter(|only| is_kept && ![0, *only].contains(&written)) {
            let message = format!(
                "{ip}: without NAT the port stays that of the group, {only}, not {written}"
            );
            let finding = Diagnostic::warning("port-forced", at, message);
            diagnostics.push(
                finding.label("checks go there as well").help(format!("real_server {ip} {only}")),
            );
        }
        if !give_port(real, port) {
            let message = format!("the checks of {ip} have no port to connect to");
            let finding = Diagnostic::error("checker-without-port", at, message);
            diagnostics.push(
                finding
                    .label("the group has no port, or several: they always fail")
                    .help(format!("real_server {ip} 80")),
            );
        }
    }
}

/// Gives it to checks that have none yet; `false`: it is none either.
fn give_port(real: &mut RealServer, port: u16) -> bool {
    // A ping has no use for one.
    let has_port = |probe: &&mut Probe| !matches!(probe, Probe::Ping(_));
    let probes = real.checkers.iter_mut().map(|checker| &mut checker.probe).filter(has_port);
    let targets = probes.filter_map(Probe::connect_mut).map(|connect| &mut connect.target);
    let mut without = targets.filter(|target| target.port() == 0).peekable();
    let is_missing = port == 0 && without.peek().is_some();
    without.for_each(|target| target.set_port(port));
    !is_missing
}

#[cfg(test)]
mod tests;
