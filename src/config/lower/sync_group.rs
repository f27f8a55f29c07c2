//! `vrrp_sync_group`: instances that change state together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::{NotifyScripts, SyncGroup, Tracker, VrrpInstance};
use super::super::source::Span;
use super::super::tree::Statement;
use super::context::Context;
use super::global::replace;
use super::script;
use super::tracking::{self, Definitions, Kind, TrackDrafts};
use crate::vrrp::Tracked;

/// The instances that can run, and where each name is among them.
pub(super) struct Instances<'i> {
    all: &'i mut [Arc<VrrpInstance>],
    by_name: HashMap<String, usize>,
}

impl<'i> Instances<'i> {
    pub fn new(all: &'i mut [Arc<VrrpInstance>]) -> Self {
        let by_name = all.iter().zip(0..).map(|(each, place)| (each.name.clone(), place)).collect();
        Self { all, by_name }
    }

    fn get(&self, name: &str) -> Option<&VrrpInstance> {
        self.by_name.get(name).map(|place| &*self.all[*place])
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut VrrpInstance> {
        self.by_name.get(name).map(|place| Arc::make_mut(&mut self.all[*place]))
    }
}

/// One block as read; its members may not have been yet.
#[derive(Debug, Default)]
pub(super) struct SyncGroupDraft {
    name: String,
    at: Span,
    members: IndexMap<String, Span>,
    trackers: TrackDrafts,
    /// `sync_group_tracking_weight`: members keep the weights of their own trackers.
    weights: bool,
    notify: NotifyScripts,
    /// `smtp_alert`.
    pub mails: Option<bool>,
    /// `notify_priority_changes`, for its members.
    pub priority_changes: Option<bool>,
}

impl SyncGroupDraft {
    /// `None` for a block without a name.
    pub fn read(cx: &mut Context<'_>, block: &Statement) -> Option<Self> {
        let mut draft = Self { name: cx.string(block)?, at: block.raw, ..Self::default() };
        let tree = cx.tree;
        let id = cx.table.block("vrrp_sync_group")?;
        for at in tree.children(block) {
            let Some(keyword) = cx.keyword(id, at) else { continue };
            match keyword.name {
                "group" => draft.read_members(cx, at),
                "track_interface" => {
                    tracking::read_block(cx, at, Kind::Interface, &mut draft.trackers);
                }
                "track_script" => tracking::read_block(cx, at, Kind::Script, &mut draft.trackers),
                "track_file" => tracking::read_block(cx, at, Kind::File, &mut draft.trackers),
                "track_process" => {
                    tracking::read_block(cx, at, Kind::Process, &mut draft.trackers);
                }
                "track_bfd" => tracking::read_block(cx, at, Kind::Bfd, &mut draft.trackers),
                "smtp_alert" => replace(&mut draft.mails, cx.flag(at)),
                "notify_priority_changes" => replace(&mut draft.priority_changes, cx.flag(at)),
                "sync_group_tracking_weight" | "global_tracking" => draft.weights = true,
                other => draft.script(cx, at, other),
            }
        }
        Some(draft)
    }

    /// The instances it names.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    fn read_members(&mut self, cx: &mut Context<'_>, block: &Statement) {
        let tree = cx.tree;
        for at in tree.children(block) {
            let Some(name) = cx.text_at(at, 0) else { continue };
            if self.members.contains_key(name) {
                cx.warn("duplicate", at, at.raw, format!("{name} is in the group already"));
            } else {
                self.members.insert(name.to_owned(), at.raw);
            }
        }
    }

    fn script(&mut self, cx: &mut Context<'_>, at: &Statement, name: &str) {
        let slot = match name {
            "notify" => &mut self.notify.any,
            "notify_master" => &mut self.notify.master,
            "notify_backup" => &mut self.notify.backup,
            "notify_fault" => &mut self.notify.fault,
            "notify_stop" => &mut self.notify.stop,
            other => return debug_assert!(false, "no arm for {other}"),
        };
        let script = script::read(cx, at);
        cx.set_once(at, slot, script.map(Box::new));
    }

