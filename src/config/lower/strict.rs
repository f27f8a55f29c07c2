//! Strict mode (`vrrp_strict`, `strict_mode`): what an instance says that the RFCs do not know, and
//! that therefore does not count.

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::source::Span;
use super::global::GlobalDraft;
use super::instance::{InitialState, InstanceDraft};

impl InstanceDraft {
    /// What is changed is a warning; an instance without an address cannot run (`reasons`).
    pub(super) fn strict_contradictions(
        &self,
        global: &GlobalDraft,
        reasons: &mut Vec<Diagnostic>,
        diagnostics: &mut Diagnostics,
    ) {
        self.state_and_priority(diagnostics);
        self.overruled(global, diagnostics);
        if self.addresses.is_empty() && !self.refused {
            let message =
                format!("strict mode: vrrp_instance {} has no virtual address", self.name);
            reasons.push(
                Diagnostic::error("strict-needs-address", self.at, message)
                    .label("RFC 9568 §5.2.5: an advert lists at least one")
                    .help("virtual_ipaddress { … }, or `strict_mode off` here"),
            );
        }
    }

    /// `state MASTER` and priority 255 go together.
    fn state_and_priority(&self, diagnostics: &mut Diagnostics) {
        let default = matches!(self.state, Some((InitialState::Master, _)));
        let is_owner = self.priority.map_or(default, |priority| priority == 255);
        let (code, message, at) = match (self.state, is_owner) {
            (Some((InitialState::Master, at)), false) => (
                "strict-state-master-not-owner",
                "strict mode: state MASTER is for priority 255 only; BACKUP it is",
                at,
            ),
            (Some((InitialState::Backup, at)), true) => {
                ("strict-owner-not-master", "strict mode: priority 255 starts as MASTER", at)
            }
            _ => return,
        };
        diagnostics.push(Diagnostic::warning(code, at, message));
    }

    fn overruled(&self, global: &GlobalDraft, diagnostics: &mut Diagnostics) {
        let lower_prio =
            self.garp.lower_prio_repeat.is_some() || self.garp.lower_prio_delay.is_some();
        let said: [(bool, &str, &str); 4] = [
            (
                self.down_timer_adverts.is_some_and(|adverts| adverts != 3),
                "down_timer_adverts",
                "a Backup waits for 3 adverts",
            ),
            (
                self.higher_prio_send_advert.unwrap_or(global.higher_prio_send_advert),
                "higher_prio_send_advert",
                "a MASTER that yields sends nothing",
            ),
            (
                self.lower_prio_no_advert == Some(false),
                "lower_prio_no_advert off",
                "a lower priority is not answered",
            ),
            (lower_prio, "garp_lower_prio_*", "nothing is announced after a lower priority"),
        ];
        for (_, keyword, instead) in said.iter().filter(|(is_said, ..)| *is_said) {
            diagnostics.push(self.does_not_count(self.at, keyword, instead));
        }
    }

    fn does_not_count(&self, at: Span, keyword: &str, instead: &str) -> Diagnostic {
        let message =
            format!("strict mode: {keyword} of vrrp_instance {} does not count", self.name);
        Diagnostic::warning("strict-overrules", at, message).label(instead.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse_text;

    /// Codes of what there is to say of one strict instance with these lines, sorted; and whether
    /// it runs.
    fn said(lines: &str) -> (Vec<&'static str>, bool) {
        let text = format!(
            "vrrp_instance A {{\n strict_mode\n interface eth0\n virtual_router_id 5\n{lines}\n}}\n"
        );
        let loaded = parse_text("t", text);
        let mut codes: Vec<_> = loaded.diagnostics.iter().map(|each| each.code).collect();
        codes.retain(|code| code.starts_with("strict"));
        codes.sort_unstable();
        (codes, !loaded.plan.vrrp_instances.is_empty())
    }

    const VIP: &str = "virtual_ipaddress {\n 192.0.2.50\n }\n";

    #[test]
    fn what_strict_mode_overrules_is_told() {
        for lines in [
            "down_timer_adverts 5",
            "higher_prio_send_advert",
            "lower_prio_no_advert off",
            "garp_lower_prio_repeat 3",
        ] {
            assert_eq!(said(&format!("{VIP}{lines}")), (vec!["strict-overrules"], true), "{lines}");
        }
        assert_eq!(said(&format!("{VIP}down_timer_adverts 3\nlower_prio_no_advert")).0, [""; 0]);
    }

    #[test]
    fn state_and_priority_must_agree_in_strict_mode() {
        let cases = [
            ("state MASTER\npriority 200", vec!["strict-state-master-not-owner"]),
            ("state BACKUP\npriority 255", vec!["strict-owner-not-master"]),
            ("state MASTER", vec![]),
            ("state MASTER\npriority 255", vec![]),
            ("state BACKUP\npriority 200", vec![]),
        ];
        for (lines, codes) in cases {
            assert_eq!(said(&format!("{VIP}{lines}")), (codes, true), "{lines}");
        }
    }

    /// RFC 9568 §5.2.9.
    #[test]
    fn in_strict_mode_the_first_ipv6_address_is_link_local() {
        let codes = |strict: &str, addresses: &str| {
            let text = format!(
                "vrrp_instance A {{\n {strict}\n interface eth0\n virtual_router_id 5\n \
                 priority 100\n virtual_ipaddress {{\n{addresses}\n }}\n}}\n"
            );
            let loaded = parse_text("t", text);
            let of_it = loaded.diagnostics.iter().filter(|each| each.code.starts_with("first"));
            of_it.map(|each| each.code).collect::<Vec<_>>()
        };
        let (good, bad) = ("fe80::50\n2001:db8::50", "2001:db8::50\nfe80::50");
        assert_eq!(codes("strict_mode", good), [""; 0]);
        assert_eq!(codes("strict_mode", bad), ["first-not-link-local"]);
        assert_eq!(codes("", bad), [""; 0], "as keepalived, which asks for it in strict mode only");
    }

    #[test]
    fn a_strict_instance_needs_an_address() {
        assert_eq!(said("priority 100"), (vec!["strict-needs-address"], false));
    }
}
