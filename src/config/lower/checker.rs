//! Checker blocks: what is tried, when, and what it inherits.

mod bfd;
mod connect;
mod datagram;
mod file;
mod grpc;
mod host;
mod http;
mod tls;
mod url;
mod wishes;

use std::net::SocketAddr;
use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::keywords::Keyword;
use super::super::plan::{Checker, Script, ScriptUser};
use super::super::source::Span;
use super::super::tree::Statement;
use super::context::Context;
use super::global::replace;
use super::script;
use super::timing::{Defaults, TimingDraft};
use crate::probe::{MiscProbe, Probe, SmtpProbe, smtp};
use bfd::BfdDraft;
use connect::ConnectDraft;
use datagram::{DnsDraft, UdpDraft};
use file::FileDraft;
use grpc::GrpcDraft;
use host::HostDraft;
use http::HttpDraft;
use tls::TlsDraft;
pub(super) use tls::path as certificate_path;

/// Attempts and pauses of each kind (keepalived.conf(5)).
const TCP: Defaults = Defaults { retry: 1, delay_before_retry: Duration::from_secs(1) };
const HTTP: Defaults = Defaults { retry: 1, delay_before_retry: Duration::from_secs(3) };
const SMTP: Defaults = Defaults { retry: 1, delay_before_retry: Duration::from_secs(1) };
const MISC: Defaults = Defaults { retry: 0, delay_before_retry: Duration::from_secs(1) };

/// One checker as read: what it inherits is not filled in yet.
#[derive(Debug)]
pub(super) struct CheckerDraft {
    at: Span,
    timing: TimingDraft,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(ConnectDraft),
    Http(Box<HttpDraft>),
    Misc(Box<MiscDraft>),
    Smtp(Box<SmtpDraft>),
    Dns(Box<DnsDraft>),
    Udp(Box<UdpDraft>),
    Ping(ConnectDraft),
    Grpc(Box<GrpcDraft>),
    File(FileDraft),
    Bfd(BfdDraft),
}

#[derive(Debug, Default)]
struct SmtpDraft {
    connect: ConnectDraft,
    helo: Option<String>,
    hosts: Vec<HostDraft>,
}

#[derive(Debug, Default)]
struct MiscDraft {
    argv: Option<Vec<String>>,
    user: Option<ScriptUser>,
    timeout: Option<Duration>,
    dynamic: bool,
}

/// What a checker gets from the servers it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Inherited<'a> {
    pub timing: TimingDraft,
    pub virtual_host: Option<&'a str>,
    /// The virtual server's own `delay_loop`, which limits a MISC_CHECK.
    pub service_delay_loop: Duration,
    /// Address and port to try: the real server's, as the table will have it.
    pub target: SocketAddr,
    /// Whether a port that is not known yet is that of a group's services.
    pub in_group: bool,
}

impl CheckerDraft {
    /// `None` if the block cannot be run, which has been reported.
    pub fn read(cx: &mut Context<'_>, block: &Statement, name: &str) -> Option<Self> {
        let mut draft = Self {
            at: block.raw,
            timing: TimingDraft::default(),
            kind: match name {
                "TCP_CHECK" => Kind::Tcp(ConnectDraft::default()),
                "HTTP_GET" => Kind::Http(Box::default()),
                "SSL_GET" => {
                    let tls = Some(TlsDraft::default());
                    Kind::Http(Box::new(HttpDraft { tls, ..HttpDraft::default() }))
                }
                "MISC_CHECK" => Kind::Misc(Box::default()),
                "SMTP_CHECK" => Kind::Smtp(Box::default()),
                "DNS_CHECK" => Kind::Dns(Box::default()),
                "UDP_CHECK" => Kind::Udp(Box::default()),
                "PING_CHECK" => Kind::Ping(ConnectDraft::default()),
                "GRPC_CHECK" => Kind::Grpc(Box::default()),
                "FILE_CHECK" => Kind::File(FileDraft::default()),
                "BFD_CHECK" => Kind::Bfd(BfdDraft::default()),
                _ => return None,
            },
        };
        let tree = cx.tree;
        let id = cx.inside(block)?;
        for at in tree.children(block) {
            if let Some(keyword) = cx.keyword(id, at)
                && !draft.timing.read(cx, at, keyword)
            {
                draft.kind.read(cx, at, keyword);
            }
        }
        draft.is_complete(cx).then_some(draft)
    }

    /// Whether there is something to try. Without it the server runs without this check, which
    /// is worth an error: an unchecked server that is dead keeps its share of the clients.
    fn is_complete(&self, cx: &mut Context<'_>) -> bool {
        let (lacks, help) = match &self.kind {
            Kind::Http(http) if http.urls.is_empty() && http.bad_url => return false,
            Kind::Http(http) if http.urls.is_empty() => {
                ("a url with a path", "in a block: url { path / }, one a line")
            }
            Kind::Misc(misc) if misc.argv.is_none() => {
                ("its misc_path", "misc_path \"/usr/local/bin/check ARGUMENTS\"")
            }
            Kind::File(file) if !file.is_complete() && file.bad_file => return false,
            Kind::File(file) if !file.is_complete() => {
                ("its track_file", "track_file NAME, and above: track_file NAME { file PATH }")
            }
            Kind::Bfd(bfd) if !bfd.is_complete() && bfd.bad_session => return false,
            Kind::Bfd(bfd) if !bfd.is_complete() => {
                ("its name", "name NAME, and above: bfd_instance NAME { neighbor_ip ADDRESS }")
            }
            _ => return true,
        };
        let message = format!("{} lacks {lacks}", cx.text(self.at));
        let finding = Diagnostic::error("incomplete-checker", self.at, message);
        cx.push(finding.label("the server is served without this check").help(help));
        false
    }

