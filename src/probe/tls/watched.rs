//! Cipher suites through which we see what they decrypt, before rustls does: a handshake, of which it would take
//! whatever comes (see [`handshake`](super::handshake)), and what belongs to the application, which it would copy.
//! It is decrypted where it lies, in the buffer of the stream, and can be read there.

use std::cell::Cell;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{
    CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite,
    Tls12CipherSuite, Tls13CipherSuite,
};

use super::handshake::{Format, Handshake};

thread_local! {
    /// Where the octets for the application lie that were decrypted last: the address of the first, and how many
    /// they are.
    static DECRYPTED: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// The provider that all sessions use.
pub(super) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let mut provider = ring::default_provider();
        for suite in &mut provider.cipher_suites {
            *suite = watched(*suite);
        }
        Arc::new(provider)
    })
}

/// Takes note of what was decrypted in `buffer` for the application since the last time, on this thread: where it
/// is. Nothing, or nothing there: `None`.
pub(super) fn take_decrypted(buffer: &[u8]) -> Option<Range<usize>> {
    let (address, length) = DECRYPTED.take()?;
    let start = address.checked_sub(buffer.as_ptr().addr())?;
    let range = start..start.checked_add(length)?;
    buffer.get(range.clone()).map(|_| range)
}

/// The suite, watched. It lives as long as the process, as those of the library do.
fn watched(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    match suite {
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: Box::leak(Box::new(Watched(suite.aead_alg))),
            })))
        }
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: Box::leak(Box::new(Watched(suite.aead_alg))),
                quic: None,
            })))
        }
    }
}

fn common(of: &CipherSuiteCommon) -> CipherSuiteCommon {
    let CipherSuiteCommon { suite, hash_provider, confidentiality_limit } = *of;
    CipherSuiteCommon { suite, hash_provider, confidentiality_limit }
}

/// An algorithm whose decrypters are watched.
struct Watched<T: ?Sized + 'static>(&'static T);

impl Tls13AeadAlgorithm for Watched<dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.0.encrypter(key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        watching(self.0.decrypter(key, iv), Format::Tls13)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

impl Tls12AeadAlgorithm for Watched<dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        self.0.encrypter(key, iv, extra)
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        watching(self.0.decrypter(key, iv), Format::Tls12)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }
}

struct Decrypter {
    inner: Box<dyn MessageDecrypter>,
    handshake: Handshake,
}

fn watching(inner: Box<dyn MessageDecrypter>, format: Format) -> Box<dyn MessageDecrypter> {
    Box::new(Decrypter { inner, handshake: Handshake::new(format) })
}

impl MessageDecrypter for Decrypter {
    fn decrypt<'a>(
        &mut self,
        message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let plain = self.inner.decrypt(message, sequence)?;
        match plain.typ {
            ContentType::Handshake => {
                let followed = self.handshake.follow(plain.payload);
                followed.map_err(|too_much| Error::General(too_much.to_string()))?;
            }
            ContentType::ApplicationData => {
                DECRYPTED.set(Some((plain.payload.as_ptr().addr(), plain.payload.len())));
                // All but the first: rustls takes records without any for an attack when there are many.
                let first = &plain.payload[..plain.payload.len().min(1)];
                return Ok(InboundPlainMessage { payload: first, ..plain });
            }
            _ => {}
        }
        Ok(plain)
    }
}
