//! The BFD Control packet (RFC 5880 §4.1): octets to values and back.

use std::fmt;
use std::num::NonZeroU32;

/// The mandatory section; an authentication section would follow it.
pub const PACKET_LEN: usize = 24;

/// With an authentication section, which is at least 2 octets, the Length field is not below this.
const AUTHENTICATED_LEN: u8 = 26;
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// Where a session stands, and what packets call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    AdminDown,
    Down,
    Init,
    Up,
}

/// Why a session went down last: 5 bits, of which RFC 5880 §4.1 gives the first nine a meaning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Diagnostic(u8);

impl Diagnostic {
    pub const NONE: Self = Self(0);
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    pub fn number(self) -> u8 {
        self.0
    }
}

/// One Control packet without authentication. Intervals are in microseconds, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlPacket {
    pub diagnostic: Diagnostic,
    pub state: State,
    pub poll: bool,
    pub is_final: bool,
    /// C: its BFD lives on when its control plane does not.
    pub independent: bool,
    pub demand: bool,
    pub detect_mult: u8,
    pub my_discriminator: NonZeroU32,
    /// 0: not known yet.
    pub your_discriminator: u32,
    pub desired_min_tx: u32,
    pub required_min_rx: u32,
    pub required_min_echo_rx: u32,
}

/// Why a packet went no further, in the order of RFC 5880 §6.8.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Discard {
    #[error("shorter than a BFD Control packet")]
    TooShort,
    #[error("not version 1")]
    Version,
    #[error("Length field below what it must be")]
    LengthField,
    #[error("cut short: less than its Length field says")]
    Truncated,
    #[error("Detect Mult is 0")]
    DetectMult,
    #[error("Multipoint bit is set")]
    Multipoint,
    #[error("My Discriminator is 0")]
    MyDiscriminator,
    #[error("Your Discriminator is 0 in a state that knows ours")]
    StateWithoutDiscriminator,
    #[error("no session has this discriminator, or these addresses")]
    NoSession,
    #[error("authenticated, and no session here is")]
    Authenticated,
    #[error("TTL or hop limit too low")]
    Ttl,
    #[error("the session is administratively down")]
    AdminDown,
}

impl Discard {
    pub const COUNT: usize = 12;

    /// The word of counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::Version => "version",
            Self::LengthField => "length_field",
            Self::Truncated => "truncated",
            Self::DetectMult => "detect_mult",
            Self::Multipoint => "multipoint",
            Self::MyDiscriminator => "my_discriminator",
            Self::StateWithoutDiscriminator => "state_without_discriminator",
            Self::NoSession => "no_session",
            Self::Authenticated => "authenticated",
            Self::Ttl => "ttl",
            Self::AdminDown => "admin_down",
        }
    }
}

impl ControlPacket {
    /// Parses the payload of a UDP datagram; what follows the length it claims is passed over.
    ///
    /// # Errors
    /// The first rule of RFC 5880 §6.8.6 that it breaks, as far as they concern the packet alone.
    /// One with authentication is refused: no session here has any. Never panics.
    pub fn parse(payload: &[u8]) -> Result<Self, Discard> {
        let Some(octets) = payload.first_chunk::<PACKET_LEN>() else {
            return Err(Discard::TooShort);
        };
        let [first, flags, detect_mult, length, ..] = *octets;
        let authenticated = flags & AUTHENTICATED != 0;
        let least = if authenticated { AUTHENTICATED_LEN } else { PACKET_LEN as u8 };
        if first >> 5 != VERSION {
            return Err(Discard::Version);
        }
        if length < least {
            return Err(Discard::LengthField);
        }
        if usize::from(length) > payload.len() {
            return Err(Discard::Truncated);
        }
        if detect_mult == 0 {
            return Err(Discard::DetectMult);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Discard::Multipoint);
        }
        let word = |at: usize| {
            u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
        };
        let my_discriminator = NonZeroU32::new(word(4)).ok_or(Discard::MyDiscriminator)?;
        let packet = Self {
            diagnostic: Diagnostic(first & 0x1f),
            state: State::from_bits(flags),
            poll: flags & POLL != 0,
            is_final: flags & FINAL != 0,
            independent: flags & INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            detect_mult,
            my_discriminator,
            your_discriminator: word(8),
            desired_min_tx: word(12),
            required_min_rx: word(16),
            required_min_echo_rx: word(20),
        };
        if packet.your_discriminator == 0 && matches!(packet.state, State::Init | State::Up) {
            return Err(Discard::StateWithoutDiscriminator);
        }
        if authenticated {
            return Err(Discard::Authenticated);
        }
        Ok(packet)
    }

    /// The octets to send.
    pub fn to_octets(&self) -> [u8; PACKET_LEN] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = self.state.to_bits()
            | flag(self.poll, POLL)
            | flag(self.is_final, FINAL)
            | flag(self.independent, INDEPENDENT)
            | flag(self.demand, DEMAND);
        let mut octets = [0; PACKET_LEN];
        let first = VERSION << 5 | self.diagnostic.0;
        octets[..4].copy_from_slice(&[first, flags, self.detect_mult, PACKET_LEN as u8]);
        let words = [
            self.my_discriminator.get(),
            self.your_discriminator,
            self.desired_min_tx,
            self.required_min_rx,
            self.required_min_echo_rx,
        ];
        for (place, word) in octets[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        octets
    }
}

impl State {
    /// Of the second octet, whose first two bits it is.
    fn from_bits(flags: u8) -> Self {
        match flags >> 6 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    fn to_bits(self) -> u8 {
        let number = match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        };
        number << 6
    }
}

/// RFC 5880's words, which are keepalived's, too.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            8 => "Reverse Concatenated Path Down",
            number => return write!(f, "Unknown ({number})"),
        })
    }
}

#[cfg(test)]
mod tests;
