//! `lvs_sync_daemon`, and the `lvs_sync_daemon_interface` of an instance that came before it.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::{SyncDaemons, VirtualServer, VrrpInstance};
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::context::Context;
use crate::ipvs::{Destination, Family, SyncSettings};

/// A UDP datagram of IPv4 carries no more.
const LONGEST_PACKET: i64 = 65_507;

/// As read; whether there is such an instance is known once the whole file is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SyncDraft {
    pub at: Span,
    interface: String,
    instance: Option<(String, Span)>,
    id: Option<u8>,
    max_len: Option<u16>,
    port: Option<u16>,
    ttl: Option<u8>,
    group: Option<IpAddr>,
}

impl SyncDraft {
    /// What an instance's `lvs_sync_daemon_interface` asks for.
    pub fn of_instance(interface: String, instance: &str, at: Span) -> Self {
        let mut draft = Self::on(interface, at);
        draft.instance = Some((instance.to_owned(), at));
        draft
    }

    fn on(interface: String, at: Span) -> Self {
        let (instance, id, max_len, port, ttl, group) = (None, None, None, None, None, None);
        Self { at, interface, instance, id, max_len, port, ttl, group }
    }

    /// `IFNAME [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]`; `None` without a
    /// usable interface, which has been reported. An option that is no good is left out by itself.
    pub fn read(cx: &mut Context<'_>, at: &Statement) -> Option<Self> {
        let word = cx.argument(at)?;
        let interface = cx.text(word.span);
        if interface.len() > 15 {
            let message = format!("`{interface}` is no name of an interface: 1 to 15 characters");
            cx.bad("bad-value", at, word.span, message);
            return None;
        }
        let mut draft = Self::on(interface.to_owned(), at.raw);
        let words: Vec<Word> = cx.words(at)[2..].to_vec();
        let mut rest = &words[..];
        // The instance is the second word, whether it is called `inst` or not.
        if let Some((first, others)) = rest.split_first()
            && !is_option(cx.text(first.span))
        {
            draft.instance = Some((cx.text(first.span).to_owned(), first.span));
            rest = draft.bare_id(cx, at, others);
        }
        for pair in rest.chunks(2) {
            match pair {
                [name, value] => draft.option(cx, at, *name, *value),
                _ => {
                    let name = cx.text(pair[0].span);
                    let message = format!("`{name}` of lvs_sync_daemon lacks its value");
                    cx.bad("missing-value", at, pair[0].span, message);
                }
            }
        }
        Some(draft)
    }

