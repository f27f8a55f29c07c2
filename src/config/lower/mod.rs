//! Statements to plan: the blocks of the file, one module each.

mod address;
mod authentication;
mod checker;
mod context;
mod global;
mod instance;
mod instance_finish;
mod normalise;
mod real_server;
mod script;
mod service;
mod timing;
mod virtual_server;

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Diagnostics, Effect};
use super::keywords::{Support, TOP};
use super::plan::{Plan, VirtualServer};
use super::source::{SourceMap, Span};
use super::tree::{Statement, Tree};
use crate::ipvs::ServiceKey;
use context::Context;
use global::GlobalDraft;
use instance::InstanceDraft;

/// What has been understood so far. Instances wait for the end of the file, since what they
/// inherit from `global_defs` and the sync group they are in may come later.
#[derive(Debug, Default)]
pub(super) struct Lowering {
    global: GlobalDraft,
    instances: Vec<InstanceDraft>,
    instance_names: HashMap<String, Span>,
    /// Instance names by the sync group that claims them, with where it does so.
    sync_members: HashMap<String, Span>,
    virtual_servers: Vec<VirtualServer>,
    services: HashMap<ServiceKey, Span>,
}

impl Lowering {
    /// Takes one complete top-level statement.
    pub fn statement(&mut self, tree: &Tree, sources: &SourceMap, diagnostics: &mut Diagnostics) {
        let Some(root) = tree.root() else { return };
        let mut cx = Context::new(tree, sources, diagnostics);
        if cx.text_at(root, 0) == Some("vrrp_sync_group") {
            self.sync_group(&mut cx, root);
        }
        let Some(keyword) = cx.keyword(TOP, root) else { return };
        match keyword.name {
            "global_defs" => self.global.read(&mut cx, root),
            "vrrp_instance" => self.vrrp_instance(&mut cx, root),
            "virtual_server" => self.virtual_server(&mut cx, root),
            _ => debug_assert!(keyword.support != Support::Supported, "{}", keyword.name),
        }
    }

    fn vrrp_instance(&mut self, cx: &mut Context<'_>, root: &Statement) {
        let Some(draft) = InstanceDraft::read(cx, root) else { return };
        match self.instance_names.get(&draft.name) {
            Some(&first) => cx.push(duplicate("vrrp_instance", &draft.name, draft.at, first)),
            None => {
                self.instance_names.insert(draft.name.clone(), draft.at);
                self.instances.push(draft);
            }
        }
    }

    fn virtual_server(&mut self, cx: &mut Context<'_>, root: &Statement) {
        let Some(server) = virtual_server::read(cx, root) else { return };
        match self.services.get(&server.service.key) {
            Some(&first) => {
                let name = cx.text(root.raw).to_owned();
                cx.push(duplicate("service", &name, root.raw, first));
            }
            None => {
                self.services.insert(server.service.key, root.raw);
                self.virtual_servers.push(server);
            }
        }
    }

    /// Remembers the members of a group of more than one. A group of one is no group.
    fn sync_group(&mut self, cx: &mut Context<'_>, root: &Statement) {
        let tree = cx.tree;
        let groups = tree.children(root).filter(|s| cx.text_at(s, 0) == Some("group"));
        let members: Vec<_> = groups.flat_map(|group| tree.children(group)).collect();
        if members.len() < 2 {
            return;
        }
        for member in members {
            let name = cx.text_at(member, 0).unwrap_or_default().to_owned();
            self.sync_members.insert(name, member.raw);
        }
    }

    /// The plan, once the whole file has been read.
    pub fn finish(self, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Plan {
        let mut seen = HashMap::new();
        let mut vrrp_instances = Vec::with_capacity(self.instances.len());
        for draft in self.instances {
            let group = self.sync_members.get(&draft.name).copied();
            let at = draft.at;
            let Some(instance) = draft.finish(&self.global, group, sources, diagnostics) else {
                continue;
            };
            let (vrid, interface) = instance.identity();
            if let Some(&first) = seen.get(&(vrid, interface.to_owned())) {
                diagnostics.push(duplicate_vrid(vrid, interface, at, first));
                continue;
            }
            seen.insert((vrid, interface.to_owned()), at);
            vrrp_instances.push(instance);
        }
        Plan { global: self.global.finish(), vrrp_instances, virtual_servers: self.virtual_servers }
    }
}

fn duplicate(what: &str, name: &str, at: Span, first: Span) -> Diagnostic {
    Diagnostic::error("duplicate", at, format!("{what} `{name}` is there already"))
        .label("this one is left out")
        .also(first, "first one")
}

fn duplicate_vrid(vrid: u8, interface: &str, at: Span, first: Span) -> Diagnostic {
    let message = format!("virtual_router_id {vrid} is used twice on {interface}");
    Diagnostic::error("duplicate-vrid", at, message)
        .label("this one cannot run")
        .also(first, "first one")
        .help("give each virtual router of an interface its own virtual_router_id")
        .effect(Effect::Refuses)
}
