//! What RFC 9568 asks of the host rather than of the state machine: who answers for the addresses
//! (§6.4.2, §6.4.3, §8.1.2, §8.2.2), what is forwarded and what never is (§5.1.1.2); and the answers
//! to adverts that are due at once.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant, SystemTime};

use crate::configs::{LB1, LB2, Pair, SOON, VIP, instance, with_globals};
use crate::harness::Program::Mainstay;
use crate::harness::raw::PacketSocket;
use crate::harness::{
    Director, Forgery, Host, Lab, WebServer, checksum, eventually, fetch, run, seconds, undisturbed,
};
use crate::vrrp_transports::{LINK_LOCAL_1, LINK_LOCAL_2};

type Mac = [u8; 6];

/// The MAC addresses that the harness gave the hosts' eth0, and those of RFC 9568 §7.3 for VRID 50.
const R1_MAC: Mac = [2, 0, 0, 0, 1, b'0'];
const R2_MAC: Mac = [2, 0, 0, 0, 2, b'0'];
const CLIENT_MAC: Mac = [2, 0, 0, 0, 3, b'0'];
const VIRTUAL: Mac = [0, 0, 0x5e, 0, 1, 50];
const VIRTUAL6: Mac = [0, 0, 0x5e, 0, 2, 50];

const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 200);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x200);
const VIP6: &str = "2001:db8::142";

/// The third host on the LAN.
fn client(pair: &Pair) -> Host {
    let client = pair.lan.host("client", &format!("{CLIENT}/24"));
    client.ip(&format!("addr add {CLIENT6}/64 dev eth0 nodad"));
    client
}

/// What `read` makes of all that arrives within a second after `request`.
fn answers<T: Send>(
    client: &Host,
    request: &[u8],
    read: impl Fn(&[u8]) -> Option<T> + Sync,
) -> Vec<T> {
    client.enter(|| {
        let socket = PacketSocket::open("eth0");
        socket.send(request);
        let (began, mut frame, mut found) = (Instant::now(), [0; 2048], Vec::new());
        while began.elapsed() < Duration::from_secs(1) {
            if let Some((length, _)) = socket.receive(&mut frame) {
                found.extend(read(&frame[..length]));
            }
        }
        found
    })
}

/// MAC addresses in all answers to one ARP request.
fn who_has(client: &Host, address: &str) -> Vec<Mac> {
    let target: Ipv4Addr = address.parse().expect("an address");
    let mut request = [&[0xff; 6], &CLIENT_MAC[..], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
    request.extend([&CLIENT_MAC[..], &CLIENT.octets(), &[0; 6], &target.octets()].concat());
    answers(client, &request, |frame| {
        let answers = frame.get(12..14)? == [8, 6] && frame[21] == 2;
        let mac = frame.get(22..28)?.try_into().ok()?;
        (answers && frame.get(28..32)? == target.octets()).then_some(mac)
    })
}

/// Flags and MAC addresses in all answers to one neighbour solicitation: what is said unasked is none.
fn who_has6(client: &Host, address: &str) -> Vec<(u8, Mac)> {
    let target: Ipv6Addr = address.parse().expect("an address");
    let last = &target.octets()[13..];
    let group = [&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff], last].concat();
    let mut message = [&[135, 0, 0, 0, 0, 0, 0, 0], &target.octets()[..], &[1, 1]].concat();
    message.extend(CLIENT_MAC);
    let pseudo = [&CLIENT6.octets()[..], &group, &[0, 0, 0, 32, 0, 0, 0, 58]].concat();
    let sum = checksum(&[pseudo, message.clone()].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut request = [&[0x33, 0x33, 0xff], last, &CLIENT_MAC, &[0x86, 0xdd]].concat();
    request.extend([0x60, 0, 0, 0, 0, 32, 58, 255]);
    request.extend([&CLIENT6.octets()[..], &group, &message].concat());
    answers(client, &request, |frame| {
        let answers =
            frame.get(12..14)? == [0x86, 0xdd] && frame[20] == 58 && *frame.get(54)? == 136;
        let (flags, mac) = (*frame.get(58)?, frame.get(80..86)?.try_into().ok()?);
        let solicited = flags & 0x40 != 0;
        (answers && solicited && frame.get(62..78)? == target.octets()).then_some((flags, mac))
    })
}

/// Whether somebody with the MAC address `mac` answers an echo request to `address`.
fn accepts(client: &Host, mac: Mac, address: &str) -> bool {
    let target: Ipv4Addr = address.parse().expect("an address");
    let mut ip = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0];
    ip.extend([CLIENT.octets(), target.octets()].concat());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut echo = [8, 0, 0, 0, 0x12, 0x34, 0, 1];
    let sum = checksum(&echo);
    echo[2..4].copy_from_slice(&sum.to_be_bytes());
    let request = [&mac[..], &CLIENT_MAC, &[8, 0], &ip, &echo].concat();
    let replies = answers(client, &request, |frame| {
        let reply = frame.get(12..14)? == [8, 0] && frame[23] == 1 && *frame.get(34)? == 0;
        (reply && frame.get(26..30)? == target.octets()).then_some(())
    });
    !replies.is_empty()
}