    /// Once the id followed the instance without a word before it.
    fn bare_id<'w>(
        &mut self,
        cx: &mut Context<'_>,
        at: &Statement,
        rest: &'w [Word],
    ) -> &'w [Word] {
        let Some((word, others)) = rest.split_first() else { return rest };
        let text = cx.text(word.span);
        if is_option(text) || !text.starts_with(|first: char| first.is_ascii_digit()) {
            return rest;
        }
        self.id = octet(cx, at, "id", *word, 0).or(self.id);
        let finding = Diagnostic::warning("deprecated", word.span, "the id of a sync daemon");
        cx.push(finding.label("it has a word of its own now").help(format!("id {text}")));
        others
    }

    fn option(&mut self, cx: &mut Context<'_>, at: &Statement, name: Word, value: Word) {
        match cx.text(name.span) {
            "inst" if self.instance.is_none() => {
                self.instance = Some((cx.text(value.span).to_owned(), value.span));
            }
            "id" => self.id = octet(cx, at, "id", value, 0).or(self.id),
            "ttl" => self.ttl = octet(cx, at, "ttl", value, 1).or(self.ttl),
            "maxlen" => {
                let len = cx.number_in(at, "maxlen", value, (1, LONGEST_PACKET));
                self.max_len = len.and_then(|len| u16::try_from(len).ok()).or(self.max_len);
            }
            "port" => {
                let port = cx.number_in(at, "port", value, (1, 65_535));
                self.port = port.and_then(|port| u16::try_from(port).ok()).or(self.port);
            }
            "group" => match cx.address(at, value) {
                Some(group) if group.is_multicast() => self.group = Some(group),
                Some(group) => {
                    let message = format!("{group} is no multicast address");
                    cx.bad("bad-address", at, value.span, message);
                }
                None => {}
            },
            other => {
                let message = format!(
                    "`{other}` is no option of lvs_sync_daemon: inst, id, maxlen, port, ttl or group"
                );
                cx.bad("bad-value", at, name.span, message);
            }
        }
    }

    /// `None` if it follows an instance that there is none of.
    pub fn finish(
        self,
        instances: &[Arc<VrrpInstance>],
        diagnostics: &mut Diagnostics,
    ) -> Option<SyncDaemons> {
        let followed = match &self.instance {
            None => None,
            Some((name, at)) => match instances.iter().find(|each| each.name == *name) {
                Some(instance) => Some(instance),
                None => {
                    let message =
                        format!("lvs_sync_daemon follows vrrp_instance {name}, which does not run");
                    let finding = Diagnostic::error("sync-daemon-instance", *at, message);
                    diagnostics.push(finding.label("no sync daemon is started"));
                    return None;
                }
            },
        };
        let vrid = followed.map_or(0, |instance| instance.router.vrid.get());
        Some(SyncDaemons {
            instance: followed.map(|instance| instance.name.clone()),
            settings: SyncSettings {
                interface: self.interface,
                id: self.id.unwrap_or(vrid).into(),
                max_len: self.max_len,
                group: self.group,
                port: self.port,
                ttl: self.ttl,
            },
        })
    }
}

/// Takes out the servers that the kernel would refuse: while a sync daemon runs, no tunnel may lead from
/// one address family into the other.
pub(super) fn without_mixed_families(
    servers: Vec<Arc<VirtualServer>>,
    places: &[Span],
    daemons: Span,
    diagnostics: &mut Diagnostics,
) -> Vec<Arc<VirtualServer>> {
    let mut kept = Vec::with_capacity(servers.len());
    for (mut server, &at) in servers.into_iter().zip(places) {
        let family = server.service.key.family();
        if destinations(&server).all(|destination| Family::of(destination.address.ip) == family) {
            kept.push(server);
            continue;
        }
        let server_of_both = VirtualServer::alter(&mut server);
        let mut refuse = |destination: &Destination| {
            let ip = destination.address.ip;
            if Family::of(ip) == family {
                return false;
            }
            let message = format!(
                "{ip} is of the other address family than its virtual_server, which the kernel refuses \
                 while a sync daemon runs"
            );
            let finding = Diagnostic::error("mixed-family-tunnel", at, message);
            let finding = finding.label("this server is left out").also(daemons, "the sync daemon");
            diagnostics.push(
                finding.help("leave out lvs_sync_daemon, or give it a server of its own family"),
            );
            true
        };
        server_of_both.real_servers.retain(|real| !refuse(&real.destination));
        server_of_both.sorry_server.take_if(|sorry| refuse(&sorry.destination));
        if !server.real_servers.is_empty() {
            kept.push(server);
        }
    }
    kept
}

fn destinations(server: &VirtualServer) -> impl Iterator<Item = &Destination> {
    let sorry = server.sorry_server.iter().map(|sorry| &sorry.destination);
    server.real_servers.iter().map(|real| &real.destination).chain(sorry)
}

fn is_option(word: &str) -> bool {
    matches!(word, "inst" | "id" | "maxlen" | "port" | "ttl" | "group")
}

fn octet(cx: &mut Context<'_>, at: &Statement, name: &str, word: Word, least: i64) -> Option<u8> {
    cx.number_in(at, name, word, (least, 255)).and_then(|number| u8::try_from(number).ok())
}

#[cfg(test)]
mod tests;
