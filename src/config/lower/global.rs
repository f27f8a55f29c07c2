//! `global_defs`.

use std::net::IpAddr;
use std::time::Duration;

use super::super::IncludeChecks;
use super::super::diagnostic::Diagnostic;
use super::super::keywords::Keyword;
use super::super::plan::{Daemon, FlushOnStop, Global, ReceiveQueue};
use super::super::tree::Statement;
use super::context::Context;
use super::marks::MarkingDraft;
use super::notify::NotifyDraft;
use super::sync_daemon::SyncDraft;
use super::{daemon, process, script};

/// What was said about gratuitous ARP, here or in an instance.
#[derive(Debug, Clone, Default)]
pub(super) struct GarpDraft {
    pub delay: Option<Duration>,
    pub repeat: Option<u32>,
    pub refresh: Option<Duration>,
    pub refresh_repeat: Option<u32>,
    pub lower_prio_delay: Option<Duration>,
    pub lower_prio_repeat: Option<u32>,
    /// `garp_extra_if`: the pause, and whether `all`.
    pub extra: Option<(Duration, bool)>,
}

/// `global_defs` as read so far, with what instances inherit.
#[derive(Debug, Default)]
pub(super) struct GlobalDraft {
    plan: Global,
    pub daemon: Daemon,
    pub garp: GarpDraft,
    pub notify: NotifyDraft,
    /// `vrrp_min_garp`: one gratuitous ARP and no more, where nothing else is said.
    pub min_garp: bool,
    pub version: Option<u32>,
    pub down_timer_adverts: Option<u32>,
    pub skip_check_adv_addr: bool,
    pub higher_prio_send_advert: bool,
    pub lower_prio_no_advert: bool,
    pub strict: bool,
    pub check_unicast_src: bool,
    pub owner_ignore_adverts: bool,
    pub v3_checksum_as_v2: bool,
    vmac_prefix: Option<String>,
    vmac_addr_prefix: Option<String>,
    nftables: Option<String>,
    pub marking: MarkingDraft,
    /// Where iproute2 has its names.
    pub iproute_usr_dir: Option<String>,
    pub iproute_etc_dir: Option<String>,
    pub default_interface: Option<String>,
    /// `lvs_sync_daemon`, here or the first of an instance's.
    pub sync_daemons: Option<SyncDraft>,
    receive_queue: ReceiveQueue,
    receive_queue_multiplier: Option<u32>,
}

impl GarpDraft {
    /// Takes the keyword if it is about gratuitous ARP; `name` is without `vrrp_`.
    pub fn read(
        &mut self,
        cx: &mut Context<'_>,
        at: &Statement,
        keyword: &Keyword,
        name: &str,
    ) -> bool {
        match name {
            "garp_master_delay" => replace(&mut self.delay, cx.duration(at, keyword)),
            "garp_master_repeat" => replace(&mut self.repeat, at_least_one(cx, at, keyword)),
            "garp_master_refresh" => replace(&mut self.refresh, cx.duration(at, keyword)),
            "garp_master_refresh_repeat" => {
                replace(&mut self.refresh_repeat, at_least_one(cx, at, keyword));
            }
            "garp_lower_prio_delay" => {
                replace(&mut self.lower_prio_delay, cx.duration(at, keyword))
            }
            "garp_lower_prio_repeat" => {
                replace(&mut self.lower_prio_repeat, cx.number(at, keyword));
            }
            "garp_extra_if" | "vmac_garp_intvl" => replace(&mut self.extra, extra(cx, at, keyword)),
            _ => return false,
        }
        true
    }
}

/// `[all] SECONDS`.
fn extra(cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> Option<(Duration, bool)> {
    let all = cx.text_at(at, 1) == Some("all");
    let place = if all { 2 } else { 1 };
    cx.no_more_than(at, place);
    let Some(word) = cx.words(at).get(place).copied() else {
        let message = format!("`{}` lacks its seconds", keyword.name);
        cx.bad("missing-value", at, at.raw, message);
        return None;
    };
    // 0 turns it off for one instance; for all of them leaving it out does.
    let least = if keyword.block == "global_defs" { 1 } else { 0 };
    let seconds = cx.number_in(at, keyword.name, word, (least, 86_400))?;
    Some((Duration::from_secs(seconds.into()), all))
}

/// Keeps the old value when the new one was no good.
pub(super) fn replace<T>(slot: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *slot = value;
    }
}

