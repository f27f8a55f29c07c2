//! Against tokio-rustls, which has the other side.

use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream as ServerStream;

use super::super::new_config;
use super::*;

fn acceptor(version: &'static SupportedProtocolVersion, chain: usize) -> TlsAcceptor {
    let certificate = include_bytes!("../certificate.der").to_vec().into();
    let filler = (0..chain).map(|_| vec![0; 1_000].into());
    let key = include_bytes!("../key.der").to_vec().try_into().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert([certificate].into_iter().chain(filler).collect(), key);
    let mut config = config.unwrap();
    // Nobody reads while the pair is made.
    config.send_tls13_tickets = 0;
    TlsAcceptor::from(Arc::new(config))
}

async fn connect(stream: DuplexStream) -> io::Result<TlsStream<DuplexStream>> {
    let name = "www.example".try_into().unwrap();
    TlsStream::connect(Arc::new(new_config(true, false)), name, stream).await
}

/// Both sides of a session over a pipe that takes `width` octets at a time.
async fn pair(
    version: &'static SupportedProtocolVersion,
    width: usize,
) -> (TlsStream<DuplexStream>, ServerStream<DuplexStream>) {
    let (near, far) = duplex(width);
    let (client, server) = tokio::join!(connect(near), acceptor(version, 3).accept(far));
    (client.unwrap(), server.unwrap())
}

#[tokio::test]
async fn what_is_written_comes_out_on_the_other_side_however_it_is_cut() {
    let text: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    for (version, width) in [(&TLS12, 7), (&TLS13, 7), (&TLS12, 40_000), (&TLS13, 40_000)] {
        let (mut client, mut server) = pair(version, width).await;
        let send = async {
            client.write_all(&text).await.unwrap();
            client.flush().await.unwrap();
        };
        let mut heard = vec![0; text.len()];
        let (_, read) = tokio::join!(send, server.read_exact(&mut heard));
        assert_eq!((read.unwrap(), &heard), (text.len(), &text), "{version:?} {width}");

        let reply = async {
            server.write_all(&text).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let (_, read) = tokio::join!(reply, client.read_to_end(&mut heard));
        assert_eq!((read.unwrap(), &heard), (text.len(), &text), "{version:?} {width}");
        let mut end = [0];
        let (bye, end) = tokio::join!(client.shutdown(), server.read(&mut end));
        assert_eq!((bye.unwrap(), end.unwrap()), ((), 0), "close_notify is heard");
    }
}

#[tokio::test]
async fn new_keys_are_taken_and_answered() {
    let (mut client, mut server) = pair(&TLS13, 4_096).await;
    for round in 0..5 {
        server.get_mut().1.refresh_traffic_keys().unwrap();
        server.write_all(&[round; 30]).await.unwrap();
        server.flush().await.unwrap();
        let mut heard = [0; 30];
        client.read_exact(&mut heard).await.unwrap();
        client.write_all(&heard).await.unwrap();
        client.flush().await.unwrap();
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, [round; 30]);
    }
}

/// What has been decrypted lies where records come in, while there is more to be sent.
#[tokio::test]
async fn what_is_read_in_part_stays_while_something_is_written() {
    for version in [&TLS12, &TLS13] {
        let (mut client, mut server) = pair(version, 100_000).await;
        for text in [&b"first and"[..], b"second and", b"third"] {
            server.write_all(text).await.unwrap();
            server.flush().await.unwrap();
        }
        let (mut begin, mut rest) = ([0; 7], [0; 17]);
        client.read_exact(&mut begin).await.unwrap();
        for question in [&b"one?"[..], b"two?"] {
            client.write_all(question).await.unwrap();
            client.flush().await.unwrap();
            let mut heard = [0; 4];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, question);
        }
        client.read_exact(&mut rest).await.unwrap();
        assert_eq!((&begin, &rest), (b"first a", b"ndsecond andthird"), "{version:?}");
    }
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_early_one() {
    let (mut client, server) = pair(&TLS13, 4_096).await;
    drop(server);
    let error = client.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn certificates_are_taken_up_to_a_length() {
    for version in [&TLS12, &TLS13] {
        for (chain, taken) in [(15, true), (17, false)] {
            let (near, far) = duplex(4_096);
            let (client, _) = tokio::join!(connect(near), acceptor(version, chain).accept(far));
            assert_eq!(client.is_ok(), taken, "{version:?}, {chain} kB");
        }
    }
}

#[tokio::test]
async fn a_server_is_told_what_is_wrong_with_its_records() {
    let (near, mut far) = duplex(4_096);
    let server = async {
        // Contents, before there are any keys.
        far.write_all(&[23, 3, 3, 0, 1, 0]).await.unwrap();
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let client = async { connect(near).await.map(|_| ()).unwrap_err() };
    let (error, heard) = tokio::join!(client, server);
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(heard[heard.len() - 7..], [21, 3, 3, 0, 2, 2, 10], "unexpected_message");
}
