//! What `global_defs` says about how the process runs: scheduling, processors, umask.

use super::super::keywords::Keyword;
use super::super::plan::{Global, Scheduling};
use super::super::tree::Statement;
use super::super::value;
use super::context::Context;
use super::global::replace;

/// Processors that a set of them can hold (CPU_SETSIZE of sched_setaffinity(2)).
const MOST_CPUS: i64 = 1023;

/// Takes the keyword if it is one of these.
pub(super) fn read(
    plan: &mut Global,
    cx: &mut Context<'_>,
    at: &Statement,
    keyword: &Keyword,
) -> bool {
    let scheduling = match keyword.name {
        "umask" => {
            umask(plan, cx, at);
            return true;
        }
        name if name.starts_with("vrrp_") => &mut plan.vrrp_scheduling,
        name if name.starts_with("checker_") => &mut plan.checker_scheduling,
        name if name.starts_with("bfd_") => &mut plan.bfd_scheduling,
        _ => return false,
    };
    match keyword.name {
        "vrrp_priority" | "checker_priority" | "bfd_priority" => nice(scheduling, cx, at, keyword),
        "vrrp_rt_priority" | "checker_rt_priority" | "bfd_rt_priority" => {
            real_time(scheduling, cx, at, keyword)
        }
        "vrrp_cpu_affinity" | "checker_cpu_affinity" | "bfd_cpu_affinity" => {
            cpus(scheduling, cx, at, keyword)
        }
        _ => return false,
    }
    true
}

fn umask(plan: &mut Global, cx: &mut Context<'_>, at: &Statement) {
    let Some(word) = cx.only_argument(at) else { return };
    let text = cx.text(word.span);
    match value::umask(text) {
        Some(mask) => plan.umask = Some(mask),
        None => {
            let message = format!("`{text}` is no umask");
            cx.bad("bad-value", at, word.span, message);
        }
    }
}

fn signed(cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> Option<i64> {
    let word = cx.only_argument(at)?;
    let (text, (least, most)) = (cx.text(word.span), keyword.range.unwrap_or((-20, 19)));
    match value::integer(text) {
        Ok(number) if (least..=most).contains(&number) => Some(number),
        Ok(_) => {
            let message = format!("{} {text} is out of range {least} to {most}", keyword.name);
            cx.bad("number-out-of-range", at, word.span, message);
            None
        }
        Err(_) => {
            let message = format!("{} `{text}` is not a number", keyword.name);
            cx.bad("not-a-number", at, word.span, message);
            None
        }
    }
}

fn nice(out: &mut Scheduling, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
    let nice = signed(cx, at, keyword).and_then(|nice| i8::try_from(nice).ok());
    replace(&mut out.nice, nice);
}

fn real_time(out: &mut Scheduling, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
    let priority = signed(cx, at, keyword).and_then(|priority| u8::try_from(priority).ok());
    replace(&mut out.real_time, priority);
}

/// One bad number makes the whole line worthless, as in keepalived.
fn cpus(out: &mut Scheduling, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) {
    if cx.argument(at).is_none() {
        return;
    }
    let mut cpus = Vec::new();
    for word in cx.words(at).iter().skip(1) {
        match cx.number_in(at, keyword.name, *word, (0, MOST_CPUS)) {
            Some(cpu) => cpus.push(cpu as usize),
            None => return,
        }
    }
    out.cpus = cpus;
}
