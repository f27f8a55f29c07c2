//! Statements to plan: the blocks of the file, one module each.

mod address;
mod authentication;
mod checker;
mod context;
mod global;
mod group;
mod hmac;
mod instance;
mod instance_finish;
mod instance_transport;
mod normalise;
mod peers;
mod real_server;
mod script;
mod service;
mod sync_group;
mod timing;
mod track_file;
mod tracking;
mod virtual_server;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use super::diagnostic::{Diagnostic, Diagnostics, Effect};
use super::keywords::{Support, TOP};
use super::plan::{Identity, Plan, VirtualServer, VrrpInstance};
use super::source::{SourceMap, Span};
use super::tree::{Statement, Tree};
use crate::ipvs::{Family, Persistence, ServiceKey, SocketKey};
use context::Context;
use global::GlobalDraft;
use group::Group;
use instance::InstanceDraft;
use sync_group::SyncGroupDraft;
use track_file::TrackFiles;

/// What has been understood so far. Instances wait for the end of the file, since what they
/// inherit from `global_defs` and the sync group they are in may come later.
#[derive(Debug, Default)]
pub(super) struct Lowering {
    global: GlobalDraft,
    instances: Vec<InstanceDraft>,
    instance_names: HashMap<String, Span>,
    sync_groups: Vec<SyncGroupDraft>,
    sync_group_names: HashMap<String, Span>,
    tracking: tracking::Definitions,
    virtual_servers: Vec<VirtualServer>,
    /// Where each virtual server was said.
    server_spans: Vec<Span>,
    groups: HashMap<String, Group>,
    track_files: Rc<TrackFiles>,
}

impl Lowering {
    /// Takes one complete top-level statement.
    pub fn statement(&mut self, tree: &Tree, sources: &SourceMap, diagnostics: &mut Diagnostics) {
        let Some(root) = tree.root() else { return };
        let mut cx = Context::new(tree, sources, diagnostics);
        cx.track_files = self.track_files.clone();
        let Some(keyword) = cx.keyword(TOP, root) else { return };
        match keyword.name {
            "global_defs" => self.global.read(&mut cx, root),
            "vrrp_script" => self.tracking.read_script(&mut cx, root),
            "track_file" | "vrrp_track_file" => self.track_file(&mut cx, root, keyword.name),
            "vrrp_instance" => self.vrrp_instance(&mut cx, root),
            "virtual_server_group" => self.group(&mut cx, root),
            "vrrp_sync_group" => self.sync_group(&mut cx, root),
            "virtual_server" => self.virtual_server(&mut cx, root),
            _ => debug_assert!(keyword.support != Support::Supported, "{}", keyword.name),
        }
    }

    fn vrrp_instance(&mut self, cx: &mut Context<'_>, root: &Statement) {
        let Some(draft) = InstanceDraft::read(cx, root) else { return };
        match self.instance_names.get(&draft.name) {
            Some(&first) => cx.push(duplicate(cx.text(draft.at), draft.at, first)),
            None => {
                self.instance_names.insert(draft.name.clone(), draft.at);
                self.instances.push(draft);
            }
        }
    }

    fn track_file(&mut self, cx: &mut Context<'_>, root: &Statement, block: &str) {
        if let Some((name, file)) = self.tracking.read_file(cx, root, block) {
            cx.track_files = Rc::default();
            Rc::make_mut(&mut self.track_files).insert(name, file);
        }
    }

    fn virtual_server(&mut self, cx: &mut Context<'_>, root: &Statement) {
        if let Some(server) = virtual_server::read(cx, root) {
            self.virtual_servers.push(server);
            self.server_spans.push(root.raw);
        }
    }

    fn group(&mut self, cx: &mut Context<'_>, root: &Statement) {
        let Some((name, group)) = group::read(cx, root) else { return };
        match self.groups.entry(name) {
            Entry::Vacant(place) => drop(place.insert(group)),
            Entry::Occupied(first) => {
                let message = format!("group {} is there already", first.key());
                cx.warn("duplicate", root, root.raw, message);
            }
        }
    }

