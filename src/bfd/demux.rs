//! Which session a packet is for (RFC 5880 §6.8.6, RFC 5881 §3, RFC 5883 §4).

use std::collections::HashMap;
use std::net::IpAddr;

use super::{ControlPacket, Discard, Session, State};

/// The two ends of a session. No two sessions have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub neighbor: IpAddr,
    /// `None`: whatever address the kernel sends from.
    pub source: Option<IpAddr>,
    pub multihop: bool,
}

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// By the port of [`super::MULTIHOP_PORT`].
    pub multihop: bool,
}

/// All sessions, by number.
#[derive(Debug, Default)]
pub struct Sessions {
    all: Vec<(Endpoint, Session)>,
    by_discriminator: HashMap<u32, usize>,
    /// Those with a source of their own, and those without.
    by_endpoint: HashMap<Endpoint, usize>,
}

impl Sessions {
    pub fn new(all: Vec<(Endpoint, Session)>) -> Self {
        let discriminators = all.iter().map(|(_, session)| session.discriminator().get());
        let by_discriminator = discriminators.zip(0..).collect();
        let by_endpoint = all.iter().map(|(endpoint, _)| *endpoint).zip(0..).collect();
        Self { all, by_discriminator, by_endpoint }
    }

    pub fn into_all(self) -> Vec<(Endpoint, Session)> {
        self.all
    }

    pub fn get_mut(&mut self, number: usize) -> Option<&mut Session> {
        self.all.get_mut(number).map(|(_, session)| session)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.all.iter().map(|(_, session)| session)
    }

    /// The number of the session that `packet` is for, if it may be taken for the neighbour's.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn select(&self, packet: &ControlPacket, arrival: &Arrival) -> Result<usize, Discard> {
        let number = match packet.your_discriminator {
            0 => self.by_addresses(arrival),
            discriminator => self.by_discriminator.get(&discriminator).copied(),
        };
        let number = number.ok_or(Discard::NoSession)?;
        let (endpoint, session) = &self.all[number];
        if endpoint.multihop != arrival.multihop {
            return Err(Discard::NoSession);
        }
        if arrival.ttl < session.settings().least_ttl {
            return Err(Discard::Ttl);
        }
        if session.state() == State::AdminDown {
            return Err(Discard::AdminDown);
        }
        Ok(number)
    }

    fn by_addresses(&self, arrival: &Arrival) -> Option<usize> {
        let Arrival { source: neighbor, destination, multihop, .. } = *arrival;
        let with = |source| self.by_endpoint.get(&Endpoint { neighbor, source, multihop });
        with(Some(destination)).or_else(|| with(None)).copied()
    }
}

#[cfg(test)]
mod tests;
