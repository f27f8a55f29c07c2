//! What the messages of a server's handshake may have. Certificates and names of CAs of an octet each take rustls
//! twenty times as much memory as they have on the wire, and it counts none of them; so they are counted before it
//! sees them, piece by piece, as they come.

/// Octets of all messages of a handshake together. Chains of certificates as they are in use have a third of that.
pub const MAX_OCTETS: usize = 20_480;

/// Certificates in a chain: those in use have up to five.
pub const MAX_CERTIFICATES: usize = 30;

/// CAs that a server may name whose certificates it would like to see.
pub const MAX_NAMES: usize = 500;

/// Messages that have lists (RFC 8446 §4).
const CERTIFICATE: usize = 11;
const CERTIFICATE_REQUEST: usize = 13;

/// Messages behind the handshake, of which there may be as many as there are: tickets and new keys.
const NEW_SESSION_TICKET: usize = 4;
const KEY_UPDATE: usize = 24;

/// The extension that has names of CAs (RFC 8446 §4.2.4).
const CERTIFICATE_AUTHORITIES: usize = 47;

/// Why a handshake is not gone on with. Worded for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    #[error("more than {MAX_OCTETS} bytes")]
    Octets,
    #[error("more than {MAX_CERTIFICATES} certificates")]
    Certificates,
    #[error("names of more than {MAX_NAMES} CAs")]
    Names,
}

/// Whose format messages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 5246 §7.4.
    Tls12,
    /// RFC 8446 §4.
    Tls13,
}

/// What the number on its way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Kind,
    /// Of a message of this kind.
    Length(usize),
    /// In a certificate's message: the context, which is that of a request; the list; a certificate; what
    /// belongs to it.
    CertificateContext,
    Certificates,
    Certificate,
    CertificateExtensions,
    /// In a request: kinds of certificates, ways to sign, names.
    Kinds,
    Schemes,
    Names,
    Name,
    /// In a request of TLS 1.3.
    RequestContext,
    Extensions,
    Extension,
    ExtensionLength(usize),
}

impl Number {
    /// Octets that it has.
    fn width(self) -> usize {
        match self {
            Self::Kind | Self::CertificateContext | Self::RequestContext | Self::Kinds => 1,
            Self::Length(_) | Self::Certificates | Self::Certificate => 3,
            _ => 2,
        }
    }
}

/// Follows the messages of one handshake.
#[derive(Debug)]
pub struct Handshake {
    format: Format,
    number: Number,
    value: usize,
    /// Octets of the number that have come.
    digits: usize,
    /// Octets that are of no interest.
    skip: usize,
    /// Octets of the message, and of the list of names, that are still to come.
    left: usize,
    names_left: usize,
    octets: usize,
    certificates: usize,
    names: usize,
}

impl Handshake {
    pub fn new(format: Format) -> Self {
        Self {
            format,
            number: Number::Kind,
            value: 0,
            digits: 0,
            skip: 0,
            left: 0,
            names_left: 0,
            octets: 0,
            certificates: 0,
            names: 0,
        }
    }

    /// Looks at the next octets. What is malformed is passed over: rustls will say so.
    ///
    /// # Errors
    /// See [`TooMuch`].
    pub fn follow(&mut self, mut octets: &[u8]) -> Result<(), TooMuch> {
        while let Some((first, rest)) = octets.split_first() {
            if self.skip > 0 {
                let now = self.skip.min(octets.len());
                self.skip -= now;
                self.left -= now;
                octets = &octets[now..];
            } else {
                octets = rest;
                self.take_digit(*first)?;
            }
            if self.left == 0 && !matches!(self.number, Number::Kind | Number::Length(_)) {
                (self.number, self.digits, self.value) = (Number::Kind, 0, 0);
            }
        }
        Ok(())
    }

    fn take_digit(&mut self, octet: u8) -> Result<(), TooMuch> {
        (self.value, self.digits) = (self.value << 8 | usize::from(octet), self.digits + 1);
        self.left = self.left.saturating_sub(1);
        if self.digits < self.number.width() {
            return Ok(());
        }
        let value = self.value;
        (self.value, self.digits) = (0, 0);
        self.take_number(value)
    }

    fn take_number(&mut self, value: usize) -> Result<(), TooMuch> {
        let is_new = self.format == Format::Tls13;
        self.number = match self.number {
            Number::Kind => Number::Length(value),
            Number::Length(kind) => return self.begin(kind, value),
            Number::CertificateContext => self.pass(value, Number::Certificates),
            Number::Certificates => Number::Certificate,
            Number::Certificate => {
                self.certificates += 1;
                let next = if is_new { Number::CertificateExtensions } else { Number::Certificate };
                self.pass(value, next)
            }
            Number::CertificateExtensions => self.pass(value, Number::Certificate),
            Number::Kinds => self.pass(value, Number::Schemes),
            Number::Schemes => self.pass(value, Number::Names),
            Number::Names => {
                self.names_left = value;
                self.next_name()
            }
            Number::Name => {
                self.names += 1;
                self.names_left = self.names_left.saturating_sub(2 + value);
                let next = self.next_name();
                self.pass(value, next)
            }
            Number::RequestContext => self.pass(value, Number::Extensions),
            Number::Extensions => Number::Extension,
            Number::Extension => Number::ExtensionLength(value),
            Number::ExtensionLength(CERTIFICATE_AUTHORITIES) => Number::Names,
            Number::ExtensionLength(_) => self.pass(value, Number::Extension),
        };
        match () {
            () if self.certificates > MAX_CERTIFICATES => Err(TooMuch::Certificates),
            () if self.names > MAX_NAMES => Err(TooMuch::Names),
            () => Ok(()),
        }
    }

    /// Begins a message of so many octets.
    fn begin(&mut self, kind: usize, length: usize) -> Result<(), TooMuch> {
        self.left = length;
        self.number = match (kind, self.format) {
            (CERTIFICATE, Format::Tls12) => Number::Certificates,
            (CERTIFICATE, Format::Tls13) => Number::CertificateContext,
            (CERTIFICATE_REQUEST, Format::Tls12) => Number::Kinds,
            (CERTIFICATE_REQUEST, Format::Tls13) => Number::RequestContext,
            _ => self.pass(length, Number::Kind),
        };
        if ![NEW_SESSION_TICKET, KEY_UPDATE].contains(&kind) {
            self.octets += length;
        }
        if self.octets > MAX_OCTETS { Err(TooMuch::Octets) } else { Ok(()) }
    }

    /// Passes over `length` octets, behind which comes `next`.
    fn pass(&mut self, length: usize, next: Number) -> Number {
        self.skip = length.min(self.left);
        next
    }

    /// What comes in a list of names, and behind it.
    fn next_name(&self) -> Number {
        match self.format {
            _ if self.names_left > 0 => Number::Name,
            Format::Tls13 => Number::Extension,
            // Nothing: it would be the end of the message.
            Format::Tls12 => Number::Name,
        }
    }
}

#[cfg(test)]
mod tests;
