//! TLS for SSL_GET and genhash: encryption without any verification, as keepalived has it.
//!
//! A check asks whether a server serves, not whether it is who it says it is: certificates that are
//! self-signed, expired or for another name are fine, and so are weak ones.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::Seconds;

/// Why there is no TLS connection. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("TLS handshake not finished within {}", Seconds(*.0))]
    Slow(Duration),
}

/// Shakes hands with `peer` over `stream`, within `limit`. `name`: what SNI says; `None`, or what is no host
/// name: no SNI (RFC 6066 §3 knows no addresses).
///
/// # Errors
/// See [`TlsError`].
pub async fn shake_hands(
    stream: TcpStream,
    peer: IpAddr,
    name: Option<&str>,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    let connector = TlsConnector::from(config(name.is_some()));
    let name = name.unwrap_or_else(|| ServerName::IpAddress(peer.into()));
    match timeout(limit, connector.connect(name, stream)).await {
        Ok(shaken) => shaken.map_err(TlsError::Handshake),
        Err(_) => Err(TlsError::Slow(limit)),
    }
}

/// One configuration with SNI and one without, made at first use: they are dear.
fn config(with_sni: bool) -> Arc<ClientConfig> {
    static CONFIGS: [OnceLock<Arc<ClientConfig>>; 2] = [const { OnceLock::new() }; 2];
    CONFIGS[usize::from(with_sni)].get_or_init(|| Arc::new(new_config(with_sni))).clone()
}

fn new_config(with_sni: bool) -> ClientConfig {
    let provider = Arc::new(crypto::ring::default_provider());
    let accept = Arc::new(AcceptAll(provider.clone()));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for the default versions")
        .dangerous()
        .with_custom_certificate_verifier(accept)
        .with_no_client_auth();
    config.enable_sni = with_sni;
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
