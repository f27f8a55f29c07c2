//! From an instance as read to one that can run: inheritance, defaults, strict mode, and the
//! combinations that do not go together (keepalived.conf(5); vrrp behaviour of keepalived 2.2.7).

use std::time::Duration;

use super::super::diagnostic::{Diagnostic, Diagnostics, Effect};
use super::super::plan::{
    Authentication, Hmac, OwnLink, Tracker, Transport, VirtualAddress, VrrpInstance,
};
use super::super::source::SourceMap;
use super::address::Addresses;
use super::global::GlobalDraft;
use super::instance::{InitialState, InstanceDraft};
use super::link::{LinkDraft, LinkNames};
use super::tracking::Definitions;
use crate::vrrp::{AdverInterval, GarpSettings, RouterSettings, Version, Vrid};
use crate::wire::Protocol;
use crate::wire::vrrp::Layout;

/// Addresses that the count in an advert can hold (RFC 3768 §5.3.5).
const MOST_ADDRESSES: usize = 255;

/// What interfaces mostly carry in one packet.
const ETHERNET_MTU: u32 = 1500;

/// `state MASTER` without a priority means the owner's (observed with keepalived 2.2.7).
const OWNER: u8 = 255;
const DEFAULT_PRIORITY: u8 = 100;

/// What an instance is put together from, each part settled by itself.
struct Parts {
    router: RouterSettings,
    authentication: Authentication,
    transport: Transport,
    hmac: Option<Hmac>,
    link: Option<OwnLink>,
    vrf: Option<String>,
    adverts_by_parent: bool,
    address_links: Vec<OwnLink>,
    trackers: Vec<Tracker>,
    tracks_source: bool,
    accept: bool,
}

