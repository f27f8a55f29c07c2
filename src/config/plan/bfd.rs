//! BFD sessions: whose life is watched, and who hears of it.

use std::sync::Arc;

use crate::bfd::{Endpoint, SessionSettings};

/// One `bfd_instance`. What its state does to an instance is each [`super::Tracker`]'s matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BfdInstance {
    pub name: Arc<str>,
    /// What makes it the same session across a reload, whatever its name.
    pub endpoint: Endpoint,
    pub settings: SessionSettings,
    /// `ttl`, `hoplimit`: of packets sent.
    pub ttl: u8,
    /// `vrrp`, `checker`: who hears of it; without either both.
    pub for_vrrp: bool,
    pub for_checkers: bool,
}
