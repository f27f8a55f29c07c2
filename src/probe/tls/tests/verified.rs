//! Certificates that are looked at, ours and theirs. Those in `files` are of a CA made with openssl: the
//! server's for `www.example` and 192.0.2.1, the client's with its key plain and encrypted.

use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;

use super::*;
use crate::probe::Verify;

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/probe/tls/files", name].iter().collect()
}

/// A server that has its certificate from the CA, and with `asks` wants one of its clients.
async fn server(asks: bool) -> SocketAddr {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if asks {
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(clients.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.pem")).unwrap();
    let config = builder.with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // The client may not like what it sees.
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
            return;
        };
        let mut request = [0; 512];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(PAGE).await;
        let _ = stream.shutdown().await;
    });
    address
}

fn verified(ca: &str, name: Option<&str>) -> Tls {
    let verify = Verify { ca: Some(file(ca)), name: name.map(str::to_owned) };
    Tls { verify: Some(verify), ..Tls::default() }
}

async fn verdict(ca: &str, virtual_host: Option<&str>, name: Option<&str>) -> Outcome {
    ssl_get(server(false).await, virtual_host, verified(ca, name)).await
}

fn assert_fails(outcome: Outcome, reason: &str) {
    let Outcome::Failure(why) = outcome else { panic!("{outcome:?} instead of {reason}") };
    assert!(why.contains(reason), "{why} instead of {reason}");
}

#[tokio::test]
async fn a_certificate_of_the_ca_for_the_name_passes() {
    for (virtual_host, name) in [
        (Some("www.example"), None),
        (Some("www.example:8443"), None),
        (Some("other.example"), Some("www.example")),
        (None, Some("192.0.2.1")),
        (Some("192.0.2.1"), None),
    ] {
        let outcome = verdict("ca.pem", virtual_host, name).await;
        assert_eq!(outcome, Outcome::Success, "{virtual_host:?} {name:?}");
    }
}

#[tokio::test]
async fn other_names_other_issuers_and_other_dates_fail() {
    let name = "certificate not valid for name";
    assert_fails(verdict("ca.pem", Some("other.example"), None).await, name);
    assert_fails(verdict("ca.pem", Some("www.example"), Some("other.example")).await, name);
    // Without a name the address has to be in the certificate.
    assert_fails(verdict("ca.pem", None, None).await, name);
    assert_fails(verdict("client.pem", Some("www.example"), None).await, "UnknownIssuer");
    // The one of a day in 2026, which is in no file here.
    let (address, _) = super::server(true).await;
    let tls = verified("ca.pem", Some("expired.example"));
    assert_fails(ssl_get(address, None, tls).await, "invalid peer certificate");
}

/// One that is in the file itself needs no issuer, but it must be for the name.
#[tokio::test]
async fn a_certificate_that_is_listed_itself_passes_for_its_name() {
    let outcome = verdict("server.pem", Some("www.example"), None).await;
    assert_eq!(outcome, Outcome::Success);
    let outcome = verdict("server.pem", Some("other.example"), None).await;
    assert_fails(outcome, "certificate not valid for name");
}

#[tokio::test]
async fn files_of_ours_that_cannot_be_used_are_not_held_against_the_server() {
    for (ca, reason) in
        [("none.pem", "No such file or directory"), ("client.key", "there is no certificate in it")]
    {
        match verdict(ca, Some("www.example"), None).await {
            Outcome::NotTried(why) => assert!(why.contains(reason), "{why}"),
            other => panic!("{ca}: {other:?}"),
        }
    }
    match verdict("ca.pem", Some("no name"), None).await {
        Outcome::NotTried(why) => assert!(why.contains("`no name` is no name"), "{why}"),
        other => panic!("{other:?}"),
    }
}

async fn as_client(key: &str, password: Option<&str>) -> Outcome {
    let password = password.map(str::to_owned);
    let identity = Identity::new(file("client.pem"), Some(file(key)), password);
    let tls = Tls { identity: Some(Arc::new(identity)), ..Tls::default() };
    ssl_get(server(true).await, None, tls).await
}

#[tokio::test]
async fn a_server_that_asks_gets_our_certificate() {
    assert_eq!(as_client("client.key", None).await, Outcome::Success);
    assert_eq!(as_client("client-encrypted.key", Some("secret")).await, Outcome::Success);
    // Told behind the handshake in TLS 1.3, so it may be the page that does not come.
    let outcome = ssl_get(server(true).await, None, Tls::default()).await;
    assert!(matches!(outcome, Outcome::Failure(_)), "{outcome:?}");
}

#[tokio::test]
async fn keys_that_cannot_be_used_say_why() {
    for (key, password, reason) in [
        ("client-encrypted.key", None, "it is encrypted, and SSL has no password"),
        ("client-encrypted.key", Some("wrong"), "it cannot be decrypted with this password"),
        ("server.pem", None, "it is not the key of"),
        ("ca.pem", None, "client certificate"),
        ("none.key", None, "No such file or directory"),
    ] {
        match as_client(key, password).await {
            Outcome::NotTried(why) => assert!(why.contains(reason), "{key}: {why}"),
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[test]
fn a_password_is_not_shown() {
    let identity = Identity::new(file("client.pem"), None, Some("secret".to_owned()));
    assert!(!format!("{identity:?}").contains("secret"));
}
