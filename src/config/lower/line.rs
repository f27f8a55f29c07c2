//! A line read word by word: what routes, rules and their like are made of.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::super::value;
use super::context::Context;
use super::names::Table;

/// The line could not be understood, which has been reported.
pub(super) struct Reported;

pub(super) type Read<T> = Result<T, Reported>;

/// Where in a line we are.
pub(super) struct Line<'c, 'a> {
    pub cx: &'c mut Context<'a>,
    pub at: &'c Statement,
    words: &'a [Word],
    next: usize,
    /// The option whose values are being read.
    option: Word,
}

/// Options whose line keepalived 2.2.7 leaves out where their value is missing.
const GOES_ON_WITHOUT: [&str; 6] = ["encap", "ip", "ip6", "id", "mpls", "ila"];

impl<'c, 'a> Line<'c, 'a> {
    /// `None` for a line without words.
    pub fn new(cx: &'c mut Context<'a>, at: &'c Statement) -> Option<Self> {
        let words = cx.words(at);
        let option = *words.first()?;
        Some(Self { cx, at, words, next: 0, option })
    }

    /// The words as they stand, each parted by one blank.
    pub fn whole(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| self.cx.text(word.span)).collect();
        words.join(" ")
    }

    /// The next word, as an option with its place.
    pub fn option(&mut self) -> Option<&'a str> {
        let word = *self.words.get(self.next)?;
        self.next += 1;
        self.option = word;
        Some(self.cx.text(word.span))
    }

    /// Where the option stands that is being read.
    pub fn option_span(&self) -> Span {
        self.option.span
    }

    pub fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).map(|word| self.cx.text(word.span))
    }

    /// Takes the next word if it is `wanted`.
    pub fn skip(&mut self, wanted: &str) -> bool {
        let there = self.peek() == Some(wanted);
        self.next += usize::from(there);
        there
    }

    /// The option's value.
    pub fn value(&mut self) -> Read<Word> {
        let Some(word) = self.words.get(self.next).copied() else {
            let name = self.cx.text(self.option.span);
            let message = format!("`{name}` lacks its value");
            let finding = super::Diagnostic::error("missing-value", self.option.span, message);
            let finding = finding.label(self.cx.place(self.at));
            // keepalived ends at such a line, with status 2, but for what it reads by itself.
            let effect = match GOES_ON_WITHOUT.contains(&name) {
                true => super::Effect::Starts,
                false => super::Effect::LacksParameter,
            };
            self.cx.push(finding.effect(effect));
            return Err(Reported);
        };
        self.next += 1;
        Ok(word)
    }

    pub fn text(&self, word: Word) -> &'a str {
        self.cx.text(word.span)
    }

    /// What a line names must be of one family: `known` is that of what stood before, and what made
    /// it so.
    pub fn belongs(
        &mut self,
        known: &mut Option<(bool, Span)>,
        ipv6: bool,
        at: Span,
        what: &str,
    ) -> Read<()> {
        let (before, first) = *known.get_or_insert((ipv6, at));
        if before == ipv6 {
            return Ok(());
        }
        let family = if before { "IPv6" } else { "IPv4" };
        let message = format!("`{}` is not of the {what}'s address family", self.cx.text(at));
        let finding = super::Diagnostic::error("address-family-mismatch", at, message)
            .label(format!("the {what} is left out"))
            .also(first, format!("this makes it a {what} of {family}"));
        self.cx.push(finding);
        Err(Reported)
    }

    /// Says what is wrong; the line is given up.
    pub fn bad<T>(&mut self, code: &'static str, at: Span, message: impl Into<String>) -> Read<T> {
        self.cx.bad(code, self.at, at, message);
        Err(Reported)
    }

    /// A decimal number, or one with C's prefix.
    pub fn number(&mut self, most: u64) -> Read<u64> {
        let word = self.value()?;
        self.number_of(word, most)
    }

    pub fn number_of(&mut self, word: Word, most: u64) -> Read<u64> {
        let (text, name) = (self.text(word), self.cx.text(self.option.span));
        match c_number(text) {
            Some(number) if number <= most => Ok(number),
            Some(_) => {
                let message = format!("{name} {text} is out of range 0-{most}");
                self.bad("number-out-of-range", word.span, message)
            }
            None => self.bad("not-a-number", word.span, format!("{name} `{text}` is not a number")),
        }
    }

    pub fn u32(&mut self) -> Read<u32> {
        let number = self.number(u32::MAX.into())?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    pub fn u8(&mut self) -> Read<u8> {
        let number = self.number(u8::MAX.into())?;
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// A number up to `most`, or a name that one of iproute2's tables gives a number to.
    pub fn named(&mut self, table: Table, most: u32) -> Read<u32> {
        let word = self.value()?;
        self.named_of(word, table, most)
    }

    pub fn named_of(&mut self, word: Word, table: Table, most: u32) -> Read<u32> {
        let text = self.text(word);
        if c_number(text).is_some() {
            let number = self.number_of(word, most.into())?;
            return Ok(u32::try_from(number).unwrap_or(u32::MAX));
        }
        match self.cx.names.number(table, text) {
            Some(number) if number <= most => Ok(number),
            _ => {
                let place = self.cx.place(self.at);
                let message = format!("{} `{text}` is not known on this host", table.what());
                let finding = super::Diagnostic::error("unknown-name", word.span, message);
                self.cx.push(finding.label(place).help(self.cx.names.advice(table, text)));
                Err(Reported)
            }
        }
    }

    pub fn address(&mut self) -> Read<IpAddr> {
        let word = self.value()?;
        self.cx.address(self.at, word).ok_or(Reported)
    }

    /// The name of an interface.
    pub fn interface(&mut self) -> Read<String> {
        let word = self.value()?;
        let name = self.text(word);
        if name.is_empty() || name.len() > 15 || name.contains('/') {
            let message = format!("`{name}` is no name of an interface: 1 to 15 characters");
            return self.bad("bad-value", word.span, message);
        }
        Ok(name.to_owned())
    }

    /// A destination or source; `None` for all of them, in whatever family. Host bits, which the
    /// kernel does not take, are cut off with a warning.
    pub fn prefix(&mut self, word: Word) -> Read<Option<IpNet>> {
        let text = self.text(word);
        match text {
            "default" | "any" | "all" => return Ok(None),
            "default6" => return Ok(Some(all(true))),
            "0/0" => return Ok(Some(all(false))),
            _ => {}
        }
        let Some((address, length)) = value::address(text) else {
            self.cx.no_address(self.at, word);
            return Err(Reported);
        };
        let network = self.cx.with_length(self.at, word, address, length).ok_or(Reported)?;
        let whole = network.trunc();
        if whole != network {
            let message = format!("{text} has bits behind its prefix; {whole} it is");
            let place = self.cx.place(self.at);
            let finding = super::Diagnostic::warning("host-bits", word.span, message);
            self.cx.push(finding.label(place).help(whole.to_string()));
        }
        Ok(Some(whole))
    }

    /// `[FROM/]TO` as FROM << 16 | TO.
    pub fn realms(&mut self) -> Read<u32> {
        let word = self.value()?;
        let text = self.text(word);
        let mut number = 0;
        for part in text.splitn(2, '/') {
            let known = c_number(part).and_then(|number| u16::try_from(number).ok());
            let named = || self.cx.names.number(Table::Realms, part);
            let Some(realm) = known.map(u32::from).or_else(named).filter(|r| *r <= 0xffff) else {
                let message = format!("realm `{part}` is neither 0-65535 nor known on this host");
                return self.bad("unknown-name", word.span, message);
            };
            number = number << 16 | realm;
        }
        Ok(number)
    }

    /// An option that is not known here.
    pub fn unknown<T>(&mut self, path: &str) -> Read<T> {
        let name = self.cx.text(self.option.span);
        let block = self.cx.table.block(path);
        let meant = block.and_then(|block| self.cx.table.suggestion(block, name));
        let mut finding = super::Diagnostic::error(
            "unknown-keyword",
            self.option.span,
            format!("unknown option `{name}`; the line is left out"),
        )
        .label(self.cx.place(self.at));
        finding.help = super::super::advice::trailing(name)
            .or_else(|| meant.map(|meant| format!("did you mean `{meant}`?")));
        self.cx.push(finding);
        Err(Reported)
    }
}

/// Everything, of one family.
pub(super) fn all(ipv6: bool) -> IpNet {
    if ipv6 { IpNet::V6(ipnet::Ipv6Net::default()) } else { IpNet::V4(ipnet::Ipv4Net::default()) }
}

/// Decimal, or hexadecimal after `0x`, or octal after `0`.
pub(super) fn c_number(text: &str) -> Option<u64> {
    let parse = |digits: &str, radix| {
        let plain = !digits.starts_with(['+', '-']);
        plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => parse(digits, 16),
        None if text.len() > 1 && text.starts_with('0') => parse(text, 8),
        None => parse(text, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, number) in [("0", 0), ("17", 17), ("0x1f", 31), ("010", 8)] {
            assert_eq!(c_number(text), Some(number), "{text}");
        }
        for text in ["", "x", "-1", "+1", "0x", "09", "1.5"] {
            assert_eq!(c_number(text), None, "{text}");
        }
    }
}
