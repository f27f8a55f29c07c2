//! One attempt at one server, one result.
//!
//! The future of [`run`] owns its socket or its script; dropped, it ends them. It is bounded in time
//! and memory whatever the other side does.

pub mod bfd;
mod bounds;
mod connect;
pub mod dns;
pub mod fetch;
pub mod file;
#[cfg(test)]
mod fixtures;
pub mod grpc;
pub mod http;
pub mod http2;
mod misc;
pub mod pattern;
pub mod ping;
pub mod response;
pub mod smtp;
pub mod tls;
pub mod udp;
pub mod wishes;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use bfd::BfdProbe;
pub use connect::{ConnectError, open};
pub use pattern::Pattern;
pub use tls::{Identity, Verify};
pub use wishes::Wishes;

use crate::check::Outcome;
use crate::config::plan::Script;
use crate::notify::ScriptRules;
use tls::{Session, Verified};

/// What a checker tries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Probe {
    Tcp(Connect),
    Http(HttpProbe),
    Ping(Connect),
    // In boxes, so that 100,000 of those above stay small.
    Misc(Box<MiscProbe>),
    Smtp(Box<SmtpProbe>),
    Dns(Box<DnsProbe>),
    Udp(Box<UdpProbe>),
    Grpc(Box<GrpcProbe>),
    /// Watched, never tried.
    File(FileProbe),
    /// Likewise.
    Bfd(BfdProbe),
}

/// How a checker reaches its target (keepalived.conf(5), connection options).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Connect {
    /// `connect_ip` and `connect_port`, else the real server's.
    pub target: SocketAddr,
    /// `connect_timeout`.
    pub timeout: Duration,
    /// How its packets leave, if anything is said of that.
    pub origin: Option<Box<Origin>>,
}

/// Where a checker's packets come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `bindto`, `bind_port`.
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    /// `bind_if`: SO_BINDTODEVICE.
    pub interface: Option<String>,
    /// `fwmark`: SO_MARK; 0: none.
    pub fwmark: u32,
}

impl Origin {
    /// `None` if nothing is said.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// `HTTP_GET` and `SSL_GET`: each url is tried in turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpProbe {
    pub connect: Connect,
    /// Most checkers of a virtual server have them in common.
    pub pages: Arc<Pages>,
}

/// What an `HTTP_GET` or `SSL_GET` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pages {
    pub version: HttpVersion,
    /// At least one.
    pub urls: Vec<Url>,
    /// `fast_recovery`: no pause between urls while coming up.
    pub fast_recovery: bool,
    /// SSL_GET; `None`: HTTP_GET.
    pub tls: Option<Box<Tls>>,
}

/// What is particular to `SSL_GET`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// `enable_sni`: the virtual host is told to the server already in the handshake.
    pub sni: bool,
    /// `sni_name`: what is told instead.
    pub sni_name: Option<String>,
    /// `tls_compliant`: close_notify is sent.
    pub compliant: bool,
    /// `tls_verify`, `tls_ca`, `tls_name`; `None`: any certificate will do.
    pub verify: Option<Verify>,
    /// The block `SSL`: who we are, for servers that ask.
    pub identity: Option<Arc<Identity>>,
}

impl Tls {
    /// The session for a page of `virtual_host`.
    pub fn session<'a>(&'a self, virtual_host: Option<&'a str>) -> Session<'a> {
        let verified = self.verify.as_ref().and_then(|verify| verify.name.as_deref());
        Session {
            name: self.sni_name.as_deref().or(verified).or(virtual_host).filter(|_| self.sni),
            verify: self.verify.as_ref().map(|verify| Verified {
                ca: verify.ca.as_deref(),
                name: verified.or(self.sni_name.as_deref()).or(virtual_host),
            }),
            identity: self.identity.as_ref(),
            http2: false,
        }
    }
}

/// `http_protocol`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    #[default]
    Http10,
    /// 1.0 with `Connection: close`.
    Http10Close,
    Http11,
    /// HTTP/2, without TLS from the first octet on; ours.
    Http2,
}

/// One `url` block.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    pub path: String,
    /// `virtualhost` of url, checker, real server or virtual server, in that order;
    /// `None`: `ADDRESS:PORT` of the connection.
    pub virtual_host: Option<String>,
    /// `digest`: MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// `status_code`: inclusive ranges within 100–599; 200–299 by default.
    pub status: Vec<(u16, u16)>,
    /// `tls_compliant` of this url alone.
    pub tls_compliant: bool,
    /// `regex` and what belongs to it.
    pub pattern: Option<Pattern>,
    /// What keepalived does not know.
    pub wishes: Option<Box<Wishes>>,
}

/// `MISC_CHECK`: a script's exit status.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MiscProbe {
    pub script: Script,
    /// `misc_timeout`, else the virtual server's `delay_loop`.
    pub timeout: Duration,
    /// `misc_dynamic`: exit status 2–255 sets the weight to status − 2.
    pub dynamic: bool,
}

/// `SMTP_CHECK`: greeting, HELO, QUIT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SmtpProbe {
    pub connect: Connect,
    /// `helo_name`.
    pub helo: String,
}

