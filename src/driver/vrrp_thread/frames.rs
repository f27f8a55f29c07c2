//! Gratuitous ARPs and neighbour advertisements on their way out.
//!
//! The first round is what moves traffic, the others are for a frame that is lost. So of thousands of
//! addresses that come together each is announced once before any is announced again.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::interfaces::Interfaces;
use super::pacing::Place;
use super::wants::Owner;
use crate::kernel::ArpSocket;
use crate::wire::{arp, neighbour};

/// Frames sent in one go: half a millisecond.
const PIECE: usize = 256;

#[derive(Default)]
pub struct Frames {
    first: VecDeque<Announcement>,
    again: VecDeque<Announcement>,
}

struct Announcement {
    /// Whose address it is; `None`: it had to wait, and is forgotten by its place.
    owner: Option<Owner>,
    /// Interface it goes out of.
    ifindex: u32,
    /// How often it is still to be sent; at least once.
    rounds: u32,
    frame: Frame,
}

/// What tells the LAN where an address is now.
enum Frame {
    Arp([u8; arp::FRAME_LEN]),
    NeighbourAdvertisement([u8; neighbour::FRAME_LEN]),
}

impl Frame {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Arp(octets) => octets,
            Self::NeighbourAdvertisement(octets) => octets,
        }
    }
}

impl Frames {
    /// `rounds` frames for an address, one after another with all others that are announced now.
    pub fn add(
        &mut self,
        owner: Option<Owner>,
        interfaces: &Interfaces,
        place: Place,
        rounds: u32,
    ) {
        let (ifindex, address) = place;
        // Interfaces without ARP (tunnels, NOARP) have no neighbours to tell.
        let link = interfaces.by_index(ifindex).filter(|link| link.arp && rounds > 0);
        let Some((link, mac)) = link.and_then(|link| Some((link, link.mac?))) else { return };
        let frame = match address.addr() {
            IpAddr::V4(address) => Frame::Arp(arp::gratuitous_request(mac, address)),
            IpAddr::V6(address) => {
                Frame::NeighbourAdvertisement(neighbour::unsolicited(mac, address, link.router))
            }
        };
        self.first.push_back(Announcement { owner, ifindex, rounds, frame });
    }

    /// Drops those of somebody's that are still to be sent.
    pub fn silence(&mut self, owner: Owner) {
        for queue in [&mut self.first, &mut self.again] {
            queue.retain(|each| each.owner != Some(owner));
        }
    }

    pub fn clear(&mut self) {
        self.first.clear();
        self.again.clear();
    }

    /// Whether addresses wait for their first round.
    pub fn is_urgent(&self) -> bool {
        !self.first.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.again.is_empty()
    }

    /// Sends a piece of the first round; when that is done, of the others.
    pub fn send_some(&mut self, arp: &ArpSocket) {
        self.take_some(|piece| {
            let frames = piece.map(|each| (each.ifindex, each.frame.octets()));
            if let Err(error) = arp.send_frames(frames) {
                tracing::warn!("cannot announce addresses: {error}");
            }
        });
    }

    fn take_some(&mut self, send: impl FnOnce(Iter<'_>)) {
        let urgent = self.is_urgent();
        let queue = if urgent { &self.first } else { &self.again };
        let piece = queue.len().min(PIECE);
        send(queue.iter().take(piece));
        for _ in 0..piece {
            let sent = if urgent { self.first.pop_front() } else { self.again.pop_front() };
            // With the others, those that have rounds left wait for their turn once more.
            let more = sent.filter(|each| each.rounds > 1);
            self.again.extend(more.map(|each| Announcement { rounds: each.rounds - 1, ..each }));
        }
    }
}

type Iter<'a> = std::iter::Take<std::collections::vec_deque::Iter<'a, Announcement>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(ifindex: u32, rounds: u32) -> Announcement {
        let frame = Frame::Arp([0; arp::FRAME_LEN]);
        Announcement { owner: Some(Owner::Instance(ifindex as usize)), ifindex, rounds, frame }
    }

    /// Interfaces of the frames that the next piece has.
    fn piece(frames: &mut Frames) -> Vec<u32> {
        let mut sent = Vec::new();
        frames.take_some(|piece| sent.extend(piece.map(|each| each.ifindex)));
        sent
    }

    #[test]
    fn everybody_is_announced_once_before_anybody_is_again() {
        let mut frames = Frames::default();
        frames.first.extend((1..=300).map(|number| announcement(number, 3)));

        assert_eq!(piece(&mut frames), (1..=256).collect::<Vec<_>>());
        assert_eq!(piece(&mut frames), (257..=300).collect::<Vec<_>>());
        assert!(!frames.is_urgent() && !frames.is_empty());
        frames.first.push_back(announcement(999, 1));
        assert_eq!(piece(&mut frames), [999], "one that comes later goes first, too");

        let mut rest = Vec::new();
        while !frames.is_empty() {
            rest.extend(piece(&mut frames));
        }
        let twice: Vec<_> = (1..=300).chain(1..=300).collect();
        assert_eq!(rest, twice, "and each exactly as often as it was to be");
    }

    #[test]
    fn of_one_who_resigns_nothing_more_is_sent() {
        let mut frames = Frames::default();
        frames.first.extend([announcement(1, 2), announcement(2, 2)]);
        piece(&mut frames);
        frames.first.push_back(announcement(1, 1));

        frames.silence(Owner::Instance(1));

        assert_eq!((piece(&mut frames), frames.is_empty()), (vec![2], true));
    }
}
