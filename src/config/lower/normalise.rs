//! From a virtual server as read to one that can be served: what is left out is filled in, and
//! what cannot go together is settled, each time with a message (keepalived 2.2.7 does the same,
//! except where said).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::diagnostic::Diagnostic;
use super::super::plan::{
    GroupUse, MOST_ADDRESSES, Rare, RealServer, SorryServer, VirtualServer, Wording,
};
use super::super::source::Span;
use super::super::tree::Statement;
use super::checker::Inherited;
use super::context::Context;
use super::real_server::RealServerDraft;
use super::virtual_server::{Reached, VirtualServerDraft};
use crate::check::QuorumRule;
use crate::ipvs::{
    Destination, Family, Forward, Protocol, Service, ServiceFlags, ServiceKey, SocketKey,
};

/// Weight of a server that nobody gave one (keepalived.conf(5)).
const DEFAULT_WEIGHT: u32 = 1;

/// `None` if no server is left to serve from.
pub(super) fn finish(
    mut draft: VirtualServerDraft,
    cx: &mut Context<'_>,
    block: &Statement,
) -> Option<VirtualServer> {
    let family = draft.settle_family();
    let servers = std::mem::take(&mut draft.real_servers);
    let reported = draft.bad_real_server || !servers.is_empty();
    let real_servers = draft.real_servers(servers, family, cx);
    if real_servers.is_empty() && reported {
        return None;
    }
    if real_servers.is_empty() {
        let message = format!("{} has no real_server", cx.text(block.raw));
        let finding = Diagnostic::error("no-real-server", block.raw, message);
        cx.push(finding.label("there is nothing to serve from: it is left out"));
        return None;
    }
    let key = draft.key(family, cx, block);
    let scheduler = draft.scheduler(cx, block);
    let flags = draft.flags(&key, scheduler, cx);
    let quorum = draft.quorum(&real_servers, cx);
    let sorry_server = draft.settled_sorry_server(family, cx);
    let group = match &draft.reached {
        Reached::Group(name) => Some(GroupUse { name: name.clone(), number: 0 }),
        Reached::Address { .. } | Reached::Fwmark(_) => None,
    };
    let protocol = match key {
        ServiceKey::Address { protocol, .. } => Some(protocol),
        ServiceKey::Fwmark { .. } => None,
    };
    let has_port = !matches!(draft.reached, Reached::Address { port: 0, .. });
    let persistence = draft.persistence.finish(cx, block, family, has_port);
    Some(VirtualServer {
        service: Service { key, scheduler: scheduler.to_owned(), flags, persistence },
        more_keys: Vec::new(),
        marked: Box::default(),
        group,
        protocol,
        quorum,
        real_servers,
        sorry_server,
        quorum_up: draft.quorum_up,
        quorum_down: draft.quorum_down,
        omega: draft.omega,
        drain_time: draft.drain_time.unwrap_or_default(),
        ha_suspend: draft.ha_suspend,
        mails: draft.mails,
        wording: Wording::default(),
    })
}

impl VirtualServerDraft {
    /// The address decides; else `ip_family`, the granularity, the first server that is reached
    /// without a tunnel; else IPv4.
    fn settle_family(&self) -> Family {
        if let Reached::Address { ip, .. } = self.reached {
            return Family::of(ip);
        }
        let direct = |server: &&RealServerDraft| !is_tunnel(self.forward_of(server));
        let from_server =
            || self.real_servers.iter().filter(direct).find_map(RealServerDraft::own_family);
        let all_alike = || {
            let mut families = self.real_servers.iter().filter_map(RealServerDraft::own_family);
            let first = families.next()?;
            families.all(|family| family == first).then_some(first)
        };
        self.family
            .or_else(|| self.persistence.family())
            .or_else(from_server)
            .or_else(all_alike)
            .unwrap_or(Family::Inet)
    }

    fn forward_of(&self, server: &RealServerDraft) -> Forward {
        server.forward.or(self.forward).unwrap_or(Forward::Nat)
    }

    fn real_servers(
        &self,
        drafts: Vec<RealServerDraft>,
        family: Family,
        cx: &mut Context<'_>,
    ) -> Vec<RealServer> {
        let mut seen = HashMap::with_capacity(drafts.len());
        let mut servers = Vec::with_capacity(drafts.len());
        for server in drafts {
            let at = server.at;
            let of = server.own_family().unwrap_or(family);
            if !self.fits(&server.place, of, self.forward_of(&server), family, at, cx) {
                continue;
            }
            let server = self.real_server(server, of, cx);
            let name = server.host().map(|host| host.name.clone());
            match seen.entry((name, server.destination.address)) {
                Entry::Occupied(first) => {
                    cx.push(super::duplicate(cx.text(at), at, *first.get()));
                }
                Entry::Vacant(place) => {
                    place.insert(at);
                    servers.push(server);
                }
            }
        }
        servers
    }

