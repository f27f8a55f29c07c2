//! Routes and policy rules as values: what a configuration asks for, and what a kernel has.
//!
//! Numbers are rtnetlink's (rtnetlink(7)). Interfaces are names in a configuration and indices
//! in the kernel; [`Route`] is the same type for both.

mod rule;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use rule::{Rule, RuleAction};

/// RTPROT_KEEPALIVED: whoever asks for the origin of a route or rule sees keepalived's number.
pub const PROTOCOL: u8 = 18;
/// RT_TABLE_MAIN.
pub const MAIN_TABLE: u32 = 254;
/// RTN_UNICAST.
pub const UNICAST: u8 = 1;
/// Metric of an IPv6 route that names none (IP6_RT_PRIO_USER).
const DEFAULT_METRIC_V6: u32 = 1024;

/// One route. `I` names an interface: a `String` as configured, an index for the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route<I = String> {
    /// As the operator wrote it, for messages.
    pub text: Text,
    /// RTN_*: unicast, blackhole, ….
    pub kind: u8,
    /// Its address family is the route's; no host bits are set.
    pub destination: IpNet,
    /// Prefix of the source addresses it is for (IPv6).
    pub source: Option<IpNet>,
    pub preferred_source: Option<IpAddr>,
    pub table: u32,
    /// Use the table of this VRF interface instead.
    pub vrf: Option<I>,
    pub protocol: u8,
    pub scope: u8,
    pub tos: u8,
    pub metric: Option<u32>,
    /// None for blackhole and its like; more than one for multipath.
    pub hops: Vec<Hop<I>>,
    /// RTAX_* with their values, in rising order.
    pub metrics: Vec<(u16, u32)>,
    /// RTAX_CC_ALGO.
    pub congestion_control: Option<String>,
    /// Seconds (IPv6).
    pub expires: Option<u32>,
    /// Router preference (IPv6): 0 medium, 1 high, 3 low.
    pub preference: Option<u8>,
    pub ttl_propagate: Option<bool>,
    pub placement: Placement,
}

/// Where a route goes next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hop<I = String> {
    pub via: Option<IpAddr>,
    pub device: Option<I>,
    /// 1–256; of use in multipath only.
    pub weight: u16,
    pub on_link: bool,
    /// FROM << 16 | TO.
    pub realms: Option<u32>,
    pub encapsulation: Option<Encapsulation>,
}

/// `encap`: what packets are wrapped in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Encapsulation {
    Ip(Tunnel),
    Ip6(Tunnel),
    /// Labels of 20 bits, outermost first.
    Mpls(Vec<u32>),
    /// Identifier locator addressing: the locator's 64 bits.
    Ila(u64),
}

/// Header fields of a tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tunnel {
    pub id: Option<u64>,
    pub destination: Option<IpAddr>,
    pub source: Option<IpAddr>,
    /// TOS or traffic class.
    pub tos: Option<u8>,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    pub flags: Option<u16>,
}

/// Where a route goes among those with the same destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Placement {
    /// Only if there is none.
    Add,
    /// Before them: the kernel's default.
    #[default]
    Prepend,
    Append,
}

/// What the kernel tells routes apart by, next hops aside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    pub table: u32,
    pub destination: IpNet,
    pub source: Option<IpNet>,
    pub tos: u8,
    pub metric: u32,
}

/// A route as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledRoute {
    pub key: RouteKey,
    pub kind: u8,
    pub protocol: u8,
    pub preferred_source: Option<IpAddr>,
    /// Gateway, and index of the interface.
    pub hops: Vec<(Option<IpAddr>, u32)>,
}

impl Hop {
    /// Towards nothing yet.
    pub fn new() -> Self {
        Self {
            via: None,
            device: None,
            weight: 1,
            on_link: false,
            realms: None,
            encapsulation: None,
        }
    }
}

impl Default for Hop {
    fn default() -> Self {
        Self::new()
    }
}