#[test]
fn only_the_master_answers_arp_and_accepts_packets() {
    run("conformance::arp", |lab: &Lab| {
        let pair = Pair::new(lab);
        let client = client(&pair);
        let (one, two) = pair.start(Mainstay, Mainstay, "");
        assert_eq!(who_has(&client, VIP), [R1_MAC]);
        assert!(accepts(&client, R1_MAC, VIP), "the MASTER");
        assert!(!accepts(&client, R2_MAC, VIP), "the BACKUP");
        one.stop();
        two.wait_for_state(0, "MASTER");
        eventually("r2 holds the VIP", SOON, || pair.r2.holds(VIP));
        assert_eq!(who_has(&client, VIP), [R2_MAC]);
        assert!(accepts(&client, R2_MAC, VIP), "the new MASTER");
        assert!(!accepts(&client, R1_MAC, VIP), "the one that stopped");
    });
}

/// Both have the virtual MAC address; one of them answers, and never with its own.
#[test]
fn with_a_vmac_only_the_master_answers_arp_and_only_with_the_virtual_mac_address() {
    run("conformance::arp_vmac", |lab: &Lab| {
        let pair = Pair::new(lab);
        let client = client(&pair);
        let (one, two) = pair.start(Mainstay, Mainstay, "    use_vmac");
        assert_eq!(who_has(&client, VIP), [VIRTUAL]);
        assert_eq!(who_has(&client, LB1), [R1_MAC], "its own address");
        assert!(accepts(&client, VIRTUAL, VIP));
        one.stop();
        two.wait_for_state(0, "MASTER");
        eventually("r2 holds the VIP", SOON, || pair.r2.holds(VIP));
        assert_eq!(who_has(&client, VIP), [VIRTUAL]);
        assert_eq!(who_has(&client, LB2), [R2_MAC], "its own address");
        assert!(accepts(&client, VIRTUAL, VIP));
    });
}

