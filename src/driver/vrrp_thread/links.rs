//! Interfaces of our own (VMAC, ipvlan): made, put right, made again when somebody deletes them.
//!
//! The kernel does that inside `sendmsg`, in less than a millisecond. What of their settings only
//! files can change is the work runtime's to do, which is told when one has been made. It deletes
//! them, too, which takes the kernel tens of milliseconds.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::VrrpThread;
use crate::config::plan::{IpvlanMode, OwnLink, OwnLinkKind, Plan};
use crate::driver::clock;
use crate::kernel::{
    Assignment, Ipv4Setting, IpvlanFlags, KernelChange, KernelEvent, KernelObject, Link,
    LinkChange, LinkKind, LinkSettings, NewLink, NewLinkKind,
};

/// What we know of interfaces of our own.
#[derive(Debug, Default)]
pub struct Links {
    wanted: Vec<OwnLink>,
    /// Index by name of those that are as wanted.
    held: HashMap<String, u32>,
    /// Why one cannot be had, said once.
    said: HashMap<String, String>,
}

impl VrrpThread {
    /// Makes what `plan` wants; deletes nothing yet.
    pub(super) fn want_links(&mut self, plan: &Plan) {
        self.links.wanted = plan.links().cloned().collect();
        self.links.said.clear();
        let wanted = &self.links.wanted;
        self.links.held.retain(|name, _| wanted.iter().any(|link| link.name == *name));
        self.keep_links();
    }

    /// Makes those that are wanted and not there. Gives whether there are new ones.
    pub(super) fn keep_links(&mut self) -> bool {
        if self.links.wanted.is_empty() {
            return false;
        }
        let wanted = std::mem::take(&mut self.links.wanted);
        let mut any_new = false;
        for link in &wanted {
            match self.keep_link(link) {
                Ok(new) => {
                    any_new |= new;
                    self.links.said.remove(&link.name);
                }
                Err(problem) => self.say_once(link, problem),
            }
            self.keep_addresses(link);
        }
        self.links.wanted = wanted;
        if any_new {
            self.settings.links_changed.notify_one();
        }
        any_new
    }

    fn say_once(&mut self, link: &OwnLink, problem: String) {
        if self.links.said.get(&link.name) != Some(&problem) {
            let (name, parent) = (&link.name, &link.parent);
            tracing::error!("cannot have {name} on {parent}: {problem}");
            self.links.said.insert(link.name.clone(), problem);
        }
    }

    /// Gives whether it is new.
    fn keep_link(&mut self, link: &OwnLink) -> Result<bool, String> {
        // It comes with its parent, if that comes.
        let Some(parent) = self.interfaces.by_name(&link.parent).cloned() else {
            self.links.held.remove(&link.name);
            return Ok(false);
        };
        let group = link.group.unwrap_or(parent.group);
        let master = self.vrf_of(&parent);
        let found = self.interfaces.by_name(&link.name).cloned();
        if let Some(found) = found {
            let known = self.links.held.get(&link.name) == Some(&found.index);
            if known && is_as_wanted(&found, link) {
                if found.enabled || !parent.enabled {
                    return Ok(false);
                }
                if self.set_up_again(&found)? {
                    return Ok(true);
                }
                self.make_link(link, &parent, group, master)?;
                return Ok(true);
            }
            if is_usable(&found, link, &parent) {
                self.set_link(link, found.index, group, master)?;
                return Ok(true);
            }
            if matches!(found.kind, LinkKind::Vrf | LinkKind::Other) {
                return Err(format!(
                    "there is another interface of that name; rename it, or give use_{} a name",
                    if link.is_vmac() { "vmac" } else { "ipvlan" }
                ));
            }
            self.change_link(LinkChange::Delete(found.index))?;
            self.interfaces.learn(
                &KernelEvent::LinkGone { index: found.index, name: found.name },
                clock::now(),
            );
        }
        self.make_link(link, &parent, group, master)?;
        Ok(true)
    }

