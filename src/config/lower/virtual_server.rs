//! `virtual_server`, as read.

use std::net::IpAddr;
use std::time::Duration;

use super::super::keywords::Keyword;
use super::super::plan::{Script, VirtualServer};
use super::super::source::Span;
use super::super::tree::Statement;
use super::context::Context;
use super::global::replace;
use super::real_server::RealServerDraft;
use super::service::{self, PersistenceDraft, SchedulerFlag};
use super::timing::TimingDraft;
use super::{normalise, script};
use crate::ipvs::{Family, Forward, Protocol};

/// What the service is reached by.
#[derive(Debug, Clone)]
pub(super) enum Reached {
    /// Port 0: every port.
    Address {
        ip: IpAddr,
        port: u16,
    },
    Fwmark(u32),
    /// By all that a virtual_server_group of this name names.
    Group(String),
}

#[derive(Debug)]
pub(super) struct SorryDraft {
    pub at: Span,
    pub ip: IpAddr,
    pub port: Option<u16>,
}

#[derive(Debug)]
pub(super) struct VirtualServerDraft {
    pub reached: Reached,
    pub protocol: Option<(Protocol, Span)>,
    pub family: Option<Family>,
    pub scheduler: Option<&'static str>,
    pub scheduler_flags: Vec<SchedulerFlag>,
    /// `ops`.
    pub one_packet: Option<Span>,
    pub forward: Option<Forward>,
    pub persistence: PersistenceDraft,
    pub quorum: Option<(u32, Span)>,
    pub hysteresis: Option<(u32, Span)>,
    pub weight: Option<u32>,
    pub inhibit_on_failure: bool,
    pub slow_start: Option<Duration>,
    pub drain_time: Option<Duration>,
    pub omega: bool,
    pub ha_suspend: bool,
    /// `smtp_alert`.
    pub mails: Option<bool>,
    pub quorum_up: Option<Script>,
    pub quorum_down: Option<Script>,
    pub timing: TimingDraft,
    pub virtual_host: Option<String>,
    pub sorry: Option<SorryDraft>,
    pub sorry_inhibit: bool,
    /// A line about the sorry server, besides its address.
    pub sorry_keyword: Option<Span>,
    pub sorry_forward: Option<Forward>,
    pub real_servers: Vec<RealServerDraft>,
    /// At least one server was reported to be no good.
    pub bad_real_server: bool,
    /// Keywords that were there, good or not: those are not missing.
    pub named: Named,
}

#[derive(Debug, Default)]
pub(super) struct Named {
    pub scheduler: bool,
    pub forward: bool,
    pub protocol: bool,
}

/// Reads the whole block. `None` if there is nothing to serve, which has been reported.
pub(super) fn read(cx: &mut Context<'_>, block: &Statement) -> Option<VirtualServer> {
    let mut draft = VirtualServerDraft::new(reached(cx, block)?);
    let tree = cx.tree;
    let id = cx.table.block("virtual_server")?;
    for at in tree.children(block) {
        if let Some(keyword) = cx.keyword(id, at) {
            draft.keyword(cx, at, keyword);
        }
    }
    normalise::finish(draft, cx, block)
}

/// `ADDRESS [PORT]`, `fwmark MARK`, `group NAME`.
fn reached(cx: &mut Context<'_>, block: &Statement) -> Option<Reached> {
    let first = cx.argument(block)?;
    match cx.text(first.span) {
        "group" => {
            let Some(word) = cx.words(block).get(2).copied() else {
                cx.bad("missing-parameter", block, block.raw, "`group` lacks its name");
                return None;
            };
            cx.no_more_than(block, 2);
            Some(Reached::Group(cx.text(word.span).to_owned()))
        }
        "fwmark" => {
            let Some(word) = cx.words(block).get(2).copied() else {
                cx.bad("missing-parameter", block, block.raw, "`fwmark` lacks its number");
                return None;
            };
            cx.no_more_than(block, 2);
            let mark = cx.number_in(block, "fwmark", word, (1, u32::MAX.into()))?;
            Some(Reached::Fwmark(mark))
        }
        _ => {
            let (ip, port) = service::endpoint(cx, block, Context::address)?;
            Some(Reached::Address { ip, port: port.unwrap_or(0) })
        }
    }
}

