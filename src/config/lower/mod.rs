//! Statements to plan: the blocks of the file, one module each.

mod address;
mod alike;
mod authentication;
mod bfd;
mod checker;
mod context;
mod daemon;
mod global;
mod group;
mod hmac;
mod host_name;
mod instance;
mod instance_finish;
mod instance_transport;
mod line;
mod link;
mod links;
mod marks;
mod names;
mod normalise;
mod notify;
mod parameter;
mod peers;
mod process;
mod real_server;
mod route;
mod route_metric;
mod rule;
mod script;
mod service;
mod ssl;
mod statics;
mod strict;
mod sync_daemon;
mod sync_group;
mod taken;
mod timing;
mod track_file;
mod track_process;
mod tracking;
mod twins;
mod virtual_server;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, Effect};
use super::keywords::{Support, TOP};
use super::plan::{Gaps, Identity, Plan, SyncGroup, VirtualServer, VrrpInstance};
use super::preprocess::Reader;
use super::source::{SourceMap, Span};
use super::tree::{Statement, Tree};
use super::unchanged::{Block, Running};
use crate::ipvs::{Family, Persistence, ServiceKey, SocketKey};
use context::Context;
use global::GlobalDraft;
use group::Group;
use instance::InstanceDraft;
use link::LinkNames;
use marks::give_marks;
use names::Names;
use rule::Priorities;
use ssl::SslDraft;
use statics::StaticDraft;
use sync_daemon::SyncDraft;
use sync_group::{Instances, SyncGroupDraft};
use taken::Taken;
use track_file::TrackFiles;
use twins::Twins;

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
    /// `None`: no director goes on with what is read.
    running: Option<Running>,
    /// The text of the top-level block that comes next.
    block: Option<Block>,
    virtual_servers: Vec<Arc<VirtualServer>>,
    /// Where each virtual server was said.
    server_spans: Vec<Span>,
    groups: HashMap<String, Group>,
    track_files: Rc<TrackFiles>,
    bfd_sessions: Rc<bfd::Sessions>,
    link_delays: links::Delays,
    garp_groups: Vec<(Vec<String>, Gaps)>,
    names: Rc<Names>,
    ssl: SslDraft,
    statics: StaticDraft,
    priorities: Priorities,
}

impl Lowering {
    /// What is unchanged is taken from the virtual servers that are `running`.
    pub fn beside(running: Option<Running>) -> Self {
        Self { running, ..Self::default() }
    }

    /// Whether a director goes on with what is read, and may read it again.
    pub fn knows_again(&self) -> bool {
        self.running.is_some()
    }

    /// Takes a virtual server that runs, where the reader has its text before it; whether there is one.
    pub fn go_on(&mut self, reader: &mut Reader<'_>) -> bool {
        let next = self.running.as_mut().and_then(|running| running.skip_next(reader));
        next.is_some_and(|(server, at)| {
            self.virtual_servers.push(server);
            self.server_spans.push(at);
            true
        })
    }

    /// `block` is the text of the statement that is taken next.
    pub fn announce(&mut self, block: Option<Block>) {
        self.block = block;
    }

