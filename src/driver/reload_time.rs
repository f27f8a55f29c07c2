//! `reload_time_file`: a file that says when to reload.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::kernel::calendar::{self, Date, DateTime};

/// How often the file is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// Longest content that is a time: anything longer is another file.
const LONGEST: u64 = 64;

/// What the file says: `HH:MM:SS`, or with `YYYY-MM-DD ` or `YY-MM-DD ` before; Z at the end is UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    date: Option<Date>,
    /// Hours, minutes, seconds.
    time: (u32, u32, u32),
    utc: bool,
}

/// The time that was read last from the file, and when that comes to.
#[derive(Debug, Default)]
pub(super) struct ReloadTime {
    text: String,
    wanted: Option<Wanted>,
    due: Option<SystemTime>,
}

impl ReloadTime {
    /// Looks at the file; true if a reload is due. Such a file then goes away, unless it is for
    /// each day and `repeat` holds.
    pub fn is_due(&mut self, path: &Path, repeat: bool, now: SystemTime) -> bool {
        let text = read(path);
        if text != self.text {
            self.take(path, text, now);
        }
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        let daily = self.wanted.is_some_and(|wanted| wanted.date.is_none());
        if repeat && daily {
            self.due = self.wanted.and_then(|wanted| next(wanted, now));
        } else {
            *self = Self::default();
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!("cannot remove {}: {error}", path.display());
            }
        }
        true
    }

    fn take(&mut self, path: &Path, text: String, now: SystemTime) {
        self.wanted = parse(text.trim());
        self.due = self.wanted.and_then(|wanted| next(wanted, now));
        match (self.due, text.is_empty()) {
            (Some(due), _) => {
                let wait = due.duration_since(now).unwrap_or_default().as_secs();
                tracing::info!("{}: reloading in {wait} s", path.display());
            }
            (None, false) => tracing::warn!(
                "{}: `{}` is no time to come, HH:MM:SS or YYYY-MM-DD HH:MM:SS; not reloading",
                path.display(),
                text.trim()
            ),
            (None, true) => {}
        }
        self.text = text;
    }
}

/// Its content; nothing if there is none, or too much of it.
fn read(path: &Path) -> String {
    let is_small = |path: &Path| path.metadata().is_ok_and(|m| m.is_file() && m.len() <= LONGEST);
    let octets = if is_small(path) { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    String::from_utf8(octets).unwrap_or_default()
}

fn parse(text: &str) -> Option<Wanted> {
    let (text, utc) = match text.strip_suffix(['Z', 'z']) {
        Some(text) => (text.trim_end(), true),
        None => (text, false),
    };
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (Some(parse_date(date)?), time.trim_start()),
        None => (None, text),
    };
    let [hour, minute, second] = numbers(time, ':')?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then_some(Wanted { date, time: (hour, minute, second), utc })
}

fn parse_date(text: &str) -> Option<Date> {
    let [year, month, day] = numbers(text, '-')?;
    let year = if year < 100 { 2000 + year } else { year };
    let is_date = (1970..3000).contains(&year) && (1..=12).contains(&month);
    (is_date && (1..=31).contains(&day)).then_some(Date { year, month, day })
}

fn numbers(text: &str, separator: char) -> Option<[u32; 3]> {
    let numbers: Option<Vec<u32>> = text.split(separator).map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// When that is: a time of day that is past is tomorrow's, a date that is past is none.
fn next(wanted: Wanted, now: SystemTime) -> Option<SystemTime> {
    let at = |date: Date| {
        let seconds = calendar::seconds(DateTime { date, time: wanted.time }, wanted.utc)?;
        Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
    };
    if let Some(date) = wanted.date {
        return at(date).filter(|at| *at > now);
    }
    let today = calendar::date(now, wanted.utc)?;
    let today_at = at(today)?;
    // The day behind the last of a month is the first of the next: mktime(3) sees to it.
    if today_at > now { Some(today_at) } else { at(Date { day: today.day + 1, ..today }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-02-28 12:00:00 UTC.
    const NOON: u64 = 1_772_280_000;

    fn due(text: &str) -> Option<u64> {
        let now = UNIX_EPOCH + Duration::from_secs(NOON);
        let at = next(parse(text)?, now)?;
        Some(at.duration_since(UNIX_EPOCH).unwrap().as_secs() - NOON)
    }

    #[test]
    fn times_are_today_or_tomorrow_and_dates_to_come() {
        for (text, expected) in [
            ("12:00:05Z", Some(5)),
            ("11:59:59Z", Some(86_399)),
            ("12:00:00Z", Some(86_400)),
            ("2026-03-01 00:00:00Z", Some(43_200)),
            ("26-03-01 00:00:00 Z", Some(43_200)),
            ("2026-02-28 11:00:00Z", None),
            ("24:00:00Z", None),
            ("tomorrow", None),
            ("12:00Z", None),
            ("", None),
        ] {
            assert_eq!(due(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_is_used_once_unless_it_is_for_each_day() {
        let path = std::env::temp_dir().join(format!("mainstay-time-{}", std::process::id()));
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(NOON + seconds);
        for repeat in [false, true] {
            let mut reload = ReloadTime::default();
            assert!(!reload.is_due(&path, repeat, at(0)), "there is no file");
            std::fs::write(&path, "12:00:05Z\n").unwrap();
            assert!(!reload.is_due(&path, repeat, at(4)));
            assert!(reload.is_due(&path, repeat, at(5)));
            assert!(!reload.is_due(&path, repeat, at(6)), "once");
            assert_eq!(path.exists(), repeat);
            assert_eq!(reload.is_due(&path, repeat, at(86_405)), repeat);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