    /// Only a tunnel crosses from one address family to the other.
    fn fits(
        &self,
        place: &dyn fmt::Display,
        of: Family,
        forward: Forward,
        family: Family,
        at: Span,
        cx: &mut Context<'_>,
    ) -> bool {
        if of == family || is_tunnel(forward) {
            return true;
        }
        let message = format!("{place} is of the other address family than its virtual_server");
        let finding = Diagnostic::error("address-family-mismatch", at, message);
        cx.push(finding.label("this server is left out").help("lvs_method TUN crosses families"));
        false
    }

    /// `family` is the server's.
    fn real_server(
        &self,
        draft: RealServerDraft,
        family: Family,
        cx: &mut Context<'_>,
    ) -> RealServer {
        let (ip, host) = draft.settled_place(family);
        let forward = self.forward_of(&draft);
        let port = self.destination_port(draft.port, forward, draft.at, cx);
        if draft.lower_threshold.unwrap_or(0) > draft.upper_threshold.unwrap_or(0) {
            let message = "lthreshold is above uthreshold: the kernel refuses such a server";
            let finding = Diagnostic::error("bad-value", draft.at, message);
            cx.push(finding.label("both are left out").help("lthreshold below uthreshold"));
        }
        let thresholds_fit =
            draft.lower_threshold.unwrap_or(0) <= draft.upper_threshold.unwrap_or(0);
        let threshold = |value: Option<u32>| value.filter(|_| thresholds_fit).unwrap_or(0);
        let destination = Destination {
            address: SocketKey { ip, port },
            forward,
            weight: draft.weight.or(self.weight).unwrap_or(DEFAULT_WEIGHT),
            upper_threshold: threshold(draft.upper_threshold),
            lower_threshold: threshold(draft.lower_threshold),
        };
        let virtual_host = draft.virtual_host.or_else(|| self.virtual_host.clone());
        // keepalived checks the port as written, before this settling, and so always fails a
        // server that inherits its port. Here the check goes where clients go.
        let in_group = matches!(self.reached, Reached::Group(_));
        let checked_port = match port {
            // Known once the group is.
            _ if in_group && forward != Forward::Nat => 0,
            0 => draft.port.unwrap_or(0),
            port => port,
        };
        let inherited = Inherited {
            timing: draft.timing.or(self.timing),
            virtual_host: virtual_host.as_deref(),
            service_delay_loop: self.delay_loop(),
            target: SocketAddr::new(ip, checked_port),
            in_group,
        };
        // Not collected at once: that would keep the memory of the drafts, several times as much.
        let mut checkers = Vec::with_capacity(draft.checkers.len());
        checkers.extend(draft.checkers.into_iter().map(|checker| checker.finish(cx, &inherited)));
        let rare = Rare {
            host,
            slow_start: draft.slow_start.or(self.slow_start).unwrap_or_default(),
            notify_up: draft.notify_up.map(|script| *script),
            notify_down: draft.notify_down.map(|script| *script),
        };
        RealServer {
            destination,
            inhibit_on_failure: draft.inhibit_on_failure.unwrap_or(self.inhibit_on_failure),
            mails: draft.mails,
            checkers: checkers.into_boxed_slice(),
            rare: rare.boxed(),
        }
    }

    /// NAT can change the port; direct routing and tunnels deliver packets as they came.
    fn destination_port(
        &self,
        written: Option<u16>,
        forward: Forward,
        at: Span,
        cx: &mut Context<'_>,
    ) -> u16 {
        let service = match self.reached {
            Reached::Address { port, .. } => port,
            Reached::Fwmark(_) | Reached::Group(_) => 0,
        };
        // In a group it is that of each service, which is not known yet.
        if forward == Forward::Nat || matches!(self.reached, Reached::Group(_)) {
            return written.unwrap_or(service);
        }
        // Behind a mark a port is only what checks go to.
        let is_mark = matches!(self.reached, Reached::Fwmark(_));
        if let Some(written) = written.filter(|written| *written != service && !is_mark) {
            let method = if forward == Forward::DirectRoute { "DR" } else { "TUN" };
            let message = format!(
                "{method} cannot change the port: {written} becomes {service}, the port of the service"
            );
            let finding = Diagnostic::warning("port-forced", at, message);
            cx.push(finding.label("checks go there as well").help(format!(
                "port {service} here, or lvs_method NAT, which can change it; \
                 `connect_port {written}` lets a check go to {written}"
            )));
        }
        service
    }

    fn key(&self, family: Family, cx: &mut Context<'_>, block: &Statement) -> ServiceKey {
        match self.reached {
            Reached::Fwmark(mark) => {
                if let Some((_, at)) = self.protocol {
                    let message = "protocol has no meaning for a fwmark service; ignored";
                    cx.push(Diagnostic::warning("protocol-ignored-for-fwmark", at, message));
                }
                ServiceKey::Fwmark { family, mark }
            }
            Reached::Address { .. } | Reached::Group(_) => {
                if !self.named.protocol {
                    let finding = cx.defaulted(block, "protocol", "UDP");
                    cx.push(finding.help("protocol TCP"));
                }
                let protocol = self.protocol.map_or(Protocol::Udp, |(protocol, _)| protocol);
                // A group's services come once the whole file is read; till then this says of which family.
                let (ip, port) = match (&self.reached, family) {
                    (Reached::Address { ip, port }, _) => (*ip, *port),
                    (_, Family::Inet) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
                    (_, Family::Inet6) => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
                };
                ServiceKey::Address { protocol, address: SocketKey { ip, port } }
            }
        }
    }

