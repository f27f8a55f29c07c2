//! `unicast_peer { … }`: whom adverts go to, one by one.

use std::net::IpAddr;

use super::super::diagnostic::Diagnostic;
use super::super::plan::UnicastPeer;
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::super::value;
use super::context::Context;

/// Reads the block's lines, `ADDRESS [min_ttl N] [max_ttl N]`, each with where it stands.
pub(super) fn read_block(cx: &mut Context<'_>, block: &Statement) -> Vec<(UnicastPeer, Span)> {
    let tree = cx.tree;
    tree.children(block).filter_map(|at| Some((read(cx, at)?, at.raw))).collect()
}

fn read(cx: &mut Context<'_>, at: &Statement) -> Option<UnicastPeer> {
    let words = cx.words(at);
    let address = address(cx, at, *words.first()?)?;
    if address.is_multicast() || address.is_unspecified() {
        cx.bad("bad-address", at, at.raw, format!("{address} is not the address of one peer"));
        return None;
    }
    let mut peer = UnicastPeer { address, min_ttl: 0, max_ttl: 255 };
    let mut rest = words[1..].iter();
    while let Some(option) = rest.next() {
        match cx.text(option.span) {
            "min_ttl" => peer.min_ttl = limit(cx, at, *option, rest.next())?,
            "max_ttl" => peer.max_ttl = limit(cx, at, *option, rest.next())?,
            other => {
                cx.warn("unknown-keyword", at, option.span, format!("unknown option `{other}`"));
            }
        }
    }
    if peer.min_ttl > peer.max_ttl {
        let message = format!("min_ttl is above max_ttl: {address} could never be heard");
        cx.bad("bad-value", at, at.raw, message);
        return None;
    }
    Some(peer)
}

/// keepalived passes over a prefix length here, and people write one.
fn address(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<IpAddr> {
    match value::address(cx.text(word.span)) {
        Some((address, Some(_))) => {
            let message = "a prefix length has no use here";
            cx.push(Diagnostic::note("surplus-words", word.span, message));
            Some(address)
        }
        Some((address, None)) => Some(address),
        None => cx.address(at, word),
    }
}

/// A TTL; a bad one leaves the peer out rather than its limit.
fn limit(cx: &mut Context<'_>, at: &Statement, option: Word, value: Option<&Word>) -> Option<u8> {
    let name = cx.text(option.span);
    let Some(value) = value else {
        cx.bad("missing-value", at, option.span, format!("`{name}` lacks its value"));
        return None;
    };
    cx.number_in(at, name, *value, (0, 255)).and_then(|ttl| u8::try_from(ttl).ok())
}
