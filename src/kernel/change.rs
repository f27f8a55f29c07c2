//! What a director puts into the kernel beside links and IPVS, and one change of it: addresses,
//! routes and rules go the same way, in one batch.

use std::fmt;
use std::io;

use super::address::Assignment;
use super::netlink_socket::{Refusal, RequestKind};
use super::{route, rule};
use crate::routing::{Route, Rule};

/// Something that is to be in the kernel, or not to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KernelObject {
    Address(Assignment),
    Route(Box<Route<u32>>),
    Rule(Box<Rule>),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelChange {
    Add(KernelObject),
    Remove(KernelObject),
}

/// A change that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", .text.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
pub struct ChangeFailure {
    /// Its place in the slice of changes.
    pub index: usize,
    pub error: io::Error,
    /// The kernel's own words, when it gives any.
    pub text: Option<String>,
}

/// In keepalived's notation: the address with its length, or the line that asked for it.
impl fmt::Display for KernelObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(assignment) => assignment.address.fmt(f),
            Self::Route(route) => write!(f, "route {}", route.text),
            Self::Rule(rule) => write!(f, "rule {}", rule.text),
        }
    }
}

impl From<Assignment> for KernelObject {
    fn from(assignment: Assignment) -> Self {
        Self::Address(assignment)
    }
}

impl From<Route<u32>> for KernelObject {
    fn from(route: Route<u32>) -> Self {
        Self::Route(Box::new(route))
    }
}

impl From<Rule> for KernelObject {
    fn from(rule: Rule) -> Self {
        Self::Rule(Box::new(rule))
    }
}

impl KernelChange {
    pub fn add(object: impl Into<KernelObject>) -> Self {
        Self::Add(object.into())
    }

    pub fn remove(object: impl Into<KernelObject>) -> Self {
        Self::Remove(object.into())
    }

    pub fn object(&self) -> &KernelObject {
        match self {
            Self::Add(object) | Self::Remove(object) => object,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> RequestKind {
        match self {
            Self::Add(KernelObject::Address(assignment)) => assignment.write_addition(out),
            Self::Add(KernelObject::Route(wanted)) => route::write_addition(wanted, out),
            Self::Add(KernelObject::Rule(wanted)) => rule::write_addition(wanted, out),
            Self::Remove(KernelObject::Address(assignment)) => assignment.write_removal(out),
            Self::Remove(KernelObject::Route(gone)) => route::write_removal(gone, out),
            Self::Remove(KernelObject::Rule(gone)) => rule::write_removal(gone, out),
        }
    }

    /// Whether things are as wanted in spite of the refusal. With an interface its addresses and
    /// routes went too.
    pub(super) fn is_satisfied_by(&self, errno: i32) -> bool {
        match self {
            Self::Add(_) => errno == libc::EEXIST,
            Self::Remove(KernelObject::Address(_)) => {
                matches!(errno, libc::EADDRNOTAVAIL | libc::ENODEV)
            }
            Self::Remove(KernelObject::Route(_)) => matches!(errno, libc::ESRCH | libc::ENODEV),
            Self::Remove(KernelObject::Rule(_)) => errno == libc::ENOENT,
        }
    }
}

impl ChangeFailure {
    pub(super) fn from_refusal(refusal: Refusal) -> Self {
        Self { index: refusal.index, error: refusal.error(), text: refusal.text }
    }
}
