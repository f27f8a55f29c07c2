//! TLS for SSL_GET and genhash. Without `tls_verify` it is encryption without any verification, as
//! keepalived has it: a check asks whether a server serves, not whether it is who it says it is.
//! Certificates that are self-signed, expired or for another name are fine then, and so are weak ones.

mod encrypted;
pub mod handshake;
mod identity;
mod stream;
mod trust;
mod watched;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connect::Seconds;
pub use identity::Identity;
pub use stream::TlsStream;
use watched::provider;

/// `tls_verify` and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Verify {
    /// `tls_ca`: PEM certificates; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// `tls_name`; `None`: the name that is told, else the virtual host, else the address.
    pub name: Option<String>,
}

/// What one session is to be like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Session<'a> {
    /// What SNI says; `None`, or what is no host name: no SNI (RFC 6066 §3 knows no addresses).
    pub name: Option<&'a str>,
    pub verify: Option<Verified<'a>>,
    pub identity: Option<&'a Arc<Identity>>,
    /// The server has to agree to HTTP/2 (RFC 9113 §3.2).
    pub http2: bool,
}

impl Session<'_> {
    pub fn with_http2(self) -> Self {
        Self { http2: true, ..self }
    }
}

/// Whom the server's certificate must be from, and for.
#[derive(Debug, Clone, Copy)]
pub struct Verified<'a> {
    pub ca: Option<&'a Path>,
    /// A host name, with or without a port behind it, or an address; `None`: the address of the connection.
    pub name: Option<&'a str>,
}

/// Why there is no TLS connection. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("TLS handshake not finished within {}", Seconds(*.0))]
    Slow(Duration),
    #[error("the server does not offer HTTP/2 (h2 by ALPN)")]
    NoHttp2,
    /// Says nothing about the server: a file of ours cannot be used.
    #[error("{0}")]
    Local(String),
}

/// Shakes hands with `peer` over `stream`, within `limit`.
///
/// # Errors
/// See [`TlsError`].
pub async fn shake_hands(
    stream: TcpStream,
    peer: IpAddr,
    session: &Session<'_>,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let name = session.name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    let config = config(peer, session, name.is_some())?;
    let name = name.unwrap_or_else(|| ServerName::IpAddress(peer.into()));
    // Or the request would wait until the server has acknowledged the end of the handshake, for which that takes its
    // time (RFC 1122 §4.2.3.2 and §4.2.3.4). Should it fail, it does wait.
    let _ = stream.set_nodelay(true);
    match timeout(limit, TlsStream::connect(config, name, stream)).await {
        Ok(Ok(stream)) if session.http2 && !stream.speaks(HTTP2) => Err(TlsError::NoHttp2),
        Ok(shaken) => shaken.map_err(TlsError::Handshake),
        Err(_) => Err(TlsError::Slow(limit)),
    }
}

const HTTP2: &[u8] = b"h2";

/// For sessions without verification and certificate one configuration with SNI and one without, with HTTP/2
/// and without, made at first use: they are dear. The files of the others are read again when they have changed.
fn config(
    peer: IpAddr,
    session: &Session<'_>,
    with_sni: bool,
) -> Result<Arc<ClientConfig>, TlsError> {
    static PLAIN: [OnceLock<Arc<ClientConfig>>; 4] = [const { OnceLock::new() }; 4];
    let number = usize::from(with_sni) + 2 * usize::from(session.http2);
    let plain = || PLAIN[number].get_or_init(|| Arc::new(new_config(with_sni, session.http2)));
    if session.verify.is_none() && session.identity.is_none() {
        return Ok(plain().clone());
    }
    let mut config = ClientConfig::clone(plain());
    if let Some(verified) = session.verify {
        let trust = trust::trust(verified.ca).map_err(TlsError::Local)?;
        let verifier = trust.verifier_of(verified.name, peer).map_err(TlsError::Local)?;
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
    }
    if let Some(identity) = session.identity {
        config.client_auth_cert_resolver = identity.resolver().map_err(TlsError::Local)?;
    }
    Ok(Arc::new(config))
}

fn new_config(with_sni: bool, http2: bool) -> ClientConfig {
    let accept = Arc::new(AcceptAll(provider().clone()));
    let mut config = ClientConfig::builder_with_provider(provider().clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for the default versions")
        .dangerous()
        .with_custom_certificate_verifier(accept)
        .with_no_client_auth();
    config.enable_sni = with_sni;
    if http2 {
        config.alpn_protocols = vec![HTTP2.to_vec()];
    }
    // A check is to be a whole one each time.
    config.resumption = rustls::client::Resumption::disabled();
    config
}

/// Accepts every certificate and every signature.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    /// SHA-1 as well: old servers sign with nothing else.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.0.signature_verification_algorithms.supported_schemes();
        schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        schemes
    }
}

#[cfg(test)]
mod tests;
