//! The block `SSL`: a certificate of our own, for servers that want to know who asks.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::provider;

/// `certificate`, `key` and `password` of the block `SSL`.
pub struct Identity {
    /// PEM, ours first and then its issuers.
    certificate: PathBuf,
    /// PEM; by default in the file of the certificate.
    key: PathBuf,
    password: Option<String>,
    loaded: Mutex<Option<(Stamps, Arc<dyn ResolvesClientCert>)>>,
}

type Stamps = [Stamp; 2];

/// By which a file that has changed is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl Stamp {
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = std::fs::metadata(path)?;
        Ok(Self { modified: file.modified()?, length: file.len() })
    }
}

impl Identity {
    /// What it is known by: two are the same that are in the same files.
    fn parts(&self) -> impl Eq + Hash {
        (&self.certificate, &self.key, &self.password)
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// Without the password.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.certificate.display(), self.key.display())
    }
}

/// One certificate for all who ask.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(
        &self,
        _issuers: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl Identity {
    pub fn new(certificate: PathBuf, key: Option<PathBuf>, password: Option<String>) -> Self {
        let key = key.unwrap_or_else(|| certificate.clone());
        Self { certificate, key, password, loaded: Mutex::new(None) }
    }

    /// What answers servers that ask; its files are read at first use and when they have changed.
    pub(super) fn resolver(&self) -> Result<Arc<dyn ResolvesClientCert>, String> {
        let stamp = |path: &Path| Stamp::of(path).map_err(|error| about(path, &error));
        let stamps = [stamp(&self.certificate)?, stamp(&self.key)?];
        // Nothing is left half done when a thread panics here.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, resolver)) = &*loaded
            && *at == stamps
        {
            return Ok(resolver.clone());
        }
        let resolver: Arc<dyn ResolvesClientCert> = Arc::new(Always(Arc::new(self.read()?)));
        *loaded = Some((stamps, resolver.clone()));
        Ok(resolver)
    }

    fn read(&self) -> Result<CertifiedKey, String> {
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| about(&self.certificate, &error))?;
        if chain.is_empty() {
            return Err(about(&self.certificate, &"there is no certificate in it"));
        }
        let key = self.read_key()?;
        let key = provider().key_provider.load_private_key(key);
        let certified = CertifiedKey::new(chain, key.map_err(|error| about(&self.key, &error))?);
        match certified.keys_match() {
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                let certificate = self.certificate.display();
                Err(about(&self.key, &format_args!("it is not the key of {certificate}")))
            }
            _ => Ok(certified),
        }
    }

    fn read_key(&self) -> Result<PrivateKeyDer<'static>, String> {
        let pem = std::fs::read(&self.key).map_err(|error| about(&self.key, &error))?;
        match super::encrypted::key(&pem, self.password.as_deref()) {
            Some(key) => key.map_err(|error| about(&self.key, &error)),
            None => PrivateKeyDer::from_pem_slice(&pem).map_err(|error| about(&self.key, &error)),
        }
    }
}

/// `client certificate /etc/x.pem: …`.
fn about(path: &Path, what: &dyn fmt::Display) -> String {
    format!("client certificate {}: {what}", path.display())
}
