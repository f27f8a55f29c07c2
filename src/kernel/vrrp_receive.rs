//! Receiving from a raw IPv6 socket: the header's words come as control messages (RFC 3542).

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::vrrp_socket::Received;
use crate::wire::IpMeta;
use crate::wire::ip::HEADER_LEN_V6;

/// Room for IPV6_PKTINFO (20 octets) and IPV6_HOPLIMIT (4) with their headers, aligned.
type Control = [u64; 16];

/// One datagram without its header, which is told beside it.
///
/// # Errors
/// `WouldBlock`: nothing is there; others as the kernel gives them.
pub(super) fn receive_v6(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Received> {
    let mut control: Control = [0; 16];
    let mut from = MaybeUninit::<libc::sockaddr_in6>::zeroed();
    let mut iovec = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: a plain C structure, for which all zeroes is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = from.as_mut_ptr().cast();
    header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    header.msg_iov = &raw mut iovec;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>() as _;
    // SAFETY: every pointer in `header` leads to memory that lives here, with its true length.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed, and written over by the kernel: any octets are a sockaddr_in6.
    let source = Ipv6Addr::from(unsafe { from.assume_init() }.sin6_addr.s6_addr);
    let (destination, hop_limit) = told_beside(&header);
    let meta = IpMeta {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        ttl: hop_limit,
        header_len: HEADER_LEN_V6,
    };
    Ok(Received { length: length as usize, ipv6: Some(meta) })
}

/// Destination and hop limit; unspecified and 0 where the kernel did not tell, which no check
/// lets pass.
fn told_beside(header: &libc::msghdr) -> (Ipv6Addr, u8) {
    let (mut destination, mut hop_limit) = (Ipv6Addr::UNSPECIFIED, 0);
    // SAFETY: `header` was filled in by recvmsg and its control buffer is still alive; the CMSG
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