/// Router, solicited, override: the hosts forward.
#[test]
fn only_the_master_answers_neighbour_solicitations_as_a_router() {
    run("conformance::nd", |lab: &Lab| {
        let pair = Pair::new(lab);
        let client = client(&pair);
        for (host, address) in [(&pair.r1, LINK_LOCAL_1), (&pair.r2, LINK_LOCAL_2)] {
            host.sysctl("net.ipv6.conf.all.forwarding", "1");
            host.ip(&format!("addr add {address}/64 dev eth0 nodad"));
        }
        let config = |priority: u8| {
            with_globals(&format!(
                "vrrp_instance KAV_1 {{\n interface eth0\n virtual_router_id 50\n priority {priority}\n \
                 use_vmac\n virtual_ipaddress {{\n fe80::142\n {VIP6}/64\n }}\n}}\n"
            ))
        };
        let one = Director::start(&pair.r1, Mainstay, config(100));
        one.wait_for_state(0, "MASTER");
        let two = Director::start(&pair.r2, Mainstay, config(50));
        two.wait_for_state(0, "BACKUP");
        eventually("r1 holds the address", SOON, || pair.r1.holds(VIP6));
        for address in [VIP6, "fe80::142"] {
            assert_eq!(who_has6(&client, address), [(0xe0, VIRTUAL6)], "{address}");
        }
        one.stop();
        two.wait_for_state(0, "MASTER");
        eventually("r2 holds the address", SOON, || pair.r2.holds(VIP6));
        assert_eq!(who_has6(&client, VIP6), [(0xe0, VIRTUAL6)]);
        let announced = pair.capture.advertisements_for(VIP6);
        assert!(announced.iter().all(|(_, flags, _)| *flags == 0xa0), "{announced:?}");
    });
}

/// The client's way to the other LAN is the VIP: r1 forwards what is sent to the virtual MAC
/// address, and when it stops r2 does. Adverts stay on their LAN, whatever their TTL.
#[test]
fn packets_to_the_virtual_mac_address_are_forwarded_and_adverts_never() {
    run("conformance::forward", |lab: &Lab| {
        let pair = Pair::new(lab);
        let client = client(&pair);
        let inside = lab.lan();
        let inside_capture = inside.capture();
        let server = inside.host("server", "198.51.100.20/24");
        let _web = WebServer::start(&server, "0.0.0.0:80", &[("/", "from the other side")]);
        for (host, v4, v6) in [
            (&pair.r1, "198.51.100.11/24", LINK_LOCAL_1),
            (&pair.r2, "198.51.100.12/24", LINK_LOCAL_2),
        ] {
            host.plug_into(&inside, "eth1", v4);
            host.ip(&format!("addr add {v6}/64 dev eth0 nodad"));
            host.sysctl("net.ipv4.ip_forward", "1");
            host.sysctl("net.ipv6.conf.all.forwarding", "1");
        }
        let v6 = "vrrp_instance SIX {\n interface eth0\n virtual_router_id 60\n priority 100\n \
                  virtual_ipaddress {\n fe80::160\n }\n}\n";
        let one = Director::start(&pair.r1, Mainstay, instance(100, "    use_vmac") + v6);
        one.wait_for_state(0, "MASTER");
        let two = Director::start(&pair.r2, Mainstay, instance(50, "    use_vmac"));
        two.wait_for_state(0, "BACKUP");
        eventually("r1 holds the VIP", SOON, || pair.r1.holds(VIP));
        client.ip(&format!("route add 198.51.100.0/24 via {VIP}"));
        server.ip("route add 192.0.2.0/24 via 198.51.100.11");
        let reached = || fetch(&client, "198.51.100.20:80", "/");
        eventually("r1 forwards", SOON, || reached().is_ok_and(|page| page.contains("other side")));
        let neighbours = client.run(&format!("ip neigh show {VIP}"));
        assert!(neighbours.contains("00:00:5e:00:01:32"), "{neighbours}");

        one.stop();
        two.wait_for_state(0, "MASTER");
        server.ip("route replace 192.0.2.0/24 via 198.51.100.12");
        eventually("r2 forwards", SOON, || reached().is_ok_and(|page| page.contains("other side")));

        Forgery { vrid: 99, ..Forgery::of_the_tutorial("192.0.2.66", VIP) }.send_from(&client);
        eventually("r2 has got it", SOON, || two.counter("unknown_vrid") > 0);
        for source in [LB1, LB2, "192.0.2.66", LINK_LOCAL_1] {
            assert!(!pair.capture.adverts_of(source).is_empty(), "{source} on its LAN");
            assert_eq!(inside_capture.adverts_of(source), [], "{source} on the other LAN");
        }
    });
}