    /// Gives virtual servers of groups their services, and takes out what is served twice.
    fn settled_servers(
        &mut self,
        sources: &SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Vec<VirtualServer> {
        let mut taken: HashMap<ServiceKey, Span> = HashMap::new();
        let servers = std::mem::take(&mut self.virtual_servers);
        let mut settled = Vec::with_capacity(servers.len());
        for (mut server, at) in servers.into_iter().zip(std::mem::take(&mut self.server_spans)) {
            if !self.fill_from_group(&mut server, at, diagnostics) {
                continue;
            }
            let is_new = |key: &ServiceKey| match taken.get(key) {
                Some(&first) => {
                    let name = match &server.group {
                        Some(_) => key.to_string(),
                        None => sources.text(at).to_owned(),
                    };
                    diagnostics.push(duplicate(&name, at, first));
                    false
                }
                None => true,
            };
            let mut keys: Vec<ServiceKey> = server.keys().filter(is_new).collect();
            keys.retain(|key| taken.insert(*key, at).is_none());
            if let Some((first, others)) = keys.split_first() {
                (server.service.key, server.more_keys) = (*first, others.to_vec());
                settled.push(server);
            }
        }
        settled
    }

    /// Whether there is something to serve.
    fn fill_from_group(
        &mut self,
        server: &mut VirtualServer,
        at: Span,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let Some(use_of) = &mut server.group else { return true };
        let ServiceKey::Address { protocol, address } = server.service.key else { return true };
        let Some(group) = self.groups.get_mut(&use_of.name) else {
            let message = format!("there is no virtual_server_group {}", use_of.name);
            let finding = Diagnostic::error("unknown-group", at, message);
            diagnostics.push(finding.label("this service is not served"));
            return false;
        };
        use_of.number = group.users;
        group.users += 1;
        let (keys, note) = group.keys(protocol, Family::of(address.ip), at);
        note.into_iter().for_each(|note| diagnostics.push(note));
        let Some((first, others)) = keys.split_first() else {
            let message = format!("virtual_server_group {} has nothing to serve", use_of.name);
            let finding = Diagnostic::error("empty-group", at, message);
            diagnostics.push(finding.label("this service is not served"));
            return false;
        };
        (server.service.key, server.more_keys) = (*first, others.to_vec());
        let no_port = |key: &ServiceKey| {
            matches!(key, ServiceKey::Address { address: SocketKey { port: 0, .. }, .. })
        };
        if server.service.persistence.is_none() && keys.iter().any(no_port) {
            let prefix_len = if Family::of(address.ip) == Family::Inet { 32 } else { 128 };
            let timeout_s = service::PERSISTENCE_S;
            let message = format!(
                "addresses without a port need persistence: persistence_timeout {timeout_s} is set"
            );
            diagnostics.push(Diagnostic::note("persistence-forced", at, message));
            server.service.persistence = Some(Persistence { timeout_s, prefix_len, engine: None });
        }
        true
    }

    fn sync_group(&mut self, cx: &mut Context<'_>, root: &Statement) {
        let Some(draft) = SyncGroupDraft::read(cx, root) else { return };
        match self.sync_group_names.get(cx.text(root.raw)) {
            Some(&first) => cx.push(duplicate(cx.text(root.raw), root.raw, first)),
            None => {
                self.sync_group_names.insert(cx.text(root.raw).to_owned(), root.raw);
                self.sync_groups.push(draft);
            }
        }
    }

    /// The plan, once the whole file has been read.
    pub fn finish(mut self, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Plan {
        let virtual_servers = self.settled_servers(sources, diagnostics);
        let mut seen: HashMap<Identity, Vec<(usize, Span)>> = HashMap::new();
        let mut vrrp_instances: Vec<VrrpInstance> = Vec::with_capacity(self.instances.len());
        for draft in self.instances {
            let at = draft.at;
            let Some(instance) = draft.finish(&self.global, &self.tracking, sources, diagnostics)
            else {
                continue;
            };
            let identity = instance.identity();
            let (vrid, interface) = (identity.vrid, identity.interface.clone());
            let twins = seen.entry(identity).or_default();
            let alike = |&&(number, _): &&(usize, Span)| {
                !instance.can_be_told_from(&vrrp_instances[number])
            };
            if let Some(&(_, first)) = twins.iter().find(alike) {
                diagnostics.push(duplicate_vrid(vrid, &interface, at, first));
                continue;
            }
            twins.push((vrrp_instances.len(), at));
            vrrp_instances.push(instance);
        }
        let mut taken = HashMap::new();
        let mut sync_groups = Vec::with_capacity(self.sync_groups.len());
        for draft in self.sync_groups {
            sync_groups.extend(draft.finish(
                &mut vrrp_instances,
                &self.instance_names,
                &mut taken,
                &self.tracking,
                diagnostics,
            ));
        }
        let trackers = vrrp_instances.iter().flat_map(|instance: &VrrpInstance| &instance.trackers);
        let (track_scripts, track_files) = self.tracking.finish(trackers);
        Plan {
            global: self.global.finish(),
            vrrp_instances,
            sync_groups,
            track_scripts,
            track_files,
            virtual_servers,
        }
    }
}

fn duplicate(name: &str, at: Span, first: Span) -> Diagnostic {
    Diagnostic::error("duplicate", at, format!("{name} is there already"))
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
