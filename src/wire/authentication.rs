//! VRRPv2's authentication field.

use std::fmt;

use subtle::ConstantTimeEq;

use super::ah;

/// VRRPv2 authentication (RFC 2338 §5.3.6; dropped from the RFCs since, alive in the field).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Authentication {
    #[default]
    None,
    /// `auth_type PASS`: up to 8 octets, padded with NUL.
    SimpleText([u8; 8]),
    /// `auth_type AH`: an authentication header before the VRRP message (IPv4 only).
    Header(ah::Key),
}

impl Authentication {
    /// The Auth Type octet (RFC 2338 §5.3.6).
    pub const fn wire_type(self) -> u8 {
        match self {
            Self::None => 0,
            Self::SimpleText(_) => 1,
            Self::Header(_) => 2,
        }
    }

    /// The Authentication Data field, which VRRPv2 always carries: zero without a password in it.
    pub const fn wire_data(self) -> [u8; 8] {
        match self {
            Self::None | Self::Header(_) => [0; 8],
            Self::SimpleText(password) => password,
        }
    }

    /// Whether `data` from a packet of our Auth Type is what ours would be. Takes the same time
    /// wherever the first difference is. Without a password in it the field is not
    /// looked at (RFC 2338 §5.3.10).
    pub fn accepts(self, data: &[u8; 8]) -> bool {
        match self {
            Self::None | Self::Header(_) => true,
            Self::SimpleText(password) => password.ct_eq(data).into(),
        }
    }
}

impl fmt::Debug for Authentication {
    /// Never shows the password: dumps and logs travel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::SimpleText(_) => f.write_str("SimpleText(********)"),
            Self::Header(_) => f.write_str("Header(********)"),
        }
    }
}
