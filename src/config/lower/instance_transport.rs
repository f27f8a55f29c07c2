//! How an instance's adverts travel: version, address family, group or peers, interval.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::{Transport, UnicastPeer};
use super::context::seconds;
use super::global::GlobalDraft;
use super::instance::InstanceDraft;
use crate::vrrp::{AdverInterval, Version};

/// What `default_interface` is where it is not given.
const DEFAULT_INTERFACE: &str = "eth0";

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
            if let Some(at) = self.unicast_keyword.filter(|_| self.unicast_source.is_none()) {
                let message = format!("vrrp_instance {} has no unicast_peer", self.name);
                diagnostics.push(
                    Diagnostic::warning("unicast-without-peers", at, message)
                        .label("has no effect: adverts go to the multicast group")
                        .help("list the other routers in unicast_peer, or remove the line"),
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

    /// Unicast instances can do without an interface, if their source is known and no address of
    /// theirs means something on one link only.
    pub fn missing_interface(&self) -> Option<Diagnostic> {
        let link_local = |address: IpAddr| match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let source = self.source.map(|(source, _)| source);
        let name = &self.name;
        let problem = match (&self.interface, self.peers_at, source) {
            (Some(_), ..) => return None,
            (None, None, _) => format!("vrrp_instance {name} lacks its interface"),
            (None, Some(_), None) => {
                format!("vrrp_instance {name} lacks its interface, or its unicast_src_ip")
            }
            (None, Some(_), Some(source))
                if link_local(source) || self.peers.iter().any(|(p, _)| link_local(p.address)) =>
            {
                format!("vrrp_instance {name} has link-local addresses, which need an interface")
            }
            (None, Some(_), Some(_)) if self.link.is_some() => {
                format!("vrrp_instance {name} lacks the interface that its own is to stand on")
            }
            (None, Some(_), Some(_)) => return None,
        };
        Some(Diagnostic::error("missing-interface", self.at, problem).help("interface eth0"))
    }

    /// Without an interface of the instance, each address has to say its own.
    pub fn needs_dev(&mut self, global: &GlobalDraft, diagnostics: &mut Diagnostics) {
        if self.interface.is_some() {
            return;
        }
        for draft in self.addresses.values_mut().chain(self.excluded_addresses.values_mut()) {
            if draft.address.interface.is_none() {
                let default = global.default_interface.as_deref().unwrap_or(DEFAULT_INTERFACE);
                let message = format!(
                    "{} has no dev, and vrrp_instance {} no interface: it goes to {default}",
                    draft.address.address, self.name
                );
                let finding = Diagnostic::warning("address-without-dev", draft.at, message);
                diagnostics.push(finding.help(format!("{} dev eth0", draft.address.address)));
                draft.address.interface = Some(default.to_owned());
            }
        }
    }

    /// `vrf`, which only an instance without an interface has use for.
    pub fn vrf_in_use(&mut self, diagnostics: &mut Diagnostics) -> Option<String> {
        let (vrf, at) = self.vrf.take()?;
        if self.interface.is_none() {
            return Some(vrf);
        }
        let message = "vrf is ignored: the instance is in the VRF of its interface";
        diagnostics.push(Diagnostic::warning("vrf-ignored", at, message));
        None
    }

    /// Each once, and not ourselves.
    fn usable_peers(&self, diagnostics: &mut Diagnostics) -> Vec<UnicastPeer> {
        let own = self.source.map(|(source, _)| source);
        let mut peers: Vec<UnicastPeer> = Vec::with_capacity(self.peers.len());
        let mut seen = HashSet::new();
        for &(peer, at) in &self.peers {
            if Some(peer.address) == own {
                let message = format!("unicast peer {} is our own unicast_src_ip", peer.address);
                let finding = Diagnostic::warning("unicast-peer-is-self", at, message);
                diagnostics.push(finding.label("left out").help("remove it"));
            } else if seen.insert(peer.address) {
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
        let Some((_, first)) = first else { return };
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
