//! One virtual router of a host: the real core and admission, with what the driver keeps beside.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use super::packet::Packet;
use super::watch::Watch;
use crate::vrrp::{
    Admission, Authentication, Counters, FaultCause, Hmac, Memory, PublicState, RouterSettings,
    State, Tracker, Transport, VirtualRouter,
};
use crate::wire::HmacKey;
use crate::wire::ip::IdCounter;

/// Signed adverts that are remembered for being sent again.
const BELIEVED: usize = 16;

/// What is configured of one virtual router.
#[derive(Debug, Clone)]
pub struct RouterSpec {
    /// Which LAN it is on.
    pub segment: usize,
    pub settings: RouterSettings,
    /// Our primary address there.
    pub source: IpAddr,
    /// The virtual addresses, of the same family.
    pub addresses: Vec<IpAddr>,
    pub transport: Transport,
    pub authentication: Authentication,
    /// `auth_hmac`.
    pub hmac: Option<Hmac>,
    pub owner_ignores_adverts: bool,
    /// Of scripts and files; see [`Lan::set_reading`](super::Lan::set_reading).
    pub trackers: Vec<Tracker>,
}

impl RouterSpec {
    pub(super) fn is_multicast(&self) -> bool {
        matches!(self.transport, Transport::Multicast(_))
    }

    /// Where adverts for it are sent.
    pub(super) fn listens_at(&self) -> IpAddr {
        match self.transport {
            Transport::Multicast(group) => group,
            Transport::Unicast { .. } => self.source,
        }
    }

    /// Whether each of its adverts has a number, and is believed once.
    pub(super) fn is_signed(&self) -> bool {
        self.hmac.is_some() || matches!(self.authentication, Authentication::Header(_))
    }

    /// As somebody has it who does not know the key.
    fn without_key(mut self) -> Self {
        if let Authentication::Header(key) = &mut self.authentication {
            key.0 = *b"guessed\0";
        }
        for key in self.hmac.iter_mut().flat_map(|hmac| &mut hmac.keys) {
            *key = HmacKey::new(key.id, &[0; 32]);
        }
        self
    }

    fn admission(&self) -> Admission {
        Admission {
            version: self.settings.version,
            adver_interval: self.settings.adver_interval,
            authentication: self.authentication,
            transport: self.transport.clone(),
            addresses: self.addresses.clone(),
            skip_check_adv_addr: false,
            ignores_all: self.owner_ignores_adverts && self.settings.priority == 255,
            message_checksum: false,
            old_group: None,
            hmac: self.hmac.clone(),
        }
    }
}

/// A virtual router as it runs.
#[derive(Debug)]
pub struct Router {
    pub(super) spec: RouterSpec,
    /// Number of its host.
    pub(super) host: usize,
    pub(super) core: VirtualRouter,
    pub(super) admission: Admission,
    pub(super) memory: Memory,
    pub(super) ids: IdCounter,
    pub(super) counters: Counters,
    /// It was told to hold its addresses.
    pub(super) holds: bool,
    /// They are on its interface.
    pub(super) present: bool,
    /// Its source address is on its interface.
    pub(super) source_there: bool,
    /// Unread packets.
    pub(super) socket: VecDeque<Packet>,
    /// Of signed adverts, those believed last: none of them may be believed again.
    pub(super) believed: VecDeque<Packet>,
    /// What its core was told: faults, and what trackers add.
    pub(super) faults: BTreeSet<FaultCause>,
    pub(super) adjustment: i32,
    pub(super) watch: Watch,
}

impl Router {
    /// Not started.
    pub(super) fn new(spec: RouterSpec, host: usize) -> Self {
        Self {
            core: VirtualRouter::new(spec.settings.clone(), Some(spec.source)),
            admission: spec.admission(),
            memory: Memory::default(),
            host,
            ids: IdCounter::default(),
            counters: Counters::default(),
            holds: false,
            present: false,
            source_there: true,
            socket: VecDeque::new(),
            believed: VecDeque::new(),
            faults: BTreeSet::new(),
            adjustment: 0,
            watch: Watch::default(),
            spec,
        }
    }

    /// Another one like it, of priority 255, with an address nobody has.
    pub(super) fn stranger(&self) -> Self {
        let source = match (&self.spec.transport, self.spec.source) {
            // Of unicast only peers are listened to.
            (Transport::Unicast { peers, .. }, own) => peers.first().map_or(own, |p| p.address),
            (Transport::Multicast(_), IpAddr::V4(_)) => IpAddr::from([192, 0, 2, 199]),
            (Transport::Multicast(_), IpAddr::V6(_)) => {
                IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x199])
            }
        };
        Self::new(RouterSpec { source, ..self.spec.clone() }.without_key(), usize::MAX)
    }

    /// Remembers a signed advert that was believed; whether it was for the first time.
    pub(super) fn believe(&mut self, packet: &Packet) -> bool {
        if !self.spec.is_signed() {
            return true;
        }
        let first = !self.believed.contains(packet);
        if self.believed.len() == BELIEVED {
            self.believed.pop_front();
        }
        self.believed.push_back(packet.clone());
        first
    }

    /// `host 1, LAN 0, VRID 77`.
    pub fn name(&self) -> String {
        let vrid = self.settings().vrid.get();
        format!("host {}, LAN {}, VRID {vrid}", self.host, self.spec.segment)
    }

    pub fn host(&self) -> usize {
        self.host
    }

    pub fn segment(&self) -> usize {
        self.spec.segment
    }

    pub fn settings(&self) -> &RouterSettings {
        self.core.settings()
    }

    /// The effective one.
    pub fn priority(&self) -> u8 {
        self.core.priority()
    }

    pub fn state(&self) -> PublicState {
        self.core.public_state()
    }

    pub fn is_active(&self) -> bool {
        matches!(self.core.state(), State::Active(_))
    }

    /// Its virtual addresses are on its interface, whoever put them there.
    pub fn has_addresses(&self) -> bool {
        self.present
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn is_running(&self) -> bool {
        !matches!(self.core.state(), State::Initialize(_))
    }
}
