//! UDP sockets for BFD: one for each family and port to hear on, which tells how each packet came,
//! and one for each session to send from, since each has a source port of its own (RFC 5881 §4).

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};

use super::async_fd::WatchedFd;

/// Room for the packets of thousands of neighbours that wait while we are late.
const RECEIVE_QUEUE: usize = 1 << 20;

/// DSCP CS6: network control (RFC 2474), as adverts have it.
const TRAFFIC_CLASS: u32 = 0xc0;

/// Room for packet information and TTL of either family with their headers, aligned.
type Control = [u64; 16];

/// Hears all packets for one port in one family.
#[derive(Debug)]
pub struct BfdReceiver(WatchedFd);

/// How a datagram came. What the kernel did not tell is unspecified, and 0, which nothing accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedBfd {
    pub length: usize,
    pub source: IpAddr,
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
}

impl BfdReceiver {
    /// # Errors
    /// EADDRINUSE: somebody else hears on that port, perhaps another BFD daemon.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(ipv6: bool, port: u16) -> io::Result<Self> {
        let socket = new_socket(ipv6)?;
        if ipv6 {
            socket.set_only_v6(true)?;
            socket.set_recv_hoplimit_v6(true)?;
            set_flag(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
        } else {
            set_flag(&socket, libc::IPPROTO_IP, libc::IP_RECVTTL)?;
            set_flag(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO)?;
        }
        socket.set_recv_buffer_size(RECEIVE_QUEUE)?;
        socket.bind(&SocketAddr::new(unspecified(ipv6), port).into())?;
        Ok(Self(WatchedFd::new(socket.into())?))
    }

    /// Takes one datagram; `None`: there is none. What does not fit into `buf` is cut off.
    ///
    /// # Errors
    /// As the kernel gives them.
    pub fn receive(&self, buf: &mut [u8]) -> io::Result<Option<ReceivedBfd>> {
        self.0.try_read(|fd| receive(fd, buf))
    }

    /// The same, asking the kernel only when the runtime has noticed that there may be something.
    ///
    /// # Errors
    /// As the kernel gives them.
    pub fn receive_if_ready(&self, buf: &mut [u8]) -> io::Result<Option<ReceivedBfd>> {
        self.0.try_read_ready(|fd| receive(fd, buf))
    }

    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll_readable(context)
    }
}

/// Sends one session's packets.
#[derive(Debug)]
pub struct BfdSender(Socket);

impl BfdSender {
    /// Sends from `source`, or where the routing table says, and from `port`.
    ///
    /// # Errors
    /// EADDRINUSE: choose another port; EADDRNOTAVAIL: `source` is not on this host.
    pub fn open(ipv6: bool, source: Option<IpAddr>, port: u16, ttl: u8) -> io::Result<Self> {
        let socket = new_socket(ipv6)?;
        if ipv6 {
            socket.set_only_v6(true)?;
            socket.set_unicast_hops_v6(ttl.into())?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
        } else {
            socket.set_ttl_v4(ttl.into())?;
            socket.set_tos_v4(TRAFFIC_CLASS)?;
        }
        socket.bind(&SocketAddr::new(source.unwrap_or(unspecified(ipv6)), port).into())?;
        Ok(Self(socket))
    }

    /// # Errors
    /// As the kernel gives them; a full queue is one (`WouldBlock`).
    pub fn send(&self, octets: &[u8], to: SocketAddr) -> io::Result<()> {
        self.0.send_to(octets, &to.into()).map(drop)
    }
}

fn new_socket(ipv6: bool) -> io::Result<Socket> {
    let domain = if ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn unspecified(ipv6: bool) -> IpAddr {
    if ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

fn set_flag(socket: &Socket, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and the option's value is read during the call only, with
    // its true length.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn receive(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<ReceivedBfd> {
    let mut control: Control = [0; 16];
    let mut from = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut iovec = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: a plain C structure, for which all zeroes is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = from.as_mut_ptr().cast();
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_iov = &raw mut iovec;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>() as _;
    // SAFETY: every pointer in `header` leads to memory that lives here, with its true length.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    let (destination, ttl) = told_beside(&header);
    Ok(ReceivedBfd { length: length as usize, source: address_in(&from), destination, ttl })
}

/// The address that the kernel wrote.
fn address_in(from: &MaybeUninit<libc::sockaddr_storage>) -> IpAddr {
    let at = from.as_ptr();
    // SAFETY: zeroed, and written over by the kernel; the family says as what, and any octets
    // are a value of both structures, which are smaller than the storage.
    unsafe {
        match libc::c_int::from((*at).ss_family) {
            libc::AF_INET6 => {
                IpAddr::V6((*at.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr.into())
            }
            _ => IpAddr::V4(u32::from_be((*at.cast::<libc::sockaddr_in>()).sin_addr.s_addr).into()),
        }
    }
}

/// Destination, and TTL or hop limit.
fn told_beside(header: &libc::msghdr) -> (IpAddr, u8) {
    let (mut destination, mut ttl) = (unspecified(false), 0);
    // SAFETY: `header` was filled in by recvmsg and its control buffer is still alive; the CMSG
    // functions stay within it, and each datum is read unaligned from the message of its type.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (control.cmsg_level, control.cmsg_type) {
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    destination = Ipv6Addr::from(info.ipi6_addr.s6_addr).into();
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    destination = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into();
                }
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) | (libc::IPPROTO_IP, libc::IP_TTL) => {
                    let hops = data.cast::<libc::c_int>().read_unaligned();
                    ttl = u8::try_from(hops).unwrap_or(0);
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    (destination, ttl)
}

#[cfg(test)]
mod tests;