impl VirtualServerDraft {
    fn new(reached: Reached) -> Self {
        Self {
            reached,
            protocol: None,
            family: None,
            scheduler: None,
            scheduler_flags: Vec::new(),
            one_packet: None,
            forward: None,
            persistence: PersistenceDraft::default(),
            quorum: None,
            hysteresis: None,
            weight: None,
            inhibit_on_failure: false,
            slow_start: None,
            drain_time: None,
            omega: false,
            ha_suspend: false,
            mails: None,
            quorum_up: None,
            quorum_down: None,
            timing: TimingDraft::default(),
            virtual_host: None,
            sorry: None,
            sorry_inhibit: false,
            sorry_keyword: None,
            sorry_forward: None,
            real_servers: Vec::new(),
            bad_real_server: false,
            named: Named::default(),
        }
    }

    fn keyword(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        if self.timing.read(cx, at, keyword)
            || self.persistence.read(cx, at, keyword)
            || self.service(cx, at, keyword.name)
        {
            return;
        }
        match keyword.name {
            "quorum" => {
                let quorum = cx.number(at, keyword);
                replace(&mut self.quorum, quorum.map(|quorum| (quorum, at.raw)));
            }
            "hysteresis" => {
                let hysteresis = cx.number(at, keyword);
                replace(&mut self.hysteresis, hysteresis.map(|hysteresis| (hysteresis, at.raw)));
            }
            "quorum_up" => {
                let script = script::read(cx, at);
                cx.set_once(at, &mut self.quorum_up, script);
            }
            "quorum_down" => {
                let script = script::read(cx, at);
                cx.set_once(at, &mut self.quorum_down, script);
            }
            "weight" => replace(&mut self.weight, cx.number(at, keyword)),
            "slow_start" => replace(&mut self.slow_start, cx.duration(at, keyword)),
            "drain_time" => replace(&mut self.drain_time, cx.duration(at, keyword)),
            "inhibit_on_failure" => self.inhibit_on_failure = true,
            "omega" => self.omega = true,
            "ha_suspend" => self.ha_suspend = true,
            "smtp_alert" => replace(&mut self.mails, cx.flag(at)),
            "virtualhost" => replace(&mut self.virtual_host, cx.string(at)),
            "sorry_server" => self.sorry_server(cx, at),
            "sorry_server_inhibit" => {
                (self.sorry_inhibit, self.sorry_keyword) = (true, Some(at.raw));
            }
            "sorry_server_lvs_method" => {
                self.sorry_keyword = Some(at.raw);
                replace(&mut self.sorry_forward, service::forwarding(cx, at));
            }
            "real_server" => match RealServerDraft::read(cx, at) {
                Some(server) => self.real_servers.push(server),
                None => self.bad_real_server = true,
            },
            other => debug_assert!(false, "no arm for {other}"),
        }
    }

    /// Takes the keywords that describe the IPVS service.
    fn service(&mut self, cx: &mut Context<'_>, at: &Statement, name: &str) -> bool {
        match name {
            "lb_algo" | "lvs_sched" => {
                self.named.scheduler = true;
                replace(&mut self.scheduler, service::scheduler(cx, at));
            }
            "lb_kind" | "lvs_method" => {
                self.named.forward = true;
                replace(&mut self.forward, service::forwarding(cx, at));
            }
            "protocol" => {
                self.named.protocol = true;
                self.protocol(cx, at);
            }
            "ip_family" => self.family(cx, at),
            "ops" => self.one_packet = Some(at.raw),
            _ => match service::scheduler_flag(name, at.raw) {
                Some(flag) => self.scheduler_flags.push(flag),
                None => return false,
            },
        }
        true
    }

    fn protocol(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        let protocol = match cx.text(word.span).to_ascii_uppercase().as_str() {
            "TCP" => Protocol::Tcp,
            "UDP" => Protocol::Udp,
            "SCTP" => Protocol::Sctp,
            other => {
                let message = format!("protocol `{other}` is not TCP, UDP or SCTP");
                return cx.bad("bad-value", at, word.span, message);
            }
        };
        self.protocol = Some((protocol, at.raw));
    }

    fn family(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(family) = service::family(cx, at) else { return };
        match self.reached {
            Reached::Address { ip, .. } if Family::of(ip) != family => {
                let at_value = cx.words(at).get(1).map_or(at.raw, |word| word.span);
                let message = format!("ip_family is not that of {ip}; ignored");
                cx.bad("address-family-mismatch", at, at_value, message);
            }
            Reached::Address { .. } | Reached::Fwmark(_) | Reached::Group(_) => {
                self.family = Some(family);
            }
        }
    }

    fn sorry_server(&mut self, cx: &mut Context<'_>, at: &Statement) {
        if let Some((ip, port)) = service::endpoint(cx, at, Context::address) {
            self.sorry = Some(SorryDraft { at: at.raw, ip, port });
        }
    }

    pub fn delay_loop(&self) -> Duration {
        self.timing.delay_loop()
    }
}
