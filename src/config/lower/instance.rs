//! `vrrp_instance`, as read: nothing is filled in yet.

use std::net::IpAddr;
use std::time::Duration;

use super::super::diagnostic::{Diagnostic, Effect};
use super::super::keywords::Keyword;
use super::super::plan::{NotifyScripts, OldChecksum, UnicastPeer, VirtualRoute, VirtualRule};
use super::super::source::Span;
use super::super::tree::Statement;
use super::super::value;
use super::address::{self, Addresses};
use super::authentication::AuthenticationDraft;
use super::context::Context;
use super::global::{self, GarpDraft, replace};
use super::hmac::HmacDraft;
use super::link::LinkDraft;
use super::rule::{self, Priorities};
use super::tracking::{self, Kind, TrackDrafts};
use super::{peers, route, script};

/// `state`: a wish only; all but an owner begin as BACKUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InitialState {
    Master,
    Backup,
}

/// One block, with the places that later messages may need.
#[derive(Debug, Default)]
pub(super) struct InstanceDraft {
    pub name: String,
    /// `vrrp_instance NAME`.
    pub at: Span,
    /// It must not be run, which has been reported.
    pub refused: bool,
    pub interface: Option<(String, Span)>,
    pub vrf: Option<(String, Span)>,
    pub vrid: Option<u32>,
    /// Given, but no good: reported already, so its absence is not.
    pub bad_vrid: bool,
    pub bad_interface: bool,
    pub version: Option<(u32, Span)>,
    pub priority: Option<u32>,
    pub advert_interval: Option<(Duration, Span)>,
    pub state: Option<(InitialState, Span)>,
    pub nopreempt: Option<Span>,
    pub preempt_delay: Option<(Duration, Span)>,
    /// IPv6 or not: what the first address named says, and where.
    pub family: Option<(bool, Span)>,
    pub source: Option<(IpAddr, Span)>,
    /// Where `unicast_src_ip` stands, which is of use with peers only.
    pub unicast_source: Option<Span>,
    /// Another keyword that is about unicast only.
    pub unicast_keyword: Option<Span>,
    /// `mcast_dst_ip`.
    pub group: Option<IpAddr>,
    /// `unicast_peer` is there, whatever is in it.
    pub peers_at: Option<Span>,
    pub peers: Vec<(UnicastPeer, Span)>,
    pub unicast_ttl: Option<u32>,
    pub check_unicast_src: bool,
    /// `unicast_fault_no_peer`: no peers is a FAULT rather than a mistake.
    pub fault_without_peers: bool,
    pub old_checksum: OldChecksum,
    pub receive_queue: Option<u32>,
    pub owner_ignore_adverts: Option<bool>,
    pub v3_checksum_as_v2: Option<bool>,
    pub down_timer_adverts: Option<u32>,
    /// `dont_track_primary`.
    pub ignores_own_link: bool,
    pub track_src_ip: Option<Span>,
    /// `timer_expired_backup`, with its priority.
    pub late_behind: Option<(u8, Span)>,
    pub skip_check_adv_addr: Option<bool>,
    pub higher_prio_send_advert: Option<bool>,
    pub lower_prio_no_advert: Option<bool>,
    pub strict: Option<bool>,
    pub authentication: AuthenticationDraft,
    pub hmac: Option<HmacDraft>,
    pub addresses: Addresses,
    pub excluded_addresses: Addresses,
    pub no_addresses_wanted: bool,
    pub routes: Vec<VirtualRoute>,
    pub rules: Vec<VirtualRule>,
    pub promote_secondaries: bool,
    /// Some were named, good or not.
    pub addresses_named: bool,
    /// `use_vmac` or `use_ipvlan`.
    pub link: Option<LinkDraft>,
    pub use_vmac_addr: bool,
    pub vmac_xmit_base: Option<Span>,
    /// `accept`, `no_accept`.
    pub accept: Option<bool>,
    pub trackers: TrackDrafts,
    pub garp: GarpDraft,
    pub notify: NotifyScripts,
    /// `lvs_sync_daemon_interface`.
    pub sync_interface: Option<(String, Span)>,
    /// `smtp_alert`.
    pub mails: Option<bool>,
    /// `notify_priority_changes`.
    pub priority_changes: Option<bool>,
}