    fn make_link(
        &mut self,
        link: &OwnLink,
        parent: &Link,
        group: u32,
        master: Option<u32>,
    ) -> Result<(), String> {
        let kind = match link.kind {
            OwnLinkKind::Vmac { mac } => NewLinkKind::Macvlan { mac },
            OwnLinkKind::Ipvlan { mode, .. } => NewLinkKind::Ipvlan(flags(mode)),
        };
        let new = NewLink { name: link.name.clone(), parent: parent.index, kind, group };
        self.change_link(LinkChange::Make(new))?;
        let made = self.rtnl.link(&link.name).map_err(|error| error.to_string())?;
        match self.links.held.insert(link.name.clone(), made.index) {
            Some(_) => tracing::warn!("{} was deleted by someone else: made again", link.name),
            None => tracing::info!("made {} on {}", link.name, link.parent),
        }
        self.set_link(link, made.index, group, master)?;
        if link.notify_parent {
            // Any setting makes the kernel tell of the interface, the one it has, too.
            let same = LinkSettings { group: Some(parent.group), ..LinkSettings::default() };
            self.change_link(LinkChange::Set(parent.index, same))?;
        }
        Ok(())
    }

    /// Someone set it down, or is about to delete it, which begins so: the kernel lets us in when
    /// that is done. Gives whether it is there still.
    fn set_up_again(&mut self, found: &Link) -> Result<bool, String> {
        let up = LinkSettings { up: true, ..LinkSettings::default() };
        let changed = self.change_link(LinkChange::Set(found.index, up));
        let there = self.rtnl.link(&found.name).ok().filter(|now| now.index == found.index);
        let Some(there) = there else {
            let (index, name) = (found.index, found.name.clone());
            self.interfaces.learn(&KernelEvent::LinkGone { index, name }, clock::now());
            return Ok(false);
        };
        changed.map_err(|error| format!("it is down, and cannot be set up: {error}"))?;
        tracing::warn!("{} was set down by someone else: set up again", found.name);
        self.interfaces.learn(&KernelEvent::Link(there), clock::now());
        Ok(true)
    }

    /// Puts right what may be wrong with it, then sets it up.
    fn set_link(
        &mut self,
        link: &OwnLink,
        index: u32,
        group: u32,
        master: Option<u32>,
    ) -> Result<(), String> {
        let (mac, is_vmac) = match link.kind {
            OwnLinkKind::Vmac { mac } => (Some(mac), true),
            OwnLinkKind::Ipvlan { .. } => (None, false),
        };
        let settings = LinkSettings {
            mac,
            make_private: is_vmac,
            group: Some(group),
            master,
            ipv4: ipv4_settings(link),
            no_generated_address: is_vmac,
            up: false,
        };
        let up = LinkSettings { up: true, ..LinkSettings::default() };
        self.change_link(LinkChange::Set(index, settings))?;
        self.change_link(LinkChange::Set(index, up))?;
        let there = self.rtnl.link(&link.name).map_err(|error| error.to_string())?;
        self.links.held.insert(link.name.clone(), there.index);
        self.interfaces.learn(&KernelEvent::Link(there), clock::now());
        Ok(())
    }

    fn change_link(&mut self, change: LinkChange) -> Result<(), String> {
        let failure = self.rtnl.change_links(&[change]).pop();
        failure.map_or(Ok(()), |failure| Err(failure.to_string()))
    }

    /// The VRF that an interface is in, which what stands on it must be in, too.
    pub(super) fn vrf_of(&self, parent: &Link) -> Option<u32> {
        let master = self.interfaces.by_index(parent.master?)?;
        (master.kind == LinkKind::Vrf).then_some(master.index)
    }

