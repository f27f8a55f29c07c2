//! BFD_CHECK: which session says how the server is.

use std::sync::Arc;

use super::super::super::diagnostic::Diagnostic;
use super::super::super::keywords::Keyword;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::global::replace;
use crate::probe::BfdProbe;

#[derive(Debug, Default)]
pub(super) struct BfdDraft {
    pub session: Option<Arc<str>>,
    /// The session was named, but there is no such.
    pub bad_session: bool,
}

impl BfdDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "name" => {
                replace(&mut self.session, named(cx, at));
                self.bad_session = self.session.is_none();
            }
            _ => return false,
        }
        true
    }

    pub fn is_complete(&self) -> bool {
        self.session.is_some()
    }

    /// Only for complete ones.
    pub fn finish(self) -> BfdProbe {
        BfdProbe { session: self.session.unwrap_or_default() }
    }
}

/// The bfd_instance of that name, which must have been defined before.
fn named(cx: &mut Context<'_>, at: &Statement) -> Option<Arc<str>> {
    let word = cx.argument(at)?;
    let name = cx.text(word.span);
    let finding = if cx.words(at).len() > 2 {
        let message = "a BFD_CHECK follows one bfd_instance: give it one name".to_owned();
        Diagnostic::error("bad-value", at.raw, message).help("another BFD_CHECK for another one")
    } else {
        match cx.bfd_sessions.get(name) {
            Some(true) => return Some(Arc::from(name)),
            Some(false) => {
                let message =
                    format!("bfd_instance `{name}` says `vrrp`: checkers do not hear of it");
                Diagnostic::error("unknown-bfd", word.span, message)
                    .help(format!("say `checker` in bfd_instance {name}, too"))
            }
            None => {
                let message = format!("there is no bfd_instance `{name}` above");
                Diagnostic::error("unknown-bfd", word.span, message)
                    .help(format!("bfd_instance {name} {{ neighbor_ip ADDRESS }}"))
            }
        }
    };
    cx.push(finding.label("the server is served without this check"));
    None
}
