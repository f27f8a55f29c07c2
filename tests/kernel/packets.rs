//! VRRP and ARP on the wire between two interfaces.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mainstay::kernel::{ARP_FRAME_LEN, ArpSocket, Inbox, VrrpSocket, interface_index};
use mainstay::wire::Protocol as Carrier;
use socket2::{Domain, Protocol, Socket, Type};

use crate::network::{eventually, in_own_network, in_own_network_async, ip, veth_pair};

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP: IpAddr = IpAddr::V4(GROUP_V4);

fn open(name: &str) -> VrrpSocket {
    VrrpSocket::open_multicast(name, interface_index(name).unwrap(), GROUP, Carrier::Vrrp).unwrap()
}

/// An IPv4 header of VRRP from 192.0.2.1 to the group, and an eight-octet PDU that begins with
/// `mark`. The kernel fills in the checksum.
fn datagram(mark: u8) -> [u8; 28] {
    let mut octets = [0; 28];
    octets[0] = 0x45;
    octets[1] = 0xc0;
    octets[3] = 28;
    octets[8] = 255;
    octets[9] = 112;
    octets[12..16].copy_from_slice(&[192, 0, 2, 1]);
    octets[16..20].copy_from_slice(&GROUP_V4.octets());
    octets[20] = mark;
    octets
}

/// The marks of all datagrams that are there.
fn heard(socket: &VrrpSocket) -> Vec<u8> {
    let mut marks = Vec::new();
    let mut inbox = Inbox::default();
    while socket.try_recv(&mut inbox).unwrap() > 0 {
        for (datagram, ipv6) in inbox.datagrams() {
            assert_eq!((datagram.len(), ipv6), (28, None));
            assert_eq!(
                (datagram[1], datagram[8]),
                (0xc0, 255),
                "type of service and TTL are as sent"
            );
            marks.push(datagram[20]);
        }
    }
    marks
}

#[test]
fn advert_is_heard_by_the_peer_on_its_own_interface_and_nowhere_else() {
    in_own_network_async(async || {
        veth_pair("v0", "v1");
        veth_pair("w0", "w1");
        let (v0, v1, w1) = (open("v0"), open("v1"), open("w1"));

        v0.send(&datagram(7), GROUP).unwrap();
        tokio::time::timeout(Duration::from_secs(5), v1.readable()).await.expect("heard").unwrap();

        assert_eq!(heard(&v1), [7]);
        assert!(heard(&v0).is_empty(), "not our own");
        assert!(heard(&w1).is_empty(), "not on another link");
        let quiet = tokio::time::timeout(Duration::from_millis(20), v1.readable()).await;
        assert!(quiet.is_err(), "drained");
    });
}

#[test]
fn batch_arrives_whole_and_in_order() {
    in_own_network_async(async || {
        veth_pair("v0", "v1");
        let (v0, v1) = (open("v0"), open("v1"));
        let datagrams: Vec<_> = (0..200).map(datagram).collect();

        let sent = v0
            .send_batch(datagrams.iter().map(|datagram| (&datagram[..], GROUP)), |place, error| {
                panic!("datagram {place} was refused: {error}")
            });

        assert_eq!(sent, 200);
        let mut marks = Vec::new();
        eventually("200 adverts", || {
            marks.extend(heard(&v1));
            (marks.len() == 200).then_some(())
        })
        .await;
        assert_eq!(marks, (0..200).collect::<Vec<u8>>());
    });
}

/// What lies in the queue is found although the runtime has not looked yet: the deadline of a
/// Backup is believed only after this.
#[test]
fn queue_is_read_even_if_the_runtime_knows_nothing_of_it() {
    in_own_network_async(async || {
        veth_pair("v0", "v1");
        let (v0, v1) = (open("v0"), open("v1"));
        assert!(heard(&v1).is_empty());

        v0.send(&datagram(1), GROUP).unwrap();
        // Not an await: the runtime does not get to poll.
        let mut found = Vec::new();
        for _ in 0..500 {
            std::thread::sleep(Duration::from_millis(20));
            found = heard(&v1);
            if !found.is_empty() {
                break;
            }
        }

        assert_eq!(found, [1]);
    });
}

#[test]
fn sending_fails_while_the_interface_is_down_and_goes_on_afterwards() {
    in_own_network_async(async || {
        veth_pair("v0", "v1");
        let (v0, v1) = (open("v0"), open("v1"));
        ip("link set v0 down");
        let error = v0.send(&datagram(1), GROUP).unwrap_err();
        println!("down: {error}");
        ip("link set v0 up");
        eventually("an advert", || {
            let _ = v0.send(&datagram(2), GROUP);
            (!heard(&v1).is_empty()).then_some(())
        })
        .await;
    });
}

#[test]
fn interface_made_again_is_served_by_new_sockets() {
    in_own_network_async(async || {
        veth_pair("v0", "v1");
        let old = open("v0");
        ip("link del v0");
        let error = old.send(&datagram(1), GROUP).unwrap_err();
        println!("gone: {error}");
        assert!(VrrpSocket::open_multicast("v0", 2, GROUP, Carrier::Vrrp).is_err());

        veth_pair("v0", "v1");
        let (v0, v1) = (open("v0"), open("v1"));
        v0.send(&datagram(3), GROUP).unwrap();
        eventually("an advert", || heard(&v1).pop()).await;
    });
}

#[test]
fn arp_frames_arrive_and_a_missing_interface_stops_none() {
    in_own_network(|| {
        veth_pair("v0", "v1");
        let protocol = (libc::ETH_P_ARP as u16).to_be();
        let mut listener =
            Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(protocol))))
                .unwrap();
        listener.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let v0 = interface_index("v0").unwrap();
        let frame = |n: u8| {
            let mut frame = [0; ARP_FRAME_LEN];
            frame[..6].fill(0xff);
            frame[12..14].copy_from_slice(&[0x08, 0x06]);
            frame[41] = n;
            frame
        };
        let mut frames: Vec<_> = (0..150).map(|n| (v0, frame(n))).collect();
        frames[70].0 = 9999;

        let sent = ArpSocket::open().unwrap().send_batch(&frames).unwrap();

        assert_eq!(sent, 149);
        for n in (0..150).filter(|n| *n != 70) {
            let mut octets = [0; 64];
            let len = listener.read(&mut octets).expect("a frame");
            assert_eq!((len, octets[41]), (ARP_FRAME_LEN, n));
        }
        let alone = ArpSocket::open().unwrap().send_batch(&[(9999, frame(0))]);
        assert_eq!(alone.map_err(|error| error.raw_os_error()), Err(Some(libc::ENXIO)));
    });
}
