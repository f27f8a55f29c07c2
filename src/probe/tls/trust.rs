//! `tls_verify`: whose certificates a server's must be from, and for which name.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::identity::Stamp;
use super::provider;

/// Where distributions keep the certificates that the system trusts: Debian, Fedora, SUSE, Alpine.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Files that are remembered; more than that are read again and again.
const REMEMBERED: usize = 64;

/// What one file of certificates says.
#[derive(Debug)]
pub(super) struct Trust {
    web_pki: Arc<WebPkiServerVerifier>,
    /// Certificates of the file itself: a server that shows one of these needs no issuer.
    listed: HashSet<CertificateDer<'static>>,
}

type Known = HashMap<PathBuf, (Stamp, Arc<Trust>)>;

/// The certificates in `ca`, or those of the system; read when they are first wanted and when the file has
/// changed.
pub(super) fn trust(ca: Option<&Path>) -> Result<Arc<Trust>, String> {
    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
    let path = match ca {
        Some(path) => path,
        None => SYSTEM.iter().map(Path::new).find(|path| path.exists()).ok_or_else(|| {
            format!("this system has no CA certificates where they usually are ({})", SYSTEM[0])
        })?,
    };
    let stamp =
        Stamp::of(path).map_err(|error| format!("CA certificates {}: {error}", path.display()))?;
    // Nothing is left half done when a thread panics here.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some((at, trust)) = known.get(path)
        && *at == stamp
    {
        return Ok(trust.clone());
    }
    let trust = Arc::new(read(path)?);
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(path.to_owned(), (stamp, trust.clone()));
    Ok(trust)
}

fn read(path: &Path) -> Result<Trust, String> {
    let about = |what: String| format!("CA certificates {}: {what}", path.display());
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| about(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let certificates = certificates.map_err(|error| about(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    // A bundle may have one that we do not understand among many.
    let (added, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(about("there is no certificate in it".to_owned()));
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider().clone());
    let web_pki = builder.build().map_err(|error| about(error.to_string()))?;
    Ok(Trust { web_pki, listed: certificates.into_iter().collect() })
}

impl Trust {
    /// A verifier of certificates for `name`, or else for `peer`.
    pub fn verifier_of(
        self: Arc<Self>,
        name: Option<&str>,
        peer: IpAddr,
    ) -> Result<Verifier, String> {
        let name = match name {
            None => ServerName::IpAddress(peer.into()),
            Some(text) => server_name(text)
                .ok_or_else(|| format!("`{text}` is no name that a certificate could be for"))?,
        };
        Ok(Verifier { trust: self, name })
    }
}

/// A virtual host may have a port behind its name.
fn server_name(text: &str) -> Option<ServerName<'static>> {
    let bare = text.rsplit_once(':').map_or(text, |(name, _)| name);
    let bare = bare.trim_start_matches('[').trim_end_matches(']');
    [text, bare].into_iter().find_map(|text| ServerName::try_from(text.to_owned()).ok())
}

/// Verifies a server's certificate for a name of ours, whatever name the server was told.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Arc<Trust>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _told: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.trust.listed.contains(certificate) {
            // Named by the operator, one by one: no issuer and no date makes it truer.
            verify_server_name(&ParsedCertificate::try_from(certificate)?, &self.name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let web_pki = &self.trust.web_pki;
        web_pki.verify_server_cert(certificate, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.web_pki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.web_pki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.web_pki.supported_verify_schemes()
    }
}
