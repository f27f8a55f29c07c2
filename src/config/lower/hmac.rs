//! `auth_hmac { … }`: the HMAC-SHA256 trailer of adverts.

use std::num::NonZeroU8;

use super::super::diagnostic::{Diagnostic, Diagnostics, Effect};
use super::super::key_file;
use super::super::source::Span;
use super::super::tree::Statement;
use super::context::Context;
use super::global::replace;
use crate::vrrp::{AdverInterval, AntiReplay, Hmac, HmacMode};
use crate::wire::HmacKey;

/// Octets that a key may have.
const KEY_OCTETS: std::ops::RangeInclusive<usize> = 32..=64;
/// Least and greatest `time_window` that the interval leads to.
const WINDOWS_S: (u32, u32) = (5, 300);

#[derive(Debug)]
pub(super) struct HmacDraft {
    at: Span,
    keys: Vec<(HmacKey, Span)>,
    /// Keys that were no good, which has been reported.
    bad_keys: Vec<u32>,
    active_key: Option<(u32, Span)>,
    time_window: Option<u32>,
    anti_replay: AntiReplay,
    mode: HmacMode,
}

impl HmacDraft {
    pub fn read(cx: &mut Context<'_>, block: &Statement) -> Option<Self> {
        let id = cx.table.block("vrrp_instance/auth_hmac")?;
        let mut draft = Self {
            at: block.raw,
            keys: Vec::new(),
            bad_keys: Vec::new(),
            active_key: None,
            time_window: None,
            anti_replay: AntiReplay::default(),
            mode: HmacMode::default(),
        };
        let tree = cx.tree;
        for at in tree.children(block) {
            let Some(keyword) = cx.keyword(id, at) else { continue };
            match keyword.name {
                "key" => draft.key(cx, at),
                "active_key" => {
                    let id = cx.number(at, keyword);
                    replace(&mut draft.active_key, id.map(|id| (id, at.raw)));
                }
                "time_window" => replace(&mut draft.time_window, cx.number(at, keyword)),
                "anti_replay" => draft.anti_replay(cx, at),
                "mode" => draft.mode(cx, at),
                other => debug_assert!(false, "no arm for {other}"),
            }
        }
        Some(draft)
    }

    /// `key ID VALUE`. Nothing said of it shows the value.
    fn key(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(first) = cx.argument(at) else { return };
        cx.no_more_than(at, 2);
        let Some(number) = cx.number_in(at, "key", first, (1, 255)) else { return };
        let Some(value) = cx.words(at).get(2) else {
            cx.bad("missing-value", at, first.span, format!("key {number} lacks its value"));
            return self.bad_keys.push(number);
        };
        let Some(id) = u8::try_from(number).ok().and_then(NonZeroU8::new) else { return };
        if let Some((_, there)) = self.keys.iter().find(|(key, _)| key.id == id) {
            let message = format!("key {id} is there already; the first one counts");
            cx.push(Diagnostic::error("duplicate", first.span, message).also(*there, "first one"));
            return;
        }
        match secret(cx, first.span, cx.text(value.span)) {
            Ok(secret) => self.keys.push((HmacKey::new(id, &secret), first.span)),
            Err(why) => {
                let help = "a key has 32 to 64 octets: `openssl rand -hex 32` makes one for hex:";
                let message = format!("key {id} cannot be used: {why}");
                cx.push(Diagnostic::error("bad-key", first.span, message).help(help));
                self.bad_keys.push(number);
            }
        }
    }

    fn anti_replay(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        self.anti_replay = match cx.text(word.span) {
            "time" => AntiReplay::Time,
            "monotonic" => AntiReplay::Monotonic,
            other => {
                let message = format!("anti_replay `{other}` is neither time nor monotonic");
                return cx.bad("bad-value", at, word.span, message);
            }
        };
    }

