//! `use_vmac`, `use_ipvlan` and what goes with them: interfaces that instances make for themselves.

use std::collections::HashSet;

use ipnet::IpNet;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::{IpvlanMode, OwnLink, OwnLinkKind, Transport, virtual_mac};
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::super::value;
use super::address::AddressDraft;
use super::context::Context;
use super::global::GlobalDraft;
use super::instance::InstanceDraft;
use super::names::Table;

/// Longest name of an interface, in octets (IFNAMSIZ less its NUL).
const LONGEST_NAME: usize = 15;

/// One `use_vmac` or `use_ipvlan`.
#[derive(Debug)]
pub(super) struct LinkDraft {
    pub at: Span,
    name: Option<(String, Span)>,
    group: Option<u32>,
    kind: KindDraft,
}

#[derive(Debug)]
enum KindDraft {
    Vmac { mac: Option<(Mac, Span)>, notify_parent: bool },
    Ipvlan { mode: Option<IpvlanMode>, address: Option<IpNet> },
}

/// Five octets are completed by the VRID.
#[derive(Debug, Clone, Copy)]
enum Mac {
    Whole([u8; 6]),
    WithoutVrid([u8; 5]),
}

/// Names that interfaces have or will have.
#[derive(Debug, Default)]
pub(super) struct LinkNames(HashSet<String>);

impl LinkNames {
    /// Reserves the names that the file gives; the second who wants one has to do without.
    pub fn of(instances: &mut [InstanceDraft], diagnostics: &mut Diagnostics) -> Self {
        let interfaces = instances.iter().filter_map(|each| each.interface.as_ref());
        let mut names = Self(interfaces.map(|(name, _)| name.clone()).collect());
        for instance in instances {
            let Some(link) = &mut instance.link else { continue };
            let Some((name, at)) = link.name.take() else { continue };
            if names.0.insert(name.clone()) {
                link.name = Some((name, at));
            } else {
                let message = format!("interface {name} is another instance's already");
                diagnostics.push(
                    Diagnostic::error("link-name-taken", at, message)
                        .label("a name is made up instead"),
                );
            }
        }
        names
    }

    /// `vrrp.51`; where that is taken `vrrp6.51` for IPv6, then `vrrp1.51`, `vrrp2.51`, ….
    fn make_up(&mut self, prefix: &str, vrid: u8, ipv6: bool) -> String {
        let numbers = (1..=u32::MAX).map(|number| number.to_string());
        let stems = [String::new()].into_iter().chain(ipv6.then(|| "6".to_owned())).chain(numbers);
        let name = stems.map(|stem| fitting(prefix, &format!("{stem}.{vrid}")));
        let name = name.into_iter().find(|name| !self.0.contains(name)).unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
}

/// As much of `prefix` as leaves room for `end`.
fn fitting(prefix: &str, end: &str) -> String {
    let room = LONGEST_NAME.saturating_sub(end.len());
    let cut = (0..=room.min(prefix.len())).rev().find(|&at| prefix.is_char_boundary(at));
    format!("{}{end}", &prefix[..cut.unwrap_or(0)])
}

impl LinkDraft {
    /// `use_vmac [[name] IFNAME] [MAC] [netlink_notify_msg] [group GROUP]`.
    pub fn read_vmac(cx: &mut Context<'_>, at: &Statement) -> Self {
        let kind = KindDraft::Vmac { mac: None, notify_parent: false };
        Self::read(cx, at, kind, |draft, cx, word| match cx.text(word.span) {
            "netlink_notify_msg" => {
                if let KindDraft::Vmac { notify_parent, .. } = &mut draft.kind {
                    *notify_parent = true;
                }
            }
            text if text.contains(':') => draft.mac(cx, at, word),
            _ => draft.name(cx, at, word, Some(word)),
        })
    }

    /// `use_ipvlan [[name] IFNAME] [ADDRESS[/LENGTH]] [bridge|private|vepa] [group GROUP]`.
    pub fn read_ipvlan(cx: &mut Context<'_>, at: &Statement) -> Self {
        let kind = KindDraft::Ipvlan { mode: None, address: None };
        Self::read(cx, at, kind, |draft, cx, word| match cx.text(word.span) {
            "bridge" => draft.mode(cx, at, word, IpvlanMode::Bridge),
            "private" => draft.mode(cx, at, word, IpvlanMode::Private),
            "vepa" => draft.mode(cx, at, word, IpvlanMode::Vepa),
            text if value::address(text).is_some() => draft.address(cx, at, word),
            _ => draft.name(cx, at, word, Some(word)),
        })
    }

