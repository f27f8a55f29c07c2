//! What passes the switch, with the kernel's own time of arrival: VRRP advertisements and gratuitous
//! ARP. A thread reads a packet socket; nothing is printed and nothing waits for a buffer to fill.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use super::inject::{PROTOCOL_AH, PROTOCOL_VRRP};
use super::raw::PacketSocket;
use super::tshark::{Frame, judge};
use super::wait_for;

pub struct Capture {
    seen: Arc<Mutex<Vec<Packet>>>,
    /// Every frame that holds VRRP, whatever is in it, for tshark.
    frames: Arc<Mutex<Vec<Frame>>>,
    ended: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Clone, Debug)]
struct Packet {
    at: SystemTime,
    /// The Ethernet header's source.
    from: [u8; 6],
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    /// `vrrp` has at least the eight octets of the fixed part.
    Advert { source: IpAddr, vrrp: Vec<u8> },
    /// An ARP packet whose sender and target are the same address: "it is at this MAC now".
    GratuitousArp { address: Ipv4Addr, mac: [u8; 6] },
    /// Unsolicited: to all nodes, with the address's MAC.
    NeighbourAdvertisement { address: Ipv6Addr, flags: u8, mac: [u8; 6] },
}

impl Capture {
    /// To be called inside the switch's namespace.
    pub(super) fn start(interface: &str) -> Capture {
        let socket = PacketSocket::open(interface);
        let (seen, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let frames = Arc::new(Mutex::new(Vec::new()));
        let reader = thread::spawn({
            let (seen, frames, ended) = (seen.clone(), frames.clone(), ended.clone());
            move || {
                let mut frame = [0; 2048];
                while !ended.load(Ordering::Relaxed) {
                    // The socket gives up after a while, so that an end is noticed on a quiet LAN.
                    let Some((length, at)) = socket.receive(&mut frame) else { continue };
                    if holds_vrrp(&frame[..length]) {
                        frames.lock().unwrap().push((at, frame[..length].to_vec()));
                    }
                    if let Some(what) = What::parse(&frame[..length]) {
                        let from = frame[6..12].try_into().expect("six octets");
                        seen.lock().unwrap().push(Packet { at, from, what });
                    }
                }
            }
        });
        Capture { seen, frames, ended, reader: Some(reader) }
    }

    fn packets(&self) -> Vec<Packet> {
        self.seen.lock().unwrap().clone()
    }

    /// Arrival and octets, from the version on, of every advertisement from `source`.
    pub fn advert_octets_of(&self, source: &str) -> Vec<(SystemTime, Vec<u8>)> {
        let from: IpAddr = source.parse().expect("an address");
        let matching = |packet: Packet| match packet.what {
            What::Advert { source, vrrp } if source == from => Some((packet.at, vrrp)),
            _ => None,
        };
        self.packets().into_iter().filter_map(matching).collect()
    }

    /// Arrival and priority of every advertisement from `source`.
    pub fn adverts_of(&self, source: &str) -> Vec<(SystemTime, u8)> {
        self.advert_octets_of(source).into_iter().map(|(at, vrrp)| (at, vrrp[2])).collect()
    }

    /// Every IPv4 frame with VRRP from `source`, as it was.
    pub fn frames_from(&self, source: &str) -> Vec<Vec<u8>> {
        let from: Ipv4Addr = source.parse().expect("an address");
        let frames = self.frames.lock().unwrap();
        let ours = frames.iter().filter(|(_, frame)| frame.get(26..30) == Some(&from.octets()[..]));
        ours.map(|(_, frame)| frame.clone()).collect()
    }

    /// Holds tshark to find nothing wrong with any advertisement so far, of which each of `sources` has
    /// sent some.
    pub fn assert_tshark_agrees(&self, sources: &[&str]) {
        let verdicts = judge(&self.frames.lock().unwrap());
        for source in sources {
            assert!(verdicts.contains_key(*source), "nothing from {source}; seen: {verdicts:?}");
        }
        for (source, said) in &verdicts {
            let words: Vec<&String> = said.keys().collect();
            assert_eq!(words, ["good"], "what tshark says of packets from {source}: {said:?}");
        }
    }

    /// Ethernet sources, each once, of the advertisements from `source`.
    pub fn advert_macs_of(&self, source: &str) -> BTreeSet<[u8; 6]> {
        let from: IpAddr = source.parse().expect("an address");
        let packets = self.packets().into_iter();
        let matching =
            |packet: &Packet| matches!(packet.what, What::Advert { source, .. } if source == from);
        packets.filter(matching).map(|packet| packet.from).collect()
    }

    /// Waits for the first advertisement from `source` after `moment` that claims the address
    /// (priority not 0).
    pub fn first_advert_after(&self, source: &str, moment: SystemTime) -> SystemTime {
        wait_for(&format!("{source} advertises"), Duration::from_secs(30), || {
            let adverts = self.adverts_of(source);
            let first = adverts.iter().find(|(at, priority)| *at > moment && *priority > 0);
            first
                .map(|(at, _)| *at)
                .ok_or_else(|| format!("{} of its advertisements in all", adverts.len()))
        })
    }

    /// Arrival and hardware address of every gratuitous ARP for `address`.
    pub fn garps_for(&self, address: &str) -> Vec<(SystemTime, [u8; 6])> {
        let wanted: Ipv4Addr = address.parse().expect("an address");
        let matching = |packet: Packet| match packet.what {
            What::GratuitousArp { address, mac } if address == wanted => Some((packet.at, mac)),
            _ => None,
        };
        self.packets().into_iter().filter_map(matching).collect()
    }

    /// Arrival, flags and hardware address of every neighbour advertisement for `address`.
    pub fn advertisements_for(&self, address: &str) -> Vec<(SystemTime, u8, [u8; 6])> {
        let wanted: Ipv6Addr = address.parse().expect("an address");
        let matching = |packet: Packet| match packet.what {
            What::NeighbourAdvertisement { address, flags, mac } if address == wanted => {
                Some((packet.at, flags, mac))
            }
            _ => None,
        };
        self.packets().into_iter().filter_map(matching).collect()
    }

    /// Waits for the first gratuitous ARP for `address` after `moment`.
    pub fn first_garp_after(&self, address: &str, moment: SystemTime) -> SystemTime {
        wait_for(&format!("{address} is announced"), Duration::from_secs(30), || {
            let garps = self.garps_for(address);
            let first = garps.iter().map(|(at, _)| *at).find(|at| *at > moment);
            first.ok_or_else(|| format!("{} gratuitous ARPs for it in all", garps.len()))
        })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// By its protocol number, also behind an authentication header (51).
fn holds_vrrp(frame: &[u8]) -> bool {
    let protocol = match frame.get(12..14) {
        Some([0x08, 0x00]) => frame.get(23),
        Some([0x86, 0xdd]) => frame.get(20),
        _ => None,
    };
    matches!(protocol, Some(&super::inject::PROTOCOL_VRRP | 51))
}

impl What {
    fn parse(frame: &[u8]) -> Option<What> {
        let (ethertype, packet) = (frame.get(12..14)?, &frame[14..]);
        match ethertype {
            [0x08, 0x00] if matches!(*packet.get(9)?, PROTOCOL_VRRP | PROTOCOL_AH) => {
                let authentication = if packet[9] == PROTOCOL_AH { 24 } else { 0 };
                let header = usize::from(packet[0] & 15) * 4 + authentication;
                let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
                let vrrp = packet.get(header..total).filter(|vrrp| vrrp.len() >= 8)?;
                let source = IpAddr::V4(address_at(packet, 12)?);
                Some(What::Advert { source, vrrp: vrrp.to_vec() })
            }
            [0x86, 0xdd] if *packet.get(6)? == PROTOCOL_VRRP => {
                let source = IpAddr::V6(address6_at(packet, 8)?);
                let vrrp = packet.get(40..).filter(|vrrp| vrrp.len() >= 8)?;
                Some(What::Advert { source, vrrp: vrrp.to_vec() })
            }
            // ICMPv6, neighbour advertisement, with one option.
            [0x86, 0xdd] if *packet.get(6)? == 58 && *packet.get(40)? == 136 => {
                let mac = packet.get(66..72)?.try_into().ok()?;
                let flags = packet[44];
                Some(What::NeighbourAdvertisement { address: address6_at(packet, 48)?, flags, mac })
            }
            [0x08, 0x06] if address_at(packet, 14)? == address_at(packet, 24)? => {
                let mac = packet.get(8..14)?.try_into().ok()?;
                Some(What::GratuitousArp { address: address_at(packet, 14)?, mac })
            }
            _ => None,
        }
    }
}

fn address6_at(packet: &[u8], offset: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(offset..offset + 16)?).ok()?))
}

fn address_at(packet: &[u8], offset: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(offset..offset + 4)?).ok()?))
}
