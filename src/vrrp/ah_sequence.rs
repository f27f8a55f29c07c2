//! The sequence number of `auth_type AH`: one for both directions, as keepalived counts.

use crate::wire::Discard;

/// The last number sent or accepted by one instance; 0 at first. It outlives a reload.
///
/// A Backup follows the Active Router's numbers, so that it goes on from there when it takes over.
/// The price is keepalived's: a router that was restarted begins at 1, and whoever has accepted
/// more ignores it until he sends adverts himself, whose numbers it then follows. And two Active
/// Routers of one count that send at the same moment, to less than a packet's way, refuse each
/// other's adverts: until their clocks have drifted that far apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AhSequence(u32);

impl AhSequence {
    /// The number of the next advert, the same in all its copies.
    pub fn advance(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }

    /// Accepts a number that is above the last one.
    ///
    /// # Errors
    /// [`Discard::AhSequence`] for any other.
    pub fn take(&mut self, received: u32) -> Result<(), Discard> {
        if received <= self.0 {
            return Err(Discard::AhSequence { received, last: self.0 });
        }
        self.0 = received;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sent_go_on_from_those_accepted() {
        let mut sequence = AhSequence::default();
        assert_eq!([sequence.advance(), sequence.advance()], [1, 2]);
        assert_eq!(sequence.take(40), Ok(()));
        assert_eq!(sequence.advance(), 41);
    }

    #[test]
    fn a_number_is_accepted_once() {
        let mut sequence = AhSequence::default();
        assert_eq!(sequence.take(7), Ok(()));
        for received in [0, 6, 7] {
            assert_eq!(sequence.take(received), Err(Discard::AhSequence { received, last: 7 }));
        }
        assert_eq!(sequence.take(8), Ok(()));
    }
}