    /// The addresses that an interface of our own needs besides virtual ones: an ipvlan its
    /// configured one, a VMAC of IPv6 its parent's link-local one, from which adverts come.
    fn keep_addresses(&mut self, link: &OwnLink) {
        let Some(&index) = self.links.held.get(&link.name) else { return };
        let mut changes = Vec::new();
        match link.kind {
            OwnLinkKind::Ipvlan { address: Some(address), .. } => {
                changes.extend(self.missing(index, address, None));
            }
            OwnLinkKind::Vmac { .. } if link.ipv6 => {
                let own = self.link_local_of_parent(link);
                changes.extend(own.and_then(|own| self.missing(index, own, Some(0))));
                let former = self.interfaces.link_local(index);
                let former = former.filter(|there| {
                    own.is_some_and(|own| own != *there) && !self.is_virtual(index, there.addr())
                });
                changes.extend(former.map(|gone| KernelChange::remove(plain(index, gone, None))));
            }
            OwnLinkKind::Ipvlan { .. } | OwnLinkKind::Vmac { .. } => {}
        }
        for failure in self.rtnl.change(&changes) {
            let what = match changes[failure.index].object() {
                KernelObject::Address(assignment) => assignment.address.to_string(),
                KernelObject::Route(_) | KernelObject::Rule(_) => String::new(),
            };
            self.say_once(link, format!("address {what}: {failure}"));
        }
    }

    fn link_local_of_parent(&self, link: &OwnLink) -> Option<IpNet> {
        let parent = self.interfaces.by_name(&link.parent)?.index;
        let mut all = self.interfaces.sources(parent, true);
        let found: IpAddr = all.find(|address| !self.is_virtual(parent, *address))?;
        IpNet::new(found, 64).ok()
    }

    fn missing(&self, index: u32, address: IpNet, preferred: Option<u32>) -> Option<KernelChange> {
        let has = self.interfaces.has(index, address);
        (!has).then(|| KernelChange::add(plain(index, address, preferred)))
    }
}

/// Whether it can be made what is wanted without being made anew.
fn is_usable(found: &Link, link: &OwnLink, parent: &Link) -> bool {
    let kind_fits = match link.kind {
        OwnLinkKind::Vmac { .. } => matches!(found.kind, LinkKind::Macvlan { .. }),
        OwnLinkKind::Ipvlan { mode, .. } => found.kind == LinkKind::Ipvlan(flags(mode)),
    };
    kind_fits && found.parent == Some(parent.index)
}

/// Whether nobody has changed what makes it what it is.
fn is_as_wanted(found: &Link, link: &OwnLink) -> bool {
    match link.kind {
        OwnLinkKind::Vmac { mac } => {
            found.mac == Some(mac) && found.kind == LinkKind::Macvlan { private: true }
        }
        OwnLinkKind::Ipvlan { mode, .. } => found.kind == LinkKind::Ipvlan(flags(mode)),
    }
}

/// A VMAC takes in what has its parent's addresses as source, and answers ARP for its own only.
fn ipv4_settings(link: &OwnLink) -> Vec<(Ipv4Setting, u32)> {
    match (link.is_vmac(), link.ipv4) {
        (true, true) => vec![
            (Ipv4Setting::ArpIgnore, 1),
            (Ipv4Setting::AcceptLocal, 1),
            (Ipv4Setting::RpFilter, 0),
            (Ipv4Setting::PromoteSecondaries, 1),
        ],
        (true, false) => vec![(Ipv4Setting::ArpIgnore, 1)],
        (false, true) => vec![(Ipv4Setting::PromoteSecondaries, 1)],
        (false, false) => Vec::new(),
    }
}

fn flags(mode: IpvlanMode) -> IpvlanFlags {
    match mode {
        IpvlanMode::Bridge => IpvlanFlags::Bridge,
        IpvlanMode::Private => IpvlanFlags::Private,
        IpvlanMode::Vepa => IpvlanFlags::Vepa,
    }
}

/// An address without further wishes. `preferred`: 0 makes it no source of other packets.
fn plain(ifindex: u32, address: IpNet, preferred: Option<u32>) -> Assignment {
    Assignment {
        ifindex,
        address,
        broadcast: None,
        label: None,
        scope: 0,
        detect_duplicates: false,
        preferred_lifetime: preferred,
        peer: None,
        flags: Default::default(),
    }
}
