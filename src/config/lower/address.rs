//! Lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::super::diagnostic::Diagnostic;
use super::super::keywords::{BlockId, Support};
use super::super::plan::VirtualAddress;
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::super::value;
use super::context::Context;
use super::names::Table;

/// Addresses of one block. It is far above what anybody has, and keeps a file that a program went wrong
/// about from taking all memory.
const MOST: usize = 100_000;
const TOO_MANY: &str = "there are more than 100000 addresses";

/// Longest label the kernel takes, in octets (IFNAMSIZ less its NUL).
const LONGEST_LABEL: usize = 15;

/// `IFA_F_*` (linux/if_addr.h).
const HOME_ADDRESS: u32 = 0x10;
const MANAGE_TEMPORARY: u32 = 0x100;
const NO_PREFIX_ROUTE: u32 = 0x200;
const JOIN_GROUP: u32 = 0x400;

/// One address, with where it stands.
#[derive(Debug)]
pub(super) struct AddressDraft {
    pub address: VirtualAddress,
    /// It goes to a VMAC.
    pub use_vmac: bool,
    pub at: Span,
}

/// Each address once, in the order of the file.
pub(super) type Addresses = IndexMap<IpNet, AddressDraft>;

/// Reads the block into `out`.
pub(super) fn read_block(
    cx: &mut Context<'_>,
    block: &Statement,
    path: &str,
    out: &mut Addresses,
    uses: &mut Vec<(String, Span)>,
) {
    let tree = cx.tree;
    let Some(id) = cx.table.block(path) else { return };
    for at in tree.children(block) {
        if out.len() == MOST {
            let finding = Diagnostic::error("too-many-addresses", at.raw, TOO_MANY);
            return cx.push(finding.label("this one and all that follow are left out"));
        }
        let Some((draft, group_at)) = read(cx, at, id) else { continue };
        let address = &draft.address;
        uses.extend(address.track_group.clone().zip(group_at));
        match out.entry(address.address) {
            Entry::Vacant(place) => drop(place.insert(draft)),
            Entry::Occupied(first) => {
                cx.warn("duplicate", at, at.raw, format!("{} is there already", first.key()));
            }
        }
    }
}

/// With where it names a track group.
fn read(
    cx: &mut Context<'_>,
    at: &Statement,
    block: BlockId,
) -> Option<(AddressDraft, Option<Span>)> {
    let words = cx.words(at);
    let address = network(cx, at, *words.first()?)?;
    let address = VirtualAddress {
        address,
        peer: None,
        interface: None,
        broadcast: None,
        label: None,
        scope: 0,
        detect_duplicates: false,
        preferred_lifetime: None,
        flags: 0,
        no_track: false,
        track_group: None,
    };
    let mut draft = AddressDraft { address, use_vmac: false, at: at.raw };
    let mut group_at = None;
    let mut rest = words[1..].iter();
    while let Some(option) = rest.next() {
        option_of(cx, at, block, *option, &mut rest, &mut draft)?;
        if draft.address.track_group.is_some() {
            group_at.get_or_insert(option.span);
        }
    }
    Some((draft, group_at))
}

/// `ADDRESS[/LENGTH]`; a bad length means that of a single address, as keepalived has it.
pub(super) fn network(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<IpNet> {
    let text = cx.text(word.span);
    let Some((address, length)) = value::address(text) else {
        cx.no_address(at, word);
        return None;
    };
    cx.with_length(at, word, address, length)
}

/// One option with its value. `None`: the address cannot be used.
fn option_of<'w>(
    cx: &mut Context<'_>,
    at: &Statement,
    block: BlockId,
    option: Word,
    rest: &mut impl Iterator<Item = &'w Word>,
    draft: &mut AddressDraft,
) -> Option<()> {
    let name = cx.text(option.span);
    let AddressDraft { address: draft, use_vmac, .. } = draft;
    let mut value = |cx: &mut Context<'_>| {
        let word = rest.next().copied();
        if word.is_none() {
            cx.bad("missing-value", at, option.span, format!("`{name}` lacks its value"));
        }
        word
    };
    match name {
        "dev" => {
            let word = value(cx)?;
            draft.interface = Some(interface(cx, at, word)?);
        }
        "brd" | "broadcast" => {
            let word = value(cx)?;
            draft.broadcast = broadcast(cx, at, word, draft.address);
        }
        "label" => {
            let word = value(cx)?;
            draft.label = Some(label(cx, at, word)?);
        }
        "scope" => {
            let word = value(cx)?;
            draft.scope = scope(cx, at, word).unwrap_or(draft.scope);
        }
        "use_vmac" => *use_vmac = true,
        "-nodad" => draft.detect_duplicates = true,
        "preferred_lft" => {
            let word = value(cx)?;
            draft.preferred_lifetime = lifetime(cx, at, word).or(draft.preferred_lifetime);
        }
        "peer" => {
            let word = value(cx)?;
            peer(cx, at, word, draft)?;
        }
        "home" | "mngtmpaddr" if draft.address.addr().is_ipv4() => {
            let message = format!("`{name}` concerns IPv6 addresses only");
            cx.push(super::Diagnostic::note("no-effect", option.span, message));
        }
        "home" => draft.flags |= HOME_ADDRESS,
        "mngtmpaddr" => draft.flags |= MANAGE_TEMPORARY,
        "noprefixroute" => draft.flags |= NO_PREFIX_ROUTE,
        "autojoin" => {
            if !draft.address.addr().is_multicast() {
                let message =
                    "`autojoin` joins a multicast group, and this is no multicast address";
                cx.warn("bad-value", at, option.span, message);
            } else {
                draft.flags |= JOIN_GROUP;
            }
        }
        "no_track" => draft.no_track = true,
        "track_group" if cx.table.get(block, "track_group").is_some() => {
            let word = value(cx)?;
            draft.track_group = Some(cx.text(word.span).to_owned());
        }
        _ => unknown_option(cx, at, block, option, name),
    }
    Some(())
}