    /// Takes one complete top-level statement.
    pub fn statement(&mut self, tree: &Tree, sources: &SourceMap, diagnostics: &mut Diagnostics) {
        let block = self.block.take();
        let Some(root) = tree.root() else { return };
        let mut cx = Context::new(tree, sources, diagnostics);
        cx.track_files = self.track_files.clone();
        cx.bfd_sessions = self.bfd_sessions.clone();
        cx.names = self.names.clone();
        let Some(keyword) = cx.keyword(TOP, root) else { return };
        match keyword.name {
            "global_defs" => {
                self.global.read(&mut cx, root);
                let (usr, etc) = (&self.global.iproute_usr_dir, &self.global.iproute_etc_dir);
                self.names = Rc::new(Names::new(usr.as_deref(), etc.as_deref()));
            }
            name @ ("track_group" | "static_ipaddress" | "static_routes" | "static_rules") => {
                self.statics.read(&mut cx, root, name, &mut self.priorities);
            }
            "interface_up_down_delays" => {
                links::read_delays(&mut cx, root, &mut self.link_delays);
            }
            "garp_group" => self.garp_groups.extend(links::read_garp_group(&mut cx, root)),
            _ if daemon::read(&mut self.global.daemon, &mut cx, root, keyword) => {}
            "vrrp_script" => self.tracking.read_script(&mut cx, root),
            "vrrp_track_process" => self.tracking.read_process(&mut cx, root),
            "bfd_instance" => self.bfd_instance(&mut cx, root),
            "child_wait_time" => self.global.stop_limit(&mut cx, root, keyword),
            "track_file" | "vrrp_track_file" => self.track_file(&mut cx, root, keyword.name),
            "vrrp_instance" => self.vrrp_instance(&mut cx, root),
            "virtual_server_group" => self.group(&mut cx, root),
            "vrrp_sync_group" => self.sync_group(&mut cx, root),
            "virtual_server" => self.virtual_server(&mut cx, root, block),
            "SSL" => self.ssl.read(&mut cx, root),
            _ => debug_assert!(keyword.support != Support::Supported, "{}", keyword.name),
        }
    }

