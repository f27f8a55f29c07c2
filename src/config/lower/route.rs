//! Lines of `virtual_routes` and `static_routes`: the language of ip-route(8), in full words.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::plan::VirtualRoute;
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::context::Context;
use super::line::{Line, Read, all};
use super::names::Table;
use super::route_metric;
use crate::routing::{Encapsulation, Hop, MAIN_TABLE, PROTOCOL, Placement, Route, Tunnel, UNICAST};

const PATH: &str = "vrrp_instance/virtual_routes";
/// Labels of an MPLS stack: what the kernel takes at most (MAX_NEW_LABELS).
const MOST_LABELS: usize = 30;

/// ip-route(8)'s types and their numbers (RTN_*).
const TYPES: [(&str, u8); 13] = [
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("brd", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
    ("throw", 9),
    ("nat", 10),
    ("xresolve", 11),
    ("unspec", 0),
];

/// A route being read.
struct Draft {
    kind: u8,
    /// `Some(None)`: all, in whatever family.
    destination: Option<Option<IpNet>>,
    destination_at: Span,
    ipv6: Option<(bool, Span)>,
    protocol: Option<(u8, Span)>,
    scope: Option<u8>,
    /// The single next hop, and the second one that `or` gives.
    hop: Option<Hop>,
    other: Option<IpAddr>,
    track_group: Option<(String, Span)>,
    no_track: bool,
    is_static: bool,
    route: Route,
}

/// Reads the block into `out`; a line that is no good is left out, as keepalived has it. `uses`
/// gets the track groups named, which static ones may do.
pub(super) fn read_block(
    cx: &mut Context<'_>,
    block: &Statement,
    mut uses: Option<&mut Vec<(String, Span)>>,
    out: &mut Vec<VirtualRoute>,
) {
    let tree = cx.tree;
    for at in tree.children(block) {
        let Some(line) = Line::new(cx, at) else { continue };
        if let Ok((route, group_at)) = read(line, uses.is_some()) {
            if let (Some(uses), Some(group), Some(at)) = (&mut uses, &route.track_group, group_at) {
                uses.push((group.clone(), at));
            }
            out.push(route);
        }
    }
}

fn read(mut line: Line<'_, '_>, is_static: bool) -> Read<(VirtualRoute, Option<Span>)> {
    let text = line.whole();
    let mut draft = Draft {
        kind: UNICAST,
        destination: None,
        destination_at: line.at.raw,
        ipv6: None,
        protocol: None,
        scope: None,
        hop: None,
        other: None,
        track_group: None,
        no_track: false,
        is_static,
        route: Route::new(all(false), text),
    };
    while let Some(option) = line.option() {
        draft.option(&mut line, option)?;
    }
    draft.finish(&mut line)
}

impl Draft {
    fn hop(&mut self) -> &mut Hop {
        self.hop.get_or_insert_default()
    }

    fn option(&mut self, line: &mut Line<'_, '_>, option: &str) -> Read<()> {
        if route_metric::read(line, option, &mut self.route)? {
            return Ok(());
        }
        if hop_option(line, option, self)? {
            return Ok(());
        }
        match option {
            "to" => {
                let word = line.value()?;
                self.destination(line, word)?;
            }
            "inet" | "inet6" => self.belongs(line, option == "inet6", line.option_span())?,
            "src" => {
                let source = line.address()?;
                self.belongs(line, source.is_ipv6(), line.option_span())?;
                self.route.preferred_source = Some(source);
            }
            "from" => {
                let word = line.value()?;
                let from = line.prefix(word)?.unwrap_or(all(true));
                self.belongs(line, matches!(from, IpNet::V6(_)), word.span)?;
                if matches!(from, IpNet::V4(_)) {
                    return line.bad("bad-value", word.span, "`from` is for IPv6 routes only");
                }
                self.route.source = Some(from);
            }
            "tos" | "dsfield" => self.route.tos = byte(line.named(Table::Tos, 255)?),
            "table" => self.route.table = line.named(Table::Tables, u32::MAX)?,
            "protocol" => {
                let at = line.option_span();
                self.protocol = Some((byte(line.named(Table::Protocols, 255)?), at));
            }
            "scope" => self.scope = Some(byte(line.named(Table::Scopes, 255)?)),
            "metric" | "priority" | "preference" => self.route.metric = Some(line.u32()?),
            "expires" => {
                self.belongs(line, true, line.option_span())?;
                self.route.expires = Some(line.u32()?);
            }
            "pref" => {
                self.belongs(line, true, line.option_span())?;
                self.route.preference = Some(preference(line)?);
            }
            "ttl-propagate" => self.route.ttl_propagate = Some(ttl_propagate(line)?),
            "vrf" => self.route.vrf = Some(line.interface()?),
            "add" => self.route.placement = Placement::Add,
            "prepend" => self.route.placement = Placement::Prepend,
            "append" => self.route.placement = Placement::Append,
            "or" => self.second_hop(line)?,
            "nexthop" => self.next_hop(line)?,
            "no_track" => self.no_track = true,
            "track_group" if self.is_static => {
                let word = line.value()?;
                self.track_group = Some((line.text(word).to_owned(), word.span));
            }
            _ => self.type_or_destination(line, option)?,
        }
        Ok(())
    }

    /// A word that is no option: first a type, perhaps, then the destination.
    fn type_or_destination(&mut self, line: &mut Line<'_, '_>, option: &str) -> Read<()> {
        let span = line.option_span();
        if self.destination.is_none() {
            if let Some((_, kind)) = TYPES.iter().find(|(name, _)| *name == option) {
                self.kind = *kind;
                return Ok(());
            }
            if let Ok(kind) = option.parse::<u8>() {
                self.kind = kind;
                return Ok(());
            }
            let looks_right = option.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':')
                || matches!(option, "default" | "default6" | "any" | "all" | "x.x.x.x")
                || option.starts_with('<');
            if looks_right {
                return self.destination(line, Word { span, quoted: false });
            }
        }
        line.unknown(PATH)
    }

    fn destination(&mut self, line: &mut Line<'_, '_>, word: Word) -> Read<()> {
        if self.destination.is_some() {
            let message = format!("`{}` is a second destination", line.text(word));
            return line.bad("duplicate", word.span, message);
        }
        let network = line.prefix(word)?;
        if line.text(word) == "default6" {
            line.cx.warn("deprecated", line.at, word.span, "`default6` is called `::/0` now");
        }
        if let Some(network) = network {
            self.belongs(line, matches!(network, IpNet::V6(_)), word.span)?;
        }
        (self.destination, self.destination_at) = (Some(network), word.span);
        Ok(())
    }

    fn belongs(&mut self, line: &mut Line<'_, '_>, ipv6: bool, at: Span) -> Read<()> {
        line.belongs(&mut self.ipv6, ipv6, at, "route")
    }

    fn second_hop(&mut self, line: &mut Line<'_, '_>) -> Read<()> {
        let at = line.option_span();
        let other = line.address()?;
        self.belongs(line, other.is_ipv6(), at)?;
        let place = line.cx.place(line.at);
        line.cx.push(
            super::Diagnostic::warning("deprecated", at, "`or` is written with `nexthop` now")
                .label(place)
                .help("nexthop via GATEWAY nexthop via OTHER"),
        );
        if self.other.replace(other).is_some() {
            return line.bad("duplicate", at, "`or` can stand once only; use `nexthop`");
        }
        Ok(())
    }

    /// `nexthop OPTION…`, up to the next `nexthop` or the end.
    fn next_hop(&mut self, line: &mut Line<'_, '_>) -> Read<()> {
        let at = line.option_span();
        let mut hop = Hop::new();
        while line.peek().is_some_and(|word| word != "nexthop") {
            let Some(option) = line.option() else { break };
            match option {
                "weight" => {
                    let word = line.value()?;
                    let weight = line.number_of(word, 256)?;
                    if weight == 0 {
                        return line.bad(
                            "number-out-of-range",
                            word.span,
                            "weight 0 is no weight: 1-256",
                        );
                    }
                    hop.weight = u16::try_from(weight).unwrap_or(256);
                }
                _ if plain_hop_option(line, option, &mut hop, &mut self.ipv6)? => {}
                // Options of the route may follow its hops.
                _ => {
                    self.option(line, option)?;
                }
            }
        }
        if hop.via.is_none() && hop.device.is_none() {
            return line.bad("bad-value", at, "`nexthop` needs via or dev");
        }
        self.route.hops.push(hop);
        Ok(())
    }

    fn finish(mut self, line: &mut Line<'_, '_>) -> Read<(VirtualRoute, Option<Span>)> {
        let Some(destination) = self.destination else {
            let message = "this route has no destination";
            return line.bad("missing-destination", line.at.raw, message);
        };
        let ipv6 = self.ipv6.is_some_and(|(ipv6, _)| ipv6);
        self.route.destination = destination.unwrap_or(all(ipv6));
        self.set_hops(line)?;
        self.check_family(line)?;
        self.route.kind = self.kind;
        self.route.scope = self.scope.unwrap_or(match self.kind {
            2 | 10 => 254,
            3..=5 if !ipv6 => 253,
            _ => 0,
        });
        self.route.protocol = self.protocol(line);
        self.route.metrics.sort_unstable();
        if self.route.vrf.is_some() && self.route.table != MAIN_TABLE {
            let message = "`vrf` names a table too: its table it is";
            line.cx.warn("bad-value", line.at, line.at.raw, message);
        }
        if !(1..=5).contains(&self.kind) && self.kind < 10 && !self.route.hops.is_empty() {
            let message = "a route that leads nowhere has no via and no dev";
            return line.bad("bad-value", line.at.raw, message);
        }
        if matches!(self.kind, 1) && self.route.hops.is_empty() {
            let message = "this route leads nowhere: it needs via, dev or nexthop";
            return line.bad("missing-next-hop", line.at.raw, message);
        }
        let (track_group, group_at) = self.track_group.unzip();
        Ok((VirtualRoute { route: self.route, no_track: self.no_track, track_group }, group_at))
    }

    fn set_hops(&mut self, line: &mut Line<'_, '_>) -> Read<()> {
        match (self.hop.take(), self.other.take(), self.route.hops.is_empty()) {
            (None, None, _) => Ok(()),
            (Some(hop), None, true) => {
                self.route.hops.push(hop);
                Ok(())
            }
            (Some(hop), Some(other), true) if hop.via.is_some() => {
                let second = Hop { via: Some(other), ..hop.clone() };
                self.route.hops = vec![hop, second];
                Ok(())
            }
            (_, Some(_), true) => {
                line.bad("bad-value", line.at.raw, "`or` needs a `via` before it")
            }
            (_, _, false) => {
                let message = "via and dev of the route do not go with `nexthop`";
                line.bad("bad-value", line.at.raw, message)
            }
        }
    }

    /// What only one family has.
    fn check_family(&mut self, line: &mut Line<'_, '_>) -> Read<()> {
        let ipv6 = self.route.is_ipv6();
        if !ipv6 && (self.route.expires.is_some() || self.route.preference.is_some()) {
            return line.bad(
                "bad-value",
                line.at.raw,
                "`expires` and `pref` are for IPv6 routes only",
            );
        }
        if ipv6 && self.route.hops.iter().any(|hop| hop.via.is_some_and(|via| via.is_ipv4())) {
            return line.bad(
                "address-family-mismatch",
                line.at.raw,
                "an IPv6 route cannot go by an IPv4 gateway",
            );
        }
        if ipv6 && self.route.hops.iter().any(|hop| hop.realms.is_some()) {
            return line.bad("bad-value", line.at.raw, "`realms` are for IPv4 routes only");
        }
        Ok(())
    }

    /// keepalived's number, by which ours are found again, unless nobody needs to find them.
    fn protocol(&self, line: &mut Line<'_, '_>) -> u8 {
        match self.protocol {
            Some((protocol, _)) if self.no_track => protocol,
            Some((protocol, at)) if protocol != PROTOCOL => {
                let place = line.cx.place(line.at);
                line.cx.push(
                    super::Diagnostic::warning(
                        "protocol-forced",
                        at,
                        "a route that is tracked has protocol keepalived (18)",
                    )
                    .label(place)
                    .help("with `no_track` it keeps its own"),
                );
                PROTOCOL
            }
            _ => PROTOCOL,
        }
    }
}

