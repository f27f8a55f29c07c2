//! Lines of `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::super::keywords::{BlockId, Support};
use super::super::plan::VirtualAddress;
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::super::value;
use super::context::Context;

/// Longest label the kernel takes, in octets (IFNAMSIZ less its NUL).
const LONGEST_LABEL: usize = 15;

/// One address, with where it stands.
#[derive(Debug)]
pub(super) struct AddressDraft {
    pub address: VirtualAddress,
    pub at: Span,
}

/// Reads the block into `out`.
pub(super) fn read_block(
    cx: &mut Context<'_>,
    block: &Statement,
    path: &str,
    out: &mut Vec<AddressDraft>,
) {
    let tree = cx.tree;
    let Some(id) = cx.table.block(path) else { return };
    for at in tree.children(block) {
        let Some(address) = read(cx, at, id) else { continue };
        if out.iter().any(|other| other.address.address == address.address) {
            let message = format!("{} is there already", address.address);
            cx.warn("duplicate", at, at.raw, message);
        } else {
            out.push(AddressDraft { address, at: at.raw });
        }
    }
}

fn read(cx: &mut Context<'_>, at: &Statement, block: BlockId) -> Option<VirtualAddress> {
    let words = cx.words(at);
    let address = network(cx, at, *words.first()?)?;
    let mut draft = VirtualAddress {
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
    };
    let mut rest = words[1..].iter();
    while let Some(option) = rest.next() {
        option_of(cx, at, block, *option, &mut rest, &mut draft)?;
    }
    Some(draft)
}

/// `ADDRESS[/LENGTH]`; a bad length means that of a single address, as keepalived has it.
fn network(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<IpNet> {
    let text = cx.text(word.span);
    let Some((address, length)) = value::address(text) else {
        cx.no_address(at, word);
        return None;
    };
    let full = if address.is_ipv4() { 32 } else { 128 };
    let length = match length.map(value::integer) {
        None => full,
        Some(Ok(length)) if (0..=i64::from(full)).contains(&length) => length as u8,
        Some(_) => {
            let message = format!("the prefix length of {text} is out of range 0-{full}");
            cx.bad("number-out-of-range", at, word.span, message);
            return None;
        }
    };
    IpNet::new(address, length).ok()
}

/// One option with its value. `None`: the address cannot be used.
fn option_of<'w>(
    cx: &mut Context<'_>,
    at: &Statement,
    block: BlockId,
    option: Word,
    rest: &mut impl Iterator<Item = &'w Word>,
    draft: &mut VirtualAddress,
) -> Option<()> {
    let name = cx.text(option.span);
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
        "-nodad" => draft.detect_duplicates = true,
        "preferred_lft" => {
            let word = value(cx)?;
            draft.preferred_lifetime = lifetime(cx, at, word).or(draft.preferred_lifetime);
        }
        "peer" => {
            value(cx)?;
            cx.refuse(at, "peer", "the address without its peer is another address");
        }
        _ => unknown_option(cx, at, block, option, name),
    }
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

/// A scope of rtnetlink, by the names that ip-address(8) has for them, or as a number.
fn scope(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<u8> {
    match cx.text(word.span) {
        "global" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        other => {
            let number = other.parse().ok();
            if number.is_none() {
                let message = format!("scope `{other}` is not known");
                cx.bad("bad-value", at, word.span, message);
            }
            number
        }
    }
}
