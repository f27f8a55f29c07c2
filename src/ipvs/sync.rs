//! The kernel's sync daemons, which tell another director of connections, or hear of them: wanted,
//! found, and what turns the one into the other; pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::{Entry, Family, Table};

/// What the kernel takes where nothing is said (`linux/ip_vs.h`).
pub const SYNC_GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
pub const SYNC_PORT: u16 = 8848;
pub const SYNC_TTL: u8 = 1;

/// Which end of the synchronisation: the kernel runs at most one daemon for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncRole {
    /// Tells of connections.
    Master,
    /// Hears of them.
    Backup,
}

impl SyncRole {
    pub const BOTH: [Self; 2] = [Self::Master, Self::Backup];
}

/// ipvsadm(8)'s words.
impl fmt::Display for SyncRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// How the daemons are to run, whatever their role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSettings {
    /// Where the packets go out and come in, at most 15 octets.
    pub interface: String,
    /// A backup takes what has its own number, with 0 everything. We use 0–255; the kernel takes any.
    pub id: u32,
    /// Largest packet in octets; `None`: what the kernel thinks right for role and interface.
    pub max_len: Option<u16>,
    /// Multicast; `None`: [`SYNC_GROUP`].
    pub group: Option<IpAddr>,
    /// `None`: [`SYNC_PORT`].
    pub port: Option<u16>,
    /// `None`: [`SYNC_TTL`].
    pub ttl: Option<u8>,
}

/// One daemon; as the kernel tells of it, everything is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncDaemon {
    pub role: SyncRole,
    pub settings: SyncSettings,
}

impl SyncDaemon {
    /// Whether `found` does what we want. Of a largest packet that is not said any will do.
    pub fn is_met_by(&self, found: &Self) -> bool {
        let (wanted, there) = (&self.settings, &found.settings);
        self.role == found.role
            && wanted.interface == there.interface
            && wanted.id == there.id
            && wanted.max_len.is_none_or(|len| there.max_len == Some(len))
            && wanted.group() == there.group()
            && wanted.port() == there.port()
            && wanted.ttl() == there.ttl()
    }
}

impl SyncSettings {
    /// With what the kernel chooses if it is not told.
    pub fn new(interface: &str, id: u32) -> Self {
        Self {
            interface: interface.to_owned(),
            id,
            max_len: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    pub fn group(&self) -> IpAddr {
        self.group.unwrap_or(SYNC_GROUP)
    }

    pub fn port(&self) -> u16 {
        self.port.unwrap_or(SYNC_PORT)
    }

    pub fn ttl(&self) -> u8 {
        self.ttl.unwrap_or(SYNC_TTL)
    }
}

/// `master on eth1, id 51, 224.0.0.81 port 8848 ttl 1`.
impl fmt::Display for SyncDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        write!(f, "{} on {}, id {}", self.role, settings.interface, settings.id)?;
        write!(f, ", {} port {} ttl {}", settings.group(), settings.port(), settings.ttl())?;
        settings.max_len.map_or(Ok(()), |len| write!(f, " maxlen {len}"))
    }
}

/// One step from the daemons that run to those that are to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncChange {
    Start(SyncDaemon),
    Stop(SyncRole),
}

/// What turns the daemons that were `found` into those that are `wanted`. One that is right already goes
/// on. What is new starts before the rest is stopped, which takes the kernel a second: a director that
/// becomes MASTER tells of its connections at once.
pub fn sync_difference(found: &[SyncDaemon], wanted: &[SyncDaemon]) -> Vec<SyncChange> {
    let mut changes = Vec::new();
    for wanted in wanted {
        match found.iter().find(|found| found.role == wanted.role) {
            Some(found) if wanted.is_met_by(found) => {}
            Some(_) => {
                changes.push(SyncChange::Stop(wanted.role));
                changes.push(SyncChange::Start(wanted.clone()));
            }
            None => changes.push(SyncChange::Start(wanted.clone())),
        }
    }
    let unwanted =
        found.iter().filter(|found| wanted.iter().all(|wanted| wanted.role != found.role));
    changes.extend(unwanted.map(|found| SyncChange::Stop(found.role)));
    changes
}

/// Whether a destination of the other family than its service is in the table: the kernel has
/// those or sync daemons, not both (connections are told of in one family only).
pub fn has_mixed_families(table: &Table) -> bool {
    let mixed = |entry: &Entry| {
        let family = entry.service.key.family();
        entry.destinations.iter().any(|each| Family::of(each.address.ip) != family)
    };
    table.services.values().any(mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(role: SyncRole) -> SyncDaemon {
        SyncDaemon { role, settings: SyncSettings::new("eth1", 51) }
    }

    /// As the kernel tells of `daemon`.
    fn filled(daemon: &SyncDaemon) -> SyncDaemon {
        let settings = SyncSettings {
            max_len: Some(daemon.settings.max_len.unwrap_or(1_472)),
            group: Some(daemon.settings.group()),
            port: Some(daemon.settings.port()),
            ttl: Some(daemon.settings.ttl()),
            ..daemon.settings.clone()
        };
        SyncDaemon { settings, ..*daemon }
    }

    #[test]
    fn a_daemon_that_is_right_goes_on() {
        let wanted = SyncRole::BOTH.map(daemon);
        let found = wanted.each_ref().map(filled);
        assert_eq!(sync_difference(&found, &wanted), []);
    }

    #[test]
    fn each_attribute_that_differs_makes_it_start_anew() {
        let found = [filled(&daemon(SyncRole::Master))];
        let changes: [fn(&mut SyncSettings); 6] = [
            |settings| settings.interface = "eth2".to_owned(),
            |settings| settings.id = 52,
            |settings| settings.max_len = Some(1_400),
            |settings| settings.group = Some("224.0.0.82".parse().unwrap()),
            |settings| settings.port = Some(8_849),
            |settings| settings.ttl = Some(2),
        ];
        for change in changes {
            let mut wanted = daemon(SyncRole::Master);
            change(&mut wanted.settings);
            let anew = [SyncChange::Stop(SyncRole::Master), SyncChange::Start(wanted.clone())];
            assert_eq!(sync_difference(&found, &[wanted]), anew);
        }
    }

    #[test]
    fn another_role_starts_before_the_old_one_is_stopped() {
        let (found, wanted) = ([filled(&daemon(SyncRole::Backup))], daemon(SyncRole::Master));
        let changes = sync_difference(&found, std::slice::from_ref(&wanted));
        assert_eq!(changes, [SyncChange::Start(wanted), SyncChange::Stop(SyncRole::Backup)]);
        assert_eq!(sync_difference(&found, &[]), [SyncChange::Stop(SyncRole::Backup)]);
    }
}
