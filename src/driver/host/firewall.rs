//! The firewall's rules: packets to and from addresses of a router that is not their owner are
//! dropped (RFC 9568 §6.4.3, Accept_Mode), and VMACs keep silent where their parents speak.
//!
//! All rules are in tables of our own, of families ip and ip6, and are replaced in one
//! transaction of nft(8). They are in place for as long as the program runs, before there are
//! addresses: a BACKUP has nothing that they could concern.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::plan::Plan;
use crate::kernel::{interface_index, nft};

/// What an older kernel may not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extras {
    /// IGMP and MLD of VMACs go to their parents, and so on.
    All,
    /// Nothing but `no_accept`.
    None,
}

/// Whether any rule is wanted.
pub fn is_wanted(plan: &Plan) -> bool {
    plan.vrrp_instances.iter().any(|instance| !instance.accept) || plan.links().next().is_some()
}

/// What the firewall could not do, in the operator's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub text: String,
    /// Somebody must act: packets pass that should not.
    pub serious: bool,
}

/// Replaces the rules by `script`, which is that for all of `plan`, or by what can be had of it.
pub fn set_rules(plan: &Plan, before: Option<&Plan>, script: &str) -> Option<Complaint> {
    let error = nft(script).err()?;
    let restricted = restricted(plan);
    if restricted.is_empty() {
        let text = format!(
            "no firewall rules for VMACs: {error}; their IGMP and MLD reports go out as they are"
        );
        return Some(Complaint { text, serious: false });
    }
    // What keeps packets out matters more than where reports go.
    let Err(error) = nft(&self::script(plan, before, Extras::None)) else {
        let text = format!(
            "IGMP and MLD reports of VMACs go out as they are: this kernel cannot move them ({error})"
        );
        return Some(Complaint { text, serious: false });
    };
    let names = restricted.join(", ");
    let text = format!(
        "cannot set the firewall rules of no_accept ({names}): {error}; \
         packets to the virtual addresses are accepted"
    );
    Some(Complaint { text, serious: true })
}

/// Whether the tables that `script` sets are there.
pub fn is_in_place(table: &str, script: &str) -> bool {
    ["ip", "ip6"].iter().all(|family| {
        let name = format!("table {family} {table}");
        !script.contains(&format!("{name} {{\n")) || nft(&format!("list {name}")).is_ok()
    })
}

/// Takes a table of ours away, if it is there.
pub fn remove(table: &str) {
    let mut script = String::new();
    for family in ["ip", "ip6"] {
        replace_table(&mut script, family, table);
    }
    if let Err(error) = nft(&script) {
        tracing::warn!("cannot remove the firewall's table {table}: {error}");
    }
}

/// Names of the instances whose addresses take no packets.
fn restricted(plan: &Plan) -> Vec<&str> {
    let all = plan.vrrp_instances.iter().filter(|instance| !instance.accept);
    all.map(|instance| instance.name.as_str()).collect()
}

/// All of it for nft(8).
pub fn script(plan: &Plan, before: Option<&Plan>, extras: Extras) -> String {
    let mut sets = Sets::default();
    sets.take(plan);
    before.into_iter().for_each(|plan| sets.take(plan));
    if extras == Extras::None {
        (sets.vmacs, sets.ipv6_vmacs) = Default::default();
    }
    sets.script(plan)
}

