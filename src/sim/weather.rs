//! How badly the LANs carry packets.

use std::time::Duration;

use crate::random::Random;

/// Loss, duplication and delay for every packet; delays that differ reorder them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    pub loss_percent: u64,
    pub duplicate_percent: u64,
    pub longest_delay: Duration,
}

impl Weather {
    /// A LAN as it should be.
    pub const CALM: Self =
        Self { loss_percent: 0, duplicate_percent: 0, longest_delay: Duration::from_micros(200) };

    pub(super) fn random(random: &mut Random) -> Self {
        Self {
            loss_percent: random.between(0, 60),
            duplicate_percent: random.between(0, 30),
            longest_delay: Duration::from_millis(random.between(0, 1500)),
        }
    }

    /// The delays after which copies of one packet arrive; none when it is lost.
    pub(super) fn copies(&self, random: &mut Random) -> Vec<Duration> {
        let copies = 1 + u64::from(random.chance(self.duplicate_percent));
        let longest = u64::try_from(self.longest_delay.as_micros()).unwrap_or(u64::MAX - 1);
        (0..copies)
            .filter_map(|_| {
                let arrives = !random.chance(self.loss_percent);
                arrives.then(|| Duration::from_micros(random.between(0, longest)))
            })
            .collect()
    }
}

/// Which hosts do not hear which: one way only, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    /// From and to.
    cut: Vec<(usize, usize)>,
}

impl Partition {
    /// Hosts below `before` and the others do not hear each other, of so many hosts.
    pub(super) fn split(before: usize, hosts: usize) -> Self {
        let pairs = (0..hosts).flat_map(|from| (0..hosts).map(move |to| (from, to)));
        Self { cut: pairs.filter(|(from, to)| (*from < before) != (*to < before)).collect() }
    }

    /// `to` no longer hears `from`; the other way round all is well.
    pub(super) fn cut(&mut self, from: usize, to: usize) {
        self.cut.push((from, to));
    }

    pub fn hears(&self, to: usize, from: usize) -> bool {
        !self.cut.contains(&(from, to))
    }
}