/// As keepalived: 0 repetitions mean 1.
fn at_least_one(cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> Option<u32> {
    let number = cx.number(at, keyword)?;
    if number == 0 {
        cx.warn("number-out-of-range", at, at.raw, format!("{} 0 is taken as 1", keyword.name));
    }
    Some(number.max(1))
}

impl GlobalDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, block: &Statement) {
        let tree = cx.tree;
        let Some(id) = cx.table.block("global_defs") else { return };
        for at in tree.children(block) {
            if let Some(keyword) = cx.keyword(id, at) {
                self.keyword(cx, at, keyword);
            }
        }
    }

    fn keyword(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        let garp_name = keyword.name.strip_prefix("vrrp_").unwrap_or_default();
        if self.garp.read(cx, at, keyword, garp_name)
            || daemon::read(&mut self.daemon, cx, at, keyword)
            || self.notify.read(cx, at, keyword)
            || process::read(&mut self.plan, cx, at, keyword)
            || self.marking.read(cx, at, keyword)
        {
            return;
        }
        match keyword.name {
            "router_id" => replace(&mut self.plan.router_id, cx.string(at)),
            "script_user" => replace(&mut self.plan.script_user, script::read_user(cx, at)),
            "enable_script_security" => self.plan.script_security = true,
            "use_symlink_paths" => flag(cx, at, &mut self.plan.keep_links),
            "no_email_faults" => self.plan.no_fault_mail = true,
            "no_checker_emails" => flag(cx, at, &mut self.plan.no_checker_mail),
            "share_checks" => flag(cx, at, &mut self.plan.share_checks),
            "rs_init_notifies" => flag(cx, at, &mut self.plan.tell_initial_servers),
            "dynamic_interfaces" => self.plan.dynamic_interfaces = true,
            "vrrp_mcast_group4" | "vrrp_mcast_group6" => {
                self.multicast_group(cx, at, keyword.name.ends_with('6'));
            }
            "vrrp_check_unicast_src" => self.check_unicast_src = true,
            "v3_checksum_as_v2" => self.v3_checksum_as_v2 = true,
            "iproute_usr_dir" => replace(&mut self.iproute_usr_dir, cx.string(at)),
            "iproute_etc_dir" => replace(&mut self.iproute_etc_dir, cx.string(at)),
            "default_interface" => replace(&mut self.default_interface, cx.interface(at)),
            "log_unknown_vrids" => self.plan.log_unknown_vrids = true,
            "vrrp_rx_bufs_policy" => self.receive_queue(cx, at),
            "vrrp_rx_bufs_multiplier" => {
                replace(&mut self.receive_queue_multiplier, cx.number(at, keyword));
            }
            "lvs_timeouts" => self.timeouts(cx, at),
            "lvs_sync_daemon" => {
                let daemons = SyncDraft::read(cx, at);
                cx.set_once(at, &mut self.sync_daemons, daemons);
            }
            "lvs_flush" => self.plan.lvs_flush = true,
            "lvs_flush_on_stop" | "lvs_flush_onstop" => self.flush_on_stop(cx, at),
            // The reader has acted on both (`preprocess`).
            "include_check" => include_check(cx, at),
            "random_seed" => drop(cx.number(at, keyword)),
            "vrrp_version" => replace(&mut self.version, cx.number(at, keyword)),
            "vrrp_down_timer_adverts" => {
                replace(&mut self.down_timer_adverts, cx.number(at, keyword));
            }
            "vrrp_startup_delay" => duration(cx, at, keyword, &mut self.plan.startup_delay),
            "vrrp_delay_after_boot" => {
                duration(cx, at, keyword, &mut self.plan.delay_after_boot);
            }
            "vrrp_garp_interval" => duration(cx, at, keyword, &mut self.plan.pacing.gaps.arp),
            "vrrp_gna_interval" => {
                duration(cx, at, keyword, &mut self.plan.pacing.gaps.neighbour);
            }
            "vrrp_min_garp" => flag(cx, at, &mut self.min_garp),
            "vrrp_skip_check_adv_addr" => flag(cx, at, &mut self.skip_check_adv_addr),
            "vrrp_higher_prio_send_advert" => flag(cx, at, &mut self.higher_prio_send_advert),
            "vrrp_lower_prio_no_advert" => flag(cx, at, &mut self.lower_prio_no_advert),
            "vrrp_owner_ignore_adverts" => flag(cx, at, &mut self.owner_ignore_adverts),
            "vrrp_strict" => flag(cx, at, &mut self.strict),
            "vmac_prefix" => {
                let prefix = prefix(cx, at);
                cx.set_once(at, &mut self.vmac_prefix, prefix);
            }
            "vmac_addr_prefix" => {
                let prefix = prefix(cx, at);
                cx.set_once(at, &mut self.vmac_addr_prefix, prefix);
            }
            "nftables" | "nftables_priority" | "nftables_counters" | "disable_local_igmp"
            | "vrrp_iptables" | "vrrp_ipsets" => self.firewall(cx, at, keyword.name),
            other => debug_assert!(false, "no arm for {other}"),
        }
    }

    fn firewall(&mut self, cx: &mut Context<'_>, at: &Statement, name: &str) {
        match name {
            "nftables" => {
                let table = nft_table(cx, at, &self.plan.firewall.table);
                cx.set_once(at, &mut self.nftables, table);
            }
            "nftables_priority" => {
                let priority = nft_priority(cx, at);
                self.plan.firewall.priority = priority.unwrap_or(self.plan.firewall.priority);
            }
            "nftables_counters" => self.plan.firewall.counters = true,
            "disable_local_igmp" => self.plan.disable_local_igmp = true,
            // One firewall is enough, and this one needs no chains made by somebody else.
            _ => cx.push(
                Diagnostic::note("nftables-instead", at.raw, format!("`{name}`: nftables is used"))
                    .label("the same packets are dropped, by a table of our own")
                    .help("nftables"),
            ),
        }
    }

    /// Our table of nftables.
    pub fn firewall_table(&self) -> &str {
        self.nftables.as_ref().unwrap_or(&self.plan.firewall.table)
    }

    /// What names of VMACs begin with.
    pub fn vmac_prefix(&self) -> &str {
        self.vmac_prefix.as_deref().unwrap_or("vrrp")
    }

    /// The same for VMACs of single addresses.
    pub fn vmac_addr_prefix(&self) -> &str {
        self.vmac_addr_prefix.as_deref().unwrap_or(self.vmac_prefix())
    }

    fn multicast_group(&mut self, cx: &mut Context<'_>, at: &Statement, ipv6: bool) {
        match multicast(cx, at) {
            Some(IpAddr::V4(group)) if !ipv6 => self.plan.multicast_group = group,
            Some(IpAddr::V6(group)) if ipv6 => self.plan.multicast_group6 = group,
            Some(other) => {
                let message = format!("{other} is of the other address family");
                cx.bad("address-family-mismatch", at, at.raw, message);
            }
            None => {}
        }
    }

    /// `[tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]`.
    fn timeouts(&mut self, cx: &mut Context<'_>, at: &Statement) {
        if cx.argument(at).is_none() {
            return;
        }
        for pair in cx.words(at)[1..].chunks(2) {
            let name = cx.text(pair[0].span);
            let timeouts = &mut self.plan.lvs_timeouts;
            let field = match name {
                "tcp" => &mut timeouts.tcp_s,
                "tcpfin" => &mut timeouts.tcp_fin_s,
                "udp" => &mut timeouts.udp_s,
                _ => {
                    let message = format!("`{name}` is not tcp, tcpfin or udp");
                    return cx.bad("bad-value", at, pair[0].span, message);
                }
            };
            match pair.get(1) {
                // The kernel counts in ticks, which must not overflow (keepalived.conf(5)).
                Some(word) => {
                    if let Some(seconds) = cx.number_in(at, name, *word, (1, 31 * 86_400)) {
                        *field = seconds;
                    }
                }
                None => {
                    let message = format!("`{name}` lacks its seconds");
                    cx.bad("incomplete-timeouts", at, pair[0].span, message);
                }
            }
        }
    }

    fn flush_on_stop(&mut self, cx: &mut Context<'_>, at: &Statement) {
        self.plan.lvs_flush_on_stop = match cx.text_at(at, 1) {
            None => FlushOnStop::Everything,
            Some("VS") => FlushOnStop::VirtualServers,
            Some(other) => {
                let message = format!("`{other}` is not VS, the only word that can stand here");
                return cx.bad("bad-value", at, at.raw, message);
            }
        };
    }

    /// `MTU`, `ADVERT` or a number of octets. With several lines a number counts before `MTU`, and
    /// that before `ADVERT`, as in keepalived.
    fn receive_queue(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        let wanted = match cx.text(word.span) {
            text if text.eq_ignore_ascii_case("MTU") => Some(ReceiveQueue::Mtus(0)),
            text if text.eq_ignore_ascii_case("ADVERT") => Some(ReceiveQueue::Adverts(0)),
            _ => cx
                .number_in(at, "vrrp_rx_bufs_policy", word, (1, i64::from(i32::MAX) / 2))
                .map(ReceiveQueue::Octets),
        };
        let rank = |queue: ReceiveQueue| match queue {
            ReceiveQueue::Ample => 0,
            ReceiveQueue::Adverts(_) => 1,
            ReceiveQueue::Mtus(_) => 2,
            ReceiveQueue::Octets(_) => 3,
        };
        let Some(wanted) = wanted else { return };
        if self.receive_queue != ReceiveQueue::Ample && rank(wanted) != rank(self.receive_queue) {
            let message =
                "vrrp_rx_bufs_policy is there already; a size counts before MTU, MTU before ADVERT";
            cx.warn("duplicate", at, at.raw, message);
        }
        if rank(wanted) >= rank(self.receive_queue) {
            self.receive_queue = wanted;
        }
    }

    /// Where adverts of an address family go.
    pub fn multicast(&self, ipv6: bool) -> IpAddr {
        if ipv6 { self.plan.multicast_group6.into() } else { self.plan.multicast_group.into() }
    }

    /// `child_wait_time`: at least a second, in which addresses are taken off.
    pub fn stop_limit(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        let Some(limit) = cx.duration(at, keyword) else { return };
        if limit.is_zero() {
            cx.warn("number-out-of-range", at, at.raw, "child_wait_time 0 is taken as 1");
        }
        self.plan.stop_limit = Some(limit.max(Duration::from_secs(1)));
    }

    pub fn finish(mut self) -> Global {
        if let Some(table) = self.nftables {
            self.plan.firewall.table = table;
        }
        self.notify.finish(&mut self.plan);
        let multiplier = self.receive_queue_multiplier.unwrap_or(3);
        self.plan.receive_queue = match self.receive_queue {
            ReceiveQueue::Mtus(_) => ReceiveQueue::Mtus(multiplier),
            ReceiveQueue::Adverts(_) => ReceiveQueue::Adverts(multiplier),
            other => other,
        };
        self.plan
    }
}

