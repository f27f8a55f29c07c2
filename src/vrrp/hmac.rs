//! `auth_hmac`: which trailers are accepted, which numbers ours get (keepalived 2.4.2 and later).
//!
//! The wall clock is a parameter, as time since 1970: the cores ask no clock.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use crate::wire::{Advertisement, Discard, HmacKey, Seal, Sequence, trailer};

use super::Warning;

/// Senders whose last number is remembered: far more than routers share a VRID. Only holders of
/// a key get in; of more, the one not heard for longest is forgotten. (keepalived remembers four.)
const MOST_SENDERS: usize = 64;

/// The settings of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Hmac {
    /// All verify.
    pub keys: Vec<HmacKey>,
    /// `active_key`: signs. One of `keys`, unless the mode is [`HmacMode::ReceiveOnly`].
    pub active_key: Option<NonZeroU8>,
    pub mode: HmacMode,
    pub anti_replay: AntiReplay,
    /// `time_window` in seconds, 1–300.
    pub window_s: u32,
}

/// `mode`: the steps by which routers are moved over to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HmacMode {
    /// Signs, and wants signatures.
    #[default]
    Enforce,
    /// Signs, and accepts what is not signed.
    Permissive,
    /// Signs nothing, and accepts what is not signed.
    ReceiveOnly,
}

/// `anti_replay`: what makes a number acceptable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AntiReplay {
    /// It is near our clock, and above the sender's last one.
    #[default]
    Time,
    /// It is above the sender's last one.
    Monotonic,
}

/// What one instance has sent and heard: with a reload it goes on, with a restart it begins anew.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HmacMemory {
    sent: Option<Sequence>,
    heard: Vec<Mark>,
    /// Counts what is accepted.
    clock: u64,
    /// The last accepted sender's clock, where it is far from ours.
    skew: Option<Warning>,
}

/// The highest number accepted from one sender.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark {
    sender: IpAddr,
    highest: Sequence,
    /// When it was last heard, on [`HmacMemory::clock`].
    last: u64,
}

impl Hmac {
    /// What our next advert is signed with; `None`: it is not.
    pub fn seal(&self, memory: &mut HmacMemory, utc: Duration) -> Option<Seal<'_>> {
        if self.mode == HmacMode::ReceiveOnly {
            return None;
        }
        let key = self.keys.iter().find(|key| Some(key.id) == self.active_key)?;
        Some(Seal { key, sequence: memory.next(self, Sequence::at(utc)) })
    }

    /// Judges the trailer of `advert` from `source`, or that there is none. With unicast peers,
    /// `is_peer` tells whether `source` is one of them.
    ///
    /// # Errors
    /// The first check that fails, in keepalived's order.
    pub fn check(
        &self,
        advert: &Advertisement<'_>,
        source: IpAddr,
        is_peer: bool,
        utc: Duration,
        memory: &mut HmacMemory,
    ) -> Result<(), Discard> {
        let Some(octets) = advert.trailer else {
            memory.skew = None;
            let wanted = self.mode == HmacMode::Enforce;
            return if wanted { Err(Discard::HmacMissing) } else { Ok(()) };
        };
        let (trailer, now) = (trailer::parse(octets)?, Sequence::at(utc));
        let ahead_s = trailer.sequence.seconds_after(now);
        if self.too_far(ahead_s) {
            return Err(Discard::HmacStale { ahead_s, window_s: self.window_s });
        }
        let key = self.keys.iter().find(|key| key.id.get() == trailer.key_id);
        let key = key.ok_or(Discard::HmacUnknownKey(trailer.key_id))?;
        if !trailer.verifies(key, &advert.covered(source)) {
            return Err(Discard::HmacInvalid(trailer.key_id));
        }
        if !is_peer {
            return Err(Discard::NotAPeer(source));
        }
        memory.take(self, source, trailer.sequence, now)?;
        memory.skew = self.skew(ahead_s);
        Ok(())
    }

    /// Whether `seconds` off our clock is out of the window, if there is one.
    fn too_far(&self, seconds: i32) -> bool {
        self.anti_replay == AntiReplay::Time && seconds.unsigned_abs() > self.window_s
    }

    /// Half of the window is used up: worth a word before the other half is.
    fn skew(&self, ahead_s: i32) -> Option<Warning> {
        let window_s = self.window_s;
        let much = self.anti_replay == AntiReplay::Time && ahead_s.unsigned_abs() > window_s / 2;
        much.then_some(Warning::ClockSkew { ahead_s, window_s })
    }
}

impl HmacMemory {
    /// What is to be said of the clock of whom we last accepted.
    pub fn skew(&self) -> Option<Warning> {
        self.skew
    }

    /// The number of the next advert: the clock's, or one above the last where the clock has not
    /// moved on. After a step back of the clock beyond the window, where nobody would accept the
    /// last one's successor, it starts again from the clock.
    fn next(&mut self, hmac: &Hmac, clock: Sequence) -> Sequence {
        let next = match self.sent.map(Sequence::next) {
            Some(next) if next.is_after(clock) && !hmac.too_far(next.seconds_after(clock)) => next,
            _ => clock,
        };
        self.sent = Some(next);
        next
    }

    fn take(
        &mut self,
        hmac: &Hmac,
        sender: IpAddr,
        number: Sequence,
        now: Sequence,
    ) -> Result<(), Discard> {
        self.clock += 1;
        let mark = Mark { sender, highest: number, last: self.clock };
        let Some(known) = self.heard.iter_mut().find(|known| known.sender == sender) else {
            self.remember(mark);
            return Ok(());
        };
        // A mark out of the window says that the sender's clock was wrong, or ours.
        let counts = !hmac.too_far(known.highest.seconds_after(now));
        if counts && !number.is_after(known.highest) {
            return Err(Discard::HmacReplay);
        }
        *known = mark;
        Ok(())
    }

    fn remember(&mut self, mark: Mark) {
        if self.heard.len() < MOST_SENDERS {
            return self.heard.push(mark);
        }
        if let Some(oldest) = self.heard.iter_mut().min_by_key(|known| known.last) {
            *oldest = mark;
        }
    }
}

#[cfg(test)]
mod tests;
