//! Servers on loopback that send what they are told, as fast as it goes or drop by drop.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::NoClientAuth;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use socket2::{Domain, Socket, Type};

/// What is sent over a connection.
#[derive(Debug, Clone, Default)]
pub struct Flood {
    pub first: Vec<u8>,
    /// Again and again after it; empty: nothing more, and the connection is closed unless it is to stay.
    pub again: Vec<u8>,
    /// Between two of these.
    pub pause: Duration,
    /// Stay silent instead of closing.
    pub stay: bool,
    /// Close with a reset.
    pub reset: bool,
}

impl Flood {
    pub fn once(text: &str) -> Self {
        Self { first: text.as_bytes().to_vec(), ..Self::default() }
    }

    fn send(&self, mut stream: impl Write) {
        if stream.write_all(&self.first).and_then(|()| stream.flush()).is_err() {
            return;
        }
        while !self.again.is_empty() {
            if stream.write_all(&self.again).and_then(|()| stream.flush()).is_err() {
                return;
            }
            thread::sleep(self.pause);
        }
    }
}

/// `first`, and then `again` without a pause.
pub fn fast(first: &str, again: &str) -> Flood {
    // Many in one piece, so that the sender is faster than the reader.
    let again = again.as_bytes().repeat(1 + 60_000 / again.len());
    Flood { first: first.as_bytes().to_vec(), again, ..Flood::default() }
}

/// `first`, and then `again` once in a while, which is more often than anybody's patience ends; nothing, if
/// that is empty.
pub fn slow(first: &str, again: &str) -> Flood {
    let pause = Duration::from_millis(20);
    let (first, again) = (first.as_bytes().to_vec(), again.as_bytes().to_vec());
    Flood { first, again, pause, stay: true, ..Flood::default() }
}

/// A server that sends this over each connection, without waiting to be asked; gives its port.
pub fn stream(flood: Flood) -> u16 {
    counted(flood).1
}

/// Likewise, and a count of its connections.
pub fn counted(flood: Flood) -> (Arc<AtomicUsize>, u16) {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let port = serve(move |stream| {
        count.fetch_add(1, Ordering::SeqCst);
        flood.send(&stream);
        end(&stream, &flood);
    });
    (heard, port)
}

fn end(mut stream: &TcpStream, flood: &Flood) {
    if flood.reset {
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        return;
    }
    if !flood.stay {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    // Read to the end, so that no reset takes back what was sent.
    let _ = stream.read_to_end(&mut Vec::new());
}

fn serve(each: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
    port
}

/// What a server shows of itself in a handshake.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Behind its certificate, which is ours.
    pub chain: Vec<Vec<u8>>,
    /// CAs whose certificates it would like to see; none: it asks for no certificate.
    pub names: Vec<Vec<u8>>,
}

/// Asks for a certificate, and is content without one.
#[derive(Debug)]
struct Asking(Vec<DistinguishedName>);

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.0
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        unreachable!("no client has one")
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("no client has one")
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("no client has one")
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// Likewise over TLS of this version, after a request, with HTTP/2 for those who ask for it.
pub fn tls(version: &'static SupportedProtocolVersion, show: &Certificates, flood: Flood) -> u16 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/probe/tls");
    let read = |name: &str| std::fs::read(format!("{folder}/{name}")).unwrap();
    let key = PrivateKeyDer::try_from(read("key.der")).unwrap();
    let mut certificates = vec![CertificateDer::from(read("certificate.der"))];
    certificates.extend(show.chain.iter().cloned().map(CertificateDer::from));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let asking: Arc<dyn ClientCertVerifier> = match &show.names[..] {
        [] => Arc::new(NoClientAuth),
        names => Arc::new(Asking(names.iter().cloned().map(DistinguishedName::from).collect())),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(asking)
        .with_single_cert(certificates, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    serve(move |mut stream| {
        let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut both = rustls::Stream::new(&mut session, &mut stream);
        let _ = both.read(&mut [0; 1_024]);
        flood.send(&mut both);
        end(&stream, &flood);
    })
}

/// Datagrams that answer one query: more than are passed over.
const DATAGRAMS: usize = 2_000;

/// A server that answers each query with a flood of datagrams; gives its port.
pub fn datagrams(reply: impl Fn(&[u8], usize) -> Vec<u8> + Send + 'static) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut query) {
            for round in 0..DATAGRAMS {
                let _ = socket.send_to(&reply(&query[..length], round), peer);
            }
        }
    });
    port
}

/// A server that answers each query with `reply` once in a while, for longer than anybody should wait; empty:
/// not at all. Gives its port.
pub fn drops(reply: &'static [u8]) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        while let Ok((_, peer)) = socket.recv_from(&mut [0; 512]) {
            if reply.is_empty() {
                continue;
            }
            let socket = socket.try_clone().unwrap();
            thread::spawn(move || {
                for _ in 0..500 {
                    let _ = socket.send_to(reply, peer);
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    port
}

/// A port whose queue of connections is full as long as what is beside it is there; `None`: it never gets full.
pub fn unanswered() -> Option<(u16, (Socket, Vec<Socket>))> {
    let new = |kind: Type| Socket::new(Domain::IPV4, kind, None).unwrap();
    let listener = new(Type::STREAM);
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let port = address.as_socket().unwrap().port();
    let mut connections = Vec::new();
    for _ in 0..10 {
        let connection = new(Type::STREAM);
        let stands = connection.connect_timeout(&address, Duration::from_millis(300)).is_ok();
        connections.push(connection);
        if !stands {
            return Some((port, (listener, connections)));
        }
    }
    None
}

/// 100 MB of zeroes as gzip has them; `None`: there is no gzip.
pub fn gzip_bomb() -> Option<Vec<u8>> {
    let mut gzip =
        Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut input = gzip.stdin.take()?;
    let writer = thread::spawn(move || {
        let zeroes = vec![0; 1 << 20];
        (0..100).all(|_| input.write_all(&zeroes).is_ok())
    });
    let output = gzip.wait_with_output().ok()?;
    writer.join().ok().filter(|written| *written && output.status.success())?;
    Some(output.stdout)
}