    /// The words that both have; `own` takes the others.
    fn read(
        cx: &mut Context<'_>,
        at: &Statement,
        kind: KindDraft,
        own: impl Fn(&mut Self, &mut Context<'_>, Word),
    ) -> Self {
        let mut draft = Self { at: at.raw, name: None, group: None, kind };
        let mut words = cx.words(at)[1..].iter().copied();
        while let Some(word) = words.next() {
            match cx.text(word.span) {
                "name" => draft.name(cx, at, word, words.next()),
                "group" => draft.group(cx, at, word, words.next()),
                _ => own(&mut draft, cx, word),
            }
        }
        draft
    }

    /// The address an ipvlan is to have.
    pub fn ipvlan_address(&self) -> Option<IpNet> {
        match self.kind {
            KindDraft::Ipvlan { address, .. } => address,
            KindDraft::Vmac { .. } => None,
        }
    }

    fn name(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: Word, word: Option<Word>) {
        let Some(word) = given(cx, at, keyword, word) else { return };
        let name = cx.text(word.span);
        if self.name.is_some() {
            let message = format!("`{name}` is ignored: the interface has a name already");
            return cx.warn("surplus-words", at, word.span, message);
        }
        let bad = |letter: char| letter == '/' || letter.is_whitespace();
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(bad) {
            let message = format!(
                "`{name}` is no name of an interface: 1 to {LONGEST_NAME} characters, no /"
            );
            return cx.bad("bad-value", at, word.span, message);
        }
        self.name = Some((name.to_owned(), word.span));
    }

    fn group(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: Word, word: Option<Word>) {
        let Some(word) = given(cx, at, keyword, word) else { return };
        let name = cx.text(word.span);
        self.group = link_group(cx, name);
        if self.group.is_none() {
            let message = format!("link group `{name}` is neither a number nor in iproute2/group");
            cx.bad("bad-value", at, word.span, message);
        }
    }

    fn mode(&mut self, cx: &mut Context<'_>, at: &Statement, word: Word, wanted: IpvlanMode) {
        let KindDraft::Ipvlan { mode, .. } = &mut self.kind else { return };
        if mode.is_some() {
            let message = "only one of bridge, private and vepa can be: the first one counts";
            return cx.warn("duplicate", at, word.span, message);
        }
        *mode = Some(wanted);
    }

    fn address(&mut self, cx: &mut Context<'_>, at: &Statement, word: Word) {
        let found = super::address::network(cx, at, word);
        let KindDraft::Ipvlan { address, .. } = &mut self.kind else { return };
        *address = found.or(*address);
    }

    fn mac(&mut self, cx: &mut Context<'_>, at: &Statement, word: Word) {
        let text = cx.text(word.span);
        let octets: Option<Vec<u8>> =
            text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
        let octets = octets.unwrap_or_default();
        let (whole, short) = (<[u8; 6]>::try_from(&*octets), <[u8; 5]>::try_from(&*octets));
        let parsed = whole.map(Mac::Whole).or(short.map(Mac::WithoutVrid)).ok();
        let problem = match (parsed, &octets[..]) {
            (None, _) => "is no MAC address: five or six octets like 02:00:5e:00:01",
            (Some(_), [0, 0, 0x5e, 0, 1 | 2, ..]) => {
                "is one of VRRP's own: leave it out, and the one of the virtual_router_id is used"
            }
            (Some(_), [first, ..]) if first & 1 != 0 => "is a multicast address",
            (Some(_), rest) if rest.iter().all(|octet| *octet == 0) => "is no address",
            (Some(mac), _) => {
                let KindDraft::Vmac { mac: own, .. } = &mut self.kind else { return };
                *own = Some((mac, word.span));
                return;
            }
        };
        cx.bad("bad-value", at, word.span, format!("`{text}` {problem}"));
    }
}

/// What has to follow `keyword`.
fn given(cx: &mut Context<'_>, at: &Statement, keyword: Word, word: Option<Word>) -> Option<Word> {
    if word.is_none() {
        let name = cx.text(keyword.span);
        cx.bad("missing-value", at, keyword.span, format!("`{name}` lacks its value"));
    }
    word
}

/// A group of interfaces by number, or by the name that iproute2 has for it.
fn link_group(cx: &Context<'_>, text: &str) -> Option<u32> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number.or_else(|| cx.names.number(Table::Groups, text))
}

impl InstanceDraft {
    /// The interface that the instance makes for itself, and whether adverts go by its parent.
    pub fn own_link(
        &self,
        global: &GlobalDraft,
        strict: bool,
        names: &mut LinkNames,
        reasons: &mut Vec<Diagnostic>,
        diagnostics: &mut Diagnostics,
    ) -> Option<OwnLink> {
        let (draft, vrid) = (self.link.as_ref()?, u8::try_from(self.vrid?).ok()?);
        let (parent, _) = self.interface.as_ref()?;
        let ipv6 = self.is_ipv6();
        let name = match &draft.name {
            Some((name, _)) => name.clone(),
            None => names.make_up(global.vmac_prefix(), vrid, ipv6),
        };
        let (kind, notify_parent) = match draft.kind {
            KindDraft::Vmac { mac, notify_parent } => {
                let mac = mac.filter(|(_, at)| self.may_choose_mac(strict, *at, diagnostics));
                let mac = match mac {
                    Some((Mac::Whole(mac), _)) => mac,
                    Some((Mac::WithoutVrid([a, b, c, d, e]), _)) => [a, b, c, d, e, vrid],
                    None => virtual_mac(vrid, ipv6),
                };
                (OwnLinkKind::Vmac { mac }, notify_parent)
            }
            KindDraft::Ipvlan { mode, address } => {
                if address.is_none() && !ipv6 {
                    reasons.push(ipvlan_without_address(&self.name, draft.at));
                }
                (OwnLinkKind::Ipvlan { mode: mode.unwrap_or_default(), address }, false)
            }
        };
        let (parent, group) = (parent.clone(), draft.group);
        Some(OwnLink { name, parent, kind, group, ipv4: !ipv6, ipv6, notify_parent })
    }

