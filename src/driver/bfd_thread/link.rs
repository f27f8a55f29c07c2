//! What a session has beside its core: the socket that it sends by, its counters, its words.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::port;
use crate::bfd::{ControlPacket, Counters, SOURCE_PORTS, Session, State, Transition};
use crate::config::plan::BfdInstance;
use crate::kernel::BfdSender;
use crate::random::Random;
use crate::status::BfdSession;

/// Idle intervals after which a session that has not come up is down. Two packets each way suffice.
const TIME_TO_COME_UP: u32 = 3;

/// Ports that are tried before the next packet has to.
const ATTEMPTS: usize = 16;

pub struct Link {
    pub plan: Arc<BfdInstance>,
    sender: Option<BfdSender>,
    /// Whether the last packet could not be sent, which has been told.
    silent: bool,
    /// See [`super::SessionStates`].
    pub up: Option<bool>,
    began: Instant,
    pub counters: Counters,
    /// The longest that a deadline was missed by.
    lateness: Duration,
}

impl Link {
    pub fn new(plan: &BfdInstance, now: Instant) -> Self {
        Self {
            plan: Arc::new(plan.clone()),
            sender: None,
            silent: false,
            up: None,
            began: now,
            counters: Counters::default(),
            lateness: Duration::ZERO,
        }
    }

    /// Goes on with this plan; whether it differs.
    pub fn replan(&mut self, plan: &BfdInstance) -> bool {
        if *self.plan == *plan {
            return false;
        }
        if self.plan.ttl != plan.ttl {
            self.sender = None;
        }
        self.plan = Arc::new(plan.clone());
        true
    }

    pub fn send(&mut self, packet: &ControlPacket, random: &mut Random) {
        let endpoint = &self.plan.endpoint;
        let to = SocketAddr::new(endpoint.neighbor, port(endpoint.multihop));
        let sent = match &self.sender {
            Some(sender) => sender.send(&packet.to_octets(), to),
            None => self
                .open(random)
                .and_then(|sender| self.sender.insert(sender).send(&packet.to_octets(), to)),
        };
        match sent {
            Ok(()) => {
                self.counters.sent += 1;
                if std::mem::take(&mut self.silent) {
                    tracing::info!("({}) sends to {} again", self.plan.name, to.ip());
                }
            }
            Err(error) => {
                self.counters.send_errors += 1;
                if !std::mem::replace(&mut self.silent, true) {
                    let name = &self.plan.name;
                    tracing::warn!("({name}) cannot send to {}: {error}; trying on", to.ip());
                }
            }
        }
    }

    fn open(&self, random: &mut Random) -> io::Result<BfdSender> {
        let endpoint = &self.plan.endpoint;
        let ipv6 = endpoint.neighbor.is_ipv6();
        let mut result = Err(io::Error::from(io::ErrorKind::AddrInUse));
        for _ in 0..ATTEMPTS {
            let (lowest, highest) = (*SOURCE_PORTS.start(), *SOURCE_PORTS.end());
            let port = random.between(lowest.into(), highest.into()) as u16;
            result = BfdSender::open(ipv6, endpoint.source, port, self.plan.ttl);
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
                break;
            }
        }
        result
    }

    /// Counts and logs a transition; whether others have to know.
    pub fn entered(&mut self, transition: &Transition) -> bool {
        let (name, before) = (&self.plan.name, self.up);
        if let Some(expired) = transition.expired {
            tracing::info!("({name}) {expired}");
        }
        match (transition.from, transition.to) {
            (_, State::Up) => {
                self.counters.ups += 1;
                self.up = Some(true);
                tracing::info!("({name}) {transition}");
            }
            (State::Up, State::Down) => {
                self.counters.downs += 1;
                tracing::warn!("({name}) {transition}");
                if transition.by_administrator() {
                    tracing::info!("({name}) switched off by the neighbour, which is no failure");
                } else {
                    self.up = Some(false);
                }
            }
            // It was switched off, and has failed to come back.
            (_, State::Down) if !transition.by_administrator() => {
                self.up = self.up.and(Some(false));
                tracing::debug!("({name}) {transition}");
            }
            _ => tracing::debug!("({name}) {transition}"),
        }
        self.up != before
    }

    /// When it will have had the time that coming up takes, unless it has been up.
    pub fn judge_at(&self) -> Option<Instant> {
        let time = self.plan.settings.idle_tx * TIME_TO_COME_UP;
        self.up.is_none().then(|| self.began + time)
    }

    /// Whether it is down for good reason now.
    pub fn judge(&mut self, now: Instant) -> bool {
        let late = self.judge_at().is_some_and(|at| at <= now);
        if late {
            let Self { plan, began, .. } = self;
            let (name, neighbor) = (&plan.name, plan.endpoint.neighbor);
            tracing::warn!("({name}) {neighbor} has not come up within {:?}", now - *began);
            self.up = Some(false);
        }
        late
    }

    pub fn note_lateness(&mut self, late: Duration) {
        self.lateness = self.lateness.max(late);
    }

    pub fn status(&self, session: &Session, now: Instant) -> BfdSession {
        BfdSession {
            plan: self.plan.clone(),
            session: session.status(now),
            counters: self.counters,
            lateness: self.lateness,
        }
    }
}
