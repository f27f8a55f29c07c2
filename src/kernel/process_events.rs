//! Hearing of processes that begin, change their program or name, and end: the kernel's proc
//! connector (cn_proc, CONFIG_PROC_EVENTS).
//!
//! It exists in the initial network namespace alone, and tells only those in the initial process
//! namespace. Where we run in another network namespace the socket is opened in that of process 1,
//! by a thread that lives no longer than that.

use std::fs::File;
use std::io::{self, Cursor};
use std::os::fd::{AsRawFd, OwnedFd};

use neli::connector::{CnMsg, CnMsgBuilder, ProcEvent, ProcEventHeader};
use neli::consts::connector::{CnMsgIdx, CnMsgVal, ProcCnMcastOp};
use neli::{FromBytesWithInput, ToBytes};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recv, send};
use socket2::{Domain, Protocol, Socket, Type};

use super::async_fd::WatchedFd;
use super::netlink::{HEADER_LEN, NLMSG_DONE, messages};
use super::netlink_socket::set_receive_queue;

/// About 40,000 events. Full: the kernel drops, and we hear [`ProcessEvent::Overrun`].
const RECEIVE_QUEUE: usize = 4 * 1024 * 1024;
/// Events of one `drain`: a host that starts thousands of processes must not keep the caller.
const EVENTS_PER_DRAIN: usize = 1024;
const DATAGRAM_LEN: usize = 4096;

/// Something happened to a process (not to one of its threads).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEvent {
    /// `child` is as `parent` was, so far.
    Forked {
        parent: i32,
        child: i32,
    },
    /// Another program, or another name.
    Changed(i32),
    Ended(i32),
    /// Events were lost: nothing that was known is certain.
    Overrun,
}

/// The open connector.
#[derive(Debug)]
pub struct ProcessEvents {
    socket: WatchedFd,
    buffer: Vec<u8>,
}

impl ProcessEvents {
    /// Begins to listen.
    ///
    /// # Errors
    /// With a sentence that says what is missing.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open() -> io::Result<Self> {
        let socket = listen().or_else(|here| {
            let there = std::thread::spawn(listen_in_initial_namespace).join();
            let there = there.unwrap_or_else(|_| Err(io::Error::other("its thread panicked")));
            there.map_err(|there| io::Error::new(here.kind(), format!("{here}; {there}")))
        })?;
        Ok(Self { socket: WatchedFd::new(socket)?, buffer: vec![0; DATAGRAM_LEN] })
    }

    /// Returns when there may be events. Cancel-safe.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn ready(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Appends what has happened, oldest first; a bounded number, the rest is for the next call.
    ///
    /// # Errors
    /// Whatever the socket says but overruns, which are events.
    pub fn drain(&mut self, events: &mut Vec<ProcessEvent>) -> io::Result<()> {
        for _ in 0..EVENTS_PER_DRAIN {
            let buffer = &mut self.buffer;
            let received = self.socket.try_read(|socket| receive(socket.as_raw_fd(), buffer));
            match received {
                Ok(Some(length)) => events.extend(parse(&self.buffer[..length])),
                Ok(None) => return Ok(()),
                Err(lost) if lost.raw_os_error() == Some(libc::ENOBUFS) => {
                    events.push(ProcessEvent::Overrun);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn receive(socket: i32, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, buffer, MsgFlags::MSG_DONTWAIT)?)
}

/// Opens the socket where this thread is, and subscribes.
fn listen() -> io::Result<OwnedFd> {
    let protocol = Protocol::from(libc::NETLINK_CONNECTOR);
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol));
    let socket = socket.map_err(|error| told("the kernel has no connector", &error))?;
    socket.set_nonblocking(true)?;
    set_receive_queue(&socket, RECEIVE_QUEUE)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, libc::CN_IDX_PROC))
        .map_err(|errno| told("cannot bind to process events", &errno.into()))?;
    send(socket.as_raw_fd(), &subscription()?, MsgFlags::empty()).map_err(|errno| {
        told(
            "process events exist in the initial network namespace only, and in kernels with \
             CONFIG_PROC_EVENTS",
            &errno.into(),
        )
    })?;
    acknowledged(&socket)?;
    Ok(socket.into())
}

/// The kernel answers inside `send`; where it does not, it has no events for us.
fn acknowledged(socket: &Socket) -> io::Result<()> {
    let mut buffer = [0; DATAGRAM_LEN];
    while let Ok(length) = receive(socket.as_raw_fd(), &mut buffer) {
        let events = messages(&buffer[..length]).filter_map(|message| event(message.payload));
        for event in events {
            match event {
                ProcEvent::Ack { err: 0 } => return Ok(()),
                ProcEvent::Ack { err } => {
                    let error = io::Error::from_raw_os_error(err.cast_signed());
                    return Err(told("the kernel refuses process events (CAP_NET_ADMIN?)", &error));
                }
                _ => {}
            }
        }
    }
    Err(io::Error::other("the kernel tells processes in the initial process namespace only"))
}

fn listen_in_initial_namespace() -> io::Result<OwnedFd> {
    let enter = File::open("/proc/1/ns/net")
        .and_then(|namespace| Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?));
    enter.map_err(|error| told("cannot go to the initial network namespace for it", &error))?;
    listen()
}

fn told(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn subscription() -> io::Result<Vec<u8>> {
    let message = CnMsgBuilder::default()
        .idx(CnMsgIdx::Proc)
        .val(CnMsgVal::Proc)
        .payload(ProcCnMcastOp::Listen)
        .build()
        .map_err(io::Error::other)?;
    let mut body = Cursor::new(Vec::new());
    message.to_bytes(&mut body).map_err(io::Error::other)?;
    let body = body.into_inner();
    let mut datagram = Vec::with_capacity(HEADER_LEN + body.len());
    // The length of a message of ours fits.
    datagram.extend(((HEADER_LEN + body.len()) as u32).to_ne_bytes());
    datagram.extend(NLMSG_DONE.to_ne_bytes());
    datagram.resize(HEADER_LEN, 0);
    datagram.extend(body);
    Ok(datagram)
}

/// The events of one datagram, as far as they are of interest.
pub fn parse(datagram: &[u8]) -> impl Iterator<Item = ProcessEvent> {
    messages(datagram).filter_map(|message| of_interest(&event(message.payload)?))
}

fn event(payload: &[u8]) -> Option<ProcEvent> {
    let message =
        CnMsg::<ProcEventHeader>::from_bytes_with_input(&mut Cursor::new(payload), payload.len());
    message.ok().map(|message| message.payload().event)
}

fn of_interest(event: &ProcEvent) -> Option<ProcessEvent> {
    match *event {
        ProcEvent::Fork { parent_tgid, child_pid, child_tgid, .. } if child_pid == child_tgid => {
            Some(ProcessEvent::Forked { parent: parent_tgid, child: child_pid })
        }
        ProcEvent::Exec { process_tgid, .. } => Some(ProcessEvent::Changed(process_tgid)),
        ProcEvent::Comm { process_pid, process_tgid, .. } if process_pid == process_tgid => {
            Some(ProcessEvent::Changed(process_pid))
        }
        ProcEvent::Exit { process_pid, process_tgid, .. } if process_pid == process_tgid => {
            Some(ProcessEvent::Ended(process_pid))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
