//! Private keys that a password protects.

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::pem::PemLabel as _;
use pkcs8::der::{Document, SecretDocument};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The key in `pem`; `None`: it needs no password.
pub(super) fn key(
    pem: &[u8],
    password: Option<&str>,
) -> Option<Result<PrivateKeyDer<'static>, String>> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        let advice = "openssl pkcs8 -topk8 -in KEY -out NEW writes one that is";
        return Some(Err(format!("its encryption is that of old OpenSSL, not PKCS #8; {advice}")));
    }
    let label = EncryptedPrivateKeyInfoRef::PEM_LABEL;
    let begin = format!("-----BEGIN {label}-----");
    let start = text.find(&begin)?;
    let Some(password) = password else {
        return Some(Err("it is encrypted, and SSL has no password".to_owned()));
    };
    Some(decrypt(&text[start..], password))
}

fn decrypt(pem: &str, password: &str) -> Result<PrivateKeyDer<'static>, String> {
    let end = pem.find("-----END").and_then(|at| Some(at + 8 + pem[at + 8..].find("-----")? + 5));
    let pem = end.map_or(pem, |end| &pem[..end]);
    let (_, document) = Document::from_pem(pem).map_err(|error| error.to_string())?;
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|error| error.to_string())?;
    let key: SecretDocument = info
        .decrypt(password)
        .map_err(|error| format!("it cannot be decrypted with this password ({error})"))?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
