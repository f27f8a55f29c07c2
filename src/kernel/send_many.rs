//! Sending many datagrams with few system calls (sendmmsg(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Datagrams in one system call. All of a call's bookkeeping lies on the stack.
const BLOCK: usize = 64;

/// Sends each payload to its address, in order. Those that the kernel refuses are skipped, and told to
/// `refused` by their place; once the socket's queue is full, all that are left are refused. Gives the
/// number sent.
///
/// `A` is a plain `sockaddr_*` of the socket's family.
pub(super) fn send_many<'a, A: SocketAddress>(
    fd: BorrowedFd<'_>,
    flags: libc::c_int,
    datagrams: impl IntoIterator<Item = (A, &'a [u8])>,
    refused: impl FnMut(usize, io::Error),
) -> usize {
    let mut datagrams = datagrams.into_iter();
    let mut outcome = Outcome { done: 0, sent: 0, queue_full: false, refused };
    while let Some(first) = datagrams.next() {
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
    outcome.sent
}

/// The same for those who only want to know whether anything went out.
///
/// # Errors
/// The first refusal, when nothing could be sent.
pub(super) fn send_any<'a, A: SocketAddress>(
    fd: BorrowedFd<'_>,
    flags: libc::c_int,
    datagrams: impl IntoIterator<Item = (A, &'a [u8])>,
) -> io::Result<usize> {
    let mut first = None;
    let sent = send_many(fd, flags, datagrams, |_, error| {
        first.get_or_insert(error);
    });
    match first {
        Some(error) if sent == 0 => Err(error),
        _ => Ok(sent),
    }
}

/// A `sockaddr_in`, `sockaddr_ll`: what `msg_name` may point to.
pub(super) trait SocketAddress: Copy {}
impl SocketAddress for libc::sockaddr_in {}
impl SocketAddress for libc::sockaddr_in6 {}
impl SocketAddress for libc::sockaddr_ll {}

struct Outcome<F> {
    /// Sent or refused.
    done: usize,
    sent: usize,
    queue_full: bool,
    refused: F,
}

impl<F: FnMut(usize, io::Error)> Outcome<F> {
    fn sent(&mut self, count: usize) {
        self.done += count;
        self.sent += count;
    }

    fn refused(&mut self, error: io::Error) {
        self.queue_full |= error.kind() == io::ErrorKind::WouldBlock;
        (self.refused)(self.done, error);
        self.done += 1;
    }
}

/// `addresses` and `payloads` are of the same length, at most [`BLOCK`].
fn send_block<A: SocketAddress, F: FnMut(usize, io::Error)>(
    fd: BorrowedFd<'_>,
    flags: libc::c_int,
    addresses: &[A],
    payloads: &[&[u8]],
    outcome: &mut Outcome<F>,
) {
    let mut at = 0;
    while at < payloads.len() {
        if outcome.queue_full {
            outcome.refused(io::ErrorKind::WouldBlock.into());
            at += 1;
            continue;
        }
        match send_some(fd, flags, &addresses[at..], &payloads[at..]) {
            Ok(sent) => {
                outcome.sent(sent);
                at += sent;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                outcome.refused(error);
                at += 1;
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
    match (addresses, payloads) {
        // Most of the time one instance has something to say.
        ([address], [payload]) => send_one(fd, flags, address, payload),
        _ => send_several(fd, flags, addresses, payloads),
    }
}

fn send_one<A: SocketAddress>(
    fd: BorrowedFd<'_>,
    flags: libc::c_int,
    address: &A,
    payload: &[u8],
) -> io::Result<usize> {
    let (to, len) = (std::ptr::from_ref(address).cast(), size_of::<A>() as libc::socklen_t);
    // SAFETY: payload and address are alive here and of the lengths told; the kernel only reads them.
    let sent = unsafe {
        libc::sendto(fd.as_raw_fd(), payload.as_ptr().cast(), payload.len(), flags, to, len)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(1) }
}

fn send_several<A: SocketAddress>(
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
