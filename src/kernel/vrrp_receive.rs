//! Receiving many datagrams with few system calls (recvmmsg(2)), from raw sockets of either family.
//!
//! IPv4's begin with the IP header. IPv6's do not: its words come as control messages (RFC 3542).

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::wire::IpMeta;
use crate::wire::ip::HEADER_LEN_V6;

/// Octets for each datagram. The longest advert that anybody can mean has 255 IPv6 addresses, some
/// 4,200 octets with everything around them; what is longer is cut, and no advert then.
const DATAGRAM: usize = 8_192;

/// Room for IPV6_PKTINFO (20 octets) and IPV6_HOPLIMIT (4) with their headers, aligned.
type Control = [u64; 16];

/// Where datagrams are put; its memory is used again each time.
#[derive(Debug, Default)]
pub struct Inbox {
    octets: Vec<u8>,
    received: Vec<Received>,
}

/// One datagram.
#[derive(Debug)]
struct Received {
    length: usize,
    /// What the IPv6 header said.
    ipv6: Option<IpMeta>,
}

impl Inbox {
    /// Datagrams that it holds at most, and that one system call brings.
    pub const ROOM: usize = 16;

    /// Those received last, in their order, each with what its IPv6 header said; `None`: it is IPv4
    /// and begins with its header.
    pub fn datagrams(&self) -> impl Iterator<Item = (&[u8], Option<IpMeta>)> {
        let places = self.octets.chunks_exact(DATAGRAM).zip(&self.received);
        places.map(|(place, each)| (&place[..each.length.min(DATAGRAM)], each.ipv6))
    }

    /// Takes what has come, at most [`ROOM`](Self::ROOM) datagrams, in place of those it holds. Gives
    /// their number: when it is less, nothing more was there.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there; others as the kernel gives them. It is empty then.
    pub(super) fn receive(&mut self, fd: BorrowedFd<'_>, ipv6: bool) -> io::Result<usize> {
        self.received.clear();
        self.octets.resize(Self::ROOM * DATAGRAM, 0);
        if ipv6 { self.receive_v6(fd) } else { self.receive_v4(fd) }
    }

    fn receive_v4(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let mut iovecs = self.places();
        let mut headers = headers(&mut iovecs);
        let count = receive_many(fd, &mut headers)?;
        let lengths = headers[..count].iter().map(|header| header.msg_len as usize);
        self.received.extend(lengths.map(|length| Received { length, ipv6: None }));
        Ok(count)
    }

    fn receive_v6(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let mut iovecs = self.places();
        let mut headers = headers(&mut iovecs);
        let mut controls: [Control; Self::ROOM] = [[0; 16]; Self::ROOM];
        // SAFETY: a plain C structure, for which all zeroes is a value.
        let mut senders: [libc::sockaddr_in6; Self::ROOM] = unsafe { std::mem::zeroed() };
        for ((header, control), sender) in headers.iter_mut().zip(&mut controls).zip(&mut senders) {
            header.msg_hdr.msg_name = std::ptr::from_mut(sender).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
        }
        let count = receive_many(fd, &mut headers)?;
        for (header, sender) in headers[..count].iter().zip(&senders) {
            let (destination, hop_limit) = told_beside(&header.msg_hdr);
            let meta = IpMeta {
                source: IpAddr::V6(Ipv6Addr::from(sender.sin6_addr.s6_addr)),
                destination: IpAddr::V6(destination),
                ttl: hop_limit,
                header_len: HEADER_LEN_V6,
            };
            self.received.push(Received { length: header.msg_len as usize, ipv6: Some(meta) });
        }
        Ok(count)
    }

    fn places(&mut self) -> [libc::iovec; Self::ROOM] {
        let mut places = self.octets.chunks_exact_mut(DATAGRAM);
        std::array::from_fn(|_| {
            let place = places.next().unwrap_or_default();
            libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: place.len() }
        })
    }
}

/// One header for each place, with nothing else in it.
fn headers(iovecs: &mut [libc::iovec; Inbox::ROOM]) -> [libc::mmsghdr; Inbox::ROOM] {
    // SAFETY: a plain C structure, for which all zeroes is a value: null pointers with lengths of 0.
    let mut headers: [libc::mmsghdr; Inbox::ROOM] = unsafe { std::mem::zeroed() };
    for (header, iovec) in headers.iter_mut().zip(iovecs) {
        header.msg_hdr.msg_iov = iovec;
        header.msg_hdr.msg_iovlen = 1;
    }
    headers
}

/// One system call: how many of `headers` were filled, at least 1.
fn receive_many(fd: BorrowedFd<'_>, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    let (fd, most, at_once) = (fd.as_raw_fd(), headers.len() as _, libc::MSG_DONTWAIT as _);
    loop {
        // SAFETY: every pointer in `headers` leads to memory that the caller keeps alive, with its
        // true length.
        let count = unsafe {
            libc::recvmmsg(fd, headers.as_mut_ptr(), most, at_once, std::ptr::null_mut())
        };
        if count >= 0 {
            return Ok(count as usize);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Destination and hop limit; unspecified and 0 where the kernel did not tell, which no check
/// lets pass.
fn told_beside(header: &libc::msghdr) -> (Ipv6Addr, u8) {
    let (mut destination, mut hop_limit) = (Ipv6Addr::UNSPECIFIED, 0);
    // SAFETY: `header` was filled in by recvmmsg and its control buffer is still alive; the CMSG
    // functions stay within it, and each datum is read unaligned from the message of its type.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (control.cmsg_level, control.cmsg_type) {
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    destination = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                }
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    let hops = data.cast::<libc::c_int>().read_unaligned();
                    hop_limit = u8::try_from(hops).unwrap_or(0);
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    (destination, hop_limit)
}