/// What the rules speak of.
#[derive(Debug, Default)]
struct Sets<'a> {
    ipv4: BTreeSet<Ipv4Addr>,
    ipv6: BTreeSet<Ipv6Addr>,
    /// Link-local addresses mean something on their interface only.
    link_local: BTreeSet<(Ipv6Addr, &'a str)>,
    /// VMACs that exist, and their parents.
    vmacs: BTreeSet<(&'a str, &'a str)>,
    ipv6_vmacs: BTreeSet<&'a str>,
    /// Link-local virtual addresses, whether packets to them are dropped or not.
    virtual_link_local: BTreeSet<(Ipv6Addr, &'a str)>,
}

impl<'a> Sets<'a> {
    fn take(&mut self, plan: &'a Plan) {
        for instance in &plan.vrrp_instances {
            for each in instance.addresses.iter().chain(&instance.excluded_addresses) {
                let interface = each.interface.as_deref().unwrap_or(instance.address_interface());
                match each.address.addr() {
                    IpAddr::V6(address) if address.is_unicast_link_local() => {
                        self.virtual_link_local.insert((address, interface));
                        if !instance.accept {
                            self.link_local.insert((address, interface));
                        }
                    }
                    _ if instance.accept => {}
                    IpAddr::V4(address) => drop(self.ipv4.insert(address)),
                    IpAddr::V6(address) => drop(self.ipv6.insert(address)),
                }
            }
        }
        let exists = |name: &str| interface_index(name).is_ok();
        for link in plan.links().filter(|link| link.is_vmac()) {
            if link.ipv6 {
                self.ipv6_vmacs.insert(&link.name);
            }
            if exists(&link.name) && exists(&link.parent) {
                self.vmacs.insert((&link.name, &link.parent));
            }
        }
    }

    fn script(&self, plan: &Plan) -> String {
        let firewall = &plan.global.firewall;
        let (table, priority) = (&firewall.table, firewall.priority);
        let counter = if firewall.counters { "counter " } else { "" };
        let mut out = String::new();
        replace_table(&mut out, "ip", table);
        if !self.ipv4.is_empty() || !self.vmacs.is_empty() {
            let _ = writeln!(out, "table ip {table} {{");
            self.map_of_vmacs(&mut out);
            named_set(&mut out, "vips", "ipv4_addr", self.ipv4.iter().map(ToString::to_string));
            chain(&mut out, "out", "output", priority, &[
                (!self.vmacs.is_empty()).then(|| format!(
                    "ip protocol igmp {counter}dup to ip daddr device oif map @vmac_map drop"
                )),
                Some(format!("ip saddr @vips {counter}drop")),
            ]);
            chain(
                &mut out,
                "in",
                "input",
                priority,
                &[Some(format!("ip daddr @vips {counter}drop"))],
            );
            out.push_str("}\n");
        }
        replace_table(&mut out, "ip6", table);
        let any = !self.ipv6.is_empty() || !self.link_local.is_empty();
        if any || !self.ipv6_vmacs.is_empty() {
            let _ = writeln!(out, "table ip6 {table} {{");
            self.ipv6_table(&mut out, priority, counter);
            out.push_str("}\n");
        }
        out
    }

    fn ipv6_table(&self, out: &mut String, priority: i32, counter: &str) {
        let on_interface = |set: &BTreeSet<(Ipv6Addr, &str)>| -> Vec<String> {
            set.iter().map(|(address, name)| format!("{address} . \"{name}\"")).collect()
        };
        self.map_of_vmacs(out);
        let quoted = self.ipv6_vmacs.iter().map(|name| format!("\"{name}\""));
        named_set(out, "vmac_set", "ifname", quoted);
        named_set(out, "vips", "ipv6_addr", self.ipv6.iter().map(ToString::to_string));
        named_set(out, "vips_link_local", "ipv6_addr . ifname", on_interface(&self.link_local));
        named_set(
            out,
            "vmac_link_local",
            "ipv6_addr . ifname",
            on_interface(&self.virtual_link_local),
        );
        let for_vmacs = |rule: String| (!self.ipv6_vmacs.is_empty()).then_some(rule);
        let reports = !self.vmacs.is_empty();
        // Neighbour discovery passes, or nobody could send to what is forwarded either.
        let discovery = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept";
        chain(
            out,
            "out",
            "output",
            priority,
            &[
                reports.then(|| {
                    format!(
                        "icmpv6 type {{ mld-listener-report, mld-listener-done, mld2-listener-report }} \
                         {counter}dup to ip6 daddr device oif map @vmac_map drop"
                    )
                }),
                for_vmacs(format!("icmpv6 type nd-router-solicit oifname @vmac_set {counter}drop")),
                // A VMAC has its parent's link-local address, but must not claim it.
                for_vmacs(format!(
                    "icmpv6 type nd-neighbor-advert oifname @vmac_set ip6 saddr fe80::/10 \
                 ip6 saddr . oifname != @vmac_link_local {counter}drop"
                )),
                Some(discovery.to_owned()),
                Some(format!("ip6 saddr . oifname @vips_link_local {counter}drop")),
                Some(format!("ip6 saddr @vips {counter}drop")),
            ],
        );
        chain(
            out,
            "in",
            "input",
            priority,
            &[
                Some(discovery.to_owned()),
                Some(format!("ip6 daddr . iifname @vips_link_local {counter}drop")),
                Some(format!("ip6 daddr @vips {counter}drop")),
            ],
        );
    }

    /// The kernel wants the number of the interface to send by, so that those not there yet are
    /// left out.
    fn map_of_vmacs(&self, out: &mut String) {
        let pairs: Vec<_> =
            self.vmacs.iter().map(|(vmac, parent)| format!("\"{vmac}\" : \"{parent}\"")).collect();
        if !pairs.is_empty() {
            let _ = writeln!(
                out,
                "  map vmac_map {{ type iface_index : iface_index; elements = {{ {} }} }}",
                pairs.join(", ")
            );
        }
    }
}

/// Empties the table, whether it is there or not, in the words that every version understands.
pub(super) fn replace_table(out: &mut String, family: &str, table: &str) {
    let _ = writeln!(out, "table {family} {table} {{ }}\ndelete table {family} {table}");
}

fn named_set(out: &mut String, name: &str, kind: &str, elements: impl IntoIterator<Item = String>) {
    let elements: Vec<_> = elements.into_iter().collect();
    let _ = write!(out, "  set {name} {{ type {kind};");
    if !elements.is_empty() {
        let _ = write!(out, " elements = {{ {} }};", elements.join(", "));
    }
    out.push_str(" }\n");
}

pub(super) fn chain(
    out: &mut String,
    name: &str,
    hook: &str,
    priority: i32,
    rules: &[Option<String>],
) {
    let _ = writeln!(out, "  chain {name} {{");
    let _ = writeln!(out, "    type filter hook {hook} priority {priority}; policy accept;");
    for rule in rules.iter().flatten() {
        let _ = writeln!(out, "    {rule}");
    }
    out.push_str("  }\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_text;

    fn plan(lines: &str, addresses: &str) -> Plan {
        let text = format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 51\n{lines}\n \
             virtual_ipaddress {{\n{addresses}\n }}\n}}\n"
        );
        parse_text("t", text).plan
    }

    /// What keepalived 2.2.7 sets for the same, as `nft list ruleset` shows it, less the VMACs'.
    #[test]
    fn packets_to_and_from_the_addresses_are_dropped_at_priority_minus_one() {
        let script = script(&plan("no_accept", "192.0.2.10\n192.0.2.11"), None, Extras::All);
        let expected = "\
table ip keepalived { }
delete table ip keepalived
table ip keepalived {
  set vips { type ipv4_addr; elements = { 192.0.2.10, 192.0.2.11 }; }
  chain out {
    type filter hook output priority -1; policy accept;
    ip saddr @vips drop
  }
  chain in {
    type filter hook input priority -1; policy accept;
    ip daddr @vips drop
  }
}
table ip6 keepalived { }
delete table ip6 keepalived
";
        assert_eq!(script, expected);
    }

    #[test]
    fn neighbour_discovery_comes_before_any_drop_and_link_local_addresses_have_their_interface() {
        let plan = plan("no_accept", "fe80::10\n2001:db8::10/64");
        let script = script(&plan, None, Extras::All);
        assert!(
            script.contains(
                "vips_link_local { type ipv6_addr . ifname; elements = { fe80::10 . \"eth0\" }; }"
            ),
            "{script}"
        );
        assert!(
            script.contains("set vips { type ipv6_addr; elements = { 2001:db8::10 }; }"),
            "{script}"
        );
        for chain in ["chain out", "chain in"] {
            let rules = &script[script.find(chain).unwrap()..];
            let place = |what: &str| rules.find(what).unwrap();
            assert!(place("nd-neighbor-solicit") < place(" drop"), "{script}");
        }
        assert!(!script.contains("table ip keepalived {\n"), "nothing of IPv4 is restricted");
    }

    #[test]
    fn owners_and_those_who_accept_need_no_rules() {
        for lines in ["", "accept", "no_accept\npriority 255"] {
            assert!(!is_wanted(&plan(lines, "192.0.2.10")), "{lines}");
        }
        assert!(is_wanted(&plan("use_vmac", "192.0.2.10")));
    }

    #[test]
    fn while_a_reload_is_under_way_the_rules_of_both_plans_hold() {
        let (old, new) = (plan("no_accept", "192.0.2.10"), plan("no_accept", "192.0.2.11"));
        let script = script(&new, Some(&old), Extras::All);
        assert!(script.contains("{ 192.0.2.10, 192.0.2.11 }"), "{script}");
    }

    #[test]
    fn router_solicitations_of_an_ipv6_vmac_are_dropped_before_it_exists() {
        let plan = plan("use_vmac", "fe80::10");
        let all = script(&plan, None, Extras::All);
        assert!(all.contains("set vmac_set { type ifname; elements = { \"vrrp.51\" }; }"), "{all}");
        assert!(all.contains("nd-router-solicit oifname @vmac_set drop"), "{all}");
        assert!(!script(&plan, None, Extras::None).contains("vmac_set"));
    }
}
