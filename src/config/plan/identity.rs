//! What makes a virtual server the same one across a reload.

use std::fmt;

use crate::ipvs::ServiceKey;

/// A virtual server's use of a `virtual_server_group`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupUse {
    pub name: String,
    /// How many virtual servers before it use the group.
    pub number: usize,
}

/// What makes a virtual server the same one across a reload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerIdentity {
    Service(ServiceKey),
    Group(GroupUse),
}

/// keepalived's words: `[192.0.2.1]:tcp:80`, `FWM 1`, `[GROUP]:0`.
impl fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => key.fmt(f),
            Self::Group(GroupUse { name, number }) => write!(f, "[{name}]:{number}"),
        }
    }
}