    fn scheduler(&self, cx: &mut Context<'_>, block: &Statement) -> &'static str {
        if !self.named.forward {
            let finding = cx.defaulted(block, "lvs_method", "NAT");
            cx.push(finding.help("lvs_method NAT"));
        }
        if !self.named.scheduler {
            let finding = cx.defaulted(block, "lvs_sched", "wlc");
            cx.push(finding.help("lvs_sched wlc"));
        }
        self.scheduler.unwrap_or("wlc")
    }

    fn flags(&self, key: &ServiceKey, scheduler: &str, cx: &mut Context<'_>) -> ServiceFlags {
        let mut flags = 0;
        for flag in &self.scheduler_flags {
            match flag.scheduler {
                Some(wanted) if wanted != scheduler => {
                    let message =
                        format!("this is a flag of scheduler {wanted}, not of {scheduler}");
                    cx.push(Diagnostic::warning("flag-ignored", flag.at, message).label("ignored"));
                }
                Some(_) | None => flags |= flag.bit,
            }
        }
        let connectionless = match key {
            ServiceKey::Address { protocol, .. } => *protocol == Protocol::Udp,
            ServiceKey::Fwmark { .. } => true,
        };
        match self.one_packet {
            Some(_) if connectionless => flags |= ServiceFlags::ONE_PACKET,
            Some(at) => {
                let message = "ops is for UDP and fwmark services only; ignored";
                cx.push(Diagnostic::warning("flag-ignored", at, message));
            }
            None => {}
        }
        ServiceFlags(flags)
    }

    /// Brings quorum and hysteresis within what the servers can reach. keepalived leaves a sum
    /// of quorum and hysteresis that can never be gained, and then the service never is up.
    fn quorum(&self, servers: &[RealServer], cx: &mut Context<'_>) -> QuorumRule {
        // A name may have many addresses, which nobody knows here.
        let times =
            |server: &RealServer| if server.host().is_some() { MOST_ADDRESSES as u64 } else { 1 };
        let most = |server: &RealServer| u64::from(server.destination.weight) * times(server);
        let sum = servers.iter().map(most).sum::<u64>();
        let sum = u32::try_from(sum).unwrap_or(u32::MAX);
        let (mut quorum, quorum_at) = self.quorum.unwrap_or((1, Span::default()));
        let (mut hysteresis, hysteresis_at) = self.hysteresis.unwrap_or((0, quorum_at));
        // With no weight at all a quorum of 1 stays: it cannot be reached, and that is right.
        let reachable = sum.max(1);
        // What is left out for a mistake of its own needs no second message about its weight.
        if quorum > reachable && !self.bad_real_server {
            let message = format!(
                "quorum {quorum} is more than all servers weigh, {sum}; it is lowered to {reachable}"
            );
            cx.push(Diagnostic::warning("quorum-reduced", quorum_at, message));
        }
        quorum = quorum.min(reachable);
        let most = (quorum - 1).min(reachable - quorum);
        if hysteresis > most {
            let message = format!(
                "with quorum {quorum} of weight {sum}, hysteresis {hysteresis} is lowered to {most}"
            );
            cx.push(
                Diagnostic::warning("hysteresis-reduced", hysteresis_at, message)
                    .label("beyond that the service would never come up or never go down"),
            );
            hysteresis = most;
        }
        QuorumRule { quorum, hysteresis }
    }

    fn settled_sorry_server(&self, family: Family, cx: &mut Context<'_>) -> Option<SorryServer> {
        let Some(sorry) = &self.sorry else {
            if let Some(at) = self.sorry_keyword {
                let message = "there is no sorry_server that this is about";
                let finding = Diagnostic::warning("no-sorry-server", at, message);
                cx.push(finding.help("sorry_server 127.0.0.1 80"));
            }
            return None;
        };
        let forward = self.sorry_forward.or(self.forward).unwrap_or(Forward::Nat);
        if !self.fits(&sorry.ip, Family::of(sorry.ip), forward, family, sorry.at, cx) {
            return None;
        }
        let port = self.destination_port(sorry.port, forward, sorry.at, cx);
        let destination = Destination {
            address: SocketKey { ip: sorry.ip, port },
            forward,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
        };
        Some(SorryServer { destination, inhibit: self.sorry_inhibit })
    }
}

fn is_tunnel(forward: Forward) -> bool {
    matches!(forward, Forward::Tunnel(_))
}
