//! Raw sockets for VRRP: one to listen, one to send, for IPv4 or IPv6, multicast or unicast.
//!
//! When an interface is deleted its sockets stay mute for good, even if one of the same name
//! appears: open new ones then.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::task::{Context, Poll};

use nix::sys::socket::{MsgFlags, getsockopt, recv, setsockopt, sockopt};
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};

use super::async_fd::WatchedFd;
use super::netlink_socket::{set_receive_queue, set_send_queue};
use super::send_many::send_many;
use super::vrrp_receive::Inbox;
use crate::wire::Protocol as Carrier;

/// Adverts that come while we are not running: 4,000 instances for a second or two.
pub const RECEIVE_QUEUE: usize = 4 * 1024 * 1024;
/// Adverts of all instances of an interface, due at the same moment.
const SEND_QUEUE: usize = 4 * 1024 * 1024;
/// TC_PRIO_CONTROL: before everything else in the interface's queue.
const PRIORITY_CONTROL: u32 = 6;
/// Accepts nothing (classic BPF `ret #0`).
const DROP_ALL: SockFilter = SockFilter::new(0x06, 0, 0, 0);

sockopt_impl!(
    /// IP_MULTICAST_IF by interface index, which works before the interface has an address.
    MulticastInterface,
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_MULTICAST_IF,
    libc::ip_mreqn
);

/// What all instances of one interface and group, or of one unicast source, share.
#[derive(Debug)]
pub struct VrrpSocket {
    receive: WatchedFd,
    send: OwnedFd,
    ipv6: bool,
    /// Where link-local destinations are (sockaddr_in6's scope).
    ifindex: u32,
    /// How datagrams are sent: multicast has no business with the routing table.
    send_flags: libc::c_int,
}

