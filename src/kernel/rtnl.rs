//! Reading interfaces, addresses, routes and rules, and changing them (rtnetlink(7)).

use std::io;

use netlink_sys::protocols::NETLINK_ROUTE;

use super::change::{ChangeFailure, KernelChange};
use super::interface::{
    IFLA_AF_SPEC, IFLA_INET_CONF, IPV4_DEVCONF_PROMOTE_SECONDARIES, InterfaceAddress, Link,
};
use super::link::{LinkChange, LinkFailure};
use super::netlink::{messages, push_attribute, push_nested};
use super::netlink_socket::{CommandSocket, REQUESTS_PER_SEND, RequestKind};
use super::route::{self, PROTOCOL_OFFSET, RTM_NEWROUTE, RTMSG_LEN};
use super::rule::{self, FIB_RULE_HDR_LEN, RTM_NEWRULE};
use crate::routing::{InstalledRoute, PROTOCOL, Rule};

pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
pub(super) const RTM_SETLINK: u16 = 19;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_DELADDR: u16 = 21;
const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const IFLA_IFNAME: u16 = 3;
const RTM_GETROUTE: u16 = 26;
const RTM_GETRULE: u16 = 34;
const IFLA_EXT_MASK: u16 = 29;
/// Statistics are most of what the kernel would say of an interface.
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// The command socket: each call is carried out when it returns.
pub struct Rtnl {
    socket: CommandSocket,
}

impl Rtnl {
    /// Changes that go out in one system call. A caller who must not be held up calls
    /// [`change`](Self::change) with so many at a time and sees to its other duties in between.
    pub const BATCH: usize = REQUESTS_PER_SEND;

    /// Works in the network namespace of the calling thread, for good.
    ///
    /// # Errors
    /// When the socket cannot be had.
    pub fn open() -> io::Result<Self> {
        let socket = CommandSocket::open(NETLINK_ROUTE)?;
        socket.filter_dumps();
        Ok(Self { socket })
    }

    /// All interfaces of the network namespace.
    ///
    /// # Errors
    /// When the kernel refuses, or the list kept changing while it was read.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let dump = self.socket.dump(|out| {
            out.extend_from_slice(&[0; 16]);
            push_attribute(out, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
            RequestKind { kind: RTM_GETLINK, flags: 0 }
        })?;
        let links = messages(&dump).filter(|message| message.kind == RTM_NEWLINK);
        Ok(links.filter_map(|message| Link::parse(message.payload)).collect())
    }

    /// All addresses, IPv4 and IPv6, in the kernel's order: on each interface the primary ones
    /// come first.
    ///
    /// # Errors
    /// As [`links`](Self::links).
    pub fn addresses(&mut self) -> io::Result<Vec<InterfaceAddress>> {
        let dump = self.socket.dump(|out| {
            out.extend_from_slice(&[0; 8]);
            RequestKind { kind: RTM_GETADDR, flags: 0 }
        })?;
        let addresses = messages(&dump).filter(|message| message.kind == RTM_NEWADDR);
        Ok(addresses.filter_map(|message| InterfaceAddress::parse(message.payload)).collect())
    }

    /// The interface called `name`, as it is now.
    ///
    /// # Errors
    /// ENODEV: there is none of that name.
    pub fn link(&mut self, name: &str) -> io::Result<Link> {
        let reply = self.socket.ask(|out| {
            out.extend_from_slice(&[0; 16]);
            push_attribute(out, IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
            push_attribute(out, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
            RequestKind { kind: RTM_GETLINK, flags: 0 }
        })?;
        reply.and_then(|payload| Link::parse(&payload)).ok_or_else(|| libc_error(libc::ENODEV))
    }

    /// Makes, sets and deletes interfaces, in order; one that fails does not stop those after it.
    /// Deleting takes the kernel some milliseconds each. Gives the failures.
    pub fn change_links(&mut self, changes: &[LinkChange]) -> Vec<LinkFailure> {
        let refused = self.socket.execute(changes, LinkChange::write);
        let failed = refused.into_iter().filter(|r| !changes[r.index].is_satisfied_by(r.errno));
        failed
            .map(|refusal| LinkFailure {
                index: refusal.index,
                error: refusal.error(),
                text: refusal.text,
            })
            .collect()
    }

    /// The routes of keepalived's protocol number, IPv4 and IPv6, in all tables. The kernel leaves
    /// out the others, from Linux 5.0 on: a full BGP table costs no copy of it.
    ///
    /// # Errors
    /// As [`links`](Self::links).
    pub fn routes(&mut self) -> io::Result<Vec<InstalledRoute>> {
        let mut routes = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let dump = self.socket.dump(|out| {
                let mut header = [0; RTMSG_LEN];
                (header[0], header[PROTOCOL_OFFSET]) = (family as u8, PROTOCOL);
                out.extend_from_slice(&header);
                RequestKind { kind: RTM_GETROUTE, flags: 0 }
            })?;
            let found = messages(&dump).filter(|message| message.kind == RTM_NEWROUTE);
            routes.extend(found.filter_map(|message| route::parse(message.payload)));
        }
        routes.retain(|route| route.protocol == PROTOCOL);
        Ok(routes)
    }

    /// The policy rules of keepalived's protocol number, IPv4 and IPv6.
    ///
    /// # Errors
    /// As [`links`](Self::links).
    pub fn rules(&mut self) -> io::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let dump = self.socket.dump(|out| {
                let mut header = [0; FIB_RULE_HDR_LEN];
                header[0] = family as u8;
                out.extend_from_slice(&header);
                RequestKind { kind: RTM_GETRULE, flags: 0 }
            })?;
            let found = messages(&dump).filter(|message| message.kind == RTM_NEWRULE);
            rules.extend(found.filter_map(|message| rule::parse(message.payload)));
        }
        rules.retain(|rule| rule.protocol == PROTOCOL);
        Ok(rules)
    }

    /// Sets `promote_secondaries` of an interface (ip-sysctl), without the detour by a file.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn promote_secondaries(&mut self, ifindex: u32, promote: bool) -> io::Result<()> {
        let refused = self.socket.execute(&[()], |(), out| {
            let mut header = [0; 16];
            header[4..8].copy_from_slice(&ifindex.to_ne_bytes());
            out.extend_from_slice(&header);
            push_nested(out, IFLA_AF_SPEC, |out| {
                push_nested(out, libc::AF_INET as u16, |out| {
                    push_nested(out, IFLA_INET_CONF, |out| {
                        let value = u32::from(promote).to_ne_bytes();
                        push_attribute(out, IPV4_DEVCONF_PROMOTE_SECONDARIES, &value);
                    });
                });
            });
            RequestKind { kind: RTM_SETLINK, flags: 0 }
        });
        refused.first().map_or(Ok(()), |refusal| Err(refusal.error()))
    }

    /// Carries out `changes` in order, [`BATCH`](Self::BATCH) in one system call; one that fails does not stop those
    /// after it. Gives the failures. Adding what is there already, removing what is gone, and
    /// removing from an interface that is gone are none.
    pub fn change(&mut self, changes: &[KernelChange]) -> Vec<ChangeFailure> {
        let refused = self.socket.execute(changes, KernelChange::write);
        let failed = refused.into_iter().filter(|r| !changes[r.index].is_satisfied_by(r.errno));
        failed.map(ChangeFailure::from_refusal).collect()
    }
}

fn libc_error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
