//! What is said of interfaces: `interface_up_down_delays`, and `garp_group`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::{Gaps, LinkDelays, VrrpInstance};
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::super::value;
use super::context::{Context, seconds};

/// keepalived.conf(5), interface_up_down_delays: the longest delay.
const LONGEST: Duration = Duration::from_secs(255);

/// One line of `interface_up_down_delays`.
#[derive(Debug)]
pub(super) struct LinkDraft {
    interface: String,
    delays: LinkDelays,
    at: Span,
}

/// By interface, in the order of the file.
pub(super) type Delays = IndexMap<String, LinkDraft>;

/// `IFNAME DOWN [UP]`, one a line.
pub(super) fn read_delays(cx: &mut Context<'_>, block: &Statement, out: &mut Delays) {
    let tree = cx.tree;
    for at in tree.children(block) {
        let Some(draft) = read_delay(cx, at) else { continue };
        match out.entry(draft.interface.clone()) {
            Entry::Vacant(place) => drop(place.insert(draft)),
            Entry::Occupied(first) => {
                let message = format!("{} has its delays already", first.key());
                cx.warn("duplicate", at, at.raw, message);
            }
        }
    }
}

fn read_delay(cx: &mut Context<'_>, at: &Statement) -> Option<LinkDraft> {
    let words = cx.words(at);
    let interface = cx.text(words.first()?.span).to_owned();
    let Some(down) = words.get(1) else {
        let message = format!("{interface} lacks its delay");
        cx.bad("missing-value", at, at.raw, message);
        return None;
    };
    let down = delay(cx, at, *down)?;
    // As keepalived does, not as its manual says: without an up delay there is none.
    let up = words.get(2).map_or(Some(Duration::ZERO), |up| delay(cx, at, *up))?;
    cx.no_more_than(at, 2);
    Some(LinkDraft { interface, delays: LinkDelays { down, up }, at: at.raw })
}

fn delay(cx: &mut Context<'_>, at: &Statement, word: Word) -> Option<Duration> {
    let text = cx.text(word.span);
    let micros = value::microseconds(text).ok().and_then(|micros| u64::try_from(micros).ok());
    let delay = micros.map(Duration::from_micros).filter(|delay| *delay <= LONGEST);
    if delay.is_none() {
        let message = format!("delay `{text}` is not a number of seconds from 0 to 255");
        cx.bad("number-out-of-range", at, word.span, message);
    }
    delay
}

/// The delays, none of them so long that the peers of an instance would take over before it
/// believes that its link is down.
pub(super) fn finish(
    drafts: Delays,
    instances: &[Arc<VrrpInstance>],
    diagnostics: &mut Diagnostics,
) -> Vec<(String, LinkDelays)> {
    let mut most: HashMap<&str, Duration> = HashMap::new();
    for instance in instances {
        let waits = most.entry(&instance.interface).or_insert(Duration::MAX);
        *waits = (*waits).min(others_wait(instance));
    }
    let most = |draft: &LinkDraft| most.get(draft.interface.as_str()).copied();
    drafts.into_values().map(|draft| finish_one(most(&draft), draft, diagnostics)).collect()
}

/// How long the routers with the instance's interval can hear nothing and not take over.
fn others_wait(instance: &VrrpInstance) -> Duration {
    let interval = instance.router.adver_interval.as_duration();
    let adverts = u32::from(instance.router.down_timer_adverts.saturating_sub(1));
    (interval * adverts).saturating_sub(interval / 256)
}

fn finish_one(
    most: Option<Duration>,
    mut draft: LinkDraft,
    diagnostics: &mut Diagnostics,
) -> (String, LinkDelays) {
    if let Some(most) = most.filter(|most| draft.delays.down > *most) {
        let in_seconds =
            |delay: Duration| seconds(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX));
        let (asked, most_s) = (in_seconds(draft.delays.down), in_seconds(most));
        let message = format!(
            "{}: a down delay of {asked} s is longer than the other routers wait: {most_s} s it is",
            draft.interface
        );
        let finding = Diagnostic::warning("delay-too-long", draft.at, message);
        diagnostics.push(
            finding
                .label("they would take over while this one still holds the addresses")
                .help("a shorter delay, a longer advert_int, or more down_timer_adverts"),
        );
        draft.delays.down = most;
    }
    (draft.interface, draft.delays)
}

/// `garp_group { garp_interval S  gna_interval S  interface IF  interfaces { IF … } }`
pub(super) fn read_garp_group(
    cx: &mut Context<'_>,
    block: &Statement,
) -> Option<(Vec<String>, Gaps)> {
    let (mut names, mut gaps) = (Vec::new(), Gaps::default());
    let tree = cx.tree;
    let id = cx.table.block("garp_group")?;
    for at in tree.children(block) {
        let Some(keyword) = cx.keyword(id, at) else { continue };
        match keyword.name {
            "garp_interval" => gaps.arp = cx.duration(at, keyword).unwrap_or(gaps.arp),
            "gna_interval" => gaps.neighbour = cx.duration(at, keyword).unwrap_or(gaps.neighbour),
            "interface" => names.extend(cx.interface(at)),
            "interfaces" => {
                let lines = tree.children(at).filter_map(|line| cx.text_at(line, 0));
                names.extend(lines.map(str::to_owned));
            }
            other => debug_assert!(false, "no arm for {other}"),
        }
    }
    if names.is_empty() || gaps == Gaps::default() {
        let lacks = if names.is_empty() { "interface" } else { "interval" };
        let message = format!("this garp_group has no {lacks}: it limits nothing");
        cx.push(
            Diagnostic::warning("empty-garp-group", block.raw, message)
                .help("garp_group { garp_interval 0.01 interface eth0 }"),
        );
        return None;
    }
    Some((names, gaps))
}

#[cfg(test)]
mod tests;
