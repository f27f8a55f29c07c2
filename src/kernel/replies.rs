//! Everything that the kernel says by netlink, whoever asked: one function over the octets of a
//! datagram, for tests and for reading captures.

use super::ipvs::decode;
use super::netlink::{Message, NLMSG_ERROR, messages};
use super::route;
use super::route::{RTM_DELROUTE, RTM_NEWROUTE};
use super::rtnl_monitor::parse_events;
use super::rule;
use super::rule::{RTM_DELRULE, RTM_NEWRULE};
use super::{KernelEvent, rtnl};
use crate::ipvs::{Destination, Family, Service, SyncDaemon, Timeouts};
use crate::routing::{InstalledRoute, Rule};

/// `struct genlmsghdr`, which generic netlink puts before the attributes.
const GENERIC_HEADER_LEN: usize = 4;
/// Kinds from here on are families of generic netlink or other subsystems: IPVS has no fixed one.
const FIRST_GENERIC: u16 = 0x80;

/// What one message says.
#[derive(Debug, Clone, PartialEq)]
pub enum KernelReply {
    /// An interface or an address, with what became of it.
    Event(KernelEvent),
    Route(InstalledRoute),
    Rule(Rule),
    Service(Service),
    Destination(Destination),
    Timeouts(Timeouts),
    SyncDaemon(SyncDaemon),
    /// A request was carried out (0) or refused, with the kernel's own words.
    Verdict {
        errno: i32,
        text: Option<String>,
    },
}

/// What the messages of a datagram say. Takes any octets: what is cut short or of other kinds
/// gives nothing.
pub fn parse_replies(datagram: &[u8]) -> Vec<KernelReply> {
    messages(datagram).flat_map(|message| reply(&message)).collect()
}

fn reply(message: &Message<'_>) -> Vec<KernelReply> {
    match message.kind {
        NLMSG_ERROR => (message.verdict().into_iter())
            .map(|said| KernelReply::Verdict { errno: said.errno, text: said.text })
            .collect(),
        RTM_NEWROUTE | RTM_DELROUTE => {
            route::parse(message.payload).map(KernelReply::Route).into_iter().collect()
        }
        RTM_NEWRULE | RTM_DELRULE => {
            rule::parse(message.payload).map(KernelReply::Rule).into_iter().collect()
        }
        rtnl::RTM_NEWLINK..FIRST_GENERIC => {
            let mut events = Vec::new();
            parse_events(message.octets, &mut events);
            events.into_iter().map(KernelReply::Event).collect()
        }
        _ => ipvs(message.payload),
    }
}

fn ipvs(payload: &[u8]) -> Vec<KernelReply> {
    let Some(attributes) = payload.get(GENERIC_HEADER_LEN..) else { return Vec::new() };
    let timeouts = decode::timeouts(attributes);
    let service = decode::service(attributes).map(KernelReply::Service);
    let destination = decode::destination(attributes, Family::Inet).map(KernelReply::Destination);
    let timeouts = (timeouts != Timeouts::default()).then_some(KernelReply::Timeouts(timeouts));
    let daemon = decode::daemon(attributes).map(KernelReply::SyncDaemon);
    service.into_iter().chain(destination).chain(timeouts).chain(daemon).collect()
}