fn duration(cx: &mut Context<'_>, at: &Statement, keyword: &Keyword, slot: &mut Duration) {
    if let Some(value) = cx.duration(at, keyword) {
        *slot = value;
    }
}

/// The first part of an interface's name.
fn prefix(cx: &mut Context<'_>, at: &Statement) -> Option<String> {
    let prefix = cx.string(at)?;
    if prefix.is_empty() || prefix.len() > 13 || prefix.contains(['/', ':']) {
        let message = format!("`{prefix}` cannot begin the name of an interface");
        cx.bad("bad-value", at, at.raw, message);
        return None;
    }
    Some(prefix)
}

/// The name of a table of nftables, as nft(8) takes it without quotes, or `default`; `None`: it is none.
pub(super) fn nft_table(cx: &mut Context<'_>, at: &Statement, default: &str) -> Option<String> {
    cx.no_more_than(at, 1);
    let Some(table) = cx.text_at(at, 1) else { return Some(default.to_owned()) };
    let letter = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
    if table.starts_with(|first: char| first.is_ascii_alphabetic()) && table.bytes().all(letter) {
        return Some(table.to_owned());
    }
    let message = format!("`{table}` is no name of a table: letters, digits, _ and -");
    cx.bad("bad-value", at, at.raw, message);
    None
}

