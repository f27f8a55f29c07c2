//! The connection options that most checkers share.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::super::diagnostic::Diagnostic;
use super::super::super::keywords::Keyword;
use super::super::super::source::Span;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::global::replace;
use super::Inherited;
use crate::probe::{Connect, Origin};

#[derive(Debug, Default, Clone)]
pub(in super::super) struct ConnectDraft {
    ip: Option<IpAddr>,
    port: Option<u16>,
    bind_address: Option<(IpAddr, Span)>,
    bind_port: Option<u16>,
    bind_interface: Option<String>,
    fwmark: Option<u32>,
}

impl ConnectDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
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

    /// Fills the gaps from the block around.
    pub fn or(self, outer: &Self) -> Self {
        Self {
            ip: self.ip.or(outer.ip),
            port: self.port.or(outer.port),
            bind_address: self.bind_address.or(outer.bind_address),
            bind_port: self.bind_port.or(outer.bind_port),
            bind_interface: self.bind_interface.or_else(|| outer.bind_interface.clone()),
            fwmark: self.fwmark.or(outer.fwmark),
        }
    }

    pub fn finish(
        self,
        cx: &mut Context<'_>,
        block: Span,
        from: &Inherited<'_>,
        timeout: Duration,
    ) -> Connect {
        let connect = self.finish_without_port(cx, block, from, timeout);
        if connect.target.port() == 0 && !from.in_group {
            let message = format!("{} has no port to connect to", cx.text(block));
            let finding = Diagnostic::error("checker-without-port", block, message);
            cx.push(finding.label("the check always fails").help("connect_port 80"));
        }
        connect
    }

    /// For checkers that have no use for a port.
    pub fn finish_without_port(
        self,
        cx: &mut Context<'_>,
        block: Span,
        from: &Inherited<'_>,
        timeout: Duration,
    ) -> Connect {
        let ip = self.ip.unwrap_or(from.target.ip());
        let target = SocketAddr::new(ip, self.port.unwrap_or(from.target.port()));
        if is_link_local(ip) && self.bind_interface.is_none() {
            let message = format!("{ip} is link-local: without bind_if it cannot be reached");
            let finding = Diagnostic::error("checker-without-interface", block, message);
            cx.push(finding.label("the check always fails").help("bind_if eth0"));
        }
        let origin = Origin {
            address: self.bind_address(cx, ip),
            port: self.bind_port,
            interface: self.bind_interface,
            fwmark: self.fwmark.unwrap_or(0),
        };
        Connect { target, timeout, origin: origin.boxed() }
    }

    fn bind_address(&self, cx: &mut Context<'_>, target: IpAddr) -> Option<IpAddr> {
        let (address, at) = self.bind_address?;
        if address.is_ipv4() == target.is_ipv4() {
            return Some(address);
        }
        let target = match target.is_unspecified() {
            true => "the server".to_owned(),
            false => target.to_string(),
        };
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