/// Seconds from a forged advert, sent soon after one of r1's, to r1's next one, and from that to
/// the one after it. The director's own comes a second after the one before.
fn answer_to(lab: &Lab, priority: u8, lines: &str) -> (f64, f64) {
    undisturbed(|| {
        let pair = Pair::new(lab);
        let rogue = pair.lan.host("rogue", "192.0.2.66/24");
        let one = Director::start(&pair.r1, Mainstay, instance(100, lines));
        one.wait_for_state(0, "MASTER");
        let count = pair.capture.adverts_of(LB1).len();
        eventually("one more advert", SOON, || pair.capture.adverts_of(LB1).len() > count + 1);
        Forgery { priority, ..Forgery::of_the_tutorial("192.0.2.66", VIP) }.send_from(&rogue);
        let seen = || pair.capture.adverts_of("192.0.2.66").last().map(|(at, _)| *at);
        eventually("the forgery", SOON, || seen().is_some());
        let forged = seen().expect("seen above");
        let after = || -> Vec<SystemTime> {
            let all = pair.capture.adverts_of(LB1).into_iter();
            all.map(|(at, _)| at).filter(|at| *at > forged).collect()
        };
        eventually("two more adverts", SOON, || after().len() >= 2);
        assert_eq!(one.counter("release_master"), 0, "{}", one.log());
        let times = after();
        ((forged, times[1]), (seconds(forged, times[0]), seconds(times[0], times[1])))
    })
}

#[test]
fn a_master_answers_a_resignation_at_once() {
    run("conformance::zero", |lab: &Lab| {
        let (answer, next) = answer_to(lab, 0, "");
        assert!(answer < 0.15, "after {answer:.3} s");
        assert!((0.9..1.1).contains(&next), "the next one after {next:.3} s");
    });
}

/// RFC 9568 §6.4.3; RFC 5798 and RFC 3768 say nothing, as `lower_prio_no_advert` has it.
#[test]
fn a_master_answers_a_lower_priority_at_once_unless_told_otherwise() {
    run("conformance::lower", |lab: &Lab| {
        let (answer, next) = answer_to(lab, 50, "");
        assert!(answer < 0.15, "after {answer:.3} s");
        assert!((0.9..1.1).contains(&next), "the next one after {next:.3} s");
        let (answer, next) = answer_to(lab, 50, "    lower_prio_no_advert");
        assert!(answer > 0.5, "after {answer:.3} s");
        assert!((0.9..1.1).contains(&next), "the next one after {next:.3} s");
    });
}

/// RFC 9568 §7.1: what is wrong is logged, but not for each packet; another list of addresses or,
/// in VRRPv3, another interval is no reason to discard an advert.
#[test]
fn what_is_wrong_with_adverts_is_logged_once_and_another_list_is_heeded() {
    run("conformance::log", |lab: &Lab| {
        let pair = Pair::new(lab);
        let rogue = pair.lan.host("rogue", "192.0.2.66/24");
        let one = Director::start(&pair.r1, Mainstay, instance(100, ""));
        one.wait_for_state(0, "MASTER");
        let right = Forgery { priority: 254, ..Forgery::of_the_tutorial("192.0.2.66", VIP) };
        for count in 1..=5 {
            Forgery { ttl: 254, ..right.clone() }.send_from(&rogue);
            eventually("it is counted", SOON, || one.counter("ip_ttl_err") == count);
        }
        let lines = |text: &str| one.log().matches(text).count();
        assert_eq!(lines("IP TTL is 254 instead of 255"), 1, "{}", one.log());

        let others = vec!["192.0.2.150".parse().expect("an address")];
        let other = Forgery { addresses: others, ..right };
        let from = one.log().len();
        other.send_from(&rogue);
        one.wait_for_state(from, "BACKUP");
        for count in 2..=5 {
            other.send_from(&rogue);
            eventually("it is counted", SOON, || one.counter("addr_list_err") == count);
        }
        // Once as MASTER, once as BACKUP.
        let warning =
            "accepted, though it advertises other addresses than ours (1 of them, ours are 1)";
        assert_eq!(lines(warning), 2, "{}", one.log());
    });
}