    /// Ties its members together; `None` when there are none. `taken` has the members of the
    /// groups before.
    pub fn finish(
        self,
        instances: &mut Instances<'_>,
        all_names: &HashMap<String, Span>,
        taken: &mut HashMap<String, Span>,
        definitions: &Definitions,
        diagnostics: &mut Diagnostics,
    ) -> Option<SyncGroup> {
        let mut members = Vec::with_capacity(self.members.len());
        for (name, at) in &self.members {
            if let Some(&first) = taken.get(name) {
                let message = format!("vrrp_instance {name} is in another sync group already");
                let finding = Diagnostic::error("two-sync-groups", *at, message);
                diagnostics.push(finding.label("it stays in the first one").also(first, "here"));
            } else if all_names.contains_key(name) {
                taken.insert(name.clone(), *at);
                members.push(name.clone());
            } else {
                let message = format!("there is no vrrp_instance {name}");
                let finding = Diagnostic::error("unknown-instance", *at, message);
                diagnostics.push(finding.label("the group goes without it"));
            }
        }
        self.complain_of_size(members.len(), diagnostics);
        let group = self.trackers(definitions, diagnostics);
        let starts_active =
            |name: &String| instances.get(name).is_some_and(|each| each.router.starts_active);
        let all_start_active = members.iter().all(starts_active);
        // Members that are refused take the whole plan with them.
        members.retain(|name| instances.get(name).is_some());
        for name in &members {
            let Some(instance) = instances.get_mut(name) else { continue };
            instance.router.in_sync_group = true;
            // One alone must not run ahead of the others.
            instance.router.starts_active &= all_start_active;
            if !self.weights {
                self.without_weights(instance, diagnostics);
            }
            let known: HashSet<_> =
                instance.trackers.iter().map(|each| each.what.clone()).collect();
            let own = Tracked::Interface(instance.interface.as_str().into());
            let new = |each: &&Tracker| !known.contains(&each.what) && each.what != own;
            instance.trackers.extend(group.iter().filter(new).cloned());
        }
        (!members.is_empty()).then_some(SyncGroup { name: self.name, members, notify: self.notify })
    }

    fn complain_of_size(&self, members: usize, diagnostics: &mut Diagnostics) {
        let (name, at) = (&self.name, self.at);
        match members {
            0 => diagnostics.push(
                Diagnostic::error("empty-sync-group", at, format!("sync group {name} is empty"))
                    .label("it is left out"),
            ),
            1 => diagnostics.push(Diagnostic::warning(
                "single-sync-group",
                at,
                format!("sync group {name} has one member only: there is nothing to keep in step"),
            )),
            _ => {}
        }
    }

    fn trackers(&self, definitions: &Definitions, diagnostics: &mut Diagnostics) -> Vec<Tracker> {
        definitions.resolve(&self.trackers, "", &mut |finding| diagnostics.push(finding))
    }

    /// Members whose priorities drift apart pull their group to pieces, so their own weighted
    /// scripts are not tracked, and their interfaces and files only for FAULT.
    fn without_weights(&self, instance: &mut VrrpInstance, diagnostics: &mut Diagnostics) {
        let before = instance.trackers.clone();
        instance.trackers.retain_mut(|tracker| match tracker.what {
            Tracked::Script(_) | Tracked::Process(_) | Tracked::Bfd(_) => tracker.weight == 0,
            Tracked::Interface(_) => {
                tracker.weight = 0;
                true
            }
            Tracked::File(_) => {
                let is_default = tracker.weight == 1;
                if is_default {
                    tracker.weight = 0;
                }
                tracker.weight == 0
            }
        });
        if instance.trackers != before {
            let message = format!(
                "vrrp_instance {} in sync group {}: the weights of its own trackers do not count",
                instance.name, self.name
            );
            diagnostics.push(
                Diagnostic::warning("weights-in-sync-group", self.at, message)
                    .help("sync_group_tracking_weight, or track in the group"),
            );
        }
    }
}
