use socket2::SockRef;
use tokio::net::TcpListener;

use super::*;
use crate::notify::ScriptRules;
use crate::probe::{Probe, run};

fn to(target: SocketAddr) -> Connect {
    Connect { target, origin: None, timeout: Duration::from_millis(500) }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn tcp_check(connect: Connect) -> Outcome {
    run(&Probe::Tcp(connect), 0, &ScriptRules::default()).await
}

#[tokio::test]
async fn tcp_check_passes_when_the_connection_stands() {
    let (_listener, address) = listener().await;
    assert_eq!(tcp_check(to(address)).await, Outcome::Success);
}

fn from(origin: Origin, target: SocketAddr) -> Connect {
    Connect { origin: origin.boxed(), ..to(target) }
}

#[tokio::test]
async fn tcp_check_fails_on_a_closed_port() {
    let (listener, address) = listener().await;
    drop(listener);
    let refused = Outcome::Failure("connection refused".to_owned());
    assert_eq!(tcp_check(to(address)).await, refused);
}

#[tokio::test]
async fn own_address_and_port_are_those_configured() {
    let (listener, address) = listener().await;
    let free = TcpListener::bind("127.0.0.3:0").await.unwrap().local_addr().unwrap();
    let origin = Origin { address: Some(free.ip()), port: Some(free.port()), ..Origin::default() };
    let _stream = open(&from(origin, address)).await.unwrap();
    assert_eq!(listener.accept().await.unwrap().1, free);
}

#[tokio::test]
async fn address_that_is_not_ours_is_not_held_against_the_server() {
    let (_listener, address) = listener().await;
    let origin = Origin { address: Some("192.0.2.77".parse().unwrap()), ..Origin::default() };
    let outcome = tcp_check(from(origin, address)).await;
    let expected = "cannot bind to 192.0.2.77:0: Cannot assign requested address (os error 99)";
    assert_eq!(outcome, Outcome::NotTried(expected.to_owned()));
}

#[tokio::test]
async fn interface_that_is_not_there_is_not_held_against_the_server() {
    let (_listener, address) = listener().await;
    let origin = Origin { interface: Some("nosuchif0".to_owned()), ..Origin::default() };
    let outcome = tcp_check(from(origin, address)).await;
    assert!(
        matches!(&outcome, Outcome::NotTried(reason)
            if reason.starts_with("cannot bind to interface nosuchif0: ")),
        "{outcome:?}"
    );
}

/// What packets carry by which policy rules know them: read back from the sockets that attempts use.
#[tokio::test]
async fn fwmark_is_on_every_kind_of_socket() {
    let own = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    if let Err(error) = own.set_mark(1) {
        return println!("skipped: no mark can be set here: {error}");
    }
    let (_listener, address) = listener().await;
    let marked = |fwmark| from(Origin { fwmark, ..Origin::default() }, address);
    for fwmark in [0, 7, 0xffff_fffe] {
        let connection = open(&marked(fwmark)).await.unwrap();
        assert_eq!(SockRef::from(&connection).mark().unwrap(), fwmark, "TCP");
        let socket = open_udp(&marked(fwmark)).unwrap();
        assert_eq!(SockRef::from(&socket).mark().unwrap(), fwmark, "UDP");
    }
    assert_eq!(tcp_check(marked(7)).await, Outcome::Success);
}

#[tokio::test]
async fn bind_if_ties_every_kind_of_socket_to_its_interface() {
    let (_listener, address) = listener().await;
    let origin = Origin { interface: Some("lo".to_owned()), ..Origin::default() };
    let tied = from(origin, address);
    assert_eq!(tcp_check(tied.clone()).await, Outcome::Success);
    let device = |socket: SockRef<'_>| socket.device().unwrap();
    let connection = open(&tied).await.unwrap();
    assert_eq!(device(SockRef::from(&connection)).as_deref(), Some(&b"lo"[..]), "TCP");
    let socket = open_udp(&tied).unwrap();
    assert_eq!(device(SockRef::from(&socket)).as_deref(), Some(&b"lo"[..]), "UDP");
    let free = open(&to(address)).await.unwrap();
    assert_eq!(device(SockRef::from(&free)), None);
}

#[test]
fn reasons_are_words_in_lower_case() {
    assert_eq!(sentence(&io::Error::from_raw_os_error(libc::EHOSTUNREACH)), "no route to host");
    assert_eq!(Seconds(Duration::from_secs(2)).to_string(), "2s");
}
