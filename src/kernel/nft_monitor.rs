//! Hearing of changes of the firewall's tables, whoever makes them.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sys::socket::{MsgFlags, recv};

use super::async_fd::WatchedFd;

/// NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h).
const NFNLGRP_NFTABLES: u32 = 7;

/// A socket that becomes readable when somebody changes nftables. What exactly has changed is
/// not read: who wants to know looks at what is there.
pub struct NftMonitor(WatchedFd);

impl NftMonitor {
    /// # Errors
    /// When the socket cannot be had, for one because the kernel has no nf_tables.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.set_non_blocking(true)?;
        socket.bind_auto()?;
        socket.add_membership(NFNLGRP_NFTABLES)?;
        // SAFETY: `into_raw_fd` has just given up the socket's ownership of an open descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) };
        Ok(Self(WatchedFd::new(fd)?))
    }

    /// Returns when something has changed, after forgetting all that was told of it. Cancel-safe.
    ///
    /// # Errors
    /// When the socket cannot be read.
    pub async fn changed(&self) -> io::Result<()> {
        self.0.readable().await?;
        let mut rest = [0; 1];
        loop {
            let read = self.0.try_read(|fd| {
                Ok(recv(fd.as_raw_fd(), &mut rest, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC)?)
            });
            match read {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                // Events were lost, which says that there were some.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
