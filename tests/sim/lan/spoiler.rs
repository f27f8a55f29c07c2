//! Packets that would put every router to silence, were they believed.

use super::*;

/// One way of spoiling a packet that would else put every router to silence.
#[derive(Debug, Clone, Copy)]
pub enum Spoiler {
    Ttl,
    Password,
    Checksum,
    Truncated,
    Version,
    Interval,
}

pub const SPOILERS: [Spoiler; 6] = [
    Spoiler::Ttl,
    Spoiler::Password,
    Spoiler::Checksum,
    Spoiler::Truncated,
    Spoiler::Version,
    Spoiler::Interval,
];

impl Spoiler {
    /// The advert of a stranger of priority 255, spoilt.
    pub fn octets(self, lan: &Lan) -> Vec<u8> {
        let mut stranger = Node::new(lan.nodes[0].router.settings().clone(), 199, 0);
        match self {
            Self::Password => {
                stranger.admission.authentication = Authentication::SimpleText(*b"Secret\0\0");
            }
            Self::Interval => {
                let two_seconds = AdverInterval::from_centiseconds(200).unwrap();
                let settings =
                    RouterSettings { adver_interval: two_seconds, ..settings(255, true) };
                stranger.router = VirtualRouter::new(settings, Some(stranger.source.into()));
            }
            Self::Ttl | Self::Checksum | Self::Truncated | Self::Version => {}
        }
        let mut octets = stranger.advert(255);
        match self {
            Self::Ttl => octets[8] = 254,
            Self::Checksum => octets[26] ^= 0xff,
            Self::Truncated => octets.truncate(35),
            Self::Version => octets[20] = 0x41,
            Self::Password | Self::Interval => {}
        }
        octets
    }
}
