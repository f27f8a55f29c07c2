//! `host` blocks of SMTP_CHECK, the old way to name several targets: each is a checker of its own.

use super::super::super::diagnostic::Diagnostic;
use super::super::super::source::Span;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::timing::TimingDraft;
use super::connect::ConnectDraft;

/// One `host` block. What it does not say, its SMTP_CHECK does.
#[derive(Debug)]
pub(super) struct HostDraft {
    pub at: Span,
    pub timing: TimingDraft,
    pub connect: ConnectDraft,
}

impl HostDraft {
    pub fn read(cx: &mut Context<'_>, block: &Statement) -> Option<Self> {
        let at = cx.keyword_span(block);
        let message = "`host` is the old way to name a target";
        cx.push(
            Diagnostic::note("deprecated", at, message)
                .label("a checker of its own")
                .help("one SMTP_CHECK for each, with connect_ip and connect_port"),
        );
        let id = cx.inside(block)?;
        let mut draft = Self {
            at: block.raw,
            timing: TimingDraft::default(),
            connect: ConnectDraft::default(),
        };
        let tree = cx.tree;
        for at in tree.children(block) {
            if let Some(keyword) = cx.keyword(id, at)
                && !draft.timing.read(cx, at, keyword)
            {
                draft.connect.read(cx, at, keyword);
            }
        }
        Some(draft)
    }
}
