//! What one virtual router has sent, heard and thrown away, by reason.

use crate::wire::{ADDR_LIST_ERR, Discard, NAMES};

use super::{Heard, PublicState, Transition, Warning};

/// Reasons to discard that have a name of their own.
const REASONS: usize = NAMES.len();

/// Statistics of one virtual router, from its start on; they survive a reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    pub advert_rcvd: u64,
    pub advert_sent: u64,
    pub become_master: u64,
    pub release_master: u64,
    pub pri_zero_rcvd: u64,
    pub pri_zero_sent: u64,
    /// By reason; `None` while nothing was thrown away, as with most.
    discarded: Option<Box<[u64; REASONS]>>,
}

impl Counters {
    /// An advertisement passed all checks, or failed only in its address list.
    pub fn count_heard(&mut self, heard: &Heard) {
        self.advert_rcvd += 1;
        self.pri_zero_rcvd += u64::from(heard.priority == 0);
        if let Some(Warning::AddressList { .. }) = heard.warning {
            self.discarded()[ADDR_LIST_ERR] += 1;
        }
    }

    /// A packet for this virtual router was thrown away.
    pub fn count_discard(&mut self, reason: Discard) {
        self.discarded()[reason.index()] += 1;
    }

    fn discarded(&mut self) -> &mut [u64; REASONS] {
        self.discarded.get_or_insert_default()
    }

    /// An advertisement of ours went out.
    pub fn count_sent(&mut self, priority: u8) {
        self.advert_sent += 1;
        self.pri_zero_sent += u64::from(priority == 0);
    }

    pub fn count_transition(&mut self, transition: &Transition) {
        self.become_master += u64::from(transition.to == PublicState::Master);
        self.release_master += u64::from(transition.from == PublicState::Master);
    }

    /// Every counter under keepalived's name, in the order of its dumps; the reasons that
    /// keepalived does not count come last.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let own = [
            ("advert_rcvd", self.advert_rcvd),
            ("advert_sent", self.advert_sent),
            ("become_master", self.become_master),
            ("release_master", self.release_master),
        ];
        let zero = [("pri_zero_rcvd", self.pri_zero_rcvd), ("pri_zero_sent", self.pri_zero_sent)];
        let discarded = self.discarded.as_deref().copied().unwrap_or_default();
        let reasons = NAMES.into_iter().zip(discarded);
        own.into_iter().chain(zero).chain(reasons)
    }
}

#[cfg(test)]
mod tests;
