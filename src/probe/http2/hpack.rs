//! Fields of HTTP/2 on the wire (HPACK, RFC 7541). We allow no dynamic table (SETTINGS_HEADER_TABLE_SIZE 0), and use
//! none: a field stands for itself, or for one of 61 that everybody knows.

use super::huffman;

/// Why a block of fields cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBlock {
    #[error("malformed fields")]
    Malformed,
    #[error("fields of a table that the server was told not to use (SETTINGS_HEADER_TABLE_SIZE 0)")]
    NoSuchField,
    #[error("too many fields, or too long ones")]
    TooLong,
}

/// Octets that a field counts beyond its name and value (RFC 9113 §6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE).
const FIELD: usize = 32;

/// Reads a whole block; `seen` has each name and value. All fields together may be `most` octets long, as
/// SETTINGS_MAX_HEADER_LIST_SIZE counts them.
///
/// # Errors
/// See [`BadBlock`], or what `seen` has against a field.
pub fn read<E: From<BadBlock>>(
    mut block: &[u8],
    most: usize,
    mut seen: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let (mut name, mut value, mut left) = (Vec::new(), Vec::new(), most);
    let mut is_first = true;
    while let Some(&kind) = block.first() {
        name.clear();
        value.clear();
        match kind {
            // Indexed (RFC 7541 §6.1).
            0x80.. => {
                let (known, its) = known(number(&mut block, 7)?)?;
                name.extend_from_slice(known);
                value.extend_from_slice(its);
            }
            // Added to the dynamic table (§6.2.1), in which nothing has room.
            0x40..0x80 => literal(&mut block, 6, &mut name, &mut value, left)?,
            // A new size for that table (§6.3).
            0x20..0x40 if is_first && number(&mut block, 5)? == 0 => continue,
            0x20..0x40 => return Err(BadBlock::Malformed.into()),
            // Not added to it, or by nobody (§6.2.2, §6.2.3).
            ..0x20 => literal(&mut block, 4, &mut name, &mut value, left)?,
        }
        is_first = false;
        let size = name.len() + value.len() + FIELD;
        left = left.checked_sub(size).ok_or(BadBlock::TooLong)?;
        seen(&name, &value)?;
    }
    Ok(())
}

fn literal(
    block: &mut &[u8],
    prefix: u32,
    name: &mut Vec<u8>,
    value: &mut Vec<u8>,
    most: usize,
) -> Result<(), BadBlock> {
    match number(block, prefix)? {
        0 => string(block, name, most)?,
        index => name.extend_from_slice(known(index)?.0),
    }
    string(block, value, most)
}

/// An integer, whose first `prefix` bits are the last of the first octet (RFC 7541 §5.1).
fn number(block: &mut &[u8], prefix: u32) -> Result<usize, BadBlock> {
    let (first, mut rest) = block.split_first().ok_or(BadBlock::Malformed)?;
    let most = (1 << prefix) - 1;
    let mut number = usize::from(*first) & most;
    if number == most {
        // Three more octets of seven bits each are more than anything is long.
        let end = rest.iter().take(3).position(|octet| octet & 0x80 == 0);
        let octets = rest.split_off(..=end.ok_or(BadBlock::Malformed)?).unwrap_or_default();
        let sum = |sum: usize, octet: &u8| sum << 7 | usize::from(octet & 0x7f);
        number += octets.iter().rev().fold(0, sum);
    }
    *block = rest;
    Ok(number)
}

/// A string, encoded or as it is (RFC 7541 §5.2).
fn string(block: &mut &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), BadBlock> {
    let is_encoded = block.first().is_some_and(|octet| octet & 0x80 != 0);
    let length = number(block, 7)?;
    let string = block.split_off(..length).ok_or(BadBlock::Malformed)?;
    match is_encoded {
        true => huffman::decode(string, out, most),
        false if string.len() > most => Err(BadBlock::TooLong),
        false => {
            out.extend_from_slice(string);
            Ok(())
        }
    }
}

/// Appends a field as it is; one that is `secret` is to be kept in nobody's table (RFC 7541 §6.2.3, §7.1.3).
pub fn write(out: &mut Vec<u8>, name: &str, value: &str, secret: bool) {
    out.push(if secret { 0x10 } else { 0 });
    for string in [name, value] {
        write_number(out, string.len());
        out.extend_from_slice(string.as_bytes());
    }
}

/// An integer behind a prefix of seven bits.
fn write_number(out: &mut Vec<u8>, number: usize) {
    const MOST: usize = 0x7f;
    if number < MOST {
        return out.push(number as u8);
    }
    out.push(MOST as u8);
    let mut rest = number - MOST;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The field with this index.
fn known(index: usize) -> Result<(&'static [u8], &'static [u8]), BadBlock> {
    let at = index.checked_sub(1).ok_or(BadBlock::NoSuchField)?;
    let (name, value) = KNOWN.get(at).ok_or(BadBlock::NoSuchField)?;
    Ok((name.as_bytes(), value.as_bytes()))
}

/// The static table (RFC 7541, Appendix A), from index 1 on.
const KNOWN: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests;
