//! `bfd_instance`: one neighbour whose life is watched.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::super::diagnostic::Diagnostic;
use super::super::keywords::Keyword;
use super::super::plan::BfdInstance;
use super::super::source::Span;
use super::super::tree::Statement;
use super::super::value::{self, Bad};
use super::context::Context;
use super::global::replace;
use super::tracking::{Kind, weight_line};
use crate::bfd::{Endpoint, LEAST_IDLE_INTERVAL, SessionSettings};

/// keepalived.conf(5): `min_rx` and `min_tx`, `multiplier`.
const INTERVAL: Duration = Duration::from_millis(10);
const MULTIPLIER: u8 = 5;

/// A longest name, as keepalived has it.
const LONGEST_NAME: usize = 31;

/// More than this is probably seconds taken for milliseconds.
const SUSPICIOUSLY_LONG: Duration = Duration::from_secs(10);

/// TTL of what is sent, and of what comes from the same link (RFC 5881 §5).
const HIGHEST_TTL: u8 = 255;

/// With which keepalived's IPv6 packets begin, for want of a `hoplimit`.
const KEEPALIVED_HOP_LIMIT: u8 = 64;

/// Sessions by name so far, and whether checkers hear of each.
pub(super) type Sessions = HashMap<String, bool>;

/// A session, and what those who track it begin with.
#[derive(Debug)]
pub(super) struct Defined {
    pub session: BfdInstance,
    pub weight: i16,
    pub reverse: bool,
    pub at: Span,
}

/// All so far, by name in the order of the file.
#[derive(Debug, Default)]
pub(super) struct AllDefined {
    by_name: IndexMap<Arc<str>, Defined>,
    by_endpoint: HashMap<Endpoint, Arc<str>>,
}

impl AllDefined {
    pub fn get(&self, name: &str) -> Option<&Defined> {
        self.by_name.get(name)
    }

    pub fn insert(&mut self, defined: Defined) {
        let (name, endpoint) = (defined.session.name.clone(), defined.session.endpoint);
        self.by_endpoint.insert(endpoint, name.clone());
        self.by_name.insert(name, defined);
    }

    pub fn values(&self) -> impl Iterator<Item = &Defined> {
        self.by_name.values()
    }

    pub fn into_values(self) -> impl Iterator<Item = Defined> {
        self.by_name.into_values()
    }
}

#[derive(Debug, Default)]
struct Draft {
    source: Option<IpAddr>,
    neighbor: Option<IpAddr>,
    bad_neighbor: bool,
    min_rx: Option<Duration>,
    min_tx: Option<Duration>,
    idle_tx: Option<Duration>,
    multiplier: Option<u32>,
    passive: bool,
    ttl: Option<u32>,
    max_hops: Option<i64>,
    multihop: bool,
    weight: Option<i16>,
    reverse: bool,
    vrrp: bool,
    checker: bool,
}

/// `bfd_instance NAME { … }`; `None` if there can be no such session, which is reported here.
pub(super) fn read(
    cx: &mut Context<'_>,
    block: &Statement,
    before: &AllDefined,
) -> Option<Defined> {
    let name = cx.string(block)?;
    if let Some(first) = before.get(&name) {
        let message = format!("bfd_instance {name} is there already");
        cx.push(left_out("duplicate", block.raw, message).also(first.at, "first one"));
        return None;
    }
    if name.len() > LONGEST_NAME {
        let message = format!("the name {name} is longer than {LONGEST_NAME} characters");
        cx.push(left_out("name-too-long", block.raw, message));
        return None;
    }
    let mut draft = Draft::default();
    let (tree, id) = (cx.tree, cx.table.block("bfd_instance")?);
    for at in tree.children(block) {
        if let Some(keyword) = cx.keyword(id, at) {
            draft.read(cx, at, keyword);
        }
    }
    let defined = draft.finish(cx, block, &name)?;
    let endpoint = defined.session.endpoint;
    if let Some(first) = before.by_endpoint.get(&endpoint).and_then(|name| before.get(name)) {
        let message = format!(
            "bfd_instance {name} watches {}, as {} does, from the same address",
            endpoint.neighbor, first.session.name
        );
        cx.push(left_out("duplicate", block.raw, message).also(first.at, "first one"));
        return None;
    }
    Some(defined)
}

/// A finding for which there is no session.
fn left_out(code: &'static str, at: Span, message: String) -> Diagnostic {
    Diagnostic::error(code, at, message).label("this session is left out")
}

