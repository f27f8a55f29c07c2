//! Against a server with a certificate of one day in 2026, self-signed, for `expired.example`:
//! `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 1`.

use std::net::SocketAddr;
use std::sync::Mutex;

use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::check::Outcome;
use crate::notify::ScriptRules;
use crate::probe::fixtures::to;
use crate::probe::{HttpProbe, HttpVersion, Pages, Probe, Tls, Url, run};

mod verified;

const PAGE: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhello";

/// One certificate for all, and a note of the name that was asked for.
#[derive(Debug)]
struct Names(Arc<CertifiedKey>, Arc<Mutex<Option<String>>>);

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        *self.1.lock().unwrap() = hello.server_name().map(str::to_owned);
        Some(self.0.clone())
    }
}

/// A server of one page, without close_notify unless `polite`; the note is the name of SNI.
async fn server(polite: bool) -> (SocketAddr, Arc<Mutex<Option<String>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(include_bytes!("key.der").to_vec()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certificate = CertificateDer::from(include_bytes!("certificate.der").to_vec());
    let certified = Arc::new(CertifiedKey::new(vec![certificate], key));
    let name = Arc::new(Mutex::new(None));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Names(certified, name.clone())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let mut request = [0; 512];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(PAGE).await;
        let _ = stream.flush().await;
        if polite {
            let _ = stream.shutdown().await;
        }
    });
    (address, name)
}

async fn ssl_get(address: SocketAddr, virtual_host: Option<&str>, tls: Tls) -> Outcome {
    let url = Url {
        path: "/".to_owned(),
        virtual_host: virtual_host.map(str::to_owned),
        digest: Some([
            0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17,
            0xc5, 0x92,
        ]),
        status: vec![(200, 299)],
        tls_compliant: false,
        wishes: None,
        pattern: None,
    };
    let probe = HttpProbe {
        connect: to(address),
        pages: Arc::new(Pages {
            version: HttpVersion::Http10,
            urls: vec![url],
            fast_recovery: false,
            tls: Some(Box::new(tls)),
        }),
    };
    run(&Probe::Http(probe), 0, &ScriptRules::default()).await
}

#[tokio::test]
async fn any_certificate_will_do_and_so_will_an_abrupt_end() {
    for (polite, compliant) in [(true, false), (false, true)] {
        let (address, _) = server(polite).await;
        let tls = Tls { compliant, ..Tls::default() };
        assert_eq!(ssl_get(address, None, tls).await, Outcome::Success);
    }
}

#[tokio::test]
async fn names_are_told_only_when_asked_for_and_never_addresses() {
    let on = Tls { sni: true, ..Tls::default() };
    let other = Tls { sni_name: Some("other.example".to_owned()), ..on.clone() };
    let cases = [
        (Some("www.example"), Tls::default(), None),
        (Some("www.example"), on.clone(), Some("www.example")),
        (Some("www.example"), other, Some("other.example")),
        (None, on.clone(), None),
        (Some("192.0.2.1"), on.clone(), None),
        (Some("not a name"), on, None),
    ];
    for (virtual_host, tls, expected) in cases {
        let (address, name) = server(true).await;
        assert_eq!(ssl_get(address, virtual_host, tls).await, Outcome::Success);
        assert_eq!(name.lock().unwrap().as_deref(), expected, "{virtual_host:?}");
    }
}

/// A server that speaks no TLS, one that says nothing, one that hangs up.
#[tokio::test]
async fn what_is_no_tls_fails_within_the_time_of_a_handshake() {
    for (says, expected) in [
        (Some(&b"HTTP/1.0 400 Bad Request\r\n\r\n"[..]), "url /: TLS handshake failed: "),
        (Some(&[0x16, 3, 3, 0xff, 0xff][..]), "url /: TLS handshake"),
        (Some(&[][..]), "url /: TLS handshake failed: "),
        (None, "url /: TLS handshake not finished within 0.5s"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            match says {
                Some(says) => stream.write_all(says).await.unwrap(),
                None => std::future::pending().await,
            }
        });
        match ssl_get(address, None, Tls::default()).await {
            Outcome::Failure(reason) => assert!(reason.starts_with(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
