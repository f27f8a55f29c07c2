//! Days and times of day, in this host's time zone or in UTC.

use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// A day; month and day count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    pub year: u32,
    pub month: u32,
    pub day: u32,
}

/// A day and hours, minutes, seconds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    pub date: Date,
    pub time: (u32, u32, u32),
}

/// Seconds from 1970 on. A day beyond its month is one of the next (mktime(3)).
pub fn seconds(at: DateTime, utc: bool) -> Option<i64> {
    // SAFETY: all zeros are a valid `tm`; its pointer may be null.
    let mut parts: libc::tm = unsafe { MaybeUninit::zeroed().assume_init() };
    let field = |value: u32| libc::c_int::try_from(value).ok();
    parts.tm_year = field(at.date.year)? - 1900;
    parts.tm_mon = field(at.date.month)? - 1;
    parts.tm_mday = field(at.date.day)?;
    parts.tm_hour = field(at.time.0)?;
    parts.tm_min = field(at.time.1)?;
    parts.tm_sec = field(at.time.2)?;
    // Whether summer time holds then, the C library is to find out.
    parts.tm_isdst = -1;
    // SAFETY: both read and normalise the `tm` they are given, and keep nothing of it.
    let seconds = unsafe { if utc { libc::timegm(&mut parts) } else { libc::mktime(&mut parts) } };
    (seconds != -1).then_some(seconds)
}

/// The day of `now`.
pub fn date(now: SystemTime, utc: bool) -> Option<Date> {
    let seconds = i64::try_from(now.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    // SAFETY: all zeros are a valid `tm`; its pointer may be null.
    let mut parts: libc::tm = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: both write the `tm` they are given, and keep nothing of it.
    let done = unsafe {
        if utc {
            libc::gmtime_r(&seconds, &mut parts)
        } else {
            libc::localtime_r(&seconds, &mut parts)
        }
    };
    if done.is_null() {
        return None;
    }
    let field = |value: libc::c_int| u32::try_from(value).ok();
    Some(Date {
        year: field(parts.tm_year + 1900)?,
        month: field(parts.tm_mon + 1)?,
        day: field(parts.tm_mday)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_become_seconds_and_back_in_utc() {
        let date_of = |year, month, day| Date { year, month, day };
        let noon = |date| DateTime { date, time: (12, 0, 0) };
        assert_eq!(seconds(noon(date_of(2026, 2, 28)), true), Some(1_772_280_000));
        assert_eq!(seconds(noon(date_of(2026, 2, 29)), true), Some(1_772_366_400));
        let now = UNIX_EPOCH + Duration::from_secs(1_772_280_000);
        assert_eq!(date(now, true), Some(date_of(2026, 2, 28)));
    }
}
