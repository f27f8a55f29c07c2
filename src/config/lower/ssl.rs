//! The block `SSL`: what all SSL_GET checks have in common.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::diagnostic::Diagnostic;
use super::super::plan::{RealServer, VirtualServer};
use super::super::tree::Statement;
use super::alike::Alike;
use super::checker::certificate_path;
use super::context::Context;
use super::global::replace;
use crate::probe::{Identity, Pages, Probe, Tls};

/// The last block counts, as in keepalived.
#[derive(Debug, Default)]
pub(super) struct SslDraft {
    seen: bool,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    password: Option<String>,
    ca: Option<PathBuf>,
}

impl SslDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, block: &Statement) {
        if std::mem::take(self).seen {
            cx.warn("duplicate", block, block.raw, "SSL is there already; the last one counts");
        }
        self.seen = true;
        let Some(id) = cx.table.block("SSL") else { return };
        let tree = cx.tree;
        for at in tree.children(block) {
            let Some(keyword) = cx.keyword(id, at) else { continue };
            match keyword.name {
                "certificate" => replace(&mut self.certificate, certificate_path(cx, at)),
                "key" => replace(&mut self.key, certificate_path(cx, at)),
                "password" => replace(&mut self.password, cx.string(at)),
                "ca" => replace(&mut self.ca, certificate_path(cx, at)),
                name => debug_assert!(false, "no arm for {name}"),
            }
        }
        if self.certificate.is_none() && (self.key.is_some() || self.password.is_some()) {
            let message = "SSL has a key and no certificate";
            let finding = Diagnostic::error("incomplete-ssl", block.raw, message);
            let finding = finding.label("SSL_GET checks present no certificate");
            cx.push(finding.help("certificate /etc/keepalived/client.pem"));
        }
    }

    /// Gives all SSL_GET checks what was said here.
    pub fn settle(self, servers: &mut [Arc<VirtualServer>]) {
        let (key, password) = (self.key, self.password);
        let identity = self.certificate.map(|path| Arc::new(Identity::new(path, key, password)));
        if identity.is_none() && self.ca.is_none() {
            return;
        }
        let settle = |tls: &mut Tls| {
            tls.identity.clone_from(&identity);
            // keepalived verifies nothing, whatever `ca` says: so do we, unless tls_verify asks.
            if let Some(verify) = &mut tls.verify {
                verify.ca = verify.ca.take().or_else(|| self.ca.clone());
            }
        };
        let mut alike = Alike::default();
        let speaking =
            servers.iter_mut().filter(|server| server.real_servers.iter().any(speaks_tls));
        for probe in speaking.map(VirtualServer::alter).flat_map(probes) {
            match probe {
                Probe::Http(http) if http.pages.tls.is_some() => {
                    let mut pages = Pages::clone(&http.pages);
                    pages.tls.as_deref_mut().map(settle);
                    http.pages = alike.share(pages);
                }
                Probe::Grpc(grpc) => drop(grpc.tls.as_deref_mut().map(settle)),
                _ => {}
            }
        }
    }
}

fn speaks_tls(server: &RealServer) -> bool {
    server.checkers.iter().any(|checker| match &checker.probe {
        Probe::Http(http) => http.pages.tls.is_some(),
        Probe::Grpc(grpc) => grpc.tls.is_some(),
        _ => false,
    })
}

fn probes(server: &mut VirtualServer) -> impl Iterator<Item = &mut Probe> {
    let checkers = server.real_servers.iter_mut().flat_map(|real| &mut real.checkers);
    checkers.map(|checker| &mut checker.probe)
}
