//! Lints of virtual routers and of what they track.

use super::super::diagnostic::Diagnostic;
use super::facts::{Block, Facts, Instance, Said};
use super::finding;

/// Highest priority that weights can lead to; 255 is an owner's (keepalived.conf(5)).
const HIGHEST: i64 = 254;
const OWNER: i64 = 255;

pub(super) fn lint(facts: &Facts) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for instance in &facts.instances {
        weights(facts, instance, &mut found);
        unicast(instance, &mut found);
        strict(facts, instance, &mut found);
    }
    found
}

/// The priorities that trackers can lead to, and whether any of them moves the addresses.
fn weights(facts: &Facts, instance: &Instance, found: &mut Vec<Diagnostic>) {
    let weights: Vec<_> =
        instance.trackers.iter().map(|tracker| (tracker, facts.weight(tracker))).collect();
    let Some((first, _)) = weights.iter().find(|(_, weight)| *weight != 0) else { return };
    let decides_alone = weights.iter().any(|(_, weight)| *weight == 0);
    let (name, base) = (&instance.name, instance.priority());
    if base == OWNER {
        let message = format!("vrrp_instance {name} has priority 255, which no weight changes");
        let finding = finding("weight-of-owner", first.at, message);
        found.push(finding.also(instance.place("priority"), "the owner's priority"));
        return;
    }
    let sum = |sign: i64| -> i64 { weights.iter().map(|(_, w)| (w * sign).max(0)).sum() };
    let best = (base + sum(1)).clamp(1, HIGHEST);
    let worst = (base - sum(-1)).clamp(1, HIGHEST);
    if best == worst {
        let message = format!("vrrp_instance {name} has priority {best} whatever is up or down");
        found.push(finding("weight-too-small", first.at, message));
    } else if let Some(at) = instance.nopreempt.filter(|_| !decides_alone) {
        let message = format!(
            "vrrp_instance {name} falls from priority {best} to {worst} when checks fail, but with \
             nopreempt nobody takes over from it"
        );
        found.push(
            finding("weight-never-fails-over", first.at, message)
                .also(at, "peers that have this as well wait until the MASTER is gone")
                .help(format!("{} weight 0", first.name)),
        );
    }
}

fn unicast(instance: &Instance, found: &mut Vec<Diagnostic>) {
    let Some((at, peers)) = &instance.unicast_peers else { return };
    if peers.is_empty() {
        let message = format!("unicast_peer of vrrp_instance {} names nobody", instance.name);
        found.push(finding("unicast-peers-empty", *at, message));
    }
}

fn strict(facts: &Facts, instance: &Instance, found: &mut Vec<Diagnostic>) {
    let off = |said: &Said| matches!(said.text.as_str(), "off" | "no" | "false");
    let strict = instance.values.get("strict_mode").or_else(|| facts.global.get("vrrp_strict"));
    let Some(strict) = strict.filter(|said| !off(said)) else { return };
    if instance.priority() != OWNER {
        let message = format!(
            "in strict mode keepalived drops packets to the addresses of vrrp_instance {}",
            instance.name
        );
        let finding = finding("strict-mode", strict.at, message);
        found.push(finding.also(instance.at, "not their owner: its priority is not 255"));
    }
}

/// Timing of one `vrrp_script`.
pub(super) fn script(block: Block<'_>) -> Option<Diagnostic> {
    let interval = block.last(&["interval"]).and_then(|at| at.said().seconds()).unwrap_or(1.0);
    match block.last(&["timeout"]) {
        Some(at) => {
            let timeout = at.said().seconds().filter(|timeout| *timeout > interval)?;
            let name = block.words_from(0);
            let message = format!("{name} may take {timeout} s, and is due every {interval} s");
            Some(finding("script-timeout-above-interval", at.at.raw, message))
        }
        None => {
            let message = format!("{} has no timeout", block.words_from(0));
            let below = if interval > 1.0 { interval - 1.0 } else { interval / 2.0 };
            let finding = finding("script-without-timeout", block.at.raw, message);
            Some(finding.help(format!("timeout {below}")))
        }
    }
}
