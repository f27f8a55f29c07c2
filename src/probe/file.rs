//! FILE_CHECK: a number in a file, and what it means for a server.

use super::FileProbe;
use crate::check::Outcome;

/// Octets of a file that are looked at.
pub const MAX_LENGTH: usize = 127;

/// The first number in `text`, as C writes them: decimal, `0x` hexadecimal, `0` octal. Anything else counts
/// as 0; `None` if it does not fit 32 bits, and then the file says nothing.
pub fn value(text: &[u8]) -> Option<i32> {
    let text = text[..text.len().min(MAX_LENGTH)].trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', next, ..] if next.is_ascii_hexdigit() => (16, &digits[2..]),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let digits = digits.iter().map_while(|digit| char::from(*digit).to_digit(radix));
    let magnitude = digits
        .fold(0_i64, |sum, digit| sum.saturating_mul(radix.into()).saturating_add(digit.into()));
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// What `value` means: with a weight the product is added to the server's, and −2147483648 or less takes it
/// out; without one, the number itself says up or down.
pub fn judge(probe: &FileProbe, value: i32) -> Outcome {
    if probe.weight == 0 {
        return match (value == 0) != probe.reverse {
            true => Outcome::Success,
            false => Outcome::Failure(format!("{} says {value}", probe.path.display())),
        };
    }
    let product = i64::from(value) * i64::from(probe.weight);
    let delta = if probe.reverse { -product } else { product };
    if delta <= i64::from(i32::MIN) {
        return Outcome::Failure(format!("{} says {value}", probe.path.display()));
    }
    Outcome::SuccessWithDelta(delta)
}

#[cfg(test)]
mod tests;
