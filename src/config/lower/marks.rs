//! `nftables_ipvs`: the firewall marks what is for a group, which then is one service for each protocol in
//! place of one for each address.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::keywords::Keyword;
use super::super::plan::{IpvsNamespace, Marking, VirtualServer};
use super::super::source::Span;
use super::super::tree::Statement;
use super::context::Context;
use super::global::{nft_priority, nft_table};
use crate::ipvs::{Protocol, ServiceKey};

/// What `global_defs` says of it.
#[derive(Debug, Default)]
pub(super) struct MarkingDraft {
    table: Option<String>,
    at: Option<Span>,
    priority: Option<i32>,
    first: Option<u32>,
}

impl MarkingDraft {
    /// Whether the statement is one of its.
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "nftables_ipvs" => self.read_table(cx, at),
            "nftables_ipvs_priority" => self.priority = nft_priority(cx, at).or(self.priority),
            "nftables_ipvs_start_fwmark" => self.first = cx.number(at, keyword).or(self.first),
            _ => return false,
        }
        true
    }

    /// As in keepalived it sets the first mark to its default.
    fn read_table(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let table = nft_table(cx, at, "keepalived_ipvs");
        if self.table.is_none() && table.is_some() && self.first.take().is_some() {
            let message = "`nftables_ipvs` sets the first mark to 1000 again";
            let finding = Diagnostic::warning("said-too-early", at.raw, message);
            cx.push(finding.help("nftables_ipvs_start_fwmark goes after nftables_ipvs"));
        }
        cx.set_once(at, &mut self.table, table);
        self.at = self.at.or(Some(at.raw));
    }

    /// `None`: groups have a service for each address. Packets are marked where the director is, so that it is to
    /// be where `ipvs` is; `other` is our table for everything else.
    pub fn finish(
        self,
        ipvs: &IpvsNamespace,
        other: &str,
        diagnostics: &mut Diagnostics,
    ) -> Option<Marking> {
        let (table, at) = (self.table?, self.at?);
        if *ipvs != IpvsNamespace::Ours {
            let message = "`nftables_ipvs` does not reach the namespace of net_namespace_ipvs";
            let finding = Diagnostic::warning("ignored-with-namespace", at, message);
            let label = "ignored: groups have a service for each address";
            diagnostics
                .push(finding.label(label).help("net_namespace NAME moves all of the director"));
            return None;
        }
        if table == other {
            let message = format!("table {table} is that of `nftables` already");
            let finding = Diagnostic::warning("duplicate", at, message);
            let label = "ignored: groups have a service for each address";
            diagnostics.push(finding.label(label).help(format!("nftables_ipvs {table}_ipvs")));
            return None;
        }
        Some(Marking {
            table,
            priority: self.priority.unwrap_or(-1),
            first: self.first.unwrap_or(1000),
        })
    }
}

/// Gives each group of `servers` that has addresses only a mark of its own for each protocol, in the order of the
/// file; marks that somebody has already are left out.
pub(super) fn give_marks(marking: &Marking, servers: &mut [Arc<VirtualServer>]) {
    let mark_of = |key| match key {
        ServiceKey::Fwmark { mark, .. } => Some(mark),
        ServiceKey::Address { .. } => None,
    };
    let taken: HashSet<u32> =
        servers.iter().flat_map(|server| server.keys()).filter_map(mark_of).collect();
    let mut free = (marking.first..=u32::MAX).filter(|mark| !taken.contains(mark));
    let mut given: HashMap<(String, Protocol), u32> = HashMap::new();
    for server in servers {
        let (Some(group), Some(protocol)) = (&server.group, only_protocol(server)) else {
            continue;
        };
        let name = (group.name.clone(), protocol);
        let Some(mark) = given.get(&name).copied().or_else(|| free.next()) else { return };
        given.insert(name, mark);
        let server = VirtualServer::alter(server);
        let family = server.service.key.family();
        server.marked = server.keys().collect();
        (server.service.key, server.more_keys) = (ServiceKey::Fwmark { family, mark }, Vec::new());
    }
}

/// That of a server which is reached by addresses only.
fn only_protocol(server: &VirtualServer) -> Option<Protocol> {
    let protocol_of = |key| match key {
        ServiceKey::Address { protocol, .. } => Some(protocol),
        ServiceKey::Fwmark { .. } => None,
    };
    server.keys().map(protocol_of).reduce(|one, other| one.and(other)).flatten()
}

#[cfg(test)]
mod tests {
    use crate::config::{Loaded, parse_text};