impl Draft {
    fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        match keyword.name {
            "source_ip" => replace(&mut self.source, address(cx, at)),
            "neighbor_ip" | "neighbour_ip" => {
                self.neighbor = address(cx, at);
                self.bad_neighbor = self.neighbor.is_none();
            }
            "min_rx" => replace(&mut self.min_rx, milliseconds(cx, at, keyword)),
            "min_tx" => replace(&mut self.min_tx, milliseconds(cx, at, keyword)),
            "idle_tx" => replace(&mut self.idle_tx, milliseconds(cx, at, keyword)),
            "multiplier" => replace(&mut self.multiplier, cx.number(at, keyword)),
            "passive" => self.passive = true,
            "ttl" | "hoplimit" => replace(&mut self.ttl, cx.number(at, keyword)),
            "max_hops" => replace(&mut self.max_hops, max_hops(cx, at, keyword)),
            "multihop" => self.multihop = cx.flag(at).unwrap_or(self.multihop),
            "weight" => {
                let (weight, reverse) = weight_line(cx, at, Kind::Bfd);
                replace(&mut self.weight, weight);
                self.reverse = reverse;
            }
            "vrrp" => self.vrrp = true,
            "checker" => self.checker = true,
            other => debug_assert!(false, "no arm for {other}"),
        }
    }

    fn finish(self, cx: &mut Context<'_>, block: &Statement, name: &str) -> Option<Defined> {
        let Some(neighbor) = self.neighbor else {
            if !self.bad_neighbor {
                let message = format!("bfd_instance {name} has no neighbor_ip: nobody to watch");
                let finding = left_out("incomplete-bfd", block.raw, message);
                cx.push(finding.help("neighbor_ip ADDRESS"));
            }
            return None;
        };
        if let Some(source) = self.source.filter(|source| source.is_ipv4() != neighbor.is_ipv4()) {
            let message = format!(
                "source_ip {source} and neighbor_ip {neighbor} of bfd_instance {name} are not of \
                 one family"
            );
            cx.push(left_out("mixed-families", block.raw, message));
            return None;
        }
        let everybody = !(self.vrrp || self.checker);
        if matches!(neighbor, IpAddr::V6(address) if address.is_unicast_link_local()) {
            let message = format!("{neighbor} is link-local, and no interface can be named here");
            let finding = Diagnostic::warning("link-local-neighbor", block.raw, message);
            cx.push(finding.label("this session will not come up").help("a global address"));
        }
        let session = BfdInstance {
            name: Arc::from(name),
            endpoint: Endpoint { neighbor, source: self.source, multihop: self.multihop },
            settings: SessionSettings {
                min_rx: self.min_rx.unwrap_or(INTERVAL),
                min_tx: self.min_tx.unwrap_or(INTERVAL),
                idle_tx: self.idle_tx.unwrap_or(LEAST_IDLE_INTERVAL),
                multiplier: self.multiplier.map_or(MULTIPLIER, octet),
                passive: self.passive,
                least_ttl: self.least_ttl(cx, block, neighbor),
            },
            ttl: self.ttl.map_or(HIGHEST_TTL, octet),
            for_vrrp: self.vrrp || everybody,
            for_checkers: self.checker || everybody,
        };
        let (weight, reverse) = (self.weight.unwrap_or(0), self.reverse);
        Some(Defined { session, weight, reverse, at: block.raw })
    }

    /// A neighbour sends with our own TTL, of which `max_hops` may be gone.
    fn least_ttl(&self, cx: &mut Context<'_>, block: &Statement, neighbor: IpAddr) -> u8 {
        let usual = if neighbor.is_ipv4() { HIGHEST_TTL } else { KEEPALIVED_HOP_LIMIT };
        let ttl = self.ttl.map_or(usual, octet);
        let hops = self.max_hops.unwrap_or(0);
        if hops == i64::from(HIGHEST_TTL) {
            return 0;
        }
        if hops > i64::from(ttl) {
            let message = format!("max_hops {hops} is more than the TTL of {ttl}");
            let finding = Diagnostic::error("number-out-of-range", block.raw, message);
            cx.push(finding.label(format!("taken as {ttl}: packets pass whatever their TTL")));
        }
        u8::try_from(hops.max(0)).map_or(0, |hops| ttl.saturating_sub(hops))
    }
}

/// The table's ranges end at 255.
fn octet(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn address(cx: &mut Context<'_>, at: &Statement) -> Option<IpAddr> {
    let word = cx.only_argument(at)?;
    cx.address(at, word)
}

/// Decimal milliseconds, kept to the microsecond.
fn milliseconds(cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> Option<Duration> {
    let word = cx.only_argument(at)?;
    let (name, text) = (keyword.name, cx.text(word.span));
    // Millionths of the unit, which for milliseconds are nanoseconds.
    let nanos = match value::microseconds(text) {
        Ok(nanos) | Err(Bad::TooFine(nanos)) => nanos,
        Err(Bad::NotANumber) => {
            let message = format!("{name} `{text}` is not a time in milliseconds");
            cx.bad("not-a-number", at, word.span, message);
            return None;
        }
    };
    let (least, greatest) = keyword.range.unwrap_or((0, i64::MAX));
    if !(least..=greatest).contains(&nanos) {
        let (least, greatest) = (least / 1_000_000, greatest / 1_000_000);
        let message = format!("{name} {text} ms is out of range {least}-{greatest} ms");
        cx.bad("number-out-of-range", at, word.span, message);
        return None;
    }
    if nanos % 1000 != 0 {
        let message = format!("{name} {text} ms is kept to the microsecond");
        cx.warn("rounded", at, word.span, message);
    }
    let interval = Duration::from_micros(nanos.unsigned_abs() / 1000);
    if interval > SUSPICIOUSLY_LONG {
        let message = format!("{name} {text} ms is {:?}: it is in milliseconds", interval);
        cx.warn("suspicious-time", at, word.span, message);
    }
    Some(interval)
}

/// −1 to 255; below 0 nothing would be let through, so it is 0.
fn max_hops(cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> Option<i64> {
    let word = cx.only_argument(at)?;
    let (text, (least, most)) = (cx.text(word.span), keyword.range.unwrap_or((-1, 255)));
    let hops = value::integer(text).ok().filter(|hops| (least..=most).contains(hops));
    match hops {
        None => {
            let message = format!("max_hops `{text}` is not a number from {least} to {most}");
            cx.bad("number-out-of-range", at, word.span, message);
        }
        Some(..0) => cx.warn("rounded", at, word.span, "max_hops below 0 is taken as 0"),
        Some(_) => {}
    }
    hops
}

#[cfg(test)]
mod tests;
