//! Hearing of changes of interfaces, addresses, routes and rules, whoever makes them.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::{MsgFlags, recv, setsockopt};
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{SockFilter, SockRef};

use super::async_fd::WatchedFd;
use super::interface::{InterfaceAddress, Link};
use super::netlink::{HEADER_LEN, messages};
use super::netlink_socket::set_receive_queue;
use super::route::{self, PROTOCOL_OFFSET, RTM_DELROUTE, RTM_NEWROUTE};
use super::rtnl::{RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK};
use super::rule::{self, RTM_DELRULE, RTM_NEWRULE};
use crate::routing::{InstalledRoute, PROTOCOL, Rule};

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV4_RULE: u32 = 8;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
const RTNLGRP_IPV6_RULE: u32 = 19;
/// More than 16,000 address events: moving 4,000 addresses back and forth while nobody reads. Full: the kernel drops, and we hear [`KernelEvent::Overrun`].
const RECEIVE_QUEUE: usize = 8 * 1024 * 1024;
/// Events of one `drain`: a flood of them must not keep the caller from its other duties.
const DATAGRAMS_PER_DRAIN: usize = 1024;
/// More than the queue holds, so that only a kernel that is faster than we are leaves something.
const MOST_DISCARDED: usize = 1 << 17;
const DATAGRAM_LEN: usize = 32 * 1024;

sockopt_impl!(
    /// Hears one more rtnetlink group.
    AddMembership,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_ADD_MEMBERSHIP,
    u32
);

sockopt_impl!(
    /// Hears one rtnetlink group no more.
    DropMembership,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_DROP_MEMBERSHIP,
    u32
);

/// Something changed in the kernel, by our own doing or by others'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelEvent {
    /// An interface is there, is new, or changed; the name too may be a new one.
    Link(Link),
    LinkGone {
        index: u32,
        name: String,
    },
    /// Also when an address that was there changed (lifetimes, flags).
    AddressAdded(InterfaceAddress),
    AddressRemoved(InterfaceAddress),
    /// A route of keepalived's protocol number; heard after [`RtnlMonitor::follow_routes`] only.
    RouteAdded(InstalledRoute),
    /// Not told by kernels of IPv4 routes that go with their interface or their source address.
    RouteRemoved(InstalledRoute),
    /// As with routes.
    RuleAdded(Rule),
    RuleRemoved(Rule),
    /// Events were lost: whoever keeps a picture must read it again with [`super::Rtnl`].
    Overrun,
}

/// The socket that listens. Open it before the first dump: what happens in between is then seen
/// twice rather than not at all.
pub struct RtnlMonitor {
    socket: WatchedFd,
    buffer: Vec<u8>,
}

