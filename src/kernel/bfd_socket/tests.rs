use super::*;

/// On the loopback interface, in both families: what was sent, from where, to whom, with which TTL.
#[tokio::test]
async fn a_datagram_is_told_with_its_addresses_and_ttl() {
    for (ipv6, address) in [(false, "127.0.0.1"), (true, "::1")] {
        let address: IpAddr = address.parse().unwrap();
        let Ok(receiver) = BfdReceiver::open(ipv6, 0) else {
            // A host without IPv6.
            continue;
        };
        let port = local_port(&receiver);
        let sender = BfdSender::open(ipv6, Some(address), 0, 254).unwrap();
        sender.send(b"four", SocketAddr::new(address, port)).unwrap();

        let mut buf = [0; 64];
        // A busy kernel may take its time, even for its own loopback.
        while !readable(&receiver) {}
        let received = receiver.receive(&mut buf).unwrap().expect("the datagram");
        let expected = ReceivedBfd { length: 4, source: address, destination: address, ttl: 254 };
        assert_eq!(received, expected);
        assert_eq!(receiver.receive(&mut buf).unwrap(), None);
    }
}

fn readable(receiver: &BfdReceiver) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut fds = [PollFd::new(receiver.0.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::from(10_000_u16)).unwrap();
    assert!(ready > 0, "nothing came");
    true
}

fn local_port(receiver: &BfdReceiver) -> u16 {
    use std::os::fd::AsFd;
    let socket = Socket::from(receiver.0.as_fd().try_clone_to_owned().unwrap());
    socket.local_addr().unwrap().as_socket().unwrap().port()
}
