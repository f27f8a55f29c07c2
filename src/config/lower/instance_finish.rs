//! From an instance as read to one that can run: inheritance, defaults, strict mode, and the
//! combinations that do not go together (keepalived.conf(5); vrrp behaviour of keepalived 2.2.7).

use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::diagnostic::{Diagnostic, Diagnostics, Effect};
use super::super::plan::{Authentication, VirtualAddress, VrrpInstance};
use super::super::source::{SourceMap, Span};
use super::context::seconds;
use super::global::GlobalDraft;
use super::instance::{InitialState, InstanceDraft};
use crate::vrrp::{AdverInterval, GarpSettings, RouterSettings, Version, Vrid};

/// Addresses that the count in an advert can hold (RFC 3768 §5.3.5).
const MOST_ADDRESSES: usize = 255;

/// Longest interval of VRRPv2 in seconds: one octet (RFC 3768 §5.3.7).
const LONGEST_INTERVAL_S: u64 = 255;

/// `state MASTER` without a priority means the owner's (observed with keepalived 2.2.7).
const OWNER: u8 = 255;
const DEFAULT_PRIORITY: u8 = 100;

impl InstanceDraft {
    /// `None` if it cannot run, which has been reported.
    pub fn finish(
        mut self,
        global: &GlobalDraft,
        sources: &SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Option<VrrpInstance> {
        let runs = self.can_run(global, diagnostics);
        let strict = self.strict.unwrap_or(global.strict);
        let router = self.router(global, strict, diagnostics);
        let authentication = self.authentication(strict, diagnostics);
        self.limit_addresses(diagnostics);
        let router = router.filter(|_| runs)?;
        let (interface, interface_at) = self.interface.take()?;
        Some(VrrpInstance {
            name: self.name,
            interface,
            interface_at: sources.position(interface_at),
            router,
            authentication,
            source: self.source,
            addresses: plain(self.addresses),
            excluded_addresses: plain(self.excluded_addresses),
            skip_check_adv_addr: global.skip_check_adv_addr
                || self.skip_check_adv_addr.unwrap_or(false),
            notify: self.notify,
        })
    }

    /// Whether all that it asks for can be had, as far as running without it would do harm.
    fn can_run(&self, global: &GlobalDraft, diagnostics: &mut Diagnostics) -> bool {
        let name = &self.name;
        let mut reasons = Vec::new();
        if self.vrid.is_none() && !self.bad_vrid {
            let message = format!("vrrp_instance {name} lacks its virtual_router_id");
            reasons.push(
                Diagnostic::error("missing-vrid", self.at, message).help("virtual_router_id 1-255"),
            );
        }
        if self.interface.is_none() && !self.bad_interface {
            let message = format!("vrrp_instance {name} lacks its interface");
            reasons.push(
                Diagnostic::error("missing-interface", self.at, message).help("interface eth0"),
            );
        }
        if self.version.map_or(global.version, |(version, _)| Some(version)) == Some(3) {
            let at = self.version.map_or(self.at, |(_, at)| at);
            let message =
                format!("VRRP version 3 is not supported yet, so vrrp_instance {name} cannot run");
            reasons.push(
                Diagnostic::error("cannot-run-yet", at, message)
                    .label("routers of version 3 do not hear those of version 2: two MASTERs")
                    .help("use version 2 on all routers of this VRID"),
            );
        }
        if let Some((group, at)) = self.group.filter(|(group, _)| *group != global.multicast()) {
            reasons.push(other_group(name, group, at));
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
        strict: bool,
        diagnostics: &mut Diagnostics,
    ) -> Option<RouterSettings> {
        let is_master = matches!(self.state, Some((InitialState::Master, _)));
        let default = if is_master { OWNER } else { DEFAULT_PRIORITY };
        let priority = self.priority.and_then(|p| u8::try_from(p).ok()).unwrap_or(default);
        let is_owner = priority == OWNER;
        if strict && is_master && !is_owner {
            let at = self.state.map_or(self.at, |(_, at)| at);
            let message = "strict mode: state MASTER is for priority 255 only; BACKUP it is";
            diagnostics.push(Diagnostic::warning("strict-state-master-not-owner", at, message));
        }
        let is_master = is_master && (!strict || is_owner);
        let starts_as_backup = matches!(self.state, Some((InitialState::Backup, _)));
        let nopreempt = self.nopreempt(is_master, is_owner, diagnostics);
        let down_timer_adverts = self.down_timer_adverts.or(global.down_timer_adverts);
        let down_timer_adverts = down_timer_adverts.filter(|_| !strict).unwrap_or(3);
        Some(RouterSettings {
            vrid: Vrid::new(u8::try_from(self.vrid?).ok()?)?,
            version: Version::V2,
            priority,
            adver_interval: self.interval(diagnostics),
            preempt: !nopreempt,
            preempt_delay: self.preempt_delay(is_master, nopreempt, strict, diagnostics),
            starts_active: is_owner && !starts_as_backup,
            down_timer_adverts: u8::try_from(down_timer_adverts).unwrap_or(3),
            higher_prio_send_advert: !strict
                && self.higher_prio_send_advert.unwrap_or(global.higher_prio_send_advert),
            lower_prio_no_advert: strict
                || self.lower_prio_no_advert.unwrap_or(global.lower_prio_no_advert),
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
        d.push(
            Diagnostic::warning(
                "nopreempt-with-state-master",
                at,
                format!("nopreempt does not go with {with}; vrrp_instance {} preempts", self.name),
            )
            .help("state BACKUP"),
        );
        false
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

    /// VRRPv2 has whole seconds from 1 to 255 (RFC 3768 §5.3.7): nearest one, with a warning.
    fn interval(&self, diagnostics: &mut Diagnostics) -> AdverInterval {
        let Some((interval, at)) = self.advert_interval else { return AdverInterval::ONE_SECOND };
        let whole = (interval + Duration::from_millis(500)).as_secs().clamp(1, LONGEST_INTERVAL_S);
        if Duration::from_secs(whole) != interval {
            let asked = seconds(i64::try_from(interval.as_micros()).unwrap_or(i64::MAX));
            let message =
                format!("VRRP version 2 has whole seconds: advert_int {asked} s becomes {whole} s");
            diagnostics.push(
                Diagnostic::warning("rounded", at, message).help(format!("advert_int {whole}")),
            );
        }
        let centiseconds = u16::try_from(whole * 100).unwrap_or(100);
        AdverInterval::from_centiseconds(centiseconds).unwrap_or(AdverInterval::ONE_SECOND)
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
        }
    }

    /// Strict mode knows no authentication, since the RFCs no longer do (RFC 3768 §10).
    fn authentication(&self, strict: bool, diagnostics: &mut Diagnostics) -> Authentication {
        let authentication = self.authentication.finish(self.at, &mut |d| diagnostics.push(d));
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
        if let Some(first) = self.addresses.get(MOST_ADDRESSES) {
            let message = format!(
                "an advert holds {MOST_ADDRESSES} addresses: from here on they are held but not advertised"
            );
            diagnostics.push(Diagnostic::warning("too-many-addresses", first.at, message));
            let surplus = self.addresses.split_off(MOST_ADDRESSES);
            self.excluded_addresses.splice(0..0, surplus);
        }
    }
}

fn plain(drafts: Vec<super::address::AddressDraft>) -> Vec<VirtualAddress> {
    drafts.into_iter().map(|draft| draft.address).collect()
}

fn other_group(name: &str, group: Ipv4Addr, at: Span) -> Diagnostic {
    let message = format!("mcast_dst_ip is not supported yet, so vrrp_instance {name} cannot run");
    Diagnostic::error("cannot-run-yet", at, message)
        .label("adverts would go to another group: two MASTERs")
        .help(format!("in global_defs: vrrp_mcast_group4 {group}"))
}