impl VrrpSocket {
    /// Listens to `group` on the interface of index `ifindex`, called `interface`; to what
    /// `carrier` carries with IPv4, which is the only one that has AH.
    ///
    /// # Errors
    /// EPERM: CAP_NET_RAW is missing; ENODEV: no such interface.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open_multicast(
        interface: &str,
        ifindex: u32,
        group: IpAddr,
        carrier: Carrier,
    ) -> io::Result<Self> {
        let (receive, send) = match group {
            IpAddr::V4(group) => (
                multicast_receiver_v4(interface, ifindex, group, carrier)?,
                multicast_sender_v4(interface, ifindex)?,
            ),
            IpAddr::V6(group) => (
                multicast_receiver_v6(interface, ifindex, group)?,
                multicast_sender_v6(interface, ifindex)?,
            ),
        };
        Self::new(receive, send, ifindex, group.is_ipv6(), libc::MSG_DONTROUTE)
    }

    /// Listens to what is sent to our own address `source`, which need not be there yet.
    /// `ifindex` tells on which link a link-local IPv6 address is.
    ///
    /// # Errors
    /// EPERM: CAP_NET_RAW is missing.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open_unicast(
        source: IpAddr,
        ifindex: u32,
        vrf: Option<&str>,
        carrier: Carrier,
    ) -> io::Result<Self> {
        let receive = unicast_receiver(source, ifindex, vrf, carrier)?;
        let send = open_sender(if source.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 })?;
        if vrf.is_some() {
            send.bind_device(vrf.map(str::as_bytes))?;
        }
        Self::new(receive, send, ifindex, source.is_ipv6(), 0)
    }

    fn new(
        receive: Socket,
        send: Socket,
        ifindex: u32,
        ipv6: bool,
        flags: libc::c_int,
    ) -> io::Result<Self> {
        let send_flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let receive = WatchedFd::new(receive.into())?;
        Ok(Self { receive, send: send.into(), ipv6, ifindex, send_flags })
    }

    /// Makes room for datagrams of `octets` altogether that wait to be read, as the kernel counts
    /// them.
    ///
    /// # Errors
    /// As setsockopt(2) gives them.
    pub fn set_receive_queue(&self, octets: usize) -> io::Result<()> {
        set_receive_queue(&self.receive, octets)
    }

    /// What the receive queue holds, in the kernel's count: twice what was asked for.
    ///
    /// # Errors
    /// As getsockopt(2) gives them.
    pub fn receive_queue(&self) -> io::Result<usize> {
        Ok(getsockopt(&self.receive, sockopt::RcvBuf)?)
    }

    /// Returns when there may be a datagram. Cancel-safe.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn readable(&self) -> io::Result<()> {
        self.receive.readable().await
    }

    /// [`readable`](Self::readable) for hand-written futures that wait for many sockets.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.receive.poll_readable(context)
    }

    /// Takes the datagrams that have come, or as many as `inbox` has room for. Gives their number:
    /// when it is less than that room, the queue was empty. Asks the kernel each time, so that 0 means
    /// that nothing had arrived by now.
    ///
    /// # Errors
    /// ENETDOWN and the like: the interface went away.
    pub fn try_recv(&self, inbox: &mut Inbox) -> io::Result<usize> {
        self.receive.try_read_some(Inbox::ROOM, |fd| inbox.receive(fd, self.ipv6))
    }

    /// The same, asking the kernel only when something is known to have arrived.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_ready(&self, inbox: &mut Inbox) -> io::Result<usize> {
        self.receive.try_read_some_ready(Inbox::ROOM, |fd| inbox.receive(fd, self.ipv6))
    }

    /// Sends one datagram, IP header included; the kernel fills in IPv4's header checksum.
    /// Never waits.
    ///
    /// # Errors
    /// `WouldBlock`: the queue is full; ENETDOWN, ENODEV: the interface is down or gone.
    pub fn send(&self, datagram: &[u8], to: IpAddr) -> io::Result<()> {
        let mut refusal = None;
        self.send_batch([(datagram, to)], |_, error| refusal = Some(error));
        refusal.map_or(Ok(()), Err)
    }

    /// Sends datagrams as [`send`](Self::send) does, many in one system call. Tells `refused` the
    /// place of each that the kernel refuses, and why. Gives the number sent.
    pub fn send_batch<'a>(
        &self,
        datagrams: impl IntoIterator<Item = (&'a [u8], IpAddr)>,
        refused: impl FnMut(usize, io::Error),
    ) -> usize {
        let (fd, flags, datagrams) = (self.send.as_fd(), self.send_flags, datagrams.into_iter());
        if self.ipv6 {
            let addressed = datagrams.map(|(octets, to)| (self.sockaddr_v6(to), octets));
            send_many(fd, flags, addressed, refused)
        } else {
            let addressed = datagrams.map(|(octets, to)| (sockaddr_v4(to), octets));
            send_many(fd, flags, addressed, refused)
        }
    }

    fn sockaddr_v6(&self, to: IpAddr) -> libc::sockaddr_in6 {
        let (family, to) = match to {
            IpAddr::V6(to) => (libc::AF_INET6, to),
            // The kernel refuses it: the configuration keeps the families apart.
            IpAddr::V4(_) => (libc::AF_INET, Ipv6Addr::UNSPECIFIED),
        };
        libc::sockaddr_in6 {
            sin6_family: family as libc::sa_family_t,
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: to.octets() },
            sin6_scope_id: scope_of(to, self.ifindex),
        }
    }
}

/// The kernel takes a scope for addresses that mean something on one link only.
fn scope_of(address: Ipv6Addr, ifindex: u32) -> u32 {
    if address.is_unicast_link_local() || address.is_multicast() { ifindex } else { 0 }
}

fn multicast_receiver_v4(
    interface: &str,
    ifindex: u32,
    group: Ipv4Addr,
    carrier: Carrier,
) -> io::Result<Socket> {
    let socket = deaf_receiver(Domain::IPV4, carrier)?;
    socket.set_multicast_all_v4(false)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(ifindex))?;
    socket.bind(&SocketAddrV4::new(group, 0).into())?;
    listen(socket)
}

