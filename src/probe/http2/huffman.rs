//! The Huffman code of HPACK (RFC 7541 §5.2 and Appendix B). It is canonical: which symbols have codes of how many
//! bits says all of it, since codes of one length count upwards, and go on with one more bit where the shorter
//! ones ended.

use super::hpack::BadBlock;

/// At place n the octets whose codes have n bits. Behind the last of them comes the end of a string, which is
/// never sent.
const OCTETS: [&[u8]; 31] = [
    b"",
    b"",
    b"",
    b"",
    b"",
    b"012aceiost",
    b" %-./3456789=A_bdfghlmnpru",
    b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    b"&*,;XZ",
    b"",
    b"!\"()?",
    b"'+|",
    b"#>",
    b"\0$@[]~",
    b"^}",
    b"<`{",
    b"",
    b"",
    b"",
    b"\\\xc3\xd0",
    b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2",
    b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6",
    b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9",
    b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\
      \xc5\xe7\xef",
    b"\x09\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed",
    b"\xc7\xcf\xea\xeb",
    b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff",
    b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe",
    b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\
      \x7f\xdc\xf9",
    b"",
    b"\x0a\x0d\x16",
];

/// Appends what `string` encodes to `out`, which may become `most` octets long.
///
/// # Errors
/// It is malformed, or too long.
pub fn decode(string: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), BadBlock> {
    // Of the code on its way: its bits, how many these are, and the first code of that length.
    let (mut code, mut length, mut first) = (0_u32, 0_usize, 0_u32);
    for bit in string.iter().flat_map(|octet| (0..8).rev().map(move |n| octet >> n & 1)) {
        (code, length) = (code << 1 | u32::from(bit), length + 1);
        let octets = OCTETS.get(length).ok_or(BadBlock::Malformed)?;
        match octets.get((code - first) as usize) {
            Some(_) if out.len() >= most => return Err(BadBlock::TooLong),
            Some(octet) => {
                out.push(*octet);
                (code, length, first) = (0, 0, 0);
            }
            None => first = (first + octets.len() as u32) << 1,
        }
    }
    // What fills the last octet is the beginning of the end's code, which is ones.
    let is_padding = length < 8 && code == (1 << length) - 1;
    is_padding.then_some(()).ok_or(BadBlock::Malformed)
}

#[cfg(test)]
mod tests;
