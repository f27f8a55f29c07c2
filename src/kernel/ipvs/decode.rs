//! The kernel's answers as services and destinations. Plain functions over any octets: what is cut
//! short or not ours to express gives `None`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::numbers::*;
use crate::ipvs::{
    Destination, Family, Forward, Persistence, Protocol, Service, ServiceFlags, ServiceKey,
    SocketKey, SyncDaemon, SyncRole, SyncSettings, Timeouts, Tunnel, TunnelChecksum,
};
use crate::kernel::netlink::{attributes, string, u16_at, u32_at};

/// The service in a message's attributes.
pub fn service(payload: &[u8]) -> Option<Service> {
    let fields = ServiceFields::read(nested(payload, IPVS_CMD_ATTR_SERVICE)?);
    let key = fields.key()?;
    let prefix_len = fields.prefix_len(key.family());
    let ServiceFields { scheduler, flags, timeout_s, engine, .. } = fields;
    let persistent = flags & IP_VS_SVC_F_PERSISTENT != 0;
    let persistence = persistent.then_some(Persistence { timeout_s, prefix_len, engine });
    let flags = ServiceFlags(flags & !(IP_VS_SVC_F_PERSISTENT | IP_VS_SVC_F_HASHED));
    Some(Service { key, scheduler, flags, persistence })
}

/// The connection time-outs in a message's attributes; what is not there is 0.
pub fn timeouts(payload: &[u8]) -> Timeouts {
    let mut timeouts = Timeouts::default();
    for (kind, value) in attributes(payload) {
        let field = match kind {
            IPVS_CMD_ATTR_TIMEOUT_TCP => &mut timeouts.tcp_s,
            IPVS_CMD_ATTR_TIMEOUT_TCP_FIN => &mut timeouts.tcp_fin_s,
            IPVS_CMD_ATTR_TIMEOUT_UDP => &mut timeouts.udp_s,
            _ => continue,
        };
        *field = u32_at(value, 0).unwrap_or(0);
    }
    timeouts
}

/// The sync daemon in a message's attributes.
pub fn daemon(payload: &[u8]) -> Option<SyncDaemon> {
    let mut role = None;
    let (mut interface, mut id) = (String::new(), 0);
    let (mut max_len, mut group, mut port, mut ttl) = (None, None, None, None);
    for (kind, value) in attributes(nested(payload, IPVS_CMD_ATTR_DAEMON)?) {
        match kind {
            IPVS_DAEMON_ATTR_STATE => role = u32_at(value, 0).and_then(sync_role),
            IPVS_DAEMON_ATTR_MCAST_IFN => interface = string(value),
            IPVS_DAEMON_ATTR_SYNC_ID => id = u32_at(value, 0)?,
            IPVS_DAEMON_ATTR_SYNC_MAXLEN => max_len = u16_at(value, 0),
            IPVS_DAEMON_ATTR_MCAST_GROUP => group = ip(Family::Inet, value),
            IPVS_DAEMON_ATTR_MCAST_GROUP6 => group = ip(Family::Inet6, value),
            IPVS_DAEMON_ATTR_MCAST_PORT => port = u16_at(value, 0),
            IPVS_DAEMON_ATTR_MCAST_TTL => ttl = value.first().copied(),
            _ => {}
        }
    }
    let settings = SyncSettings { interface, id, max_len, group, port, ttl };
    Some(SyncDaemon { role: role?, settings })
}

fn sync_role(state: u32) -> Option<SyncRole> {
    match state {
        IP_VS_STATE_MASTER => Some(SyncRole::Master),
        IP_VS_STATE_BACKUP => Some(SyncRole::Backup),
        _ => None,
    }
}

/// The destination in a message's attributes; `family`: that of its service, for kernels before
/// 3.18, which know no other.
pub fn destination(payload: &[u8], family: Family) -> Option<Destination> {
    let fields = DestinationFields::read(nested(payload, IPVS_CMD_ATTR_DEST)?);
    let family = match fields.family {
        AF_INET => Family::Inet,
        AF_INET6 => Family::Inet6,
        _ => family,
    };
    Some(Destination {
        address: SocketKey { ip: ip(family, fields.address)?, port: fields.port? },
        forward: fields.forward(),
        weight: fields.weight,
        upper_threshold: fields.upper_threshold,
        lower_threshold: fields.lower_threshold,
    })
}

#[derive(Default)]
struct ServiceFields<'a> {
    family: u16,
    protocol: u16,
    address: &'a [u8],
    port: Option<u16>,
    mark: Option<u32>,
    scheduler: String,
    flags: u32,
    timeout_s: u32,
    netmask: [u8; 4],
    engine: Option<String>,
}

