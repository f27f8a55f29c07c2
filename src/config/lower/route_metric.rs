//! A route's metrics: what TCP and the kernel are told of the path (ip-route(8)).

use super::line::{Line, Read};
use crate::routing::Route;

const LOCK: u16 = 1;
const RTT: u16 = 4;
const RTTVAR: u16 = 5;
const FEATURES: u16 = 12;
const RTO_MIN: u16 = 13;
const CC_ALGO: u16 = 16;
/// RTAX_FEATURE_ECN.
const ECN: u32 = 1;

/// keepalived keeps times of a route between these, in milliseconds.
const TIMES_MS: (u64, u64) = (200, 120_000);

/// How a metric's value is written.
enum Kind {
    /// Up to this, perhaps behind `lock`.
    Number(u64),
    Plain(u64),
    /// A time, of which the kernel has this many units in a millisecond.
    Time(u64),
}

fn metric(name: &str) -> Option<(u16, Kind)> {
    let any = u64::from(u32::MAX);
    Some(match name {
        "mtu" => (2, Kind::Number(any)),
        "window" => (3, Kind::Plain(any)),
        "rtt" => (RTT, Kind::Time(8)),
        "rttvar" => (RTTVAR, Kind::Time(4)),
        "ssthresh" => (6, Kind::Number(any)),
        "cwnd" => (7, Kind::Number(any)),
        "advmss" => (8, Kind::Number(any)),
        "reordering" => (9, Kind::Number(any)),
        "hoplimit" => (10, Kind::Plain(255)),
        "initcwnd" => (11, Kind::Plain(any)),
        "rto_min" => (RTO_MIN, Kind::Time(1)),
        "initrwnd" => (14, Kind::Plain(any)),
        "quickack" => (15, Kind::Plain(1)),
        "fastopen_no_cookie" => (17, Kind::Plain(1)),
        _ => return None,
    })
}

/// Whether `option` is a metric, which then has been read.
pub(super) fn read(line: &mut Line<'_, '_>, option: &str, route: &mut Route) -> Read<bool> {
    match option {
        "features" => {
            let word = line.value()?;
            match line.text(word) {
                "ecn" => set(route, FEATURES, ECN),
                other => {
                    let message = format!("feature `{other}` is not known; there is `ecn`");
                    line.cx.warn("bad-value", line.at, word.span, message);
                }
            }
        }
        "congctl" => {
            if line.skip("lock") {
                lock(route, CC_ALGO);
            }
            let word = line.value()?;
            let name = line.text(word);
            if name.len() > 15 {
                let message = format!("`{name}` is no congestion control: up to 15 characters");
                return line.bad("bad-value", word.span, message);
            }
            route.congestion_control = Some(name.to_owned());
        }
        _ => {
            let Some((number, kind)) = metric(option) else { return Ok(false) };
            let lockable = !matches!(kind, Kind::Plain(_));
            if lockable && line.skip("lock") {
                lock(route, number);
            }
            let value = match kind {
                Kind::Number(most) | Kind::Plain(most) => line.number(most)?,
                Kind::Time(units) => time(line, option, units)?,
            };
            set(route, number, u32::try_from(value).unwrap_or(u32::MAX));
        }
    }
    Ok(true)
}

/// `NUMBER` in the kernel's own units, or with `ms`, `s`, `sec`, `secs`.
fn time(line: &mut Line<'_, '_>, name: &str, units: u64) -> Read<u64> {
    let word = line.value()?;
    let text = line.text(word);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "" => 1.0,
        "ms" => units as f64,
        "s" | "sec" | "secs" => 1000.0 * units as f64,
        _ => f64::NAN,
    };
    let Some(raw) = number.parse::<f64>().ok().map(|n| n * scale).filter(|n| n.is_finite()) else {
        let message = format!("{name} `{text}` is no time such as 300ms or 1.5s");
        return line.bad("not-a-number", word.span, message);
    };
    let (least, most) = (TIMES_MS.0 * units, TIMES_MS.1 * units);
    let value = (raw.round() as u64).clamp(least, most);
    if value as f64 != raw.round() {
        let message = format!("{name} {text} is beyond 200ms-120s: {}ms it is", value / units);
        let place = line.cx.place(line.at);
        let help =
            "a number without unit counts the kernel's own: 1/8 ms for rtt, 1/4 ms for rttvar";
        let finding = super::Diagnostic::warning("number-out-of-range", word.span, message);
        line.cx.push(finding.label(place).help(help));
    }
    Ok(value)
}

fn lock(route: &mut Route, metric: u16) {
    let before = route.metrics.iter().find(|(kind, _)| *kind == LOCK).map_or(0, |(_, bits)| *bits);
    set(route, LOCK, before | 1 << metric);
}

fn set(route: &mut Route, metric: u16, value: u32) {
    route.metrics.retain(|(kind, _)| *kind != metric);
    route.metrics.push((metric, value));
}
