//! Opening a TCP connection the way a checker's options say.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{Connect, Origin};
use crate::check::Outcome;

/// Why there is no connection. Only [`ConnectError::Refused`] and [`ConnectError::NoAnswer`] say anything
/// about the server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot {what}: {source}")]
    Local { what: String, source: io::Error },
    #[error("{}", sentence(.0))]
    Refused(io::Error),
    #[error("no answer within {}", Seconds(*.0))]
    NoAnswer(Duration),
}

impl From<ConnectError> for Outcome {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Local { .. } => Self::NotTried(error.to_string()),
            ConnectError::Refused(_) | ConnectError::NoAnswer(_) => {
                Self::Failure(error.to_string())
            }
        }
    }
}

/// Connects as `connect` says: mark, device, own address and port first, then the connection, within
/// `timeout`.
///
/// # Errors
/// See [`ConnectError`].
pub async fn open(connect: &Connect) -> Result<TcpStream, ConnectError> {
    let socket = prepare(connect)?;
    match timeout(connect.timeout, socket.connect(connect.target)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) if is_ours(&source) => {
            Err(local(format!("connect to {}", connect.target))(source))
        }
        Ok(Err(source)) => Err(ConnectError::Refused(source)),
        Err(_) => Err(ConnectError::NoAnswer(connect.timeout)),
    }
}

/// A UDP socket that talks with the target alone, made as `connect` says. That a datagram cannot be
/// delivered is told by the next call on it.
///
/// # Errors
/// See [`ConnectError`].
pub(super) fn open_udp(connect: &Connect) -> Result<UdpSocket, ConnectError> {
    let socket = new_socket(connect, Type::DGRAM, Protocol::UDP)?;
    talk_to(socket, connect.target)
}

/// Joins a socket for datagrams to its target.
pub(super) fn talk_to(socket: Socket, target: SocketAddr) -> Result<UdpSocket, ConnectError> {
    match socket.connect(&target.into()) {
        Ok(()) => {}
        Err(source) if is_ours(&source) => return Err(local(format!("reach {target}"))(source)),
        Err(source) => return Err(ConnectError::Refused(source)),
    }
    UdpSocket::from_std(socket.into()).map_err(local("watch a socket".to_owned()))
}

fn prepare(connect: &Connect) -> Result<TcpSocket, ConnectError> {
    let socket = new_socket(connect, Type::STREAM, Protocol::TCP)?;
    Ok(TcpSocket::from_std_stream(socket.into()))
}

/// A non-blocking socket with mark, device, own address and port set.
pub(super) fn new_socket(
    connect: &Connect,
    kind: Type,
    protocol: Protocol,
) -> Result<Socket, ConnectError> {
    let domain = Domain::for_address(connect.target);
    let socket = Socket::new(domain, kind.nonblocking(), Some(protocol))
        .map_err(local("open a socket".to_owned()))?;
    let Some(origin) = &connect.origin else { return Ok(socket) };
    if origin.fwmark != 0 {
        let what = format!("set fwmark {}", origin.fwmark);
        socket.set_mark(origin.fwmark).map_err(local(what))?;
    }
    if let Some(interface) = &origin.interface {
        let what = format!("bind to interface {interface}");
        socket.bind_device(Some(interface.as_bytes())).map_err(local(what))?;
    }
    if let Some(address) = own_address(origin, connect.target) {
        // A fixed port was used by the attempt before, and rests in TIME_WAIT.
        let reuse = socket.set_reuse_address(origin.port.is_some());
        let bound = reuse.and_then(|()| socket.bind(&address.into()));
        bound.map_err(local(format!("bind to {address}")))?;
    }
    Ok(socket)
}

fn own_address(origin: &Origin, target: SocketAddr) -> Option<SocketAddr> {
    let any = match target {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    match (origin.address, origin.port) {
        (None, None) => None,
        (address, port) => {
            let mut own = SocketAddr::new(address.unwrap_or(any), port.unwrap_or(0));
            // A link-local address of ours is on the link of the target.
            if let (SocketAddr::V6(own), SocketAddr::V6(target)) = (&mut own, target)
                && own.ip().is_unicast_link_local()
            {
                own.set_scope_id(target.scope_id());
            }
            Some(own)
        }
    }
}

fn local(what: String) -> impl FnOnce(io::Error) -> ConnectError {
    move |source| ConnectError::Local { what, source }
}

/// Errors of `connect` that are of our own making. All others say that the server cannot be reached, as in
/// keepalived (ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, ETIMEDOUT, …).
fn is_ours(error: &io::Error) -> bool {
    const OURS: [i32; 8] = [
        libc::EADDRNOTAVAIL,
        libc::EADDRINUSE,
        libc::EACCES,
        libc::EPERM,
        libc::EAGAIN,
        libc::ENOBUFS,
        libc::ENOMEM,
        libc::EAFNOSUPPORT,
    ];
    error.raw_os_error().is_some_and(|code| OURS.contains(&code))
}

/// The kernel's sentence in lower case, without its number.
pub(super) fn sentence(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    };
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

/// A time span as the configuration writes it: `2s`, `0.5s`.
pub(super) struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests;