    fn vrrp_instance(&mut self, cx: &mut Context<'_>, root: &Statement) {
        let Some(draft) = InstanceDraft::read(cx, root, &mut self.priorities) else { return };
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

    fn bfd_instance(&mut self, cx: &mut Context<'_>, root: &Statement) {
        if let Some((name, for_checkers)) = self.tracking.read_bfd(cx, root) {
            cx.bfd_sessions = Rc::default();
            Rc::make_mut(&mut self.bfd_sessions).insert(name, for_checkers);
        }
    }

    fn virtual_server(&mut self, cx: &mut Context<'_>, root: &Statement, block: Option<Block>) {
        let Some(mut server) = virtual_server::read(cx, root) else { return };
        let running = self.running.as_mut();
        // At once, while it is in the processor's cache: one that is as it was leaves nothing in memory.
        let same = running.and_then(|running| {
            running.follow(&server);
            running.same(&server).cloned()
        });
        if let Some(block) = block {
            server.wording = cx.wording(&block, &server, root.raw);
        }
        self.virtual_servers.push(same.unwrap_or_else(|| Arc::new(server)));
        self.server_spans.push(root.raw);
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
    ) -> Vec<Arc<VirtualServer>> {
        let mut taken = Taken::with_capacity(self.virtual_servers.len());
        let servers = std::mem::take(&mut self.virtual_servers);
        let mut settled = Vec::with_capacity(servers.len());
        for (mut server, at) in servers.into_iter().zip(std::mem::take(&mut self.server_spans)) {
            if !self.fill_from_group(&mut server, at, diagnostics) {
                continue;
            }
            let keys = taken.take(&server, at, &settled, sources, diagnostics);
            if let Some((first, others)) = keys.split_first() {
                self.server_spans.push(at);
                if others != server.more_keys || *first != server.service.key {
                    let server = VirtualServer::alter(&mut server);
                    (server.service.key, server.more_keys) = (*first, others.to_vec());
                }
                let is_mark = |key| matches!(key, ServiceKey::Fwmark { .. });
                if server.ha_suspend && server.keys().all(is_mark) {
                    VirtualServer::alter(&mut server).ha_suspend = false;
                    let message = "ha_suspend has no meaning without an address; ignored";
                    diagnostics.push(Diagnostic::warning("ignored-for-fwmark", at, message));
                }
                settled.push(server);
            }
        }
        settled
    }

    /// Whether there is something to serve.
    fn fill_from_group(
        &mut self,
        server: &mut Arc<VirtualServer>,
        at: Span,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        if server.group.is_none() {
            return true;
        }
        let server = VirtualServer::alter(server);
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
        if keys.iter().all(|key| matches!(key, ServiceKey::Fwmark { .. })) {
            server.protocol = None;
        }
        group::settle_ports(server, at, diagnostics);
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
        let mut virtual_servers = self.settled_servers(sources, diagnostics);
        let marking = std::mem::take(&mut self.global.marking);
        let (ipvs, table) = (&self.global.daemon.ipvs_namespace, self.global.firewall_table());
        let marking = marking.finish(ipvs, table, diagnostics);
        marking.iter().for_each(|marking| give_marks(marking, &mut virtual_servers));
        std::mem::take(&mut self.ssl).settle(&mut virtual_servers);
        self.addresses_held_twice(diagnostics);
        let (static_objects, track_groups) = std::mem::take(&mut self.statics).finish(
            self.global.default_interface.as_deref(),
            &self.instance_names,
            diagnostics,
        );
        self.global.notify.findings().into_iter().for_each(|finding| diagnostics.push(finding));
        self.sync_daemon_of_instances(diagnostics);
        let mut vrrp_instances = self.settled_instances(sources, diagnostics);
        let sync_groups = self.settled_groups(&mut vrrp_instances, diagnostics);
        let trackers = vrrp_instances.iter().flat_map(|instance| &instance.trackers);
        let tracked = self.tracking.finish(trackers);
        let link_delays = links::finish(self.link_delays, &vrrp_instances, diagnostics);
        let daemon = self.global.daemon.clone();
        let sync = self.global.sync_daemons.take();
        let sync_at = sync.as_ref().map(|draft| draft.at);
        let sync_daemons = sync.and_then(|draft| draft.finish(&vrrp_instances, diagnostics));
        let mut virtual_servers = match sync_at.filter(|_| sync_daemons.is_some()) {
            Some(at) => sync_daemon::without_mixed_families(
                virtual_servers,
                &self.server_spans,
                at,
                diagnostics,
            ),
            None => virtual_servers,
        };
        if let Some(running) = &self.running {
            for server in &mut virtual_servers {
                *server = running.same(server).unwrap_or(server).clone();
            }
        }
        let mut global = self.global.finish();
        global.sync_daemons = sync_daemons;
        global.marking = marking;
        global.pacing.groups = self.garp_groups;
        Plan {
            daemon,
            global,
            vrrp_instances,
            sync_groups,
            track_scripts: tracked.scripts,
            track_files: tracked.files,
            link_delays,
            track_processes: tracked.processes,
            bfd_instances: tracked.sessions,
            virtual_servers,
            static_objects,
            track_groups,
        }
    }

    /// `lvs_sync_daemon_interface` counts where nothing else asks for a sync daemon.
    fn sync_daemon_of_instances(&mut self, diagnostics: &mut Diagnostics) {
        for instance in &mut self.instances {
            let Some((interface, at)) = instance.sync_interface.take() else { continue };
            let name = &instance.name;
            let help = format!("in global_defs: lvs_sync_daemon {interface} {name}");
            let message = "`lvs_sync_daemon_interface` belongs in global_defs now";
            let finding = Diagnostic::warning("deprecated", at, message);
            diagnostics.push(match &self.global.sync_daemons {
                None => finding.label("still taken").help(help),
                Some(first) => finding
                    .label("left out: there is one already")
                    .also(first.at, "this one counts"),
            });
            let draft = SyncDraft::of_instance(interface, name, at);
            self.global.sync_daemons.get_or_insert(draft);
        }
    }

    /// The instances that can run, less those that nobody could tell from another.
    fn settled_instances(
        &mut self,
        sources: &SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Arc<VrrpInstance>> {
        let mut names = LinkNames::of(&mut self.instances, diagnostics);
        let of_groups = self.priority_changes_of_groups();
        let mut seen: HashMap<Identity, Twins> = HashMap::new();
        let mut settled: Vec<Arc<VrrpInstance>> = Vec::with_capacity(self.instances.len());
        for draft in std::mem::take(&mut self.instances) {
            let at = draft.at;
            let (mails, priority_changes) = (draft.mails, draft.priority_changes);
            let finished =
                draft.finish(&self.global, &self.tracking, &mut names, sources, diagnostics);
            let Some(mut instance) = finished else { continue };
            let by_group = of_groups.get(&instance.name).copied();
            self.settle_notify(&mut instance, mails, priority_changes.or(by_group));
            let identity = instance.identity().on_the_wire();
            let (vrid, interface) = (identity.vrid, identity.interface.clone());
            if let Err(first) = seen.entry(identity).or_default().add(&instance, at) {
                diagnostics.push(duplicate_vrid(vrid, &interface, at, first));
                continue;
            }
            settled.push(Arc::new(instance));
        }
        settled
    }

    /// What sync groups say of `notify_priority_changes`, by member; the first group counts.
    fn priority_changes_of_groups(&self) -> HashMap<String, bool> {
        let mut all: HashMap<&str, Option<bool>> = HashMap::new();
        for group in &self.sync_groups {
            for member in group.members() {
                all.entry(member).or_insert(group.priority_changes);
            }
        }
        all.into_iter().filter_map(|(name, said)| Some((name.to_owned(), said?))).collect()
    }

    /// What the instance and its group leave to the global settings.
    fn settle_notify(
        &self,
        instance: &mut VrrpInstance,
        mails: Option<bool>,
        priority_changes: Option<bool>,
    ) {
        let global = &self.global.notify;
        instance.notify.mails = mails.unwrap_or(global.mails_of_vrrp());
        instance.notify.priority_changes = priority_changes.unwrap_or(global.priority_changes);
    }

    fn settled_groups(
        &mut self,
        instances: &mut [Arc<VrrpInstance>],
        diagnostics: &mut Diagnostics,
    ) -> Vec<SyncGroup> {
        let mut taken = HashMap::new();
        let mut instances = Instances::new(instances);
        let mut settled = Vec::with_capacity(self.sync_groups.len());
        for draft in std::mem::take(&mut self.sync_groups) {
            let mails = draft.mails.unwrap_or(self.global.notify.mails_of_vrrp());
            let names = &self.instance_names;
            let group =
                draft.finish(&mut instances, names, &mut taken, &self.tracking, diagnostics);
            settled.extend(group.map(|mut group| {
                group.notify.mails = mails;
                group
            }));
        }
        settled
    }

    /// Two instances with one address take it from each other.
    fn addresses_held_twice(&self, diagnostics: &mut Diagnostics) {
        let mut seen: HashMap<(&str, IpAddr), (&str, Span)> = HashMap::new();
        let mut routers = HashSet::new();
        for instance in &self.instances {
            // One of the same virtual router does not run, which is told elsewhere.
            let interface = instance.interface.as_ref().map(|(name, _)| name);
            if !routers.insert((interface, instance.vrid)) {
                continue;
            }
            let own = instance.interface.as_ref().map_or("", |(name, _)| name);
            for draft in instance.addresses.values().chain(instance.excluded_addresses.values()) {
                let interface = draft.address.interface.as_deref().unwrap_or(own);
                let key = (interface, draft.address.address.addr());
                let (name, first) = *seen.entry(key).or_insert((&instance.name, draft.at));
                if name != instance.name {
                    let message = format!(
                        "{} on {interface} belongs to vrrp_instance {name} too: they take it from each other",
                        key.1
                    );
                    let finding = Diagnostic::warning("duplicate-vip", draft.at, message);
                    diagnostics.push(
                        finding
                            .label(format!("in vrrp_instance {}", instance.name))
                            .also(first, "first one"),
                    );
                }
            }
        }
    }
}

fn duplicate(name: &str, at: Span, first: Span) -> Diagnostic {
    let help = match name.split(' ').next() {
        Some("real_server") => "remove one of the two; `weight` gives a server more of the load",
        Some("virtual_server") => "put the real servers of both into one block",
        _ => "remove one of the two, or give it another name",
    };
    Diagnostic::error("duplicate", at, format!("{name} is there already"))
        .label("this one is left out")
        .also(first, "first one")
        .help(help)
}

fn duplicate_vrid(vrid: u8, interface: &str, at: Span, first: Span) -> Diagnostic {
    let message = format!("virtual_router_id {vrid} is used twice on {interface}");
    Diagnostic::error("duplicate-vrid", at, message)
        .label("this one cannot run")
        .also(first, "first one")
        .help("give each virtual router of an interface its own virtual_router_id")
        .effect(Effect::Refuses)
}