impl InstanceDraft {
    /// `None` if it cannot run, which has been reported.
    pub fn finish(
        mut self,
        global: &GlobalDraft,
        tracking: &Definitions,
        names: &mut LinkNames,
        sources: &SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Option<VrrpInstance> {
        let strict = self.strict.unwrap_or(global.strict);
        let mut reasons = Vec::new();
        if strict {
            self.strict_contradictions(global, &mut reasons, diagnostics);
        }
        let transport = self.transport(global, strict, &mut reasons, diagnostics);
        let version = self.version(global, &mut reasons);
        let mut link = self.own_link(global, strict, names, &mut reasons, diagnostics);
        let runs = self.can_run(reasons, diagnostics);
        self.limit_addresses(diagnostics);
        let authentication = self.authentication(version, strict, diagnostics);
        let router = self.router(global, version, strict, authentication, diagnostics);
        let (router, hmac) = self.with_trailer(router, strict, diagnostics);
        self.first_is_link_local(strict, diagnostics);
        let adverts_by_parent = self.adverts_by_parent(transport.as_ref(), strict, diagnostics);
        let address_links = self.place_addresses(&mut link, global, names);
        let own = self.interface.as_ref().map_or("", |(name, _)| name);
        let trackers = tracking.resolve(&self.trackers, own, &mut |d| diagnostics.push(d));
        let tracks_source = self.tracks_source(diagnostics);
        let router = router.filter(|_| runs)?;
        self.needs_dev(global, diagnostics);
        let vrf = self.vrf_in_use(diagnostics);
        let accept = self.accepts(version, strict, router.priority);
        let parts = Parts {
            router,
            authentication,
            transport: transport?,
            hmac,
            link,
            vrf,
            adverts_by_parent,
            address_links,
            trackers,
            tracks_source,
            accept,
        };
        Some(self.assemble(parts, strict, global, sources))
    }

    /// The instance of its finished parts; what is left only needs its default.
    fn assemble(
        mut self,
        parts: Parts,
        strict: bool,
        global: &GlobalDraft,
        sources: &SourceMap,
    ) -> VrrpInstance {
        let ipv6 = self.is_ipv6();
        let (interface, interface_at) = self.interface.take().unwrap_or((String::new(), self.at));
        let ipvlan_address = self.link.as_ref().and_then(LinkDraft::ipvlan_address);
        VrrpInstance {
            name: self.name,
            interface,
            vrf: parts.vrf,
            interface_at: sources.position(interface_at),
            router: parts.router,
            authentication: parts.authentication,
            ipv6,
            transport: parts.transport,
            unicast_ttl: self.unicast_ttl.and_then(|ttl| u8::try_from(ttl).ok()).unwrap_or(255),
            message_checksum: self.v3_checksum_as_v2.unwrap_or(global.v3_checksum_as_v2),
            old_checksum: self.old_checksum,
            old_group: global.multicast(ipv6),
            hmac: parts.hmac,
            receive_queue: self.receive_queue,
            source: self.source.map(|(s, _)| s).or(ipvlan_address.map(|own| own.addr())),
            addresses: plain(self.addresses),
            excluded_addresses: plain(self.excluded_addresses),
            ignores_own_link: self.ignores_own_link,
            tracks_source: parts.tracks_source,
            routes: self.routes,
            rules: self.rules,
            promote_secondaries: self.promote_secondaries,
            link: parts.link,
            adverts_by_parent: parts.adverts_by_parent,
            address_links: parts.address_links,
            garp_extra_all: self.garp.extra.or(global.garp.extra).is_some_and(|(_, all)| all),
            accept: parts.accept,
            skip_check_adv_addr: global.skip_check_adv_addr
                || self.skip_check_adv_addr.unwrap_or(false),
            owner_ignores_adverts: self
                .owner_ignore_adverts
                .unwrap_or(strict || global.owner_ignore_adverts),
            trackers: parts.trackers,
            notify: self.notify,
        }
    }

    /// The HMAC trailer, if one is asked for; without it peers would hear nothing of the router,
    /// which then does not run.
    fn with_trailer(
        &mut self,
        router: Option<RouterSettings>,
        strict: bool,
        diagnostics: &mut Diagnostics,
    ) -> (Option<RouterSettings>, Option<Hmac>) {
        let Some(draft) = self.hmac.take() else { return (router, None) };
        let interval = router.as_ref().map_or(AdverInterval::ONE_SECOND, |r| r.adver_interval);
        let hmac = draft.finish(&self.name, interval, strict, diagnostics);
        (router.filter(|_| hmac.is_some()), hmac)
    }

    /// RFC 3768 §6.4.3 has no Accept_Mode: packets to addresses of others are dropped.
    fn accepts(&self, version: Version, strict: bool, priority: u8) -> bool {
        let asked = self.accept.filter(|accept| !accept || !strict || version == Version::V3);
        asked.unwrap_or(!strict) || priority == OWNER
    }

    /// Whether all that it asks for can be had, as far as running without it would do harm.
    fn can_run(&self, mut reasons: Vec<Diagnostic>, diagnostics: &mut Diagnostics) -> bool {
        let name = &self.name;
        if self.vrid.is_none() && !self.bad_vrid {
            let message = format!("vrrp_instance {name} lacks its virtual_router_id");
            reasons.push(
                Diagnostic::error("missing-vrid", self.at, message)
                    .help("virtual_router_id 51    (1 to 255, the same on all routers of it)"),
            );
        }
        if !self.bad_interface {
            reasons.extend(self.missing_interface());
        }
        let runs = reasons.is_empty() && !self.refused;
        for reason in reasons {
            diagnostics.push(reason.effect(Effect::Refuses));
        }
        // A bad number was reported where it stands; that nothing can run without it, here.
        if self.bad_vrid || self.bad_interface {
            diagnostics.refuse();
        }
        runs && !self.bad_vrid && !self.bad_interface
    }

    fn router(
        &self,
        global: &GlobalDraft,
        version: Version,
        strict: bool,
        authentication: Authentication,
        diagnostics: &mut Diagnostics,
    ) -> Option<RouterSettings> {
        let is_master = matches!(self.state, Some((InitialState::Master, _)));
        let default = if is_master { OWNER } else { DEFAULT_PRIORITY };
        let priority = self.priority.and_then(|p| u8::try_from(p).ok()).unwrap_or(default);
        let is_owner = priority == OWNER;
        let is_master = is_master && (!strict || is_owner);
        let has_header = matches!(authentication, Authentication::Header(_));
        if is_master && has_header && !is_owner {
            let at = self.state.map_or(self.at, |(_, at)| at);
            let message = "auth_type AH: state MASTER is for priority 255 only; BACKUP it is";
            diagnostics.push(Diagnostic::note("ah-state-master-not-owner", at, message));
        }
        let is_master = is_master && (!has_header || is_owner);
        let starts_as_backup = !strict && matches!(self.state, Some((InitialState::Backup, _)));
        let nopreempt = self.nopreempt(is_master, is_owner, diagnostics);
        let down_timer_adverts = self.down_timer_adverts.or(global.down_timer_adverts);
        let down_timer_adverts = down_timer_adverts.filter(|_| !strict).unwrap_or(3);
        Some(RouterSettings {
            vrid: Vrid::new(u8::try_from(self.vrid?).ok()?)?,
            version,
            priority,
            adver_interval: self.interval(version, diagnostics),
            preempt: !nopreempt,
            preempt_delay: self.preempt_delay(is_master, nopreempt, strict, diagnostics),
            starts_active: is_owner && !starts_as_backup,
            down_timer_adverts: u8::try_from(down_timer_adverts).unwrap_or(3),
            higher_prio_send_advert: !strict
                && self.higher_prio_send_advert.unwrap_or(global.higher_prio_send_advert),
            lower_prio_no_advert: strict
                || self.lower_prio_no_advert.unwrap_or(global.lower_prio_no_advert),
            late_behind: self.late_behind(nopreempt, diagnostics),
            in_sync_group: false,
            garp: self.garp(global, strict),
        })
    }

    /// Whether `nopreempt` holds: not for a MASTER from the start, nor for an owner.
    fn nopreempt(&self, is_master: bool, is_owner: bool, d: &mut Diagnostics) -> bool {
        let Some(at) = self.nopreempt else { return false };
        let with = match (is_owner, is_master) {
            (true, _) => "priority 255",
            (false, true) => "state MASTER",
            (false, false) => return true,
        };
        let message =
            format!("nopreempt does not go with {with}; vrrp_instance {} preempts", self.name);
        let finding = Diagnostic::warning("nopreempt-with-state-master", at, message);
        d.push(match (is_owner, self.state) {
            (false, Some((_, state))) => {
                finding.help("state BACKUP").also(state, "write BACKUP here")
            }
            _ => finding.help("priority 254 or less"),
        });
        false
    }

    /// `timer_expired_backup` goes with `nopreempt` only: one that preempts takes back what
    /// another has taken over.
    fn late_behind(&self, nopreempt: bool, d: &mut Diagnostics) -> Option<u8> {
        let (priority, at) = self.late_behind?;
        if !nopreempt {
            let name = &self.name;
            let message =
                format!("timer_expired_backup needs nopreempt: vrrp_instance {name} goes without");
            d.push(
                Diagnostic::warning("timer-expired-backup-ignored", at, message).help("nopreempt"),
            );
        }
        nopreempt.then_some(priority)
    }

    /// `track_src_ip` is about a source that is configured.
    fn tracks_source(&self, d: &mut Diagnostics) -> bool {
        let Some(at) = self.track_src_ip else { return false };
        if self.source.is_none() {
            let message =
                format!("track_src_ip: vrrp_instance {} has no source configured", self.name);
            d.push(
                Diagnostic::warning("nothing-to-track", at, message)
                    .label("an address of its interface is tracked anyway")
                    .help("mcast_src_ip, or unicast_src_ip"),
            );
        }
        self.source.is_some()
    }

    fn preempt_delay(
        &self,
        is_master: bool,
        nopreempt: bool,
        strict: bool,
        diagnostics: &mut Diagnostics,
    ) -> Duration {
        let Some((delay, at)) = self.preempt_delay else { return Duration::ZERO };
        let with = match (strict, is_master, nopreempt) {
            (true, ..) => "strict mode",
            (_, true, _) => "state MASTER",
            (_, _, true) => "nopreempt",
            _ => return delay,
        };
        if delay > Duration::ZERO {
            let message = format!("preempt_delay does not go with {with}; there is no delay");
            diagnostics.push(Diagnostic::warning("preempt-delay-ignored", at, message));
        }
        Duration::ZERO
    }

    /// The instance's own, else the global value, else the default; after a lower priority was
    /// heard, as on becoming MASTER.
    fn garp(&self, global: &GlobalDraft, strict: bool) -> GarpSettings {
        let mut default = GarpSettings::default();
        if global.min_garp {
            (default.repeat, default.delay) = (1, Duration::ZERO);
        }
        let (own, all) = (&self.garp, &global.garp);
        let repeat = own.repeat.or(all.repeat).unwrap_or(default.repeat);
        let delay = own.delay.or(all.delay).unwrap_or(default.delay);
        let lower_prio_repeat = own.lower_prio_repeat.or(all.lower_prio_repeat);
        let lower_prio_delay = own.lower_prio_delay.or(all.lower_prio_delay);
        GarpSettings {
            repeat,
            delay,
            refresh: own.refresh.or(all.refresh).unwrap_or(default.refresh),
            refresh_repeat: own
                .refresh_repeat
                .or(all.refresh_repeat)
                .unwrap_or(default.refresh_repeat),
            lower_prio_repeat: if strict { 0 } else { lower_prio_repeat.unwrap_or(repeat) },
            lower_prio_delay: if strict {
                Duration::ZERO
            } else {
                lower_prio_delay.unwrap_or(delay)
            },
            extra: own.extra.or(all.extra).map_or(Duration::ZERO, |(pause, _)| pause),
        }
    }

    /// Strict mode knows no authentication, since the RFCs no longer do (RFC 3768 §10), and
    /// VRRPv3 has no field for it.
    fn authentication(
        &self,
        version: Version,
        strict: bool,
        diagnostics: &mut Diagnostics,
    ) -> Authentication {
        let authentication = self.authentication.finish(self.at, &mut |d| diagnostics.push(d));
        if self.hmac.is_some() && authentication != Authentication::None {
            let message = format!(
                "vrrp_instance {} has auth_hmac: its authentication is left out",
                self.name
            );
            diagnostics.push(Diagnostic::warning("hmac-replaces-authentication", self.at, message));
            return Authentication::None;
        }
        if strict && authentication != Authentication::None {
            let message =
                format!("strict mode: vrrp_instance {} uses no authentication", self.name);
            diagnostics.push(Diagnostic::warning(
                "strict-forbids-authentication",
                self.at,
                message,
            ));
            return Authentication::None;
        }
        if version == Version::V3 && authentication != Authentication::None {
            let name = &self.name;
            let header = matches!(authentication, Authentication::Header(_));
            let reason = match (header, self.is_ipv6()) {
                (true, true) => "auth_type AH is for VRRP version 2 over IPv4 only",
                _ => "VRRP version 3 has no authentication",
            };
            let message = format!("{reason}: vrrp_instance {name} uses none");
            diagnostics.push(Diagnostic::warning("v3-has-no-authentication", self.at, message));
            return Authentication::None;
        }
        authentication
    }

    /// What an advert cannot hold is still held, but not advertised.
    fn limit_addresses(&mut self, diagnostics: &mut Diagnostics) {
        if self.addresses.is_empty() && !self.no_addresses_wanted && !self.refused {
            let (message, label) = if self.addresses_named {
                let why = "none of those given can be used";
                (format!("vrrp_instance {} has no virtual address left", self.name), why)
            } else {
                let why =
                    "at least one is sensible; if none is meant, no_virtual_ipaddress says so";
                (format!("vrrp_instance {} has no virtual_ipaddress", self.name), why)
            };
            let finding = Diagnostic::warning("no-virtual-address", self.at, message);
            diagnostics.push(finding.label(label));
        }
        if let Some((_, first)) = self.addresses.get_index(MOST_ADDRESSES) {
            let message = format!(
                "an advert holds {MOST_ADDRESSES} addresses: from here on they are held but not \
                 advertised"
            );
            diagnostics.push(Diagnostic::warning("too-many-addresses", first.at, message));
            let surplus = self.addresses.split_off(MOST_ADDRESSES);
            self.excluded_addresses.splice(0..0, surplus);
        }
        let layout = Layout {
            version: Version::V3,
            ipv6: self.is_ipv6(),
            protocol: Protocol::Vrrp,
            trailer: self.hmac.is_some(),
        };
        // What the MTU really is shows when the instance runs.
        let fitting = layout.most_addresses(ETHERNET_MTU);
        if let Some((_, first)) = self.addresses.get_index(fitting) {
            let message = format!(
                "an advert of {ETHERNET_MTU} octets holds {fitting} addresses: unless the MTU is \
                 greater, they are held but not advertised from here on"
            );
            diagnostics.push(Diagnostic::warning("too-many-addresses", first.at, message));
        }
    }
}

fn plain(drafts: Addresses) -> Vec<VirtualAddress> {
    // Not in place of the drafts, which have room for more and larger ones.
    let mut addresses = Vec::with_capacity(drafts.len());
    addresses.extend(drafts.into_values().map(|draft| draft.address));
    addresses
}
