//! The Linux kernel's edges: netlink, generic netlink, raw sockets, timers, scheduling.
//!
//! No protocol rules here: callers say what they want of the kernel, these modules know how to
//! ask. All `unsafe` of the program lives below this directory, each block with its reason.
//!
//! Everything that waits ([`RtnlMonitor`], [`VrrpSocket`], [`DeadlineTimer`]) must be opened inside
//! a tokio runtime with its I/O driver on, and works on the runtime it was opened in. Commands
//! ([`Rtnl`], [`ArpSocket`], [`KernelDataPlane`]) are plain calls: the kernel carries a netlink
//! request out inside `sendmsg`, so there is nothing to wait for.

mod address;
mod arp_socket;
mod async_fd;
mod bfd_socket;
pub mod calendar;
mod change;
mod child;
mod deadline;
mod file_watch;
mod huge_pages;
mod interface;
mod ipvs;
mod link;
mod local_time;
pub mod namespace;
mod netlink;
mod netlink_socket;
mod nft_monitor;
mod nftables;
mod pipe;
pub mod process;
mod process_events;
mod replies;
mod route;
mod rtnl;
mod rtnl_monitor;
mod rule;
mod sched;
mod send_many;
mod vrrp_receive;
mod vrrp_socket;

pub use address::{Assignment, IFAPROT_KEEPALIVED};
pub use arp_socket::{ARP_FRAME_LEN, ArpSocket};
pub use async_fd::WatchedFd;
pub use bfd_socket::{BfdReceiver, BfdSender, ReceivedBfd};
pub use change::{ChangeFailure, KernelChange, KernelObject};
pub use child::{Child, Start};
pub use deadline::DeadlineTimer;
pub use file_watch::FileWatch;
pub use huge_pages::gather_heap;
pub use interface::{InterfaceAddress, Link, interface_index, node_name};
pub use ipvs::KernelDataPlane;
pub use link::{
    Ipv4Setting, IpvlanFlags, LinkChange, LinkFailure, LinkKind, LinkSettings, NewLink, NewLinkKind,
};
pub use local_time::mail_date;
pub use nft_monitor::NftMonitor;
pub use nftables::nft;
pub use pipe::unread;
pub use process_events::{ProcessEvent, ProcessEvents};
pub use replies::{KernelReply, parse_replies};
pub use rtnl::Rtnl;
pub use rtnl_monitor::{KernelEvent, RtnlMonitor, parse_events};
pub use sched::{bind_to, lock_memory, name_thread, real_time, set_nice};
pub use vrrp_receive::Inbox;
pub use vrrp_socket::{RECEIVE_QUEUE, VrrpSocket};
