//! Sending many datagrams with few system calls (sendmmsg(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Datagrams in one system call. All of a call's bookkeeping lies on the stack.
const BLOCK: usize = 64;

/// Sends each payload to its address, in order, skipping those that are refused. Stops when the
/// socket's queue is full. Gives the number sent.
///
/// `A` is a plain `sockaddr_*` of the socket's family.
///
/// # Errors
/// The first refusal, when nothing could be sent.
pub(super) fn send_many<'a, A: SocketAddress>(
    fd: BorrowedFd<'_>,
    flags: libc::c_int,
    datagrams: impl IntoIterator<Item = (A, &'a [u8])>,
) -> io::Result<usize> {
    let mut datagrams = datagrams.into_iter();
    let mut outcome = Outcome::default();
    while !outcome.queue_full {
        let Some(first) = datagrams.next() else { break };
        let (mut addresses, mut payloads) = ([first.0; BLOCK], [first.1; BLOCK]);
        let mut count = 1;
        while count < BLOCK
            && let Some((address, payload)) = datagrams.next()
        {
            (addresses[count], payloads[count]) = (address, payload);
            count += 1;
        }
        send_block(fd, flags, &addresses[..count], &payloads[..count], &mut outcome);
    }
    match outcome {
        Outcome { sent: 0, refused: Some(error), .. } => Err(error),
        Outcome { sent, .. } => Ok(sent),
    }
}

/// A `sockaddr_in`, `sockaddr_ll`: what `msg_name` may point to.
pub(super) trait SocketAddress: Copy {}
impl SocketAddress for libc::sockaddr_in {}
impl SocketAddress for libc::sockaddr_in6 {}
impl SocketAddress for libc::sockaddr_ll {}

#[derive(Default)]
struct Outcome {
    sent: usize,
    refused: Option<io::Error>,
    queue_full: bool,
}

/// `addresses` and `payloads` are of the same length, at most [`BLOCK`].
fn send_block<A: SocketAddress>(
    fd: BorrowedFd<'_>,
    flags: libc::c_int,
    addresses: &[A],
    payloads: &[&[u8]],
    outcome: &mut Outcome,
) {
    let mut done = 0;
    while done < payloads.len() {
        match send_some(fd, flags, &addresses[done..], &payloads[done..]) {
            Ok(sent) => {
                done += sent;
                outcome.sent += sent;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                outcome.queue_full = error.kind() == io::ErrorKind::WouldBlock;
                outcome.refused.get_or_insert(error);
                if outcome.queue_full {
                    return;
                }
                done += 1;
            }
        }
    }
}

/// One system call: the number sent, at least 1; the error is the first datagram's.
fn send_some<A: SocketAddress>(
    fd: BorrowedFd<'_>,
    flags: libc::c_int,
    addresses: &[A],
    payloads: &[&[u8]],
) -> io::Result<usize> {
    let count = payloads.len().min(addresses.len()).min(BLOCK);
    // SAFETY: both are plain C structures, for which all zeroes is a value: null pointers with
    // lengths of 0.
    let (mut iovecs, mut headers): ([libc::iovec; BLOCK], [libc::mmsghdr; BLOCK]) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    for at in 0..count {
        iovecs[at].iov_base = payloads[at].as_ptr().cast_mut().cast();
        iovecs[at].iov_len = payloads[at].len();
        let header = &mut headers[at].msg_hdr;
        header.msg_name = std::ptr::from_ref(&addresses[at]).cast_mut().cast();
        header.msg_namelen = size_of::<A>() as libc::socklen_t;
        header.msg_iov = &raw mut iovecs[at];
        header.msg_iovlen = 1;
    }
    // SAFETY: `headers` has `count` elements whose pointers lead to `addresses`, `iovecs` and
    // `payloads`, all alive here, with their true lengths; the kernel only reads through them.
    let sent = unsafe {
        libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, flags as _)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}
