//! Mainstay: a VRRP and IPVS director for Linux.
//!
//! The story every feature follows, and where its parts live:
//!
//! ```text
//! octets ─► wire ─► Event ─► VirtualRouter::handle(now, event) ─► [Action] ─► driver ─► edges
//!                     ▲        pure: no socket, no clock,                        socket, netlink,
//!                     │        no task, no file                                  IPVS, script, log
//!                     └───── completions, failures, link changes, check results ◄────┘
//! ```
//!
//! [`config`] turns text into a [`config::plan::Plan`]; [`vrrp`], [`check`] and [`ipvs`] are the
//! pure cores; [`probe`], [`kernel`] and [`notify`] touch the world; [`driver`] carries values
//! between them. [`sim`] plays the cores on a simulated LAN. `ARCHITECTURE.md` tells the same at length.

pub mod bfd;
pub mod check;
pub mod cli;
pub mod config;
pub mod driver;
pub mod ipvs;
pub mod kernel;
pub mod notify;
pub mod probe;
pub mod random;
pub mod routing;
pub mod sim;
pub mod status;
pub mod vrrp;
pub mod wire;