fn multicast_receiver_v6(interface: &str, ifindex: u32, group: Ipv6Addr) -> io::Result<Socket> {
    let socket = deaf_receiver(Domain::IPV6, Carrier::Vrrp)?;
    socket.set_multicast_all_v6(false)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.join_multicast_v6(&group, ifindex)?;
    socket.bind(&SocketAddrV6::new(group, 0, 0, scope_of(group, ifindex)).into())?;
    listen(socket)
}

/// Bound to the address and to no interface: what is routed comes by any of them.
fn unicast_receiver(
    source: IpAddr,
    ifindex: u32,
    vrf: Option<&str>,
    carrier: Carrier,
) -> io::Result<Socket> {
    match source {
        IpAddr::V4(source) => {
            let socket = deaf_receiver(Domain::IPV4, carrier)?;
            socket.bind_device(vrf.map(str::as_bytes))?;
            socket.set_freebind_v4(true)?;
            socket.bind(&SocketAddrV4::new(source, 0).into())?;
            listen(socket)
        }
        IpAddr::V6(source) => {
            let socket = deaf_receiver(Domain::IPV6, Carrier::Vrrp)?;
            socket.bind_device(vrf.map(str::as_bytes))?;
            socket.set_freebind_v6(true)?;
            socket.bind(&SocketAddrV6::new(source, 0, 0, scope_of(source, ifindex)).into())?;
            listen(socket)
        }
    }
}

/// Until it is bound, a raw socket hears VRRP from everywhere: its ears are shut.
fn deaf_receiver(domain: Domain, carrier: Carrier) -> io::Result<Socket> {
    let socket = raw_socket(domain, carrier.number().into())?;
    socket.attach_filter(&[DROP_ALL])?;
    set_receive_queue(&socket, RECEIVE_QUEUE)?;
    if domain == Domain::IPV6 {
        // The checksum is left to the parser, so that a wrong one is counted and told of.
        socket.set_recv_hoplimit_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(socket)
}

fn listen(socket: Socket) -> io::Result<Socket> {
    // What came before the filter was in place.
    while recv(socket.as_raw_fd(), &mut [0; 1], MsgFlags::MSG_DONTWAIT).is_ok() {}
    socket.detach_filter()?;
    Ok(socket)
}

fn multicast_sender_v4(interface: &str, ifindex: u32) -> io::Result<Socket> {
    let socket = open_sender(Domain::IPV4)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    let membership = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: ifindex as libc::c_int,
    };
    setsockopt(&socket, MulticastInterface, &membership)?;
    socket.set_multicast_loop_v4(false)?;
    Ok(socket)
}

fn multicast_sender_v6(interface: &str, ifindex: u32) -> io::Result<Socket> {
    let socket = open_sender(Domain::IPV6)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_multicast_if_v6(ifindex)?;
    socket.set_multicast_loop_v6(false)?;
    Ok(socket)
}

/// IPPROTO_RAW: takes the IP header as we write it, and never receives anything.
fn open_sender(domain: Domain) -> io::Result<Socket> {
    let socket = raw_socket(domain, libc::IPPROTO_RAW)?;
    if domain == Domain::IPV4 {
        socket.set_header_included_v4(true)?;
    } else {
        socket.set_header_included_v6(true)?;
    }
    socket.set_priority(PRIORITY_CONTROL)?;
    set_send_queue(&socket, SEND_QUEUE)?;
    socket.set_recv_buffer_size(0)?;
    Ok(socket)
}

/// Non-blocking, and not inherited by scripts.
fn raw_socket(domain: Domain, protocol: i32) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(protocol)))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn sockaddr_v4(to: IpAddr) -> libc::sockaddr_in {
    let (family, to) = match to {
        IpAddr::V4(to) => (libc::AF_INET, to),
        // As with IPv6.
        IpAddr::V6(_) => (libc::AF_INET6, Ipv4Addr::UNSPECIFIED),
    };
    libc::sockaddr_in {
        sin_family: family as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.octets()) },
        sin_zero: [0; 8],
    }
}
