//! Lines of `virtual_rules` and `static_rules`: the language of ip-rule(8), in full words.

use ipnet::IpNet;

use super::super::plan::VirtualRule;
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::context::Context;
use super::line::{Line, Read, Reported, c_number};
use super::names::Table;
use crate::routing::{PROTOCOL, Rule, RuleAction};

const PATH: &str = "vrrp_instance/virtual_rules";

/// Protocols by name, as /etc/protocols has them everywhere.
const IP_PROTOCOLS: [(&str, u8); 12] = [
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
];

/// Priorities for rules that name none: from 16384 downwards, as keepalived has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Priorities {
    v4: u32,
    v6: u32,
}

impl Default for Priorities {
    fn default() -> Self {
        Self { v4: 16384, v6: 16384 }
    }
}

/// A rule being read.
struct Draft {
    rule: Rule,
    ipv6: Option<(bool, Span)>,
    priority: Option<u32>,
    action: Option<(RuleAction, Span)>,
    protocol: Option<(u8, Span)>,
    no_track: bool,
    track_group: Option<(String, Span)>,
}

/// Reads the block into `out`; a line that is no good is left out, as keepalived has it. `uses`
/// gets the track groups named, which static ones may do.
pub(super) fn read_block(
    cx: &mut Context<'_>,
    block: &Statement,
    mut uses: Option<&mut Vec<(String, Span)>>,
    priorities: &mut Priorities,
    out: &mut Vec<VirtualRule>,
) {
    let tree = cx.tree;
    for at in tree.children(block) {
        let Some(line) = Line::new(cx, at) else { continue };
        if let Ok((rule, group_at)) = read(line, uses.is_some(), priorities) {
            if let (Some(uses), Some(group), Some(at)) = (&mut uses, &rule.track_group, group_at) {
                uses.push((group.clone(), at));
            }
            out.push(rule);
        }
    }
}

fn read(
    mut line: Line<'_, '_>,
    is_static: bool,
    priorities: &mut Priorities,
) -> Read<(VirtualRule, Option<Span>)> {
    let text = line.whole();
    let mut draft = Draft {
        rule: Rule::new(false, 0, RuleAction::Nop, text),
        ipv6: None,
        priority: None,
        action: None,
        protocol: None,
        no_track: false,
        track_group: None,
    };
    while let Some(option) = line.option() {
        draft.option(&mut line, option, is_static)?;
    }
    draft.finish(&mut line, priorities)
}

impl Draft {
    fn option(&mut self, line: &mut Line<'_, '_>, option: &str, is_static: bool) -> Read<()> {
        let at = line.option_span();
        let rule = &mut self.rule;
        match option {
            "inet" | "inet6" => self.belongs(line, option == "inet6", at)?,
            "from" => self.rule.from = self.network(line)?,
            "to" => self.rule.to = self.network(line)?,
            "not" => rule.invert = true,
            "preference" | "order" | "priority" => self.priority = Some(line.u32()?),
            "tos" | "dsfield" => {
                rule.tos = u8::try_from(line.named(Table::Tos, 255)?).unwrap_or(u8::MAX);
            }
            "fwmark" => rule.mark = Some(mark(line)?),
            "realms" => rule.realms = Some(line.realms()?),
            "suppress_prefixlength" | "sup_pl" => {
                let length = line.number(i32::MAX as u64)?;
                rule.suppress_prefix_length = u32::try_from(length).ok();
            }
            "suppress_ifgroup" | "sup_group" => {
                rule.suppress_group = Some(line.named(Table::Groups, i32::MAX as u32)?);
            }
            "dev" | "iif" => rule.input_interface = Some(line.interface()?),
            "oif" => rule.output_interface = Some(line.interface()?),
            "tunnel-id" => rule.tunnel_id = Some(line.number(u64::MAX)?),
            "uidrange" => rule.users = Some(users(line)?),
            "protocol" => {
                let protocol = line.named(Table::Protocols, 255)?;
                self.protocol = Some((u8::try_from(protocol).unwrap_or(u8::MAX), at));
            }
            "ipproto" | "ip_proto" => rule.ip_protocol = Some(ip_protocol(line)?),
            "sport" => rule.source_ports = Some(ports(line)?),
            "dport" => rule.destination_ports = Some(ports(line)?),
            "no_track" => self.no_track = true,
            "track_group" if is_static => {
                let word = line.value()?;
                self.track_group = Some((line.text(word).to_owned(), word.span));
            }
            // What follows is an action.
            "type" if line.peek().is_none() => drop(line.value()?),
            "type" => {}
            _ => self.action(line, option, at)?,
        }
        Ok(())
    }