/// The priority of a base chain of nftables, any whole number.
pub(super) fn nft_priority(cx: &mut Context<'_>, at: &Statement) -> Option<i32> {
    let word = cx.only_argument(at)?;
    let text = cx.text(word.span);
    let Ok(priority) = text.parse() else {
        let message = format!("{} `{text}` is not a whole number", cx.text(cx.keyword_span(at)));
        cx.bad("not-a-number", at, word.span, message);
        return None;
    };
    Some(priority)
}

/// Points out words of `include_check` that change nothing.
fn include_check(cx: &mut Context<'_>, at: &Statement) {
    let words: Vec<&str> = cx.words(at)[1..].iter().map(|word| cx.text(word.span)).collect();
    let (_, idle) = IncludeChecks::default().edited(&words);
    for word in &cx.words(at)[1..] {
        let text = cx.text(word.span);
        if idle.contains(&text) {
            let message = format!("include_check: `{text}` is ignored");
            let finding = Diagnostic::error("bad-value", word.span, message);
            let finding = finding.label("not a check, or not the first without + or -");
            cx.push(finding.help("include_check read +match +wildcard_match +brace_match"));
        }
    }
}

pub(super) fn flag(cx: &mut Context<'_>, at: &Statement, slot: &mut bool) {
    if let Some(value) = cx.flag(at) {
        *slot = value;
    }
}

/// A multicast address; of IPv6, one that no router carries beyond the link.
pub(super) fn multicast(cx: &mut Context<'_>, at: &Statement) -> Option<IpAddr> {
    let word = cx.only_argument(at)?;
    let group = cx.address(at, word)?;
    let message = match group {
        IpAddr::V6(v6) if v6.is_multicast() && v6.segments()[0] & 0xf != 2 => {
            format!("{group} is not of link-local scope (ff02::/16)")
        }
        _ if group.is_multicast() => return Some(group),
        _ => format!("{group} is no multicast address"),
    };
    cx.bad("bad-address", at, word.span, message);
    None
}