    fn mode(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        self.mode = match cx.text(word.span) {
            "enforce" => HmacMode::Enforce,
            "permissive" => HmacMode::Permissive,
            "receive-only" => HmacMode::ReceiveOnly,
            other => {
                let message = format!("mode `{other}` is not enforce, permissive or receive-only");
                return cx.bad("bad-value", at, word.span, message);
            }
        };
    }

    /// `None`: it cannot be had, which has been reported; the instance must not run without.
    pub fn finish(
        self,
        name: &str,
        interval: AdverInterval,
        strict: bool,
        diagnostics: &mut Diagnostics,
    ) -> Option<Hmac> {
        let mode = if strict { HmacMode::Enforce } else { self.mode };
        if mode != self.mode {
            let message =
                format!("strict mode: auth_hmac of vrrp_instance {name} is in mode enforce");
            diagnostics.push(Diagnostic::warning("strict-hmac-enforces", self.at, message));
        }
        let keys: Vec<HmacKey> = self.keys.into_iter().map(|(key, _)| key).collect();
        let active =
            self.active_key.filter(|(id, _)| keys.iter().any(|key| u32::from(key.id.get()) == *id));
        if active.is_none() && (mode != HmacMode::ReceiveOnly || self.active_key.is_some()) {
            let (at, what) = match self.active_key {
                Some((id, at)) if self.bad_keys.contains(&id) => {
                    (at, format!("active_key {id} cannot be used"))
                }
                Some((id, at)) => (at, format!("active_key {id} is not among the keys")),
                None => (self.at, "auth_hmac lacks its active_key".to_owned()),
            };
            let message = format!("{what}, so vrrp_instance {name} cannot run");
            diagnostics.push(
                Diagnostic::error("no-active-key", at, message)
                    .label("its peers would refuse adverts that are not signed: two MASTERs")
                    .help("active_key ID, for one of `key ID VALUE`")
                    .effect(Effect::Refuses),
            );
            return None;
        }
        let active_key = active.and_then(|(id, _)| NonZeroU8::new(u8::try_from(id).ok()?));
        let window_s = self.time_window.unwrap_or_else(|| window_s(interval));
        Some(Hmac { keys, active_key, mode, anti_replay: self.anti_replay, window_s })
    }
}

/// keepalived's: three intervals, within bounds.
fn window_s(interval: AdverInterval) -> u32 {
    let seconds = (u32::from(interval.centiseconds()) * 3).div_ceil(100);
    seconds.clamp(WINDOWS_S.0, WINDOWS_S.1)
}

/// The octets that `hex:DIGITS`, `file:PATH` or plain ASCII stands for. The reason why not never
/// shows them.
fn secret(cx: &mut Context<'_>, at: Span, value: &str) -> Result<Vec<u8>, String> {
    let octets = match value.strip_prefix("file:") {
        Some(path) => {
            let content = read_file(cx, at, path)?;
            let line = content.strip_suffix('\n').unwrap_or(&content);
            plain(line).map_err(|why| format!("{path}: {why}"))?
        }
        None => plain(value)?,
    };
    let length = octets.len();
    if !KEY_OCTETS.contains(&length) {
        let (least, most) = (KEY_OCTETS.start(), KEY_OCTETS.end());
        return Err(format!("it has {length} octets, not {least} to {most}"));
    }
    Ok(octets)
}

fn plain(value: &str) -> Result<Vec<u8>, &'static str> {
    if let Some(digits) = value.strip_prefix("hex:") {
        return hexadecimal(digits).ok_or("`hex:` takes pairs of hexadecimal digits");
    }
    if !value.is_ascii() {
        return Err("it is neither ASCII nor `hex:`");
    }
    Ok(value.into())
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        digits.chars().map(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn read_file(cx: &mut Context<'_>, at: Span, path: &str) -> Result<String, String> {
    let file = key_file::read(path)?;
    if file.exposed {
        let message = format!("{path} holds a key, and others than its owner can read it");
        let finding = Diagnostic::warning("key-file-readable", at, message);
        cx.push(finding.help(format!("chmod 600 {path}")));
    }
    Ok(file.content)
}

#[cfg(test)]
mod tests;
