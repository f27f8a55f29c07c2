//! Single values: numbers, times, addresses, ranges. Pure text to value, no positions.

use std::net::{IpAddr, Ipv4Addr};

use nom::bytes::complete::tag;
use nom::character::complete::{char, digit0, digit1};
use nom::combinator::{all_consuming, opt};
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// Why a word is no such value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Other characters in it.
    NotANumber,
    /// More decimals than are kept.
    TooFine(i64),
}

fn digits(text: &str) -> IResult<&str, &str> {
    digit1(text)
}

/// A decimal integer, perhaps negative; what is too large for the type is its greatest value,
/// which is beyond any range of the table.
pub fn integer(text: &str) -> Result<i64, Bad> {
    let parsed: IResult<&str, _> = all_consuming((opt(char('-')), digits)).parse(text);
    let Ok((_, (minus, digits))) = parsed else { return Err(Bad::NotANumber) };
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX);
    Ok(if minus.is_some() { -magnitude } else { magnitude })
}

/// Decimal seconds as microseconds, up to six decimals.
///
/// # Errors
/// `TooFine` with the nearest value for more decimals.
pub fn microseconds(text: &str) -> Result<i64, Bad> {
    let fraction = preceded(char('.'), digit0);
    let parsed: IResult<&str, _> = all_consuming((digit0, opt(fraction))).parse(text);
    let Ok((_, (whole, fraction))) = parsed else { return Err(Bad::NotANumber) };
    let fraction: &str = fraction.unwrap_or_default();
    if whole.is_empty() && fraction.is_empty() {
        return Err(Bad::NotANumber);
    }
    let seconds: i64 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(i64::MAX) };
    let kept = &fraction[..fraction.len().min(6)];
    let scale = 10_i64.pow(6 - kept.len() as u32);
    let micros = kept.parse::<i64>().unwrap_or(0) * scale;
    let rounded = i64::from(fraction.as_bytes().get(6).is_some_and(|digit| *digit >= b'5'));
    let value = seconds.saturating_mul(1_000_000).saturating_add(micros + rounded);
    if fraction.len() > 6 { Err(Bad::TooFine(value)) } else { Ok(value) }
}

/// `ADDRESS` or `ADDRESS/LENGTH`; the length as it stands, whatever it is.
pub fn address(text: &str) -> Option<(IpAddr, Option<&str>)> {
    match text.split_once('/') {
        Some((address, length)) => Some((address.parse().ok()?, Some(length))),
        None => Some((text.parse().ok()?, None)),
    }
}

/// `200` or `200-299`.
pub fn code_range(text: &str) -> Option<(u16, u16)> {
    let second = preceded(tag("-"), digits);
    let parsed: IResult<&str, _> = all_consuming((digits, opt(second))).parse(text);
    let (_, (first, last)) = parsed.ok()?;
    let first = first.parse().ok()?;
    Some((first, last.map_or(Some(first), |last| last.parse().ok())?))
}

/// A netmask such as 255.255.255.0 as its number of leading ones; `None` if there are gaps.
pub fn netmask(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() >= 32).then(|| bits.leading_ones() as u8)
}

/// 32 hexadecimal digits.
pub fn md5(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 16];
    for (octet, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *octet = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

/// Octets as pairs of hexadecimal digits, each with a mask of the bits that were given: `x` stands for any
/// digit.
pub fn octet_pattern(text: &str) -> Option<Vec<(u8, u8)>> {
    let nibble = |letter: u8| match letter {
        b'x' | b'X' => Some((0, 0)),
        digit => Some((char::from(digit).to_digit(16)? as u8, 0x0f)),
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let octet = |pair: &[u8]| {
        let ((high, high_mask), (low, low_mask)) = (nibble(pair[0])?, nibble(pair[1])?);
        Some((high << 4 | low, high_mask << 4 | low_mask))
    };
    text.as_bytes().chunks_exact(2).map(octet).collect()
}

/// A file creation mask: a number with C's prefixes, or the names of bits joined by `|`, with or
/// without their `I` (`IWGRP|IRWXO`).
pub fn umask(text: &str) -> Option<u32> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    };
    let bits = || text.split('|').try_fold(0, |mask, name| Some(mask | umask_bits(name.trim())?));
    number.or_else(bits).filter(|mask| *mask <= 0o777)
}

/// `IWGRP`, `IRWXU`: which permissions, and whose.
fn umask_bits(name: &str) -> Option<u32> {
    let name = name.strip_prefix("S_").unwrap_or(name);
    let name = name.strip_prefix('I')?;
    let (all, who) = match name.strip_prefix("RWX") {
        Some(who) => (0o7, who),
        None => {
            let bit = match name.as_bytes().first()? {
                b'R' => 0o4,
                b'W' => 0o2,
                b'X' => 0o1,
                _ => return None,
            };
            (bit, &name[1..])
        }
    };
    let shift = match who {
        "USR" | "U" => 6,
        "GRP" | "G" => 3,
        "OTH" | "O" => 0,
        _ => return None,
    };
    Some(all << shift)
}

/// Whether `text` reads like the name of a host rather than a mistyped address.
pub fn looks_like_host_name(text: &str) -> bool {
    let letter = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    text.bytes().all(letter) && text.bytes().any(|octet| octet.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests;
