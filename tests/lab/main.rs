//! The lab: Mainstay and Debian's keepalived in a real kernel, on networks made of namespaces.
//!
//! `scripts/test` runs all of it. One test, by a part of its name:
//!
//! ```text
//! scripts/lab -- target/debug/deps/lab-… takes_the_vip
//! ```
//!
//! Tests of two directors exist for each pair of programs, those of one for Mainstay. `--ignored`
//! runs the remaining variants, in which only keepalived takes part: they show the tests to be right.

#![allow(clippy::disallowed_methods, reason = "the lab measures time; no core is here")]

mod bad_config;
mod bfd;
mod bfd_checks;
mod bfd_frr;
mod check_load;
mod checkers;
mod checks;
mod configs;
mod conformance;
mod connections;
mod drain;
mod drift;
mod fifo;
mod frr;
mod genhash;
mod groups;
mod ha_suspend;
mod harness;
mod held;
mod idle;
mod ipvs;
mod ipvs_namespace;
mod lifecycle;
mod links;
mod mail;
mod manual;
mod meaning;
mod names;
mod notify;
mod processes;
mod quorum;
mod refused;
mod replies;
mod restart;
mod routing;
mod scale;
mod scripts_of_checks;
mod served;
mod service_reload;
mod soak;
mod stopping;
mod switched;
mod sync_daemon;
mod sync_groups;
mod tracking;
mod vmac;
mod vrrp_authentication;
mod vrrp_events;
mod vrrp_failover;
mod vrrp_garbage;
mod vrrp_limits;
mod vrrp_transports;
