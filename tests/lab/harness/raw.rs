//! A packet socket: whole Ethernet frames in, with the kernel's time stamp, and out.

use std::ffi::CString;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, SystemTime};

use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, recvfrom, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    pub fn open(interface: &str) -> PacketSocket {
        let name = CString::new(interface).expect("a name without NUL");
        // SAFETY: the name ends in NUL and outlives the call.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        assert!(index > 0, "no interface {interface}");
        PacketSocket::open_index(index as i32)
    }

    /// One that hears all interfaces of the namespace.
    #[allow(dead_code, reason = "the bench uses it")]
    pub fn open_all() -> PacketSocket {
        PacketSocket::open_index(0)
    }

    fn open_index(index: i32) -> PacketSocket {
        // SAFETY: plain system calls on values that live here; the descriptor is ours alone.
        let socket = unsafe {
            let all = (libc::ETH_P_ALL as u16).to_be();
            let fd =
                libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(all));
            assert!(fd >= 0, "packet socket: {}", io::Error::last_os_error());
            let socket = OwnedFd::from_raw_fd(fd);
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = all;
            address.sll_ifindex = index;
            let size = size_of::<libc::sockaddr_ll>() as u32;
            let bound = libc::bind(fd, (&raw const address).cast(), size);
            assert!(bound == 0, "bind a packet socket: {}", io::Error::last_os_error());
            socket
        };
        // A capture that loses packets says that they were never sent.
        setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20)).expect("SO_RCVBUFFORCE");
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("SO_TIMESTAMPNS");
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(200))
            .expect("SO_RCVTIMEO");
        PacketSocket(socket)
    }

    /// The next frame and when it arrived; `None` when for a while there was none.
    pub fn receive(&self, frame: &mut [u8]) -> Option<(usize, SystemTime)> {
        let mut space = nix::cmsg_space!(libc::timespec);
        let mut slices = [IoSliceMut::new(frame)];
        let flags = MsgFlags::empty();
        let message =
            recvmsg::<()>(self.0.as_raw_fd(), &mut slices, Some(&mut space), flags).ok()?;
        let stamp = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(t) => {
                Some(Duration::new(t.tv_sec() as u64, t.tv_nsec() as u32))
            }
            _ => None,
        });
        Some((message.bytes, SystemTime::UNIX_EPOCH + stamp?))
    }

    /// The next frame and its protocol; `None` when for a while there was none.
    pub fn receive_of(&self, frame: &mut [u8]) -> Option<(usize, u16)> {
        let (length, from) = recvfrom::<LinkAddr>(self.0.as_raw_fd(), frame).ok()?;
        Some((length, u16::from_be(from?.protocol())))
    }

    pub fn send(&self, frame: &[u8]) {
        nix::unistd::write(&self.0, frame).expect("send a frame");
    }
}
