//! What a real server is reached by: an address, or a DNS name.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::super::advice;
use super::super::diagnostic::Diagnostic;
use super::super::plan::Host;
use super::super::tree::{Statement, Word};
use super::super::value;
use super::context::Context;
use super::real_server::RealServerDraft;
use crate::ipvs::Family;

/// `resolve_interval` where nobody said anything.
const INTERVAL: Duration = Duration::from_secs(30);

/// Longest name and longest label, in octets (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Address(IpAddr),
    Name(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// `word` as an address or a name. `None` if it is neither, which has been reported.
pub(super) fn read(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<Place> {
    let text = cx.text(word.span);
    if let Ok(address) = text.parse() {
        return Some(Place::Address(address));
    }
    if advice::placeholder(text).is_some() {
        cx.no_address(at, word);
        return None;
    }
    if !is_meant_as_name(text) {
        cx.bad("bad-address", at, word.span, format!("`{text}` is not an IP address"));
        return None;
    }
    if let Some(wrong) = wrong_with(text) {
        cx.bad("bad-host-name", at, word.span, format!("`{text}` is no host name: {wrong}"));
        return None;
    }
    if !text.contains('.') {
        one_label(cx, at, word);
    }
    Some(Place::Name(text.to_ascii_lowercase().into()))
}

/// A word alone can be a host of this network, or something that was to be filled in.
fn one_label(cx: &mut Context<'_>, at: &Statement, word: Word) {
    let text = cx.text(word.span);
    let doubtful = text.contains(|letter: char| letter.is_ascii_uppercase() || letter == '_');
    let make = if doubtful { Diagnostic::warning } else { Diagnostic::note };
    let message = format!("`{text}` is taken for the name of a host");
    let finding = make("short-host-name", word.span, message).label(cx.place(at));
    cx.push(finding.help("an address, or a name with its domain: web1.example.net"));
}

/// Letters in it, none that names lack, and not an address with a typing mistake.
fn is_meant_as_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let ascii: String = name.chars().map(|c| if c.is_alphabetic() { 'x' } else { c }).collect();
    let ends_in_number = name.rsplit('.').next().is_some_and(is_number);
    value::looks_like_host_name(&ascii) && !ends_in_number && !is_nearly_an_address(name)
}

/// Four parts that are numbers for the most part, or single letters: `192.0.2.1O`, `a.b.c.d`.
fn is_nearly_an_address(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    let numbers = parts.iter().filter(|part| is_number(part)).count();
    parts.len() == 4 && (numbers >= 2 || parts.iter().all(|part| part.len() < 2))
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit())
}

/// What keeps a name from being one that DNS can have (RFC 1035 §2.3.4, RFC 1123 §2.1); an underscore
/// passes, since resolvers take it.
fn wrong_with(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if let Some(letter) = name.chars().find(|letter| !letter.is_ascii()) {
        return Some(format!("`{letter}` is no letter of one; its form with xn-- is needed"));
    }
    if name.len() > LONGEST_NAME {
        return Some(format!("{} characters are more than {LONGEST_NAME}", name.len()));
    }
    name.split('.').find_map(|label| {
        let hyphen = label.starts_with('-') || label.ends_with('-');
        match label.len() {
            0 => Some("a part between two dots is empty".to_owned()),
            length @ LONGEST_LABEL.. if length > LONGEST_LABEL => {
                Some(format!("`{label}` has {length} characters, and {LONGEST_LABEL} is the most"))
            }
            _ if hyphen => Some(format!("`{label}` begins or ends with a hyphen")),
            _ => None,
        }
    })
}

impl RealServerDraft {
    /// The family that it is known to be of, whatever its virtual server is.
    pub fn own_family(&self) -> Option<Family> {
        match self.place {
            Place::Address(ip) => Some(Family::of(ip)),
            Place::Name(_) => self.family,
        }
    }

    /// Its address, or what stands for it, and its name. `family` is its own.
    pub fn settled_place(&self, family: Family) -> (IpAddr, Option<Host>) {
        match &self.place {
            Place::Address(ip) => (*ip, None),
            Place::Name(name) => {
                let interval = self.interval.unwrap_or(INTERVAL);
                let host = Host { name: name.clone(), family, interval };
                (Host::placeholder(family), Some(host))
            }
        }
    }
}

#[cfg(test)]
mod tests;
