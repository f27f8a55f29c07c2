//! The kernel's edges against a real kernel. Needs root, and for `ipvs` a kernel with IPVS; what
//! is missing is said, and the test skipped. Every test works in a network namespace of its own.

#![expect(clippy::disallowed_methods, reason = "these tests wait for and time a real kernel")]

mod addresses;
mod contract;
mod firewall;
mod ipvs;
mod links;
mod network;
mod packets;
mod routes;
mod timing;
