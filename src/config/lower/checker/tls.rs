//! What only SSL_GET knows: names, and whether certificates are looked at.

use std::path::PathBuf;

use super::super::super::diagnostic::Diagnostic;
use super::super::super::source::Span;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::global::{flag, replace};
use crate::probe::{Tls, Verify};

#[derive(Debug, Default)]
pub(super) struct TlsDraft {
    sni: Option<bool>,
    sni_name: Option<String>,
    compliant: bool,
    /// `tls_verify`; the other two ask for it as well.
    verify: Option<(bool, Span)>,
    ca: Option<PathBuf>,
    name: Option<String>,
}

impl TlsDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, name: &str) -> bool {
        match name {
            "enable_sni" => replace(&mut self.sni, cx.flag(at)),
            "sni_name" => {
                self.sni = Some(true);
                if cx.words(at).len() > 1 {
                    replace(&mut self.sni_name, cx.string(at));
                }
            }
            "tls_compliant" => flag(cx, at, &mut self.compliant),
            "tls_verify" => {
                let value = cx.flag(at);
                replace(&mut self.verify, value.map(|value| (value, at.raw)));
            }
            "tls_ca" => replace(&mut self.ca, path(cx, at)),
            "tls_name" => replace(&mut self.name, certificate_name(cx, at)),
            _ => return false,
        }
        true
    }

    /// Whether anything was said.
    pub fn was_asked(&self) -> bool {
        let names = self.sni_name.is_some() || self.ca.is_some() || self.name.is_some();
        names || self.sni == Some(true) || matches!(self.verify, Some((true, _)))
    }

    pub fn finish(self, cx: &mut Context<'_>) -> Tls {
        let asked = self.ca.is_some() || self.name.is_some();
        let verifies = match self.verify {
            Some((false, at)) if asked => {
                let message = "tls_ca and tls_name have no effect with tls_verify off";
                cx.push(Diagnostic::warning("no-effect", at, message).label("nothing is verified"));
                false
            }
            Some((verify, _)) => verify,
            None => asked,
        };
        Tls {
            // Servers with several certificates show the one for the name they are told.
            sni: self.sni.unwrap_or(verifies),
            sni_name: self.sni_name,
            compliant: self.compliant,
            verify: verifies.then_some(Verify { ca: self.ca, name: self.name }),
            identity: None,
        }
    }
}

/// The file of a certificate or a key: an absolute path, since a daemon's own directory is `/`.
pub(in super::super) fn path(cx: &mut Context<'_>, at: &Statement) -> Option<PathBuf> {
    let path = cx.string(at)?;
    if path.starts_with('/') {
        return Some(path.into());
    }
    let place = cx.place(at);
    let message = format!("`{path}` is no absolute path");
    let finding = Diagnostic::error("bad-value", at.raw, message).label(place);
    cx.push(finding.help(format!("/etc/keepalived/{path}")));
    None
}

fn certificate_name(cx: &mut Context<'_>, at: &Statement) -> Option<String> {
    let word = cx.only_argument(at)?;
    let text = cx.text(word.span);
    if rustls::pki_types::ServerName::try_from(text).is_ok() {
        return Some(text.to_owned());
    }
    cx.bad("bad-value", at, word.span, format!("`{text}` is neither a host name nor an address"));
    None
}
