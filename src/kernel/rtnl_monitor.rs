//! Hearing of changes of interfaces and addresses, whoever makes them.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::{MsgFlags, recv};

use super::async_fd::WatchedFd;
use super::interface::{InterfaceAddress, Link};
use super::netlink::messages;
use super::netlink_socket::set_receive_queue;
use super::rtnl::{RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK};

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
/// More than 16,000 address events: moving 4,000 addresses back and forth while nobody reads. Full: the kernel drops, and we hear [`KernelEvent::Overrun`].
const RECEIVE_QUEUE: usize = 8 * 1024 * 1024;
/// Events of one `drain`: a flood of them must not keep the caller from its other duties.
const DATAGRAMS_PER_DRAIN: usize = 1024;
const DATAGRAM_LEN: usize = 32 * 1024;

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
        // SAFETY: `into_raw_fd` has just given up the socket's ownership of an open descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) };
        Ok(Self { socket: WatchedFd::new(fd)?, buffer: vec![0; DATAGRAM_LEN] })
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
                    out.push(KernelEvent::Overrun);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
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
            _ => None,
        }
    }));
}

#[cfg(test)]
mod tests;
