//! The IPVS side of a virtual server: scheduler, forwarding, persistence.

use std::net::Ipv4Addr;

use super::super::keywords::Keyword;
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::super::value;
use super::context::Context;
use crate::ipvs::{Family, Forward, Persistence, ServiceFlags, Tunnel, TunnelChecksum};

/// Seconds where persistence is asked for without a time (keepalived.conf(5)).
pub(super) const PERSISTENCE_S: u32 = 360;

/// Longest name of a scheduler or persistence engine, in octets (`IP_VS_SCHEDNAME_MAXLEN`).
const LONGEST_NAME: usize = 15;

/// The schedulers of the kernel (ipvsadm(8)).
const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"];

/// A scheduler name that the kernel may have.
pub(super) fn scheduler(cx: &mut Context<'_>, at: &Statement) -> Option<&'static str> {
    let word = cx.only_argument(at)?;
    let name = cx.text(word.span);
    if let Some(known) = SCHEDULERS.into_iter().find(|known| *known == name) {
        return Some(known);
    }
    let lower = name.to_lowercase();
    let meant = SCHEDULERS.into_iter().find(|known| *known == lower);
    let message = format!("scheduler `{name}` is not known");
    let place = cx.place(at);
    let finding = super::Diagnostic::error("unknown-scheduler", word.span, message).label(place);
    let list = || format!("one of {}", SCHEDULERS.join(", "));
    cx.push(finding.help(meant.map_or_else(list, |meant| format!("did you mean `{meant}`?"))));
    None
}

/// A flag of one scheduler: it does nothing under another.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchedulerFlag {
    pub bit: u32,
    /// `None`: whatever the scheduler.
    pub scheduler: Option<&'static str>,
    pub at: Span,
}

pub(super) fn scheduler_flag(name: &str, at: Span) -> Option<SchedulerFlag> {
    let (bit, scheduler) = match name {
        "flag-1" => (ServiceFlags::SCHED1, None),
        "flag-2" => (ServiceFlags::SCHED2, None),
        "flag-3" => (ServiceFlags::SCHED3, None),
        "sh-fallback" => (ServiceFlags::SCHED1, Some("sh")),
        "sh-port" => (ServiceFlags::SCHED2, Some("sh")),
        "mh-fallback" => (ServiceFlags::SCHED1, Some("mh")),
        "mh-port" => (ServiceFlags::SCHED2, Some("mh")),
        _ => return None,
    };
    Some(SchedulerFlag { bit, scheduler, at })
}

/// `NAT | DR | TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]`.
pub(super) fn forwarding(cx: &mut Context<'_>, at: &Statement) -> Option<Forward> {
    let word = cx.argument(at)?;
    let method = cx.text(word.span);
    if method != "TUN" {
        cx.no_more_than(at, 1);
    }
    match method {
        "NAT" => Some(Forward::Nat),
        "DR" => Some(Forward::DirectRoute),
        "TUN" => tunnel(cx, at).map(Forward::Tunnel),
        other => {
            let upper = other.to_uppercase();
            let known = matches!(upper.as_str(), "NAT" | "DR" | "TUN");
            let help =
                if known { format!("did you mean `{upper}`?") } else { "NAT, DR or TUN".into() };
            let message = format!("forwarding method `{other}` is not known");
            let place = cx.place(at);
            let finding = super::Diagnostic::error("bad-value", word.span, message);
            cx.push(finding.label(place).help(help));
            None
        }
    }
}

/// What the options of a tunnel said.
#[derive(Debug, Default)]
struct TunnelDraft<'t> {
    kind: Option<&'t str>,
    port: Option<u16>,
    checksum: TunnelChecksum,
}

fn tunnel(cx: &mut Context<'_>, at: &Statement) -> Option<Tunnel> {
    let mut draft = TunnelDraft::default();
    let mut rest = cx.words(at)[2..].iter();
    while let Some(option) = rest.next() {
        match cx.text(option.span) {
            "type" => draft.kind = rest.next().map(|word| cx.text(word.span)),
            "port" => {
                let word = *rest.next()?;
                draft.port = cx.number_in(at, "port", word, (1, 65_535))?.try_into().ok();
            }
            "nocsum" => draft.checksum = TunnelChecksum::None,
            "csum" => draft.checksum = TunnelChecksum::Full,
            "remcsum" => draft.checksum = TunnelChecksum::Remote,
            other => {
                cx.bad("bad-value", at, option.span, format!("unknown tunnel option `{other}`"));
                return None;
            }
        }
    }
    draft.finish(cx, at)
}

impl TunnelDraft<'_> {
    fn finish(self, cx: &mut Context<'_>, at: &Statement) -> Option<Tunnel> {
        let wrong = match (self.kind.unwrap_or("ipip"), self.port, self.checksum) {
            ("ipip", None, TunnelChecksum::None) => return Some(Tunnel::Ipip),
            ("gue", Some(port), checksum) => return Some(Tunnel::Gue { port, checksum }),
            ("gre", None, TunnelChecksum::None | TunnelChecksum::Full) => {
                return Some(Tunnel::Gre { checksum: self.checksum });
            }
            ("gue", None, _) => "a gue tunnel needs its port",
            ("ipip" | "gre", Some(_), _) => "only a gue tunnel has a port",
            ("ipip", None, _) => "an ipip tunnel has no checksum",
            ("gre", None, TunnelChecksum::Remote) => "a gre tunnel has no remote checksum",
            _ => "the tunnel type is ipip, gue or gre",
        };
        cx.bad("bad-value", at, at.raw, wrong);
        None
    }
}