impl Route {
    pub fn new(destination: IpNet, text: impl Into<Text>) -> Self {
        Self {
            text: text.into(),
            kind: UNICAST,
            destination,
            source: None,
            preferred_source: None,
            table: MAIN_TABLE,
            vrf: None,
            protocol: PROTOCOL,
            scope: 0,
            tos: 0,
            metric: None,
            hops: Vec::new(),
            metrics: Vec::new(),
            congestion_control: None,
            expires: None,
            preference: None,
            ttl_propagate: None,
            placement: Placement::Prepend,
        }
    }

    /// The route as the kernel is told it; `None` while one of its interfaces does not exist.
    /// `find` gives an interface's index and, if it is a VRF, its table.
    pub fn resolve(&self, find: impl Fn(&str) -> Option<(u32, Option<u32>)>) -> Option<Route<u32>> {
        let index = |name: &Option<String>| match name {
            Some(name) => find(name).map(|(index, _)| Some(index)),
            None => Some(None),
        };
        let hop = |hop: &Hop| {
            Some(Hop {
                via: hop.via,
                device: index(&hop.device)?,
                weight: hop.weight,
                on_link: hop.on_link,
                realms: hop.realms,
                encapsulation: hop.encapsulation.clone(),
            })
        };
        let table = match &self.vrf {
            Some(vrf) => find(vrf)?.1?,
            None => self.table,
        };
        Some(Route {
            text: self.text.clone(),
            kind: self.kind,
            destination: self.destination,
            source: self.source,
            preferred_source: self.preferred_source,
            table,
            vrf: None,
            protocol: self.protocol,
            scope: self.scope,
            tos: self.tos,
            metric: self.metric,
            hops: self.hops.iter().map(hop).collect::<Option<_>>()?,
            metrics: self.metrics.clone(),
            congestion_control: self.congestion_control.clone(),
            expires: self.expires,
            preference: self.preference,
            ttl_propagate: self.ttl_propagate,
            placement: self.placement,
        })
    }

    /// The interfaces it names, more than once if it does.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        let hops = self.hops.iter().filter_map(|hop| hop.device.as_deref());
        hops.chain(self.vrf.as_deref())
    }
}

impl<I> Route<I> {
    pub fn is_ipv6(&self) -> bool {
        matches!(self.destination, IpNet::V6(_))
    }
}

impl Route<u32> {
    pub fn key(&self) -> RouteKey {
        let ipv6 = self.is_ipv6();
        let default = if ipv6 { DEFAULT_METRIC_V6 } else { 0 };
        RouteKey {
            table: self.table,
            destination: self.destination,
            source: self.source.filter(|source| source.prefix_len() > 0),
            // IPv6 routes know none.
            tos: if ipv6 { 0 } else { self.tos },
            metric: self.metric.filter(|metric| *metric > 0).unwrap_or(default),
        }
    }

    /// Whether `found` is this route, with all its next hops.
    pub fn is(&self, found: &InstalledRoute) -> bool {
        self.key() == found.key
            && self.kind == found.kind
            && (self.hops.is_empty()
                || self.hops.len() == found.hops.len()
                    && self.hops.iter().all(|hop| found.hops.iter().any(|there| hop.is(there))))
    }
}

impl Hop<u32> {
    /// The kernel finds what is not said.
    fn is(&self, (gateway, index): &(Option<IpAddr>, u32)) -> bool {
        self.via.is_none_or(|via| Some(via) == *gateway)
            && self.device.is_none_or(|device| device == *index)
    }
}

impl InstalledRoute {
    /// Whether it leads through interface `index`.
    pub fn leads_through(&self, index: u32) -> bool {
        self.hops.iter().any(|(_, through)| *through == index)
    }
}

/// Words of the operator. Compare equal whatever they are: the same thing may be said in many ways.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Text(Arc<str>);

impl PartialEq for Text {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Text {}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.as_ref().to_owned()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