    fn action(&mut self, line: &mut Line<'_, '_>, option: &str, at: Span) -> Read<()> {
        let action = match option {
            "table" | "lookup" => {
                let table = line.named(Table::Tables, u32::MAX)?;
                if table == 0 {
                    return line.bad("bad-value", at, "there is no table 0 to look into");
                }
                RuleAction::Table(table)
            }
            "l3mdev" => RuleAction::L3Master,
            "goto" => RuleAction::Goto(line.u32()?),
            "nop" => RuleAction::Nop,
            "blackhole" => RuleAction::Blackhole,
            "unreachable" => RuleAction::Unreachable,
            "prohibit" => RuleAction::Prohibit,
            _ => return line.unknown(PATH),
        };
        // The example of keepalived.conf(5) has `table` and `goto` in one rule; the jump counts.
        if let Some((before, first)) = self.action {
            let jump = |action| matches!(action, RuleAction::Goto(_));
            if !jump(before) && !jump(action) {
                let finding = super::Diagnostic::error("bad-value", at, "a rule has one action")
                    .label("the rule is left out")
                    .also(first, "the first one");
                line.cx.push(finding);
                return Err(Reported);
            }
            line.cx.warn("bad-value", line.at, at, "a rule has one action: its `goto` it is");
            if jump(before) {
                return Ok(());
            }
        }
        self.action = Some((action, at));
        Ok(())
    }

    /// `None`: all.
    fn network(&mut self, line: &mut Line<'_, '_>) -> Read<Option<IpNet>> {
        let word = line.value()?;
        let network = line.prefix(word)?;
        if let Some(network) = network {
            self.belongs(line, matches!(network, IpNet::V6(_)), word.span)?;
        }
        Ok(network.filter(|network| network.prefix_len() > 0))
    }

    fn belongs(&mut self, line: &mut Line<'_, '_>, ipv6: bool, at: Span) -> Read<()> {
        line.belongs(&mut self.ipv6, ipv6, at, "rule")
    }

    fn finish(
        mut self,
        line: &mut Line<'_, '_>,
        priorities: &mut Priorities,
    ) -> Read<(VirtualRule, Option<Span>)> {
        let Some((action, at)) = self.action else {
            let message = "this rule has no action";
            let place = line.cx.place(line.at);
            let finding = super::Diagnostic::error("missing-action", line.at.raw, message);
            let help =
                "table TABLE, goto PREFERENCE, l3mdev, blackhole, unreachable, prohibit or nop";
            line.cx.push(finding.label(place).help(help));
            return Err(Reported);
        };
        self.rule.action = action;
        self.rule.ipv6 = self.ipv6.is_some_and(|(ipv6, _)| ipv6);
        self.set_priority(line, priorities);
        if let RuleAction::Goto(target) = action
            && target <= self.rule.priority
        {
            let message = format!(
                "goto {target} leads back: this rule has preference {}",
                self.rule.priority
            );
            return line.bad("bad-value", at, message);
        }
        self.check(line, action)?;
        self.rule.protocol = self.protocol(line);
        let (track_group, group_at) = self.track_group.unzip();
        Ok((VirtualRule { rule: self.rule, no_track: self.no_track, track_group }, group_at))
    }

