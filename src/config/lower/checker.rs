//! Checker blocks: TCP_CHECK, HTTP_GET, MISC_CHECK.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::keywords::Keyword;
use super::super::plan::{Checker, Script, ScriptUser};
use super::super::source::Span;
use super::super::tree::Statement;
use super::super::value;
use super::context::Context;
use super::global::replace;
use super::script;
use super::timing::{Defaults, TimingDraft};
use crate::probe::{Connect, HttpProbe, HttpVersion, MiscProbe, Probe, Url};

/// Attempts and pauses of each kind (keepalived.conf(5)).
const TCP: Defaults = Defaults { retry: 1, delay_before_retry: Duration::from_secs(1) };
const HTTP: Defaults = Defaults { retry: 1, delay_before_retry: Duration::from_secs(3) };
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
    Http(HttpDraft),
    Misc(MiscDraft),
}

#[derive(Debug, Default)]
struct ConnectDraft {
    ip: Option<IpAddr>,
    port: Option<u16>,
    bind_address: Option<(IpAddr, Span)>,
    bind_port: Option<u16>,
    bind_interface: Option<String>,
    fwmark: Option<u32>,
}

#[derive(Debug, Default)]
struct HttpDraft {
    connect: ConnectDraft,
    version: HttpVersion,
    virtual_host: Option<String>,
    fast_recovery: bool,
    urls: Vec<Url>,
    /// A url was reported to be no good.
    bad_url: bool,
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
}

impl CheckerDraft {
    /// `None` if the block cannot be run, which has been reported.
    pub fn read(cx: &mut Context<'_>, block: &Statement, name: &str) -> Option<Self> {
        let mut draft = Self {
            at: block.raw,
            timing: TimingDraft::default(),
            kind: match name {
                "TCP_CHECK" => Kind::Tcp(ConnectDraft::default()),
                "HTTP_GET" => Kind::Http(HttpDraft::default()),
                "MISC_CHECK" => Kind::Misc(MiscDraft::default()),
                _ => return None,
            },
        };
        let tree = cx.tree;
        let id = cx.table.block(&format!("virtual_server/real_server/{name}"))?;
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
        let lacks = match &self.kind {
            Kind::Http(http) if http.urls.is_empty() && http.bad_url => return false,
            Kind::Http(http) if http.urls.is_empty() => "a url with a path",
            Kind::Misc(misc) if misc.argv.is_none() => "its misc_path",
            Kind::Tcp(_) | Kind::Http(_) | Kind::Misc(_) => return true,
        };
        let message = format!("{} lacks {lacks}", cx.text(self.at));
        let finding = Diagnostic::error("incomplete-checker", self.at, message);
        cx.push(finding.label("the server is served without this check"));
        false
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
            Kind::Misc(misc) => (MISC, Probe::Misc(misc.finish(from))),
        };
        Checker { timing: timing.finish(defaults), probe }
    }
}

impl Kind {
    fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        let understood = match self {
            Kind::Tcp(connect) => connect.read(cx, at, keyword),
            Kind::Http(http) => http.connect.read(cx, at, keyword) || http.read(cx, at, keyword),
            Kind::Misc(misc) => misc.read(cx, at, keyword),
        };
        debug_assert!(understood, "no arm for {}", keyword.name);
    }
}