impl InstanceDraft {
    /// `None` for a block without a name.
    pub fn read(
        cx: &mut Context<'_>,
        block: &Statement,
        priorities: &mut Priorities,
    ) -> Option<Self> {
        let name = cx.string(block)?;
        let mut draft = Self { name, at: block.raw, ..Self::default() };
        let tree = cx.tree;
        let id = cx.table.block("vrrp_instance")?;
        for at in tree.children(block) {
            if let Some(keyword) = cx.keyword(id, at) {
                draft.keyword(cx, at, keyword, priorities);
            }
        }
        draft.refused = cx.refused;
        Some(draft)
    }

    fn keyword(
        &mut self,
        cx: &mut Context<'_>,
        at: &Statement,
        keyword: &Keyword,
        priorities: &mut Priorities,
    ) {
        if self.garp.read(cx, at, keyword, keyword.name) || self.script(cx, at, keyword.name) {
            return;
        }
        match keyword.name {
            "state" => self.state(cx, at),
            "interface" => self.interface(cx, at),
            "vrf" => {
                let name = cx.interface(at);
                replace(&mut self.vrf, name.map(|name| (name, at.raw)));
            }
            "virtual_router_id" => {
                replace(&mut self.vrid, cx.number(at, keyword));
                self.bad_vrid = self.vrid.is_none();
            }
            "priority" => replace(&mut self.priority, cx.number(at, keyword)),
            "version" => {
                let version = cx.number(at, keyword);
                replace(&mut self.version, version.map(|version| (version, at.raw)));
            }
            "advert_int" => {
                let interval = cx.duration(at, keyword);
                replace(&mut self.advert_interval, interval.map(|interval| (interval, at.raw)));
            }
            "nopreempt" => self.nopreempt = Some(at.raw),
            "preempt" => self.nopreempt = None,
            "preempt_delay" => {
                let delay = cx.duration(at, keyword);
                replace(&mut self.preempt_delay, delay.map(|delay| (delay, at.raw)));
            }
            "mcast_src_ip" => self.source(cx, at),
            "unicast_src_ip" => {
                self.unicast_source = Some(at.raw);
                self.source(cx, at);
            }
            "mcast_dst_ip" => {
                let group = global::multicast(cx, at);
                let group = group.filter(|group| self.belongs(cx, at.raw, *group));
                replace(&mut self.group, group);
            }
            "unicast_peer" => {
                self.peers_at = Some(at.raw);
                for (peer, span) in peers::read_block(cx, at) {
                    if self.belongs(cx, span, peer.address) {
                        self.peers.push((peer, span));
                    }
                }
            }
            "unicast_ttl" => {
                self.unicast_keyword = Some(at.raw);
                replace(&mut self.unicast_ttl, cx.number(at, keyword));
            }
            "check_unicast_src" => {
                self.unicast_keyword = Some(at.raw);
                self.check_unicast_src = true;
            }
            "unicast_fault_no_peer" => self.fault_without_peers = true,
            "old_unicast_checksum" => {
                self.unicast_keyword = Some(at.raw);
                self.old_checksum(cx, at);
            }
            "kernel_rx_buf_size" => replace(&mut self.receive_queue, cx.number(at, keyword)),
            "v3_checksum_as_v2" => replace(&mut self.v3_checksum_as_v2, cx.flag(at)),
            "native_ipv6" => {
                self.belongs(cx, at.raw, IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED));
            }
            "down_timer_adverts" => replace(&mut self.down_timer_adverts, cx.number(at, keyword)),
            "dont_track_primary" => self.ignores_own_link = true,
            "track_src_ip" => self.track_src_ip = Some(at.raw),
            "timer_expired_backup" | "thread_timer_expired" => {
                self.read_late_behind(cx, at, keyword)
            }
            "skip_check_adv_addr" => replace(&mut self.skip_check_adv_addr, cx.flag(at)),
            "higher_prio_send_advert" => replace(&mut self.higher_prio_send_advert, cx.flag(at)),
            "lower_prio_no_advert" => replace(&mut self.lower_prio_no_advert, cx.flag(at)),
            "owner_ignore_adverts" => replace(&mut self.owner_ignore_adverts, cx.flag(at)),
            "strict_mode" => {
                replace(&mut self.strict, cx.flag(at));
            }
            "authentication" => self.authentication.read(cx, at),
            "auth_hmac" => replace(&mut self.hmac, HmacDraft::read(cx, at)),
            "virtual_ipaddress" => {
                let path = "vrrp_instance/virtual_ipaddress";
                self.addresses_named |= cx.tree.children(at).next().is_some();
                let mut addresses = std::mem::take(&mut self.addresses);
                address::read_block(cx, at, path, &mut addresses, &mut Vec::new());
                addresses
                    .retain(|_, draft| self.belongs(cx, draft.at, draft.address.address.addr()));
                self.addresses = addresses;
            }
            "virtual_ipaddress_excluded" => {
                let path = "vrrp_instance/virtual_ipaddress_excluded";
                let out = &mut self.excluded_addresses;
                address::read_block(cx, at, path, out, &mut Vec::new());
            }
            "virtual_routes" => route::read_block(cx, at, None, &mut self.routes),
            "virtual_rules" => rule::read_block(cx, at, None, priorities, &mut self.rules),
            "promote_secondaries" => self.promote_secondaries = true,
            "track_interface" => {
                tracking::read_block(cx, at, Kind::Interface, &mut self.trackers);
            }
            "track_script" => tracking::read_block(cx, at, Kind::Script, &mut self.trackers),
            "track_file" => tracking::read_block(cx, at, Kind::File, &mut self.trackers),
            "track_bfd" => tracking::read_block(cx, at, Kind::Bfd, &mut self.trackers),
            "track_process" => tracking::read_block(cx, at, Kind::Process, &mut self.trackers),
            "lvs_sync_daemon_interface" => {
                replace(&mut self.sync_interface, cx.interface(at).map(|name| (name, at.raw)));
            }
            "smtp_alert" => replace(&mut self.mails, cx.flag(at)),
            "notify_priority_changes" => replace(&mut self.priority_changes, cx.flag(at)),
            "no_virtual_ipaddress" => self.no_addresses_wanted = true,
            "accept" => self.accept = Some(true),
            "no_accept" => self.accept = Some(false),
            "use_vmac" => {
                let draft = LinkDraft::read_vmac(cx, at);
                cx.set_once(at, &mut self.link, Some(draft));
            }
            "use_ipvlan" => self.ipvlan(cx, at),
            "use_vmac_addr" => self.use_vmac_addr = true,
            "vmac_xmit_base" => self.vmac_xmit_base = Some(at.raw),
            other => debug_assert!(false, "no arm for {other}"),
        }
    }

    fn script(&mut self, cx: &mut Context<'_>, at: &Statement, name: &str) -> bool {
        let slot = match name {
            "notify" => &mut self.notify.any,
            "notify_master" => &mut self.notify.master,
            "notify_backup" => &mut self.notify.backup,
            "notify_fault" => &mut self.notify.fault,
            "notify_stop" => &mut self.notify.stop,
            "notify_deleted" => &mut self.notify.deleted,
            "notify_master_rx_lower_pri" => &mut self.notify.lower_priority,
            _ => return false,
        };
        if name == "notify_deleted" {
            self.notify.tells_deleted = true;
            // A script is not needed.
            if cx.words(at).len() == 1 {
                return true;
            }
        }
        let script = script::read(cx, at);
        cx.set_once(at, slot, script.map(Box::new));
        true
    }

    fn state(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        let state = match cx.text(word.span) {
            "MASTER" => InitialState::Master,
            "BACKUP" => InitialState::Backup,
            other => {
                let message = format!("state `{other}` is neither MASTER nor BACKUP; BACKUP it is");
                cx.warn("bad-state", at, word.span, message);
                InitialState::Backup
            }
        };
        // keepalived: MASTER said once stays.
        if !matches!(self.state, Some((InitialState::Master, _))) {
            self.state = Some((state, at.raw));
        }
    }

    /// Bare: make them so; `never`: do not even accept them.
    fn old_checksum(&mut self, cx: &mut Context<'_>, at: &Statement) {
        cx.no_more_than(at, 1);
        self.old_checksum = match cx.words(at).get(1).map(|word| (cx.text(word.span), word.span)) {
            None => OldChecksum::Always,
            Some(("never", _)) => OldChecksum::Never,
            Some((other, span)) => {
                let message = format!("`{other}` is not never, the only word that can stand here");
                return cx.bad("bad-value", at, span, message);
            }
        };
    }

    /// `timer_expired_backup [PRIORITY]`: without one, of the highest that a Backup can have.
    fn read_late_behind(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        let priority = match cx.words(at).get(1) {
            None => Some(254),
            Some(word) => cx.number_in(at, keyword.name, *word, (1, 254)),
        };
        let priority = priority.and_then(|priority| u8::try_from(priority).ok());
        replace(&mut self.late_behind, priority.map(|priority| (priority, at.raw)));
    }

    fn interface(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let name = cx.interface(at);
        if name.as_deref() == Some("lo") {
            cx.push(
                Diagnostic::error("bad-value", at.raw, "VRRP cannot run on the loopback interface")
                    .label("give the interface towards the other routers")
                    .effect(Effect::Refuses),
            );
            self.bad_interface = true;
            return;
        }
        self.bad_interface = name.is_none();
        let span = cx.words(at).get(1).map_or(at.raw, |word| word.span);
        replace(&mut self.interface, name.map(|name| (name, span)));
    }

    fn ipvlan(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let draft = LinkDraft::read_ipvlan(cx, at);
        let address = draft.ipvlan_address();
        if address.is_none_or(|address| self.belongs(cx, at.raw, address.addr())) {
            cx.set_once(at, &mut self.link, Some(draft));
        }
    }

    fn source(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        // keepalived passes over a prefix length here, and people write one.
        let address = match value::address(cx.text(word.span)) {
            Some((address, Some(_))) => {
                cx.push(Diagnostic::note(
                    "surplus-words",
                    word.span,
                    "a prefix length has no use here",
                ));
                Some(address)
            }
            Some((address, None)) => Some(address),
            None => cx.address(at, word),
        };
        let source = address.filter(|source| self.belongs(cx, word.span, *source));
        replace(&mut self.source, source.map(|source| (source, word.span)));
    }

    /// Whether `address` is of the instance's family, which the first one decides.
    fn belongs(&mut self, cx: &mut Context<'_>, at: Span, address: IpAddr) -> bool {
        let (ipv6, first) = *self.family.get_or_insert((address.is_ipv6(), at));
        if address.is_ipv6() != ipv6 {
            let family = if ipv6 { "IPv6" } else { "IPv4" };
            let message = format!("`{}` is not of the address family of the instance", cx.text(at));
            cx.push(
                Diagnostic::error("address-family-mismatch", at, message)
                    .label("it is left out")
                    .also(first, format!("this makes the instance one of {family}"))
                    .help("virtual_ipaddress_excluded takes addresses of both families"),
            );
        }
        address.is_ipv6() == ipv6
    }
}