impl RtnlMonitor {
    /// Listens in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the socket cannot be had or watched.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open() -> io::Result<Self> {
        Self::open_with_queue(RECEIVE_QUEUE)
    }

    /// The same with a receive queue of `octets` (the kernel takes its own bookkeeping, about
    /// 700 octets an event, from twice that).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_queue(octets: usize) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        set_receive_queue(&socket, octets)?;
        socket.set_non_blocking(true)?;
        socket.bind_auto()?;
        for group in [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR] {
            socket.add_membership(group)?;
        }
        SockRef::from(&socket).attach_filter(&foreign_routes_dropped())?;
        // SAFETY: `into_raw_fd` has just given up the socket's ownership of an open descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) };
        Ok(Self { socket: WatchedFd::new(fd)?, buffer: vec![0; DATAGRAM_LEN] })
    }

    /// Also hears of routes and rules of keepalived's protocol number, or no longer. The kernel
    /// drops the others before they are queued: a BGP table that changes costs nothing here.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn follow_routes(&self, follow: bool) -> io::Result<()> {
        let groups = [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE];
        for group in groups {
            if follow {
                setsockopt(&self.socket, AddMembership, &group)?;
            } else {
                setsockopt(&self.socket, DropMembership, &group)?;
            }
        }
        Ok(())
    }

    /// Returns when there is something to [`drain`](Self::drain). Cancel-safe.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn ready(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Appends what happened since the last call, oldest first. Never waits. After a thousand
    /// or so it leaves the rest, for which [`ready`](Self::ready) returns at once.
    ///
    /// # Errors
    /// When the socket cannot be read. Lost events are no error but [`KernelEvent::Overrun`].
    pub fn drain(&mut self, out: &mut Vec<KernelEvent>) -> io::Result<()> {
        for _ in 0..DATAGRAMS_PER_DRAIN {
            let buffer = &mut self.buffer;
            let read = self.socket.try_read(|fd| {
                Ok(recv(fd.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT)?)
            });
            match read {
                Ok(Some(len)) if len <= self.buffer.len() => parse_events(&self.buffer[..len], out),
                // Longer than anything the kernel sends today: what it said is unknown.
                Ok(Some(_)) => out.push(KernelEvent::Overrun),
                Ok(None) => break,
                Err(lost) if lost.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.discard_all();
                    out.push(KernelEvent::Overrun);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl RtnlMonitor {
    /// Empties the queue after events were lost. Until it is empty the kernel goes on dropping
    /// events, and says so no second time: a picture taken before that would miss them.
    fn discard_all(&mut self) {
        for _ in 0..MOST_DISCARDED {
            let buffer = &mut self.buffer;
            let read = self
                .socket
                .try_read(|fd| Ok(recv(fd.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?));
            match read {
                Ok(Some(_)) => {}
                Err(lost) if lost.raw_os_error() == Some(libc::ENOBUFS) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
}

/// Appends the events that a datagram tells of. Takes any octets: messages that are cut short or
/// of other kinds give nothing.
pub fn parse_events(datagram: &[u8], out: &mut Vec<KernelEvent>) {
    out.extend(messages(datagram).filter_map(|message| {
        match message.kind {
            RTM_NEWLINK => Link::parse(message.payload).map(KernelEvent::Link),
            RTM_DELLINK => Link::parse(message.payload)
                .map(|link| KernelEvent::LinkGone { index: link.index, name: link.name }),
            RTM_NEWADDR => InterfaceAddress::parse(message.payload).map(KernelEvent::AddressAdded),
            RTM_DELADDR => {
                InterfaceAddress::parse(message.payload).map(KernelEvent::AddressRemoved)
            }
            RTM_NEWROUTE => route(message.payload).map(KernelEvent::RouteAdded),
            RTM_DELROUTE => route(message.payload).map(KernelEvent::RouteRemoved),
            RTM_NEWRULE => rule(message.payload).map(KernelEvent::RuleAdded),
            RTM_DELRULE => rule(message.payload).map(KernelEvent::RuleRemoved),
            _ => None,
        }
    }));
}

/// One of keepalived's protocol number; of the others only the header is looked at.
fn route(payload: &[u8]) -> Option<InstalledRoute> {
    payload.get(PROTOCOL_OFFSET).filter(|protocol| **protocol == PROTOCOL)?;
    route::parse(payload)
}

fn rule(payload: &[u8]) -> Option<Rule> {
    rule::parse(payload).filter(|rule| rule.protocol == PROTOCOL)
}

/// A filter (classic BPF) that lets everything pass but routes of other protocols. The kernel
/// sends each route in a message of its own.
fn foreign_routes_dropped() -> [SockFilter; 7] {
    let load = |at: usize| SockFilter::new(0x30, 0, 0, at as u32);
    let jump_if = |value: u32, then, or_else| SockFilter::new(0x15, then, or_else, value);
    let give_back = |octets| SockFilter::new(0x06, 0, 0, octets);
    // The low octet of `nlmsg_type`; the other one is 0 for all of rtnetlink's.
    let kind = if cfg!(target_endian = "little") { 4 } else { 5 };
    [
        load(kind),
        // RTM_DELROUTE (25) becomes RTM_NEWROUTE (24).
        SockFilter::new(0x54, 0, 0, 0xfe),
        jump_if(RTM_NEWROUTE.into(), 0, 2),
        load(HEADER_LEN + PROTOCOL_OFFSET),
        jump_if(PROTOCOL.into(), 0, 1),
        give_back(u32::MAX),
        give_back(0),
    ]
}

#[cfg(test)]
mod tests;