    /// Without one the kernel would give it one that depends on when it comes.
    fn set_priority(&mut self, line: &mut Line<'_, '_>, priorities: &mut Priorities) {
        let next = if self.rule.ipv6 { &mut priorities.v6 } else { &mut priorities.v4 };
        self.rule.priority = self.priority.unwrap_or_else(|| {
            let priority = *next;
            *next = next.saturating_sub(1).max(1);
            let message = format!("this rule has no preference: {priority} it is");
            let place = line.cx.place(line.at);
            let finding = super::Diagnostic::warning("defaulted", line.at.raw, message);
            let help = format!("{} preference {priority}", self.rule.text);
            line.cx.push(finding.label(place).help(help));
            priority
        });
    }

    /// What goes with a table only, or with one family.
    fn check(&self, line: &mut Line<'_, '_>, action: RuleAction) -> Read<()> {
        let looks_up = matches!(action, RuleAction::Table(_) | RuleAction::L3Master);
        let (rule, at) = (&self.rule, line.at.raw);
        if !looks_up && (rule.suppress_prefix_length.is_some() || rule.suppress_group.is_some()) {
            return line.bad("bad-value", at, "suppress_… goes with a table only");
        }
        if rule.realms.is_some()
            && (rule.ipv6 || !looks_up)
            && !matches!(action, RuleAction::Goto(_))
        {
            return line.bad("bad-value", at, "`realms` go with a table of IPv4 only");
        }
        Ok(())
    }

    /// keepalived's number, by which ours are found again, unless nobody needs to find them.
    fn protocol(&self, line: &mut Line<'_, '_>) -> u8 {
        match self.protocol {
            Some((protocol, _)) if self.no_track => protocol,
            Some((protocol, at)) if protocol != PROTOCOL => {
                let place = line.cx.place(line.at);
                let message = "a rule that is tracked has protocol keepalived (18)";
                let finding = super::Diagnostic::warning("protocol-forced", at, message);
                line.cx.push(finding.label(place).help("with `no_track` it keeps its own"));
                PROTOCOL
            }
            _ => PROTOCOL,
        }
    }
}

/// `MARK[/MASK]`.
fn mark(line: &mut Line<'_, '_>) -> Read<(u32, u32)> {
    let word = line.value()?;
    let text = line.text(word);
    let number = |text: &str| c_number(text).and_then(|number| u32::try_from(number).ok());
    let (mark, mask) = text.split_once('/').map_or((text, None), |(mark, mask)| (mark, Some(mask)));
    match (number(mark), mask.map(number)) {
        (Some(mark), None) => Ok((mark, u32::MAX)),
        (Some(mark), Some(Some(mask))) => Ok((mark, mask)),
        _ => {
            let message = format!("`{text}` is no MARK or MARK/MASK");
            line.bad("not-a-number", word.span, message)
        }
    }
}

/// `FIRST-LAST`, or one number.
fn range(line: &mut Line<'_, '_>, what: &str, most: u32) -> Read<(u32, u32)> {
    let word = line.value()?;
    let text = line.text(word);
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= most);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        _ => {
            let message = format!("`{text}` is no {what} such as 10000-19999");
            line.bad("bad-value", word.span, message)
        }
    }
}

fn users(line: &mut Line<'_, '_>) -> Read<(u32, u32)> {
    range(line, "range of users", u32::MAX - 1)
}

fn ports(line: &mut Line<'_, '_>) -> Read<(u16, u16)> {
    let (first, last) = range(line, "range of ports", 65535)?;
    let port = |port| u16::try_from(port).unwrap_or(u16::MAX);
    Ok((port(first), port(last)))
}

fn ip_protocol(line: &mut Line<'_, '_>) -> Read<u8> {
    let word: Word = line.value()?;
    let text = line.text(word);
    let named = IP_PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    match named.map(|(_, number)| *number).or_else(|| text.parse().ok()) {
        Some(number) => Ok(number),
        None => {
            let message = format!("`{text}` is no IP protocol; its number 0-255 will do");
            line.bad("bad-value", word.span, message)
        }
    }
}