impl<'a> ServiceFields<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut fields = Self::default();
        for (kind, value) in attributes(bytes) {
            match kind {
                IPVS_SVC_ATTR_AF => fields.family = u16_at(value, 0).unwrap_or(0),
                IPVS_SVC_ATTR_PROTOCOL => fields.protocol = u16_at(value, 0).unwrap_or(0),
                IPVS_SVC_ATTR_ADDR => fields.address = value,
                IPVS_SVC_ATTR_PORT => fields.port = u16_at(value, 0).map(u16::from_be),
                IPVS_SVC_ATTR_FWMARK => fields.mark = u32_at(value, 0),
                IPVS_SVC_ATTR_SCHED_NAME => fields.scheduler = string(value),
                // Then comes the mask.
                IPVS_SVC_ATTR_FLAGS => fields.flags = u32_at(value, 0).unwrap_or(0),
                IPVS_SVC_ATTR_TIMEOUT => fields.timeout_s = u32_at(value, 0).unwrap_or(0),
                IPVS_SVC_ATTR_NETMASK => fields.netmask = value.try_into().unwrap_or_default(),
                IPVS_SVC_ATTR_PE_NAME => fields.engine = Some(string(value)),
                _ => {}
            }
        }
        fields
    }

    fn key(&self) -> Option<ServiceKey> {
        let family = match self.family {
            AF_INET => Family::Inet,
            AF_INET6 => Family::Inet6,
            _ => return None,
        };
        if let Some(mark) = self.mark {
            return Some(ServiceKey::Fwmark { family, mark });
        }
        let protocol = match i32::from(self.protocol) {
            libc::IPPROTO_TCP => Protocol::Tcp,
            libc::IPPROTO_UDP => Protocol::Udp,
            libc::IPPROTO_SCTP => Protocol::Sctp,
            _ => return None,
        };
        let address = SocketKey { ip: ip(family, self.address)?, port: self.port? };
        Some(ServiceKey::Address { protocol, address })
    }

    fn prefix_len(&self, family: Family) -> u8 {
        match family {
            Family::Inet => u32::from_be_bytes(self.netmask).leading_ones() as u8,
            Family::Inet6 => u32::from_ne_bytes(self.netmask).min(128) as u8,
        }
    }
}

#[derive(Default)]
struct DestinationFields<'a> {
    family: u16,
    address: &'a [u8],
    port: Option<u16>,
    method: u32,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    tunnel_type: u8,
    tunnel_port: u16,
    tunnel_flags: u16,
}

impl<'a> DestinationFields<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut fields = Self::default();
        for (kind, value) in attributes(bytes) {
            let number = || u32_at(value, 0).unwrap_or(0);
            let short = || u16_at(value, 0).unwrap_or(0);
            match kind {
                IPVS_DEST_ATTR_ADDR => fields.address = value,
                IPVS_DEST_ATTR_PORT => fields.port = u16_at(value, 0).map(u16::from_be),
                IPVS_DEST_ATTR_FWD_METHOD => fields.method = number() & IP_VS_CONN_F_FWD_MASK,
                IPVS_DEST_ATTR_WEIGHT => fields.weight = number(),
                IPVS_DEST_ATTR_U_THRESH => fields.upper_threshold = number(),
                IPVS_DEST_ATTR_L_THRESH => fields.lower_threshold = number(),
                IPVS_DEST_ATTR_ADDR_FAMILY => fields.family = short(),
                IPVS_DEST_ATTR_TUN_TYPE => fields.tunnel_type = value.first().copied().unwrap_or(0),
                IPVS_DEST_ATTR_TUN_PORT => fields.tunnel_port = u16::from_be(short()),
                IPVS_DEST_ATTR_TUN_FLAGS => fields.tunnel_flags = short(),
                _ => {}
            }
        }
        fields
    }

    fn forward(&self) -> Forward {
        match self.method {
            IP_VS_CONN_F_MASQ => Forward::Nat,
            IP_VS_CONN_F_DROUTE => Forward::DirectRoute,
            IP_VS_CONN_F_TUNNEL => Forward::Tunnel(self.tunnel()),
            _ => UNKNOWN,
        }
    }

    fn tunnel(&self) -> Tunnel {
        let checksum = match self.tunnel_flags {
            IP_VS_TUNNEL_ENCAP_FLAG_CSUM => TunnelChecksum::Full,
            IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM => TunnelChecksum::Remote,
            _ => TunnelChecksum::None,
        };
        match self.tunnel_type {
            IP_VS_CONN_F_TUNNEL_TYPE_GUE => Tunnel::Gue { port: self.tunnel_port, checksum },
            IP_VS_CONN_F_TUNNEL_TYPE_GRE => Tunnel::Gre { checksum },
            _ => Tunnel::Ipip,
        }
    }
}

/// Methods that only a raw netlink program can have set (local, bypass). Shown as what nobody can
/// want, as the kernel refuses it: a comparison with anything wanted finds a difference.
const UNKNOWN: Forward = Forward::Tunnel(Tunnel::Gue { port: 0, checksum: TunnelChecksum::None });

fn nested(payload: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(payload).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// The union is of 16 octets whatever the family; IPv4 takes the first four.
fn ip(family: Family, union: &[u8]) -> Option<IpAddr> {
    match family {
        Family::Inet => Some(Ipv4Addr::from(*union.first_chunk::<4>()?).into()),
        Family::Inet6 => Some(Ipv6Addr::from(*union.first_chunk::<16>()?).into()),
    }
}
