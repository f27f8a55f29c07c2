//! Sending whole frames: gratuitous ARP and neighbour advertisements for addresses that moved here.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::netlink_socket::set_send_queue;
use super::send_many::send_any;

/// Ethernet header (14) and ARP for IPv4 over Ethernet (28, RFC 826).
pub const ARP_FRAME_LEN: usize = 42;
/// 4,000 frames with the kernel's bookkeeping.
const SEND_QUEUE: usize = 4 * 1024 * 1024;

/// One packet socket for all interfaces of the network namespace. It never receives.
#[derive(Debug)]
pub struct ArpSocket(OwnedFd);

impl ArpSocket {
    /// # Errors
    /// EPERM: CAP_NET_RAW is missing.
    pub fn open() -> io::Result<Self> {
        // No protocol: none is delivered here.
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        set_send_queue(&fd, SEND_QUEUE)?;
        Ok(Self(fd))
    }

    /// Sends each frame, Ethernet header included, on the interface of its index, many in one
    /// system call. Skips those that the kernel refuses (interface down or gone); stops when the
    /// queue is full. Gives the number sent.
    ///
    /// # Errors
    /// The first refusal, when none could be sent.
    pub fn send_batch(&self, frames: &[(u32, [u8; ARP_FRAME_LEN])]) -> io::Result<usize> {
        self.send_frames(frames.iter().map(|(ifindex, frame)| (*ifindex, &frame[..])))
    }

    /// The same for frames of any kind over Ethernet.
    ///
    /// # Errors
    /// As [`send_batch`](Self::send_batch).
    pub fn send_frames<'a>(
        &self,
        frames: impl IntoIterator<Item = (u32, &'a [u8])>,
    ) -> io::Result<usize> {
        let frames = frames.into_iter().map(|(ifindex, frame)| (sockaddr(ifindex, frame), frame));
        send_any(self.0.as_fd(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL, frames)
    }
}

/// The frame has its own destination; the kernel needs the interface, and the protocol for its
/// taps and queues.
fn sockaddr(ifindex: u32, frame: &[u8]) -> libc::sockaddr_ll {
    let protocol = frame.get(12..14).map_or([0; 2], |octets| [octets[0], octets[1]]);
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: u16::from_ne_bytes(protocol),
        sll_ifindex: ifindex as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff; 8],
    }
}
