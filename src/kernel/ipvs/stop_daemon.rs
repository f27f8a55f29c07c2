//! Stopping a sync daemon by setsockopt(2), as ipvsadm did before there was generic netlink.
//!
//! The kernel stops a daemon while its caller waits, for 0.3 s and more, and carries out only one
//! generic netlink request for IPVS at a time: DEL_DAEMON would hold up everybody else's, be it one that
//! takes a dead server out of the table. The old call waits by itself.

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket};
use nix::{setsockopt_impl, sockopt_impl};

/// IP_VS_SO_SET_STOPDAEMON: 12 from IP_VS_BASE_CTL on (`linux/ip_vs.h`).
const IP_VS_SO_SET_STOPDAEMON: i32 = 64 + 1024 + 64 + 12;

/// IP_VS_IFNAME_MAXLEN, its NUL included.
const NAME_LEN: usize = 16;

/// `struct ip_vs_daemon_user`. Only the state is looked at.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DaemonUser {
    state: i32,
    interface: [u8; NAME_LEN],
    id: i32,
}

sockopt_impl!(
    /// Stops the daemon of a state.
    StopDaemon,
    SetOnly,
    libc::IPPROTO_IP,
    IP_VS_SO_SET_STOPDAEMON,
    DaemonUser
);

/// A socket of the network namespace in which it was opened, without an address: no packet passes it.
pub(super) struct DaemonStopper(OwnedFd);

impl DaemonStopper {
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(Self(socket(AddressFamily::Inet, SockType::Datagram, flags, None)?))
    }

    /// Returns when the daemon's thread has ended.
    ///
    /// # Errors
    /// ESRCH: it did not run.
    pub fn stop(&self, state: u32) -> io::Result<()> {
        let user = DaemonUser { state: state as i32, interface: [0; NAME_LEN], id: 0 };
        match setsockopt(&self.0, StopDaemon, &user) {
            // Its thread had not even begun: it is stopped all the same, as the next call tells (ESRCH).
            Err(Errno::EINTR) => Ok(setsockopt(&self.0, StopDaemon, &user)?),
            result => Ok(result?),
        }
    }
}
