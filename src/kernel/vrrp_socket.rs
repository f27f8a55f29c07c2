//! Raw IPv4 sockets for VRRP on one interface: one to listen, one to send.
//!
//! When an interface is deleted its sockets stay mute for good, even if one of the same name
//! appears: open new ones then.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::task::{Context, Poll};

use nix::sys::socket::{MsgFlags, recv, setsockopt};
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};

use super::async_fd::WatchedFd;
use super::netlink_socket::{set_receive_queue, set_send_queue};
use super::send_many::send_many;

/// IANA's number of VRRP (RFC 9568 §5.1.1.4).
const IPPROTO_VRRP: i32 = 112;
/// Adverts that come while we are not running: 4,000 instances for a second or two.
const RECEIVE_QUEUE: usize = 4 * 1024 * 1024;
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

/// What all instances of one interface share.
#[derive(Debug)]
pub struct VrrpSocket {
    receive: WatchedFd,
    send: OwnedFd,
}

impl VrrpSocket {
    /// Listens to `group` on the interface of index `ifindex`, called `interface`.
    ///
    /// # Errors
    /// EPERM: CAP_NET_RAW is missing; ENODEV: no such interface.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open_multicast(interface: &str, ifindex: u32, group: Ipv4Addr) -> io::Result<Self> {
        let receive = open_receiver(interface, ifindex, group)?;
        let send = open_sender(interface, ifindex)?;
        Ok(Self { receive: WatchedFd::new(receive.into())?, send: send.into() })
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

    /// The next datagram, from its IP header on, and its length in `buf`; `None` when the queue
    /// is empty. What does not fit into `buf` is lost. Asks the kernel each time: `None` means
    /// that nothing had arrived by now.
    ///
    /// # Errors
    /// ENETDOWN and the like: the interface went away.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        self.receive.try_read(|fd| {
            loop {
                match recv(fd.as_raw_fd(), buf, MsgFlags::MSG_DONTWAIT) {
                    Err(nix::Error::EINTR) => {}
                    other => return Ok(other?),
                }
            }
        })
    }

    /// Sends one datagram, IP header included; the kernel fills in that header's checksum.
    /// Never waits.
    ///
    /// # Errors
    /// `WouldBlock`: the queue is full; ENETDOWN, ENODEV: the interface is down or gone.
    pub fn send(&self, datagram: &[u8], to: Ipv4Addr) -> io::Result<()> {
        self.send_batch([(datagram, to)]).map(drop)
    }

    /// Sends datagrams as [`send`](Self::send) does, many in one system call, skipping those that
    /// the kernel refuses. Gives the number sent.
    ///
    /// # Errors
    /// The first refusal, when none could be sent.
    pub fn send_batch<'a>(
        &self,
        datagrams: impl IntoIterator<Item = (&'a [u8], Ipv4Addr)>,
    ) -> io::Result<usize> {
        let datagrams = datagrams.into_iter().map(|(payload, to)| (sockaddr(to), payload));
        // A multicast packet has no business with the routing table.
        let flags = libc::MSG_DONTROUTE | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        send_many(self.send.as_fd(), flags, datagrams)
    }
}

fn open_receiver(interface: &str, ifindex: u32, group: Ipv4Addr) -> io::Result<Socket> {
    let socket = raw_socket(IPPROTO_VRRP)?;
    // Until it is bound, a raw socket hears VRRP from everywhere: shut its ears.
    socket.attach_filter(&[DROP_ALL])?;
    set_receive_queue(&socket, RECEIVE_QUEUE)?;
    socket.set_multicast_all_v4(false)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(ifindex))?;
    socket.bind(&SocketAddrV4::new(group, 0).into())?;
    // What came before the filter was in place.
    while recv(socket.as_raw_fd(), &mut [0; 1], MsgFlags::MSG_DONTWAIT).is_ok() {}
    socket.detach_filter()?;
    Ok(socket)
}

/// IPPROTO_RAW: takes the IP header as we write it, and never receives anything.
fn open_sender(interface: &str, ifindex: u32) -> io::Result<Socket> {
    let socket = raw_socket(libc::IPPROTO_RAW)?;
    socket.set_header_included_v4(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    let membership = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: ifindex as libc::c_int,
    };
    setsockopt(&socket, MulticastInterface, &membership)?;
    socket.set_multicast_loop_v4(false)?;
    socket.set_priority(PRIORITY_CONTROL)?;
    set_send_queue(&socket, SEND_QUEUE)?;
    socket.set_recv_buffer_size(0)?;
    Ok(socket)
}

/// Non-blocking, and not inherited by scripts.
fn raw_socket(protocol: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(protocol)))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn sockaddr(ip: Ipv4Addr) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
        sin_zero: [0; 8],
    }
}
