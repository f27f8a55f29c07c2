//! How an instance's adverts travel: version, address family, group or peers, interval.

use std::net::IpAddr;
use std::time::Duration;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::{Transport, UnicastPeer};
use super::context::seconds;
use super::global::GlobalDraft;
use super::instance::InstanceDraft;
use crate::vrrp::{AdverInterval, Version};

/// Longest interval of VRRPv2 in seconds: one octet (RFC 3768 §5.3.7).
const LONGEST_INTERVAL_S: u64 = 255;

impl InstanceDraft {
    /// IPv6 if the first address named is, or `native_ipv6` comes first.
    pub fn is_ipv6(&self) -> bool {
        self.family.is_some_and(|(ipv6, _)| ipv6)
    }

    /// Its own, else 3 for IPv6, else the global one, else 2. VRRPv2 knows no IPv6.
    pub fn version(&self, global: &GlobalDraft, reasons: &mut Vec<Diagnostic>) -> Version {
        let own = self.version.map(|(version, _)| version);
        if let (Some((2, at)), true) = (self.version, self.is_ipv6()) {
            let message =
                format!("vrrp_instance {} is one of IPv6: version 2 has no IPv6", self.name);
            reasons.push(Diagnostic::error("version-2-ipv6", at, message).help("version 3"));
        }
        let default = if self.is_ipv6() { Some(3) } else { global.version };
        if own.or(default) == Some(3) { Version::V3 } else { Version::V2 }
    }

    /// `None`: there is no way for its adverts to go, and `reasons` says why. Peers that are
    /// missing are no reason to speak to the multicast group instead, where nobody listens.
    pub fn transport(
        &self,
        global: &GlobalDraft,
        strict: bool,
        reasons: &mut Vec<Diagnostic>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Transport> {
        let Some(at) = self.peers_at else {
            if let Some(at) = self.unicast_source {
                let message = format!("vrrp_instance {} has no unicast_peer", self.name);
                diagnostics.push(
                    Diagnostic::warning("unicast-without-peers", at, message)
                        .label("adverts go to the multicast group, from this address")
                        .help("list the other routers in unicast_peer, or call it mcast_src_ip"),
                );
            }
            let group = self.group.unwrap_or_else(|| global.multicast(self.is_ipv6()));
            return Some(Transport::Multicast(group));
        };
        if strict {
            let message =
                format!("strict mode: vrrp_instance {} cannot have unicast peers", self.name);
            reasons.push(
                Diagnostic::error("strict-forbids-unicast", at, message)
                    .label("RFC 9568 knows multicast only")
                    .help("leave out vrrp_strict, or set `strict_mode off` here"),
            );
        }
        let peers = self.usable_peers(diagnostics);
        let check_source = self.check_unicast_src || global.check_unicast_src;
        if peers.is_empty() && self.fault_without_peers {
            // The driver keeps it in FAULT.
            return (!strict).then_some(Transport::Unicast { peers, check_source });
        }
        if peers.is_empty() {
            let message = format!("vrrp_instance {} has no unicast peer to speak to", self.name);
            reasons.push(
                Diagnostic::error("no-unicast-peer", at, message)
                    .label("nobody would hear it: two MASTERs")
                    .help("list the other routers' addresses, or leave out unicast_peer"),
            );
        }
        (!strict && !peers.is_empty()).then_some(Transport::Unicast { peers, check_source })
    }

    /// Each once, and not ourselves.
    fn usable_peers(&self, diagnostics: &mut Diagnostics) -> Vec<UnicastPeer> {
        let own = self.source.map(|(source, _)| source);
        let mut peers: Vec<UnicastPeer> = Vec::with_capacity(self.peers.len());
        for &(peer, at) in &self.peers {
            if Some(peer.address) == own {
                let message = format!("unicast peer {} is our own unicast_src_ip", peer.address);
                let finding = Diagnostic::warning("unicast-peer-is-self", at, message);
                diagnostics.push(finding.label("left out").help("remove it"));
            } else if !peers.iter().any(|other| other.address == peer.address) {
                peers.push(peer);
            }
        }
        peers
    }

    /// In the wire's unit: whole seconds up to 255 in VRRPv2, hundredths up to 40.95 s in VRRPv3;
    /// the nearest one, with a warning.
    pub fn interval(&self, version: Version, diagnostics: &mut Diagnostics) -> AdverInterval {
        let Some((asked, at)) = self.advert_interval else { return AdverInterval::ONE_SECOND };
        let (unit, most) = match version {
            Version::V2 => (Duration::from_secs(1), LONGEST_INTERVAL_S),
            Version::V3 => {
                (Duration::from_millis(10), AdverInterval::LONGEST.centiseconds().into())
            }
        };
        let units = (asked + unit / 2).as_micros() / unit.as_micros();
        let units = u64::try_from(units).unwrap_or(u64::MAX).clamp(1, most);
        let centiseconds = units * u64::try_from(unit.as_millis() / 10).unwrap_or(1);
        let interval = u16::try_from(centiseconds).ok().and_then(AdverInterval::from_centiseconds);
        let interval = interval.unwrap_or(AdverInterval::ONE_SECOND);
        if interval.as_duration() != asked {
            let asked = seconds(i64::try_from(asked.as_micros()).unwrap_or(i64::MAX));
            let whole = seconds(i64::try_from(interval.as_duration().as_micros()).unwrap_or(0));
            let has = match version {
                Version::V2 => "whole seconds",
                Version::V3 => "hundredths of a second up to 40.95 s",
            };
            let message = format!(
                "VRRP version {} has {has}: advert_int {asked} s becomes {whole} s",
                version.number()
            );
            diagnostics.push(
                Diagnostic::warning("rounded", at, message).help(format!("advert_int {whole}")),
            );
        }
        interval
    }

    /// RFC 9568 §5.2.9: the first address of IPv6 is link-local. keepalived asks for it in strict
    /// mode only.
    pub fn first_is_link_local(&self, strict: bool, diagnostics: &mut Diagnostics) {
        let first = self.addresses.first().filter(|_| strict);
        let Some(first) = first else { return };
        if let IpAddr::V6(address) = first.address.address.addr()
            && !address.is_unicast_link_local()
        {
            let message = format!("strict mode: the first address, {address}, must be link-local");
            diagnostics.push(
                Diagnostic::error("first-not-link-local", first.at, message)
                    .label("RFC 9568 §5.2.9")
                    .help("put an address of fe80::/10 before it"),
            );
        }
    }
}
