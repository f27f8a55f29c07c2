//! A netlink socket for commands: many requests in one send, failures told apart by number.
//!
//! The kernel carries requests out one after the other inside `sendmsg`; those after a refused one
//! still run. Refusals are answered always, successes only where NLM_F_ACK asks for it, which
//! here is the last request of each datagram. All answers lie in the queue when `sendmsg` returns:
//! reading never waits, so a lost answer costs an error and not the caller's time.

use std::io;
use std::os::fd::AsFd;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};

use super::netlink::{HEADER_LEN, Message, NLMSG_DONE, NLMSG_ERROR, Verdict, messages, padded};

/// Requests in one datagram: the kernel holds the caller until all are done, some milliseconds
/// for addresses.
pub(super) const REQUESTS_PER_SEND: usize = 128;
/// Well within the usual SO_SNDBUF of 212,992 octets.
const OCTETS_PER_SEND: usize = 48 * 1024;
/// The kernel puts at most 32 KiB of a dump into one datagram.
const RECEIVE_LEN: usize = 64 * 1024;
/// Room for the answers to one datagram, even if every request in it is refused.
const RECEIVE_QUEUE: usize = 1024 * 1024;
/// A dump that changes under our eyes is taken again, this many times.
const DUMP_ATTEMPTS: usize = 5;

/// One socket, one request at a time: sequence numbers make each answer's request known.
pub(super) struct CommandSocket {
    socket: Socket,
    sequence: u32,
    /// Kept between calls: a batch is built here, an answer read there.
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What kind of request it is: `nlmsg_type`, and flags besides NLM_F_REQUEST.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestKind {
    pub kind: u16,
    pub flags: u16,
}

/// A request that the kernel refused: its place among the requests, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub index: usize,
    pub errno: i32,
    pub text: Option<String>,
}

impl Refusal {
    fn unknown(index: usize, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::ETIMEDOUT);
        Self { index, errno, text: Some(error.to_string()) }
    }

    /// The errno as an error.
    pub fn error(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }
}