/// The persistence keywords of one virtual server.
#[derive(Debug, Clone, Default)]
pub(super) struct PersistenceDraft {
    pub timeout_s: Option<u32>,
    granularity: Option<(Granularity, Span)>,
    engine: Option<String>,
}

/// IPv4 clients are grouped by a netmask, IPv6 clients by a prefix length.
#[derive(Debug, Clone, Copy)]
enum Granularity {
    V4(u8),
    V6(u8),
}

impl PersistenceDraft {
    /// Takes the keyword if it is about persistence.
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "persistence_timeout" => self.timeout(cx, at, keyword),
            "persistence_granularity" => self.granularity(cx, at),
            "persistence_engine" => self.engine(cx, at),
            _ => return false,
        }
        true
    }

    fn timeout(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        match cx.text_at(at, 1) {
            None => self.timeout_s = Some(PERSISTENCE_S),
            // Common in the field, meant as "off", and off is what keepalived makes of it.
            Some("0") => {
                let message = "persistence_timeout 0 is out of range 1-2678400: no persistence";
                let finding = super::Diagnostic::warning("number-out-of-range", at.raw, message);
                let place = cx.place(at);
                cx.push(finding.label(place).help("to have no persistence, remove the line"));
            }
            Some(_) => super::global::replace(&mut self.timeout_s, cx.number(at, keyword)),
        }
    }

    fn granularity(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        let text = cx.text(word.span);
        let mask =
            text.parse::<Ipv4Addr>().ok().map(|mask| value::netmask(mask).filter(|n| *n > 0));
        let granularity = match (mask, value::integer(text)) {
            (Some(Some(length)), _) => Granularity::V4(length),
            (None, Ok(length @ 1..=128)) => Granularity::V6(length as u8),
            _ => {
                let message = format!("`{text}` is neither a netmask nor a prefix length of 1-128");
                return cx.bad("bad-value", at, word.span, message);
            }
        };
        self.granularity = Some((granularity, at.raw));
    }

    fn engine(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        let name = cx.text(word.span);
        if name.len() > LONGEST_NAME {
            let message = format!("persistence engine `{name}` has more than 15 characters");
            return cx.bad("bad-value", at, word.span, message);
        }
        self.engine = Some(name.to_owned());
    }

    /// The family that the granularity speaks of.
    pub fn family(&self) -> Option<Family> {
        self.granularity.map(|(granularity, _)| match granularity {
            Granularity::V4(_) => Family::Inet,
            Granularity::V6(_) => Family::Inet6,
        })
    }

    /// A granularity alone asks for persistence too. A service without a port must have it.
    pub fn finish(
        self,
        cx: &mut Context<'_>,
        block: &Statement,
        family: Family,
        has_port: bool,
    ) -> Option<Persistence> {
        let whole = if family == Family::Inet { 32 } else { 128 };
        let prefix_len = match (self.granularity, family) {
            (Some((Granularity::V4(length), _)), Family::Inet)
            | (Some((Granularity::V6(length), _)), Family::Inet6) => length,
            (Some((_, at)), _) => {
                let message = "persistence_granularity is of the other address family; ignored";
                cx.bad("address-family-mismatch", block, at, message);
                whole
            }
            (None, _) => whole,
        };
        let timeout_s = match (self.timeout_s, self.granularity, has_port) {
            (Some(timeout_s), ..) => timeout_s,
            (None, Some(_), _) => PERSISTENCE_S,
            (None, None, false) => {
                let message = format!(
                    "a service without a port needs persistence: persistence_timeout {PERSISTENCE_S} is set"
                );
                cx.push(
                    super::Diagnostic::note("persistence-forced", block.raw, message)
                        .help(format!("persistence_timeout {PERSISTENCE_S}")),
                );
                PERSISTENCE_S
            }
            (None, None, true) => return None,
        };
        Some(Persistence { timeout_s, prefix_len, engine: self.engine })
    }
}

/// `inet` or `inet6` behind a keyword.
pub(super) fn family(cx: &mut Context<'_>, at: &Statement) -> Option<Family> {
    let word = cx.only_argument(at)?;
    match cx.text(word.span) {
        "inet" => Some(Family::Inet),
        "inet6" => Some(Family::Inet6),
        other => {
            let name = cx.text(cx.keyword_span(at));
            let message = format!("{name} `{other}` is neither inet nor inet6");
            cx.bad("bad-value", at, word.span, message);
            None
        }
    }
}

/// `ADDRESS [PORT]` behind a keyword, the address as `read` understands it; port 0 is none.
pub(super) fn endpoint<'a, T>(
    cx: &mut Context<'a>,
    at: &Statement,
    read: impl FnOnce(&mut Context<'a>, &Statement, Word) -> Option<T>,
) -> Option<(T, Option<u16>)> {
    let address = cx.argument(at)?;
    cx.no_more_than(at, 2);
    let port: Option<Word> = cx.words(at).get(2).copied();
    // Both are looked at, so that both mistakes are reported at once.
    let ip = read(cx, at, address);
    let port = match port {
        Some(word) => Some(cx.port(at, word)?).filter(|port| *port != 0),
        None => None,
    };
    Some((ip?, port))
}