impl ConnectDraft {
    fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "connect_ip" => {
                let word = cx.only_argument(at);
                replace(&mut self.ip, word.and_then(|word| cx.address(at, word)));
            }
            "connect_port" => replace(&mut self.port, port(cx, at, keyword)),
            "bindto" => {
                let address = cx.only_argument(at).and_then(|word| cx.address(at, word));
                replace(&mut self.bind_address, address.map(|address| (address, at.raw)));
            }
            "bind_port" => replace(&mut self.bind_port, port(cx, at, keyword)),
            "bind_if" => replace(&mut self.bind_interface, cx.interface(at)),
            "fwmark" => replace(&mut self.fwmark, cx.number(at, keyword)),
            _ => return false,
        }
        true
    }

    fn finish(
        self,
        cx: &mut Context<'_>,
        block: Span,
        from: &Inherited<'_>,
        timeout: Duration,
    ) -> Connect {
        let ip = self.ip.unwrap_or(from.target.ip());
        let target = SocketAddr::new(ip, self.port.unwrap_or(from.target.port()));
        if target.port() == 0 {
            let message = format!("{} has no port to connect to", cx.text(block));
            let finding = Diagnostic::error("checker-without-port", block, message);
            cx.push(finding.label("the check always fails").help("connect_port 80"));
        }
        if is_link_local(ip) && self.bind_interface.is_none() {
            let message = format!("{ip} is link-local: without bind_if it cannot be reached");
            let finding = Diagnostic::error("checker-without-interface", block, message);
            cx.push(finding.label("the check always fails").help("bind_if eth0"));
        }
        Connect {
            target,
            bind_address: self.bind_address(cx, ip),
            bind_port: self.bind_port,
            bind_interface: self.bind_interface,
            fwmark: self.fwmark.unwrap_or(0),
            timeout,
        }
    }

    fn bind_address(&self, cx: &mut Context<'_>, target: IpAddr) -> Option<IpAddr> {
        let (address, at) = self.bind_address?;
        if address.is_ipv4() == target.is_ipv4() {
            return Some(address);
        }
        let message =
            format!("bindto {address} cannot reach {target}, of the other address family");
        let finding = Diagnostic::error("address-family-mismatch", at, message);
        cx.push(finding.label("ignored"));
        None
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn port(cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> Option<u16> {
    cx.number(at, keyword)?.try_into().ok()
}

impl HttpDraft {
    fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "virtualhost" => replace(&mut self.virtual_host, cx.string(at)),
            "http_protocol" => self.version(cx, at),
            "fast_recovery" => super::global::flag(cx, at, &mut self.fast_recovery),
            "url" => match url(cx, at) {
                Some(url) => self.urls.push(url),
                None => self.bad_url = true,
            },
            _ => return false,
        }
        true
    }

    fn version(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        self.version = match cx.text(word.span) {
            "1.0" => HttpVersion::Http10,
            "1.0C" | "1.0c" => HttpVersion::Http10Close,
            "1.1" => HttpVersion::Http11,
            other => {
                let message = format!("http_protocol `{other}` is not 1.0, 1.0C or 1.1");
                return cx.bad("bad-value", at, word.span, message);
            }
        };
    }

    fn finish(
        mut self,
        cx: &mut Context<'_>,
        block: Span,
        from: &Inherited<'_>,
        timeout: Duration,
    ) -> HttpProbe {
        for url in &mut self.urls {
            let inherited = self.virtual_host.as_deref().or(from.virtual_host);
            url.virtual_host = url.virtual_host.take().or(inherited.map(str::to_owned));
        }
        self.urls.shrink_to_fit();
        HttpProbe {
            connect: self.connect.finish(cx, block, from, timeout),
            version: self.version,
            urls: self.urls,
            fast_recovery: self.fast_recovery,
        }
    }
}

/// One `url` block; `None` without a path.
fn url(cx: &mut Context<'_>, block: &Statement) -> Option<Url> {
    let tree = cx.tree;
    let id = cx.table.block("virtual_server/real_server/HTTP_GET/url")?;
    let (mut path, mut virtual_host, mut digest, mut status) = (None, None, None, Vec::new());
    for at in tree.children(block) {
        match cx.keyword(id, at).map(|keyword| keyword.name) {
            Some("path") => replace(&mut path, cx.string(at)),
            Some("virtualhost") => replace(&mut virtual_host, cx.string(at)),
            Some("digest") => {
                let value = self::digest(cx, at);
                cx.set_once(at, &mut digest, value);
            }
            Some("status_code") => status_codes(cx, at, &mut status),
            Some(_) | None => {}
        }
    }
    let Some(path) = path else {
        let finding = Diagnostic::error("incomplete-checker", block.raw, "url lacks its path");
        cx.push(finding.label("the server is served without this check"));
        return None;
    };
    if status.is_empty() {
        status.push((200, 299));
    }
    Some(Url { path, virtual_host, digest, status })
}

fn digest(cx: &mut Context<'_>, at: &Statement) -> Option<[u8; 16]> {
    let word = cx.only_argument(at)?;
    let text = cx.text(word.span);
    let digest = value::md5(text);
    if digest.is_none() {
        let message = match text.chars().count() {
            32 => "the digest has characters that are no hexadecimal digits".to_owned(),
            length => format!("the digest has {length} characters; an MD5 digest has 32"),
        };
        let place = cx.place(at);
        cx.push(
            Diagnostic::error("bad-digest", word.span, message)
                .label(place)
                .help("mainstay genhash -s ADDRESS -p PORT -u PATH prints it"),
        );
    }
    digest
}

fn status_codes(cx: &mut Context<'_>, at: &Statement, out: &mut Vec<(u16, u16)>) {
    if cx.argument(at).is_none() {
        return;
    }
    for word in &cx.words(at)[1..] {
        let text = cx.text(word.span);
        match value::code_range(text) {
            Some((first, last)) if 100 <= first && first <= last && last <= 599 => {
                out.push((first, last));
            }
            _ => {
                let message = format!("status_code `{text}` is no code or range within 100-599");
                cx.bad("bad-value", at, word.span, message);
            }
        }
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