    fn may_choose_mac(&self, strict: bool, at: Span, diagnostics: &mut Diagnostics) -> bool {
        if strict {
            let message = "strict mode: the MAC address is that of the virtual_router_id";
            diagnostics.push(Diagnostic::warning("strict-forbids-mac", at, message));
        }
        !strict
    }

    /// `vmac_xmit_base`, where it can be; unicast cannot do without.
    pub fn adverts_by_parent(
        &self,
        transport: Option<&Transport>,
        strict: bool,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let is_vmac =
            self.link.as_ref().is_some_and(|link| matches!(link.kind, KindDraft::Vmac { .. }));
        if let (Some(Transport::Unicast { .. }), true, None) =
            (transport, is_vmac, self.vmac_xmit_base)
        {
            let at = self.link.as_ref().map_or(self.at, |link| link.at);
            let message = "unicast adverts cannot go by a VMAC, which has no address of its own: \
                           vmac_xmit_base is taken as set";
            diagnostics.push(
                Diagnostic::warning("vmac-unicast-needs-xmit-base", at, message)
                    .help("vmac_xmit_base"),
            );
            return true;
        }
        let Some(at) = self.vmac_xmit_base else { return false };
        let problem = if strict {
            "strict mode: adverts come from the virtual MAC address, vmac_xmit_base is ignored"
        } else if !is_vmac {
            "vmac_xmit_base has no meaning without use_vmac, and is ignored"
        } else {
            return true;
        };
        diagnostics.push(Diagnostic::error("vmac-xmit-base-ignored", at, problem));
        false
    }

    /// Decides for each address whether it goes to a VMAC, and which further ones there are then.
    pub fn place_addresses(
        &mut self,
        link: &mut Option<OwnLink>,
        global: &GlobalDraft,
        names: &mut LinkNames,
    ) -> Vec<OwnLink> {
        let Some((own, _)) = &self.interface else { return Vec::new() };
        let Some(vrid) = self.vrid.and_then(|vrid| u8::try_from(vrid).ok()) else {
            return Vec::new();
        };
        let (everywhere, ipv6) = (self.use_vmac_addr, self.is_ipv6());
        let mut further: Vec<OwnLink> = Vec::new();
        for draft in self.addresses.values_mut().chain(self.excluded_addresses.values_mut()) {
            let parent = draft.address.interface.as_ref().unwrap_or(own);
            let of_ipv6 = matches!(draft.address.address, IpNet::V6(_));
            let own_serves = parent == own && (of_ipv6 == ipv6 || link.is_none());
            if (draft.use_vmac && !(own_serves && link.is_some())) || (everywhere && !own_serves) {
                let there = further.iter().find(|l| l.parent == *parent && l.ipv6 == of_ipv6);
                let name = there.map(|there| there.name.clone()).unwrap_or_else(|| {
                    let name = names.make_up(global.vmac_addr_prefix(), vrid, of_ipv6);
                    further.push(vmac_for(name.clone(), parent, vrid, of_ipv6));
                    name
                });
                draft.address.interface = Some(name);
            } else if let Some(link) = link.as_mut().filter(|_| parent == own) {
                go_to(draft, link, of_ipv6);
            }
        }
        further
    }
}

/// Puts an address on the instance's own link.
fn go_to(draft: &mut AddressDraft, link: &mut OwnLink, of_ipv6: bool) {
    draft.address.interface = None;
    link.ipv4 |= !of_ipv6;
    link.ipv6 |= of_ipv6;
}

fn vmac_for(name: String, parent: &str, vrid: u8, ipv6: bool) -> OwnLink {
    OwnLink {
        name,
        parent: parent.to_owned(),
        kind: OwnLinkKind::Vmac { mac: virtual_mac(vrid, ipv6) },
        group: None,
        ipv4: !ipv6,
        ipv6,
        notify_parent: false,
    }
}

fn ipvlan_without_address(instance: &str, at: Span) -> Diagnostic {
    let message = format!("vrrp_instance {instance}: an ipvlan needs an IPv4 address of its own");
    Diagnostic::error("ipvlan-without-address", at, message)
        .label("adverts have to come from it")
        .help("use_ipvlan NAME ADDRESS/LENGTH")
}

#[cfg(test)]
mod tests;