impl CommandSocket {
    /// `protocol`: NETLINK_ROUTE, NETLINK_GENERIC.
    pub fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Words of the kernel's own; not there before 4.12, where the errno has to do.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        set_receive_queue(&socket, RECEIVE_QUEUE)?;
        let (request, answer) = (Vec::new(), Vec::with_capacity(RECEIVE_LEN));
        Ok(Self { socket, sequence: 0, request, answer })
    }

    /// Has the kernel leave out of dumps what the request's header does not ask for; before Linux
    /// 5.0 it gives everything.
    pub fn filter_dumps(&self) {
        let _ = self.socket.set_netlink_get_strict_chk(true);
    }

    /// Carries out one request for each of `items`, in order; `write` appends the payload and
    /// says what kind it is. Gives those that were refused.
    pub fn execute<T>(
        &mut self,
        items: &[T],
        write: impl Fn(&T, &mut Vec<u8>) -> RequestKind,
    ) -> Vec<Refusal> {
        let mut refused = Vec::new();
        let mut done = 0;
        while done < items.len() {
            let (first, count) = self.write_datagram(&items[done..], &write);
            if let Err(error) = self.send_datagram(first, count, done, &mut refused) {
                // Nobody knows which of them were carried out.
                refused.retain(|refusal| refusal.index < done);
                refused.extend((done..done + count).map(|index| Refusal::unknown(index, &error)));
            }
            done += count;
        }
        refused
    }

    /// All that a dump request gives: messages laid end to end.
    ///
    /// # Errors
    /// The kernel's refusal; `ResourceBusy` when the table changed during each of a few attempts.
    pub fn dump(&mut self, write: impl Fn(&mut Vec<u8>) -> RequestKind) -> io::Result<Vec<u8>> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(dump) = self.dump_once(&write)? {
                return Ok(dump);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "the table kept changing while it was read",
        ))
    }

    /// One request that is answered by one message; gives that message's payload.
    pub fn ask(
        &mut self,
        write: impl Fn(&mut Vec<u8>) -> RequestKind,
    ) -> io::Result<Option<Vec<u8>>> {
        let (sequence, _) = self.write_datagram(&[()], &|(): &(), out| write(out));
        self.socket.send(&self.request, 0)?;
        let mut reply = None;
        loop {
            self.receive()?;
            for message in messages(&self.answer).filter(|m| m.sequence == sequence) {
                match verdict(&message) {
                    Some(verdict) => return verdict.into_result().map(|()| reply),
                    None => reply = Some(message.payload.to_vec()),
                }
            }
        }
    }

    /// `None`: the kernel says that what it gave may be inconsistent.
    fn dump_once(
        &mut self,
        write: &impl Fn(&mut Vec<u8>) -> RequestKind,
    ) -> io::Result<Option<Vec<u8>>> {
        self.request.clear();
        let sequence = self.write_request(&|out: &mut Vec<u8>| {
            let RequestKind { kind, flags } = write(out);
            RequestKind { kind, flags: flags | NLM_F_DUMP }
        });
        self.socket.send(&self.request, 0)?;
        let (mut dump, mut interrupted) = (Vec::new(), false);
        loop {
            self.receive()?;
            for message in messages(&self.answer).filter(|m| m.sequence == sequence) {
                interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                if let Some(verdict) = verdict(&message) {
                    return verdict.into_result().map(|()| (!interrupted).then_some(dump));
                }
                dump.extend_from_slice(message.octets);
                dump.resize(padded(dump.len()), 0);
            }
        }
    }

    /// Fills `self.request` with as many of `items` as go into one datagram; gives the first
    /// one's sequence number, and how many there are.
    fn write_datagram<T>(
        &mut self,
        items: &[T],
        write: &impl Fn(&T, &mut Vec<u8>) -> RequestKind,
    ) -> (u32, usize) {
        self.request.clear();
        let (first, mut last, mut count) = (self.sequence.wrapping_add(1), 0, 0);
        for item in items.iter().take(REQUESTS_PER_SEND) {
            if self.request.len() > OCTETS_PER_SEND {
                break;
            }
            last = self.request.len();
            self.write_request(&|out: &mut Vec<u8>| write(item, out));
            count += 1;
        }
        add_flags(&mut self.request[last..], NLM_F_ACK);
        (first, count)
    }

    /// Appends one request to `self.request`; gives its sequence number.
    fn write_request(&mut self, write: &impl Fn(&mut Vec<u8>) -> RequestKind) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        let start = self.request.len();
        self.request.resize(start + HEADER_LEN, 0);
        let RequestKind { kind, flags } = write(&mut self.request);
        let len = (self.request.len() - start) as u32;
        self.request.resize(padded(self.request.len()), 0);

        let header = &mut self.request[start..start + HEADER_LEN];
        header[0..4].copy_from_slice(&len.to_ne_bytes());
        header[4..6].copy_from_slice(&kind.to_ne_bytes());
        header[6..8].copy_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        header[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        self.sequence
    }

    /// Sends `self.request`, which holds `count` requests from sequence number `first` on, and
    /// reads until the last one is answered. `index`: the first one's place for the caller.
    fn send_datagram(
        &mut self,
        first: u32,
        count: usize,
        index: usize,
        refused: &mut Vec<Refusal>,
    ) -> io::Result<()> {
        self.socket.send(&self.request, 0)?;
        loop {
            self.receive()?;
            for message in messages(&self.answer) {
                let place = message.sequence.wrapping_sub(first) as usize;
                // A number of no request here answers a call that was given up.
                let Some(verdict) = verdict(&message).filter(|_| place < count) else { continue };
                if verdict.errno != 0 {
                    let Verdict { errno, text } = verdict;
                    refused.push(Refusal { index: index + place, errno, text });
                }
                if place + 1 == count {
                    return Ok(());
                }
            }
        }
    }

    /// Reads the next datagram into `self.answer`.
    fn receive(&mut self) -> io::Result<()> {
        loop {
            self.answer.clear();
            match self.socket.recv(&mut self.answer, libc::MSG_DONTWAIT) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Answers were lost, later ones may still be there.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the kernel's answer to a netlink request was lost",
                    ));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// How a message ends a request, if it does.
fn verdict(message: &Message<'_>) -> Option<Verdict> {
    match message.kind {
        NLMSG_ERROR => message.verdict(),
        // A dump that broke off says so here.
        NLMSG_DONE => Some(message.verdict().unwrap_or(Verdict { errno: 0, text: None })),
        _ => None,
    }
}

fn add_flags(request: &mut [u8], flags: u16) {
    if let Some(field) = request.get_mut(6..8) {
        let old = u16::from_ne_bytes([field[0], field[1]]);
        field.copy_from_slice(&(old | flags).to_ne_bytes());
    }
}

/// Asks for a receive queue of `octets`, beyond the system's limit if we may.
pub(super) fn set_receive_queue(socket: &impl AsFd, octets: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &octets).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &octets)?;
    }
    Ok(())
}

/// Asks for a send queue of `octets`, beyond the system's limit if we may.
pub(super) fn set_send_queue(socket: &impl AsFd, octets: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::SndBufForce, &octets).is_err() {
        setsockopt(socket, sockopt::SndBuf, &octets)?;
    }
    Ok(())
}
