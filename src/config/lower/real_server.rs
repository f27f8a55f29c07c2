//! `real_server`, as read: what it inherits is not filled in yet.

use std::collections::HashSet;
use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::keywords::Keyword;
use super::super::plan::Script;
use super::super::source::Span;
use super::super::tree::Statement;
use super::checker::CheckerDraft;
use super::context::Context;
use super::global::replace;
use super::host_name::{self, Place};
use super::timing::TimingDraft;
use super::{script, service};
use crate::ipvs::{Family, Forward};

#[derive(Debug)]
pub(super) struct RealServerDraft {
    pub at: Span,
    pub place: Place,
    /// `None`: the service's.
    pub port: Option<u16>,
    pub weight: Option<u32>,
    pub forward: Option<Forward>,
    pub upper_threshold: Option<u32>,
    pub lower_threshold: Option<u32>,
    pub inhibit_on_failure: Option<bool>,
    pub slow_start: Option<Duration>,
    /// `smtp_alert`.
    pub mails: Option<bool>,
    /// Boxed, as `notify_down`: drafts are moved, and hardly one has any.
    pub notify_up: Option<Box<Script>>,
    pub notify_down: Option<Box<Script>>,
    pub timing: TimingDraft,
    pub virtual_host: Option<String>,
    /// `resolve_family`.
    pub family: Option<Family>,
    /// `resolve_interval`.
    pub interval: Option<Duration>,
    pub checkers: Vec<CheckerDraft>,
    /// The `bfd_instance`s that checkers of it follow.
    sessions: HashSet<String>,
}

impl RealServerDraft {
    /// `None` without a usable address, which has been reported.
    pub fn read(cx: &mut Context<'_>, block: &Statement) -> Option<Self> {
        let (place, port) = service::endpoint(cx, block, host_name::read)?;
        let mut draft = Self {
            at: block.raw,
            place,
            port,
            weight: None,
            forward: None,
            upper_threshold: None,
            lower_threshold: None,
            inhibit_on_failure: None,
            slow_start: None,
            mails: None,
            notify_up: None,
            notify_down: None,
            timing: TimingDraft::default(),
            virtual_host: None,
            family: None,
            interval: None,
            checkers: Vec::new(),
            sessions: HashSet::new(),
        };
        let tree = cx.tree;
        let id = cx.inside(block)?;
        for at in tree.children(block) {
            if let Some(keyword) = cx.keyword(id, at)
                && !draft.timing.read(cx, at, keyword)
            {
                draft.keyword(cx, at, keyword);
            }
        }
        Some(draft)
    }

    fn keyword(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
        match keyword.name {
            "weight" => replace(&mut self.weight, cx.number(at, keyword)),
            "lvs_method" => replace(&mut self.forward, service::forwarding(cx, at)),
            "uthreshold" => replace(&mut self.upper_threshold, cx.number(at, keyword)),
            "lthreshold" => replace(&mut self.lower_threshold, cx.number(at, keyword)),
            "slow_start" => replace(&mut self.slow_start, cx.duration(at, keyword)),
            "inhibit_on_failure" => replace(&mut self.inhibit_on_failure, cx.flag(at)),
            "smtp_alert" => replace(&mut self.mails, cx.flag(at)),
            "notify_up" => {
                let script = script::read(cx, at).map(Box::new);
                cx.set_once(at, &mut self.notify_up, script);
            }
            "notify_down" => {
                let script = script::read(cx, at).map(Box::new);
                cx.set_once(at, &mut self.notify_down, script);
            }
            "virtualhost" => replace(&mut self.virtual_host, cx.string(at)),
            "resolve_family" | "resolve_interval" if matches!(self.place, Place::Address(_)) => {
                let message = format!("`{}` is for a server given by name", keyword.name);
                let finding = Diagnostic::note("no-effect", at.raw, message);
                cx.push(finding.label("this one has its address"));
            }
            "resolve_family" => replace(&mut self.family, service::family(cx, at)),
            "resolve_interval" => replace(&mut self.interval, cx.duration(at, keyword)),
            checker => {
                if let Some(draft) = CheckerDraft::read(cx, at, checker) {
                    self.add_checker(cx, at, draft);
                }
            }
        }
    }

    /// A session counts once for each server.
    fn add_checker(&mut self, cx: &mut Context<'_>, at: &Statement, draft: CheckerDraft) {
        let session = draft.session().map(str::to_owned);
        if session.is_some_and(|session| !self.sessions.insert(session)) {
            let message = "this server follows the same bfd_instance already".to_owned();
            return cx.warn("duplicate", at, at.raw, message);
        }
        self.checkers.extend(draft.split());
    }
}
