//! DNS_CHECK and UDP_CHECK.

use super::super::super::diagnostic::Diagnostic;
use super::super::super::keywords::Keyword;
use super::super::super::tree::Statement;
use super::super::super::value;
use super::super::context::Context;
use super::super::global::replace;
use super::connect::ConnectDraft;
use crate::probe::dns::{Name, Record};
use crate::probe::udp::{DEFAULT_LENGTH, Expectation, MAX_REPLY_LENGTH, default_payload};
use crate::probe::{Connect, DnsProbe, UdpProbe};

#[derive(Debug, Default)]
pub(super) struct DnsDraft {
    pub connect: ConnectDraft,
    pub settings: DnsSettings,
}

#[derive(Debug, Default)]
pub(super) struct DnsSettings {
    name: Option<Name>,
    record: Option<Record>,
}

#[derive(Debug, Default)]
pub(super) struct UdpDraft {
    pub connect: ConnectDraft,
    pub settings: UdpSettings,
}

#[derive(Debug, Default)]
pub(super) struct UdpSettings {
    payload: Option<Vec<u8>>,
    /// `None`: no reply is needed.
    pattern: Option<Vec<(u8, u8)>>,
    min_length: Option<u32>,
    max_length: Option<u32>,
}

impl DnsSettings {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "name" => {
                let name = dns_name(cx, at);
                cx.set_once(at, &mut self.name, name);
            }
            "type" => replace(&mut self.record, record(cx, at)),
            _ => return false,
        }
        true
    }

    pub fn finish(self, connect: Connect) -> DnsProbe {
        DnsProbe {
            connect,
            name: self.name.unwrap_or_else(Name::root),
            record: self.record.unwrap_or_default(),
        }
    }
}

fn dns_name(cx: &mut Context<'_>, at: &Statement) -> Option<Name> {
    let word = cx.only_argument(at)?;
    let text = cx.text(word.span);
    match Name::parse(text) {
        Ok(name) => Some(name),
        Err(bad) => {
            cx.bad("bad-value", at, word.span, format!("`{text}` is no domain name: {bad}"));
            None
        }
    }
}

fn record(cx: &mut Context<'_>, at: &Statement) -> Option<Record> {
    let word = cx.only_argument(at)?;
    let text = cx.text(word.span);
    let record = Record::parse(text);
    if record.is_none() {
        let message = format!("DNS type `{text}` is not known");
        let place = cx.place(at);
        cx.push(
            Diagnostic::error("bad-value", word.span, message)
                .label(place)
                .help("A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG or DNSKEY"),
        );
    }
    record
}

impl UdpSettings {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "payload" => replace(&mut self.payload, payload(cx, at)),
            "require_reply" => replace(&mut self.pattern, hex(cx, at)),
            "min_reply_length" => replace(&mut self.min_length, cx.number(at, keyword)),
            "max_reply_length" => replace(&mut self.max_length, cx.number(at, keyword)),
            _ => return false,
        }
        true
    }

    pub fn finish(self, connect: Connect) -> UdpProbe {
        let (least, most) = (self.min_length, self.max_length);
        let length = |asked: Option<u32>| asked.and_then(|length| u16::try_from(length).ok());
        UdpProbe {
            connect,
            payload: self.payload.unwrap_or_else(|| default_payload(DEFAULT_LENGTH)),
            expect: self.pattern.map(|pattern| Expectation {
                pattern,
                min_length: length(least).unwrap_or(0),
                max_length: length(most).unwrap_or(MAX_REPLY_LENGTH),
            }),
        }
    }
}

fn payload(cx: &mut Context<'_>, at: &Statement) -> Option<Vec<u8>> {
    cx.argument(at)?;
    let octets = hex(cx, at)?;
    if octets.iter().any(|(_, mask)| *mask != 0xff) {
        cx.bad("bad-value", at, at.raw, "a payload has no place for `x`: it is sent as it is");
        return None;
    }
    Some(octets.into_iter().map(|(octet, _)| octet).collect())
}

/// Hexadecimal digits, with or without blanks between the octets; `x` is any digit.
fn hex(cx: &mut Context<'_>, at: &Statement) -> Option<Vec<(u8, u8)>> {
    let words = &cx.words(at)[1..];
    let digits: String = words.iter().map(|word| cx.text(word.span)).collect();
    let octets = value::octet_pattern(&digits);
    if octets.is_none() {
        let message = format!("`{digits}` is not an even number of hexadecimal digits");
        cx.bad("bad-value", at, at.raw, message);
    }
    octets
}
