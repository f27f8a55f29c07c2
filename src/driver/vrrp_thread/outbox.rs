//! Adverts that are due together, sent with few system calls: those of one socket go out in one.
//!
//! Its memory is kept from one time to the next, so that sending allocates nothing.

use std::io;
use std::net::IpAddr;
use std::ops::Range;

use super::{SocketKey, Sockets};

#[derive(Default)]
pub struct Outbox {
    posted: Vec<Posted>,
    letters: Vec<Letter>,
    /// All datagrams, one after the other.
    octets: Vec<u8>,
}

/// What became of one advert.
#[derive(Debug)]
pub struct Posted {
    /// Instance that it is of.
    pub number: usize,
    pub priority: u8,
    socket: SocketKey,
    /// To one peer at least.
    pub sent: bool,
    /// The first one, with whom it was for.
    pub failure: Option<(IpAddr, io::Error)>,
}

/// One copy of an advert.
#[derive(Debug)]
struct Letter {
    /// Which one of `posted`.
    advert: usize,
    to: IpAddr,
    octets: Range<usize>,
}

impl Outbox {
    /// The next advert, of instance `number`; [`add`](Self::add) adds its copies.
    pub fn begin(&mut self, number: usize, socket: SocketKey, priority: u8) {
        self.posted.push(Posted { number, priority, socket, sent: false, failure: None });
    }

    /// One copy, for `to`, of the advert that was begun last.
    pub fn add(&mut self, to: IpAddr, datagram: &[u8]) {
        let Some(advert) = self.posted.len().checked_sub(1) else { return };
        let start = self.octets.len();
        self.octets.extend_from_slice(datagram);
        self.letters.push(Letter { advert, to, octets: start..self.octets.len() });
    }

    /// Sends everything, and tells `done` of each advert, in the order in which they were begun. Of
    /// one socket that order is kept on the wire, too.
    pub fn send(&mut self, sockets: &Sockets, done: impl FnMut(Posted)) {
        let Self { posted, letters, octets } = self;
        letters.sort_unstable_by_key(|letter| (posted[letter.advert].socket, letter.octets.start));
        let mut start = 0;
        while let Some(first) = letters.get(start) {
            let (rest, key) = (&letters[start..], posted[first.advert].socket);
            let same = |letter: &&Letter| posted[letter.advert].socket == key;
            let count = rest.iter().take_while(same).count();
            send_through(sockets, key, &rest[..count], octets, posted);
            start += count;
        }
        letters.clear();
        octets.clear();
        posted.drain(..).for_each(done);
    }
}

/// `letters` are all those for the socket of `key`.
fn send_through(
    sockets: &Sockets,
    key: SocketKey,
    letters: &[Letter],
    octets: &[u8],
    posted: &mut [Posted],
) {
    // Without a socket nothing was sent and nothing failed: its interface is gone.
    let Some(socket) = sockets.get(&key) else { return };
    let mut refusals = Vec::new();
    let datagrams = letters.iter().map(|letter| (&octets[letter.octets.clone()], letter.to));
    socket.send_batch(datagrams, |place, error| refusals.push((place, error)));
    let mut refusals = refusals.into_iter().peekable();
    for (place, letter) in letters.iter().enumerate() {
        let advert = &mut posted[letter.advert];
        match refusals.next_if(|(refused, _)| *refused == place) {
            Some((_, error)) => drop(advert.failure.get_or_insert((letter.to, error))),
            None => advert.sent = true,
        }
    }
}