/// `DNS_CHECK`: one question by UDP.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsProbe {
    pub connect: Connect,
    /// `name`, the root by default.
    pub name: dns::Name,
    /// `type`, SOA by default.
    pub record: dns::Record,
}

/// `GRPC_CHECK`, ours: grpc.health.v1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GrpcProbe {
    pub connect: Connect,
    /// `service`; empty: the server as a whole.
    pub service: String,
    /// `virtualhost`; `None`: `ADDRESS:PORT` of the connection.
    pub authority: Option<String>,
    /// `tls` and what asks for it.
    pub tls: Option<Box<Tls>>,
}

/// `UDP_CHECK`: one datagram, and what comes back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UdpProbe {
    pub connect: Connect,
    pub payload: Vec<u8>,
    /// `require_reply`; `None`: silence is fine.
    pub expect: Option<udp::Expectation>,
}

/// `FILE_CHECK`: a number in a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileProbe {
    pub path: PathBuf,
    /// What the number is multiplied by, to be added to the server's weight; 0: any number but 0
    /// takes the server out.
    pub weight: i32,
    /// `reverse`: the sign is turned round; with weight 0, the number 0 takes the server out.
    pub reverse: bool,
}

impl Probe {
    /// Whether an attempt does next to nothing but wait for the network: no handshake, no child process.
    pub fn only_waits(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Dns(_) | Self::Udp(_) | Self::Ping(_) | Self::Smtp(_) => true,
            Self::Http(http) => http.pages.tls.is_none(),
            Self::Grpc(_) | Self::Misc(_) | Self::File(_) | Self::Bfd(_) => false,
        }
    }

    /// The checker's name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP_CHECK",
            Self::Http(http) if http.pages.tls.is_some() => "SSL_GET",
            Self::Http(_) => "HTTP_GET",
            Self::Misc(_) => "MISC_CHECK",
            Self::Smtp(_) => "SMTP_CHECK",
            Self::Dns(_) => "DNS_CHECK",
            Self::Udp(_) => "UDP_CHECK",
            Self::Ping(_) => "PING_CHECK",
            Self::Grpc(_) => "GRPC_CHECK",
            Self::File(_) => "FILE_CHECK",
            Self::Bfd(_) => "BFD_CHECK",
        }
    }

    /// How it reaches a server; `None`: it does not, or how is its own business.
    pub fn connect(&self) -> Option<&Connect> {
        match self {
            Self::Tcp(connect) | Self::Ping(connect) => Some(connect),
            Self::Http(http) => Some(&http.connect),
            Self::Smtp(smtp) => Some(&smtp.connect),
            Self::Dns(dns) => Some(&dns.connect),
            Self::Udp(udp) => Some(&udp.connect),
            Self::Grpc(grpc) => Some(&grpc.connect),
            Self::Misc(_) | Self::File(_) | Self::Bfd(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn connect_mut(&mut self) -> Option<&mut Connect> {
        match self {
            Self::Tcp(connect) | Self::Ping(connect) => Some(connect),
            Self::Http(http) => Some(&mut http.connect),
            Self::Smtp(smtp) => Some(&mut smtp.connect),
            Self::Dns(dns) => Some(&mut dns.connect),
            Self::Udp(udp) => Some(&mut udp.connect),
            Self::Grpc(grpc) => Some(&mut grpc.connect),
            Self::Misc(_) | Self::File(_) | Self::Bfd(_) => None,
        }
    }

    /// How many targets attempts go through in turn: the urls of HTTP_GET, else 1.
    pub fn targets(&self) -> usize {
        match self {
            Self::Http(http) => http.pages.urls.len(),
            _ => 1,
        }
    }
}

/// Makes one attempt at `target` (index of the url; ignored by other probes). `rules` are for MISC_CHECK.
///
/// Ends within `connect_timeout` (TCP_CHECK, DNS_CHECK, UDP_CHECK, PING_CHECK), [`http::ATTEMPT_SPAN`] times it
/// (HTTP_GET, SMTP_CHECK, GRPC_CHECK), or the script's timeout and 2 s (MISC_CHECK).
pub async fn run(probe: &Probe, target: usize, rules: &ScriptRules) -> Outcome {
    match probe {
        Probe::Tcp(connect) => match open(connect).await {
            Ok(_stream) => Outcome::Success,
            Err(error) => error.into(),
        },
        // In boxes of their own, so that those of the others stay small: thousands wait at a time.
        Probe::Http(http) => Box::pin(http::attempt(http, target)).await,
        Probe::Misc(misc) => misc::attempt(misc, rules).await,
        Probe::Smtp(smtp) => smtp::attempt(smtp).await,
        Probe::Dns(dns) => dns::attempt(dns).await,
        Probe::Udp(udp) => udp::attempt(udp).await,
        Probe::Ping(connect) => ping::attempt(connect).await,
        Probe::Grpc(grpc) => Box::pin(grpc::attempt(grpc)).await,
        Probe::File(_) | Probe::Bfd(_) => Outcome::NotTried("it is watched, not tried".to_owned()),
    }
}
