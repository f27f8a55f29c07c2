//! How services, servers and forwarding methods are written: keepalived's words for services,
//! ipvsadm's for the rest.

use std::fmt;
use std::net::SocketAddr;

use super::{Command, Forward, ServiceKey, SocketKey, Timeouts, Tunnel};

/// `[192.0.2.1]:tcp:80`, `[2001:db8::1]:udp:53`, `FWM 1`.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address: SocketKey { ip, port } } => {
                write!(f, "[{ip}]:{protocol}:{port}")
            }
            Self::Fwmark { mark, .. } => write!(f, "FWM {mark}"),
        }
    }
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`.
impl fmt::Display for SocketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// `Masq`, `Route`, `Tunnel`, as `ipvsadm -L` prints them.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nat => "Masq",
            Self::DirectRoute => "Route",
            Self::Tunnel(_) => "Tunnel",
        })
    }
}

/// `ipip`, `gue`, `gre`.
/// What was attempted, as the end of "cannot …".
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewService(service) => {
                write!(f, "add service {} with scheduler {}", service.key, service.scheduler)
            }
            Self::SetService(service) => {
                write!(f, "change service {} to scheduler {}", service.key, service.scheduler)
            }
            Self::DeleteService(key) => write!(f, "delete service {key}"),
            Self::NewDestination(key, destination) => {
                write!(f, "add {} with weight {} to {key}", destination.address, destination.weight)
            }
            Self::SetDestination(key, destination) => {
                write!(f, "give {} of {key} weight {}", destination.address, destination.weight)
            }
            Self::DeleteDestination(key, address) => write!(f, "take {address} out of {key}"),
            Self::Flush => f.write_str("empty the IPVS table"),
            Self::SetTimeouts(Timeouts { tcp_s, tcp_fin_s, udp_s }) => {
                write!(f, "set the time-outs tcp {tcp_s} tcpfin {tcp_fin_s} udp {udp_s}")
            }
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ipip => "ipip",
            Self::Gue { .. } => "gue",
            Self::Gre { .. } => "gre",
        })
    }
}

#[cfg(test)]
mod tests;
