//! GRPC_CHECK.

use super::super::super::keywords::Keyword;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::global::replace;
use super::super::script;
use super::connect::ConnectDraft;
use super::tls::TlsDraft;
use crate::probe::{Connect, GrpcProbe};

/// Longest name of a service that is asked for.
const LONGEST: usize = 512;

#[derive(Debug, Default)]
pub(super) struct GrpcDraft {
    pub connect: ConnectDraft,
    pub settings: GrpcSettings,
}

#[derive(Debug, Default)]
pub(super) struct GrpcSettings {
    service: Option<String>,
    virtual_host: Option<String>,
    /// `tls`; the other keywords about TLS ask for it as well.
    tls: Option<bool>,
    session: TlsDraft,
}

impl GrpcSettings {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "service" => replace(&mut self.service, service(cx, at)),
            "virtualhost" => replace(&mut self.virtual_host, cx.string(at)),
            "tls" => replace(&mut self.tls, cx.flag(at)),
            name => return self.session.read(cx, at, name),
        }
        true
    }

    pub fn finish(
        self,
        cx: &mut Context<'_>,
        connect: Connect,
        inherited: Option<&str>,
    ) -> GrpcProbe {
        let tls = self.tls.unwrap_or(self.session.was_asked());
        let session = self.session.finish(cx);
        GrpcProbe {
            connect,
            service: self.service.unwrap_or_default(),
            authority: self.virtual_host.or(inherited.map(str::to_owned)),
            tls: tls.then(|| Box::new(session)),
        }
    }
}

fn service(cx: &mut Context<'_>, at: &Statement) -> Option<String> {
    let name = script::read_word(cx, at)?;
    if name.len() > LONGEST {
        let message = format!("the name of a service has at most {LONGEST} octets");
        cx.bad("bad-value", at, at.raw, message);
        return None;
    }
    Some(name)
}
