//! What stays in the kernel from start to stop, whatever the state of any instance:
//! `static_ipaddress`, `static_routes`, `static_rules`, and the `track_group`s that depend on it.

use std::collections::HashMap;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::{StaticObjects, TrackGroup, VirtualAddress};
use super::super::source::Span;
use super::super::tree::Statement;
use super::address::{self, Addresses};
use super::context::Context;
use super::rule::Priorities;
use super::{duplicate, route, rule};

/// Where addresses go that name no interface, unless `default_interface` says otherwise.
const DEFAULT_INTERFACE: &str = "eth0";

/// The blocks as read so far.
#[derive(Debug, Default)]
pub(super) struct StaticDraft {
    addresses: Addresses,
    objects: StaticObjects,
    groups: Vec<(TrackGroup, Vec<Span>)>,
    group_names: HashMap<String, Span>,
    /// Which groups are named, and where.
    uses: Vec<(String, Span)>,
}

impl StaticDraft {
    /// Takes one of the blocks.
    pub fn read(
        &mut self,
        cx: &mut Context<'_>,
        block: &Statement,
        name: &str,
        priorities: &mut Priorities,
    ) {
        let uses = &mut self.uses;
        match name {
            "static_ipaddress" => address::read_block(cx, block, name, &mut self.addresses, uses),
            "static_routes" => {
                route::read_block(cx, block, Some(uses), &mut self.objects.routes);
            }
            "static_rules" => {
                rule::read_block(cx, block, Some(uses), priorities, &mut self.objects.rules);
            }
            _ => self.track_group(cx, block),
        }
    }

    fn track_group(&mut self, cx: &mut Context<'_>, block: &Statement) {
        let Some(name) = cx.string(block) else { return };
        if let Some(&first) = self.group_names.get(&name) {
            return cx.push(duplicate(cx.text(block.raw), block.raw, first));
        }
        self.group_names.insert(name.clone(), block.raw);
        let (tree, mut members, mut places) = (cx.tree, Vec::new(), Vec::new());
        let Some(id) = cx.table.block("track_group") else { return };
        for at in tree.children(block) {
            if cx.keyword(id, at).is_none() {
                continue;
            }
            if !members.is_empty() {
                cx.warn("duplicate", at, at.raw, "the group has its members already");
                continue;
            }
            for member in tree.children(at) {
                for word in cx.words(member) {
                    members.push(cx.text(word.span).to_owned());
                    places.push(word.span);
                }
            }
        }
        self.groups.push((TrackGroup { name, members }, places));
    }

    /// The objects and groups, once the whole file has been read.
    pub fn finish(
        self,
        default_interface: Option<&str>,
        instances: &HashMap<String, Span>,
        diagnostics: &mut Diagnostics,
    ) -> (StaticObjects, Vec<TrackGroup>) {
        for (group, at) in &self.uses {
            if !self.group_names.contains_key(group) {
                let message = format!("there is no track_group {group}");
                let finding = Diagnostic::error("unknown-group", *at, message);
                diagnostics.push(finding.label("nobody is told when it is lost"));
            }
        }
        let groups = self.groups.into_iter().map(|(mut group, places)| {
            for (member, at) in group.members.iter().zip(&places) {
                if !instances.contains_key(member) {
                    let message = format!("there is no vrrp_instance {member}");
                    let finding = Diagnostic::error("unknown-instance", *at, message);
                    diagnostics.push(finding.label(format!("in track_group {}", group.name)));
                }
            }
            group.members.retain(|member| instances.contains_key(member));
            group
        });
        let groups = groups.collect();
        let interface = default_interface.unwrap_or(DEFAULT_INTERFACE);
        let addresses = self.addresses.into_values().map(|draft| VirtualAddress {
            interface: draft.address.interface.or_else(|| Some(interface.to_owned())),
            ..draft.address
        });
        (StaticObjects { addresses: addresses.collect(), ..self.objects }, groups)
    }
}