/// The other end of a point-to-point link: of the same family, and alone.
fn peer(
    cx: &mut Context<'_>,
    at: &Statement,
    word: Word,
    draft: &mut VirtualAddress,
) -> Option<()> {
    let peer = cx.address(at, word)?;
    if peer.is_ipv4() != draft.address.addr().is_ipv4() {
        let message = format!("peer {peer} is not of the address's family");
        cx.bad("address-family-mismatch", at, word.span, message);
        return None;
    }
    if draft.peer.is_some() {
        cx.warn("duplicate", at, word.span, "the address has its peer already");
        return Some(());
    }
    let alone = IpNet::from(draft.address.addr());
    if alone != draft.address {
        let message = format!("an address with a peer has no prefix length: {alone} it is");
        cx.warn("bad-value", at, word.span, message);
    }
    (draft.peer, draft.address) = (Some(peer), alone);
    Some(())
}

/// Seconds, or `forever`; IPv4 addresses have none that anybody looks at.
fn lifetime(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<u32> {
    match cx.text(word.span) {
        "forever" => Some(u32::MAX),
        _ => cx.number_in(at, "preferred_lft", word, (0, u32::MAX.into())),
    }
}

fn unknown_option(cx: &mut Context<'_>, at: &Statement, block: BlockId, option: Word, name: &str) {
    match cx.table.get(block, name).map(|row| row.support) {
        Some(Support::NotYet(why) | Support::NoEffect(why)) => {
            let message = format!("`{name}` is not supported yet");
            cx.push(
                super::Diagnostic::warning("not-supported-yet", option.span, message).label(why),
            );
        }
        _ => {
            cx.warn("unknown-keyword", at, option.span, format!("unknown option `{name}`"));
        }
    }
}

fn interface(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<String> {
    let name = cx.text(word.span);
    if name.is_empty() || name.len() > LONGEST_LABEL {
        let message = format!("`{name}` is no name of an interface: 1 to 15 characters");
        cx.bad("bad-value", at, word.span, message);
        return None;
    }
    Some(name.to_owned())
}

fn label(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<String> {
    let label = cx.text(word.span);
    if label.len() > LONGEST_LABEL {
        let message = format!("label `{label}` has more than {LONGEST_LABEL} characters");
        cx.bad("bad-value", at, word.span, message);
        return None;
    }
    Some(label.to_owned())
}

/// An address, `+` for all host bits set, `-` for none set; nothing for prefixes over 30, which
/// have no broadcast address.
fn broadcast(cx: &mut Context<'_>, at: &Statement, word: Word, address: IpNet) -> Option<Ipv4Addr> {
    let IpNet::V4(network) = address else {
        cx.bad("bad-value", at, word.span, "an IPv6 address has no broadcast address");
        return None;
    };
    let broadcast = match cx.text(word.span) {
        "+" => network.broadcast(),
        "-" => network.network(),
        _ => match cx.address(at, word)? {
            IpAddr::V4(broadcast) => broadcast,
            IpAddr::V6(_) => {
                cx.bad("bad-address", at, word.span, "a broadcast address is an IPv4 address");
                return None;
            }
        },
    };
    if network.prefix_len() > 30 {
        let message = format!("{network} has no room for a broadcast address; ignored");
        cx.warn("bad-value", at, word.span, message);
        return None;
    }
    Some(broadcast)
}

/// A scope of rtnetlink, by the names that iproute2's files have for them, or as a number.
fn scope(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<u8> {
    let text = cx.text(word.span);
    let named = || cx.names.number(Table::Scopes, text).and_then(|scope| scope.try_into().ok());
    let scope = text.parse().ok().or_else(named);
    if scope.is_none() {
        let message = format!("scope `{text}` is not known");
        cx.bad("bad-value", at, word.span, message);
    }
    scope
}
