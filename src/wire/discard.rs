//! Why a received packet was thrown away: one variant for each reason.

use std::net::IpAddr;

use super::{AdverInterval, Version};

/// The first check that a received packet failed. Its `Display` is the sentence that answers
/// "why does it ignore my peer?"; [`Discard::name`] is the counter it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Discard {
    #[error("datagram of {octets} octets is no IPv4 packet")]
    NotIpv4 { octets: usize },
    #[error("IP header says {stated} octets, {received} were received")]
    IpLength { stated: usize, received: usize },
    #[error("it is a fragment of an IP datagram")]
    Fragment,
    #[error("IP protocol is {0}, VRRP is 112")]
    Protocol(u8),
    #[error("IP TTL is {0} instead of 255: it did not come straight from this LAN")]
    Ttl(u8),
    #[error("VRRP version {0} is unknown")]
    UnknownVersion(u8),
    #[error("VRRP version is {received}, ours is {ours}", received = .received.number(), ours = .ours.number())]
    Version { received: Version, ours: Version },
    #[error("VRRP packet type is {0}, only 1 (advertisement) is known")]
    PacketType(u8),
    #[error("VRRP packet has {received} octets, its fields need {expected}")]
    Length { received: usize, expected: usize },
    #[error("checksum is wrong")]
    Checksum,
    #[error("checksum covers the VRRP message only; ours covers the pseudo-header too")]
    ChecksumScope,
    #[error("no virtual router {0} is configured on this interface")]
    UnknownVrid(u8),
    #[error("it lists no address (RFC 9568 §5.2.5)")]
    NoAddress,
    #[error("its advertisement interval is zero")]
    ZeroInterval,
    #[error("authentication type {0} is unknown")]
    UnknownAuthType(u8),
    #[error("authentication type is {received}, ours is {ours}", received = auth_name(*.received), ours = auth_name(*.ours))]
    AuthType { received: u8, ours: u8 },
    #[error("password differs from ours")]
    Password,
    #[error("it has no authentication header, ours is `auth_type AH`")]
    AhMissing,
    #[error("it has an authentication header (`auth_type AH`), ours has none")]
    AhUnexpected,
    #[error("{octets} octets behind its IP header are no authentication header before VRRP")]
    AhHeader { octets: usize },
    #[error(
        "authentication header: checksum value is wrong (another auth_pass, or changed on the way)"
    )]
    AhIcv,
    #[error("authentication header is made out to {0}, not to its sender")]
    AhSpi(IpAddr),
    #[error(
        "authentication header has sequence number {received}, after {last}: sent again by someone, or its sender was restarted"
    )]
    AhSequence { received: u32, last: u32 },
    #[error("it carries an auth_hmac trailer, and this virtual router has no auth_hmac")]
    HmacUnexpected,
    #[error("it has no auth_hmac trailer, and ours is in mode enforce")]
    HmacMissing,
    #[error("auth_hmac trailer is malformed")]
    HmacMalformed,
    #[error("auth_hmac: its clock is {ahead_s:+} s from ours, time_window is {window_s} s")]
    HmacStale { ahead_s: i32, window_s: u32 },
    #[error("auth_hmac: key {0} is unknown here")]
    HmacUnknownKey(u8),
    #[error(
        "auth_hmac: message authentication code is wrong (key {0} differs, or it was changed on the way)"
    )]
    HmacInvalid(u8),
    #[error(
        "auth_hmac: sequence number is not above the last one of this sender: sent again by someone"
    )]
    HmacReplay,
    #[error("advertisement interval is {received}, ours is {ours}")]
    Interval { received: AdverInterval, ours: AdverInterval },
    #[error("sent to {0}, which is not the multicast group of this virtual router")]
    Destination(IpAddr),
    #[error("sent to {0}, while this virtual router's peers are unicast")]
    NotUnicast(IpAddr),
    #[error("{0} is not among the unicast peers")]
    NotAPeer(IpAddr),
    #[error("TTL {ttl} is not within {least}-{most}, this peer's min_ttl and max_ttl")]
    PeerTtl { ttl: u8, least: u8, most: u8 },
    #[error("we own the addresses, and owner_ignore_adverts is on")]
    OwnerIgnores,
    #[error("this virtual router is in INIT or FAULT state")]
    NotRunning,
}

/// The distinct names that [`Discard::name`] gives, in the order of keepalived's statistics;
/// those it has no statistic for come last.
pub(crate) const NAMES: [&str; 21] = [
    "packet_len_err",
    "advert_interval_err",
    "ip_ttl_err",
    "invalid_type_rcvd",
    "addr_list_err",
    "invalid_authtype",
    "authtype_mismatch",
    "auth_failure",
    "vers_err",
    "chk_err",
    "unknown_vrid",
    "not_vrrp",
    "not_running",
    "unicast_src_err",
    "owner_ignored",
    "auth_ext_missing",
    "auth_ext_malformed",
    "auth_ext_stale",
    "auth_ext_unknown_key",
    "auth_ext_invalid",
    "auth_ext_replay",
];

/// Place of `addr_list_err` in [`NAMES`]: also counts address lists that differ and are accepted.
pub(crate) const ADDR_LIST_ERR: usize = 4;

impl Discard {
    /// keepalived's name of the statistic, e.g. `ip_ttl_err`; several reasons may share one.
    pub fn name(self) -> &'static str {
        NAMES[self.index()]
    }

    /// Place of the name in [`NAMES`].
    pub(crate) fn index(self) -> usize {
        match self {
            // keepalived without auth_hmac takes a trailer for surplus octets.
            Self::IpLength { .. } | Self::Length { .. } | Self::HmacUnexpected => 0,
            Self::Interval { .. } | Self::ZeroInterval => 1,
            Self::Ttl(_) | Self::PeerTtl { .. } => 2,
            Self::PacketType(_) => 3,
            Self::NoAddress | Self::Destination(_) | Self::NotUnicast(_) => ADDR_LIST_ERR,
            Self::UnknownAuthType(_) => 5,
            Self::AuthType { .. } | Self::AhMissing | Self::AhUnexpected => 6,
            Self::Password
            | Self::AhHeader { .. }
            | Self::AhIcv
            | Self::AhSpi(_)
            | Self::AhSequence { .. } => 7,
            Self::UnknownVersion(_) | Self::Version { .. } => 8,
            Self::Checksum | Self::ChecksumScope => 9,
            Self::UnknownVrid(_) => 10,
            Self::NotIpv4 { .. } | Self::Fragment | Self::Protocol(_) => 11,
            Self::NotRunning => 12,
            Self::NotAPeer(_) => 13,
            Self::OwnerIgnores => 14,
            Self::HmacMissing => 15,
            Self::HmacMalformed => 16,
            Self::HmacStale { .. } => 17,
            Self::HmacUnknownKey(_) => 18,
            Self::HmacInvalid(_) => 19,
            Self::HmacReplay => 20,
        }
    }
}

/// What keepalived.conf(5) calls a VRRPv2 authentication type.
fn auth_name(auth_type: u8) -> &'static str {
    match auth_type {
        0 => "none",
        1 => "PASS",
        2 => "AH",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;