    fn loaded(globals: &str, lines: &str) -> Loaded {
        let server = |reach: &str, protocol: &str| {
            format!(
                "virtual_server {reach} {{\n {protocol}\n lb_algo rr\n lb_kind NAT\n \
                 real_server 198.51.100.1 80 {{\n }}\n}}\n"
            )
        };
        parse_text(
            "t",
            format!(
                "global_defs {{\n{globals}\n}}\n{}{}{}{}\
                 virtual_server_group web {{\n 192.0.2.1-3 80\n 192.0.2.9 443\n}}\n\
                 virtual_server_group dns {{\n{lines}\n}}\n",
                server("group web", "protocol TCP"),
                server("group dns", "protocol UDP"),
                server("group dns", "protocol TCP"),
                server("fwmark 1001", ""),
            ),
        )
    }

    fn services(loaded: &Loaded) -> Vec<String> {
        let names = |keys: &mut dyn Iterator<Item = crate::ipvs::ServiceKey>| {
            keys.map(|key| key.to_string()).collect::<Vec<_>>().join(" ")
        };
        let shown = |server: &std::sync::Arc<crate::config::plan::VirtualServer>| {
            format!(
                "{} <- {}",
                names(&mut server.keys()),
                names(&mut server.marked.iter().copied())
            )
        };
        loaded.plan.virtual_servers.iter().map(shown).collect()
    }

    #[test]
    fn each_group_and_protocol_has_one_mark_that_nobody_else_has() {
        let loaded = loaded("nftables_ipvs", "192.0.2.53 53");
        assert_eq!(loaded.diagnostics.to_text(false), "");
        assert_eq!(
            services(&loaded),
            [
                "FWM 1000 <- [192.0.2.1]:tcp:80 [192.0.2.2]:tcp:80 [192.0.2.3]:tcp:80 [192.0.2.9]:tcp:443",
                "FWM 1002 <- [192.0.2.53]:udp:53",
                "FWM 1003 <- [192.0.2.53]:tcp:53",
                "FWM 1001 <- ",
            ]
        );
    }

    #[test]
    fn a_group_that_has_marks_of_its_own_goes_on_with_them() {
        let found = services(&loaded("nftables_ipvs", "192.0.2.53 53\nfwmark 1000"));
        assert_eq!(found[1], "[192.0.2.53]:udp:53 FWM 1000 <- ");
        assert!(found[0].starts_with("FWM 1002 <- "), "{found:?}");
    }

    #[test]
    fn without_the_keyword_each_address_is_a_service() {
        let loaded = loaded("nftables_ipvs_priority 5", "192.0.2.53 53");
        assert_eq!(services(&loaded)[1], "[192.0.2.53]:udp:53 <- ");
        assert_eq!(loaded.plan.global.marking, None);
    }

    #[test]
    fn table_priority_and_first_mark_can_be_told() {
        let marking = |globals: &str, expected: &[&str]| {
            let loaded = loaded(globals, "192.0.2.53 53");
            let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected, "{globals}");
            let marking = loaded.plan.global.marking.clone().unwrap();
            (marking.table, marking.priority, marking.first)
        };
        let of = |table: &str, priority, first| (table.to_owned(), priority, first);
        let all = "nftables_ipvs own\nnftables_ipvs_priority -7\nnftables_ipvs_start_fwmark 50";
        assert_eq!(marking(all, &[]), of("own", -7, 50));
        let early = "nftables_ipvs_start_fwmark 50\nnftables_ipvs";
        assert_eq!(marking(early, &["said-too-early"]), of("keepalived_ipvs", -1, 1000));
        let twice = "nftables_ipvs a\nnftables_ipvs b";
        assert_eq!(marking(twice, &["duplicate"]), of("a", -1, 1000));
        let bad = "nftables_ipvs\nnftables_ipvs_priority x\nnftables_ipvs_start_fwmark 0";
        let codes = ["not-a-number", "number-out-of-range"];
        assert_eq!(marking(bad, &codes), of("keepalived_ipvs", -1, 1000));
    }

    /// Packets are marked where the director is, not where its services are; and two kinds of rules cannot replace
    /// one another's table.
    #[test]
    fn where_it_cannot_be_addresses_stay_services() {
        for (globals, code) in [
            ("nftables_ipvs\n}\nnet_namespace_ipvs lb\nglobal_defs {", "ignored-with-namespace"),
            ("nftables_ipvs keepalived", "duplicate"),
            ("nftables_ipvs own\nnftables own", "duplicate"),
        ] {
            let loaded = loaded(globals, "192.0.2.53 53");
            let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
            assert_eq!(codes, [code], "{globals}");
            assert_eq!(services(&loaded)[1], "[192.0.2.53]:udp:53 <- ");
        }
    }
}
