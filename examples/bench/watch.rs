//! What passes the cables, by virtual router, with the kernel's own times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use crate::harness::Host;
use crate::harness::raw::PacketSocket;

/// Interface's number and VRID.
pub type Router = (u8, u8);

#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub at: SystemTime,
    pub router: Router,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// Of host 1 or 2.
    Advert {
        host: u8,
        priority: u8,
    },
    GratuitousArp,
}

/// A thread that listens until this is dropped.
pub struct Watch {
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Watch {
    /// Hears what `host` sends and what it receives.
    pub fn start(host: &Host) -> Watch {
        let socket = host.enter(PacketSocket::open_all);
        let (seen, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let reader = thread::spawn({
            let (seen, ended) = (seen.clone(), ended.clone());
            move || {
                let mut frame = [0; 2048];
                while !ended.load(Ordering::Relaxed) {
                    let Some((length, at)) = socket.receive(&mut frame) else { continue };
                    if let Some((router, what)) = parse(&frame[..length.min(2048)]) {
                        seen.lock().unwrap().push(Seen { at, router, what });
                    }
                }
            }
        });
        Watch { seen, ended, reader: Some(reader) }
    }

    /// In the order of their times.
    pub fn seen(&self) -> Vec<Seen> {
        let mut all = self.lock().clone();
        all.sort_by_key(|seen| seen.at);
        all
    }

    pub fn forget(&self) {
        self.lock().clear();
    }

    /// How many satisfy `which`.
    pub fn count(&self, which: impl Fn(&Seen) -> bool) -> usize {
        self.lock().iter().filter(|seen| which(seen)).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

fn parse(frame: &[u8]) -> Option<(Router, What)> {
    let packet = frame.get(14..)?;
    match (&frame[12..14], packet.get(9)?) {
        ([0x08, 0x00], 112) => {
            let (host, interface) = (packet[15], packet[13]);
            let advert = packet.get(usize::from(packet[0] & 15) * 4..)?;
            let (vrid, priority) = (*advert.get(1)?, *advert.get(2)?);
            Some(((interface, vrid), What::Advert { host, priority }))
        }
        // Sender and target are the same address, 10.N.1.VRID.
        ([0x08, 0x06], _) if packet.get(14..18)? == packet.get(24..28)? => {
            Some(((packet[15], packet[17]), What::GratuitousArp))
        }
        _ => None,
    }
}