    /// An SMTP_CHECK with `host` blocks is as many checkers, and every other is itself.
    pub fn split(mut self) -> Vec<Self> {
        let Kind::Smtp(smtp) = &mut self.kind else { return vec![self] };
        let hosts = std::mem::take(&mut smtp.hosts);
        if hosts.is_empty() {
            return vec![self];
        }
        let of_host = |host: HostDraft| {
            let (connect, helo) = (host.connect.or(&smtp.connect), smtp.helo.clone());
            let kind = Kind::Smtp(Box::new(SmtpDraft { connect, helo, hosts: Vec::new() }));
            Self { at: host.at, timing: host.timing.or(self.timing), kind }
        };
        hosts.into_iter().map(of_host).collect()
    }

    /// The session that it follows, if that is what it does.
    pub fn session(&self) -> Option<&str> {
        match &self.kind {
            Kind::Bfd(bfd) => bfd.session.as_deref(),
            _ => None,
        }
    }

    /// The checker with what it inherits filled in.
    pub fn finish(self, cx: &mut Context<'_>, from: &Inherited<'_>) -> Checker {
        let timing = self.timing.or(from.timing);
        let connect_timeout = timing.connect_timeout();
        let (defaults, probe) = match self.kind {
            Kind::Tcp(connect) => {
                (TCP, Probe::Tcp(connect.finish(cx, self.at, from, connect_timeout)))
            }
            Kind::Http(http) => {
                (HTTP, Probe::Http(http.finish(cx, self.at, from, connect_timeout)))
            }
            Kind::Misc(misc) => (MISC, Probe::Misc(Box::new(misc.finish(from)))),
            Kind::Smtp(smtp) => {
                let connect = smtp.connect.finish(cx, self.at, from, connect_timeout);
                let helo = smtp.helo.unwrap_or_else(|| smtp::DEFAULT_HELO.to_owned());
                (SMTP, Probe::Smtp(Box::new(SmtpProbe { connect, helo })))
            }
            Kind::Dns(dns) => {
                let defaults = Defaults { retry: 3, delay_before_retry: timing.delay_loop() };
                let connect = dns.connect.finish(cx, self.at, from, connect_timeout);
                (defaults, Probe::Dns(Box::new(dns.settings.finish(connect))))
            }
            Kind::Udp(udp) => {
                let connect = udp.connect.finish(cx, self.at, from, connect_timeout);
                (TCP, Probe::Udp(Box::new(udp.settings.finish(connect))))
            }
            Kind::Grpc(grpc) => {
                let connect = grpc.connect.finish(cx, self.at, from, connect_timeout);
                let probe = grpc.settings.finish(cx, connect, from.virtual_host);
                (TCP, Probe::Grpc(Box::new(probe)))
            }
            // It has no port.
            Kind::Ping(connect) => {
                (TCP, Probe::Ping(connect.finish_without_port(cx, self.at, from, connect_timeout)))
            }
            Kind::File(file) => (MISC, Probe::File(file.finish())),
            Kind::Bfd(bfd) => (MISC, Probe::Bfd(bfd.finish())),
        };
        Checker { timing: cx.alike.timings.share(timing.finish(defaults)), probe }
    }
}

impl Kind {
    fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        let understood = match self {
            Kind::Tcp(connect) => connect.read(cx, at, keyword),
            Kind::Http(http) => http.connect.read(cx, at, keyword) || http.read(cx, at, keyword),
            Kind::Misc(misc) => misc.read(cx, at, keyword),
            Kind::Smtp(smtp) => smtp.connect.read(cx, at, keyword) || smtp.read(cx, at, keyword),
            Kind::Dns(dns) => {
                dns.connect.read(cx, at, keyword) || dns.settings.read(cx, at, keyword)
            }
            Kind::Udp(udp) => {
                udp.connect.read(cx, at, keyword) || udp.settings.read(cx, at, keyword)
            }
            Kind::Grpc(grpc) => {
                grpc.connect.read(cx, at, keyword) || grpc.settings.read(cx, at, keyword)
            }
            Kind::Ping(connect) => connect.read(cx, at, keyword),
            Kind::File(file) => file.read(cx, at, keyword),
            Kind::Bfd(bfd) => bfd.read(cx, at, keyword),
        };
        debug_assert!(understood, "no arm for {}", keyword.name);
    }
}

impl SmtpDraft {
    fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "helo_name" => replace(&mut self.helo, cx.string(at)),
            "host" => self.hosts.extend(HostDraft::read(cx, at)),
            _ => return false,
        }
        true
    }
}

impl MiscDraft {
    fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "misc_path" => replace(&mut self.argv, script::read_command(cx, at)),
            "misc_timeout" => replace(&mut self.timeout, cx.duration(at, keyword)),
            "misc_dynamic" => self.dynamic = true,
            "user" => replace(&mut self.user, script::read_user(cx, at)),
            _ => return false,
        }
        true
    }

    fn finish(self, from: &Inherited<'_>) -> MiscProbe {
        MiscProbe {
            script: Script { argv: self.argv.unwrap_or_default(), user: self.user },
            timeout: self.timeout.unwrap_or(from.service_delay_loop),
            dynamic: self.dynamic,
        }
    }
}

#[cfg(test)]
mod tests;