/// Options of the only next hop.
fn hop_option(line: &mut Line<'_, '_>, option: &str, draft: &mut Draft) -> Read<bool> {
    if !matches!(option, "via" | "gw" | "dev" | "oif" | "onlink" | "encap" | "realms" | "as") {
        return Ok(false);
    }
    if option == "gw" {
        line.cx.warn("deprecated", line.at, line.option_span(), "`gw` is called `via` now");
    }
    let mut ipv6 = draft.ipv6;
    let taken = plain_hop_option(line, option, draft.hop(), &mut ipv6)?;
    draft.ipv6 = ipv6;
    Ok(taken)
}

/// Whether it was one.
fn plain_hop_option(
    line: &mut Line<'_, '_>,
    option: &str,
    hop: &mut Hop,
    family: &mut Option<(bool, Span)>,
) -> Read<bool> {
    match option {
        "via" | "gw" => {
            let at = line.option_span();
            let named = line.skip("inet6") || line.skip("inet");
            let via = line.address()?;
            // `via inet6 ADDRESS`: a gateway of the other family (RFC 8950).
            if !named && family.is_none() {
                *family = Some((via.is_ipv6(), at));
            }
            hop.via = Some(via);
        }
        "dev" | "oif" => hop.device = Some(line.interface()?),
        "onlink" => hop.on_link = true,
        "realms" => hop.realms = Some(line.realms()?),
        "encap" => hop.encapsulation = Some(encapsulation(line)?),
        "as" => {
            let at = line.option_span();
            line.skip("to");
            line.address()?;
            let message = "`as` is of use for MPLS routes only, which there are none of here";
            line.cx.warn("bad-value", line.at, at, message);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn encapsulation(line: &mut Line<'_, '_>) -> Read<Encapsulation> {
    let kind = line.value()?;
    match line.text(kind) {
        "ip" => Ok(Encapsulation::Ip(tunnel(line, kind, false)?)),
        "ip6" => Ok(Encapsulation::Ip6(tunnel(line, kind, true)?)),
        "mpls" => Ok(Encapsulation::Mpls(labels(line)?)),
        "ila" => Ok(Encapsulation::Ila(locator(line)?)),
        other => {
            let message = format!("encapsulation `{other}` is none of ip, ip6, mpls, ila");
            line.bad("bad-value", kind.span, message)
        }
    }
}

fn tunnel(line: &mut Line<'_, '_>, kind: Word, ipv6: bool) -> Read<Tunnel> {
    let mut tunnel = Tunnel::default();
    loop {
        match line.peek() {
            Some("id") => {
                line.option();
                tunnel.id = Some(line.number(u64::MAX)?);
            }
            Some(name @ ("dst" | "src")) => {
                line.option();
                let address = line.address()?;
                if address.is_ipv6() != ipv6 {
                    let message = format!("{address} is not of the tunnel's address family");
                    return line.bad("address-family-mismatch", line.option_span(), message);
                }
                let field =
                    if name == "dst" { &mut tunnel.destination } else { &mut tunnel.source };
                *field = Some(address);
            }
            Some("tos") if !ipv6 => {
                line.option();
                tunnel.tos = Some(byte(line.named(Table::Tos, 255)?));
            }
            Some("tc") if ipv6 => {
                line.option();
                tunnel.tos = Some(byte(line.named(Table::Tos, 255)?));
            }
            Some("ttl") if !ipv6 => {
                line.option();
                tunnel.ttl = Some(line.u8()?);
            }
            Some("hoplimit") if ipv6 => {
                line.option();
                tunnel.ttl = Some(line.u8()?);
            }
            Some("flags") => {
                line.option();
                tunnel.flags = u16::try_from(line.number(u16::MAX.into())?).ok();
            }
            _ => break,
        }
    }
    if tunnel.destination.is_none() && tunnel.id.is_none() {
        return line.bad("bad-value", kind.span, "an encapsulation needs `dst` or `id`");
    }
    Ok(tunnel)
}

/// `LABEL/LABEL…`.
fn labels(line: &mut Line<'_, '_>) -> Read<Vec<u32>> {
    let word = line.value()?;
    let labels: Option<Vec<u32>> = (line.text(word).split('/'))
        .map(|label| super::line::c_number(label).filter(|label| *label < 1 << 20))
        .map(|label| label.and_then(|label| u32::try_from(label).ok()))
        .collect();
    match labels {
        Some(labels) if labels.len() <= MOST_LABELS => Ok(labels),
        _ => {
            let message = format!("`{}` is no stack of labels 0-1048575", line.text(word));
            line.bad("bad-value", word.span, message)
        }
    }
}

/// Four groups of hexadecimal digits with colons between them.
fn locator(line: &mut Line<'_, '_>) -> Read<u64> {
    let word = line.value()?;
    let groups: Option<Vec<u64>> = (line.text(word).split(':'))
        .map(|group| u16::from_str_radix(group, 16).ok().map(u64::from))
        .collect();
    match groups.as_deref() {
        Some([a, b, c, d]) => Ok(a << 48 | b << 32 | c << 16 | d),
        _ => {
            let message = format!("`{}` is no locator such as 2001:db8:0:1", line.text(word));
            line.bad("bad-value", word.span, message)
        }
    }
}

fn preference(line: &mut Line<'_, '_>) -> Read<u8> {
    match line.peek() {
        Some("low") => line.value().map(|_| 3),
        Some("medium") => line.value().map(|_| 0),
        Some("high") => line.value().map(|_| 1),
        _ => line.u8(),
    }
}

fn ttl_propagate(line: &mut Line<'_, '_>) -> Read<bool> {
    let word = line.value()?;
    match line.text(word) {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        other => {
            let message = format!("`{other}` is neither enabled nor disabled");
            line.bad("bad-value", word.span, message)
        }
    }
}

fn byte(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
