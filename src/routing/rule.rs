//! Policy rules (ip-rule(8)).

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{PROTOCOL, Text};

/// One rule: which packets, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// As the operator wrote it, for messages.
    pub text: Text,
    pub ipv6: bool,
    pub priority: u32,
    /// Applies to packets that the selectors do not match.
    pub invert: bool,
    pub from: Option<IpNet>,
    pub to: Option<IpNet>,
    pub tos: u8,
    /// Mark and mask.
    pub mark: Option<(u32, u32)>,
    pub input_interface: Option<String>,
    pub output_interface: Option<String>,
    pub tunnel_id: Option<u64>,
    /// First and last.
    pub users: Option<(u32, u32)>,
    /// IPPROTO_*.
    pub ip_protocol: Option<u8>,
    pub source_ports: Option<(u16, u16)>,
    pub destination_ports: Option<(u16, u16)>,
    pub action: RuleAction,
    /// FROM << 16 | TO (IPv4).
    pub realms: Option<u32>,
    /// Routes with this or a shorter prefix do not count.
    pub suppress_prefix_length: Option<u32>,
    /// Nor do routes through interfaces of this group.
    pub suppress_group: Option<u32>,
    pub protocol: u8,
}

/// What becomes of the packets a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleAction {
    /// Look the route up in this table, which is not 0.
    Table(u32),
    /// In the table of the VRF that the interface belongs to.
    L3Master,
    /// Go on with the rule of this priority.
    Goto(u32),
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
}

impl Rule {
    /// For all packets.
    pub fn new(ipv6: bool, priority: u32, action: RuleAction, text: impl Into<Text>) -> Self {
        Self {
            text: text.into(),
            ipv6,
            priority,
            invert: false,
            from: None,
            to: None,
            tos: 0,
            mark: None,
            input_interface: None,
            output_interface: None,
            tunnel_id: None,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            action,
            realms: None,
            suppress_prefix_length: None,
            suppress_group: None,
            protocol: PROTOCOL,
        }
    }
}
