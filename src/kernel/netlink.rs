//! Netlink's framing (RFC 3549 §2.3): messages in a datagram, attributes in a message.
//!
//! Written by hand rather than taken from a library so that a message with one odd attribute
//! still gives the others: the kernel grows new ones with every release.

use std::io;

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED};

/// `struct nlmsghdr`.
pub(super) const HEADER_LEN: usize = 16;
/// `struct nlattr`.
const ATTRIBUTE_HEADER_LEN: usize = 4;
/// All but NLA_F_NESTED and NLA_F_NET_BYTEORDER, which the kernel sets as it likes.
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;

pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// One message of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub payload: &'a [u8],
    /// The whole message, header and all.
    pub octets: &'a [u8],
}

/// The kernel's verdict on a request: an acknowledgement or a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// 0, or a positive errno.
    pub errno: i32,
    /// The kernel's own words (extended acknowledgement), when it gives any.
    pub text: Option<String>,
}

/// The messages of one or more datagrams laid end to end; stops at the first that is cut short.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = u32_at(bytes, 0)? as usize;
        let payload = bytes.get(HEADER_LEN..len)?;
        let message = Message {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            payload,
            octets: &bytes[..len],
        };
        bytes = bytes.get(padded(len)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes of `bytes` as (type, value); stops at the first that is cut short.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & ATTRIBUTE_TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_HEADER_LEN..len)?;
        bytes = bytes.get(padded(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

impl Message<'_> {
    /// What an NLMSG_ERROR says: `i32` error, the request's header (and the whole request, unless
    /// capped), then attributes.
    pub fn verdict(&self) -> Option<Verdict> {
        let code = i32::from_ne_bytes(self.payload.get(..4)?.try_into().ok()?);
        Some(Verdict { errno: code.checked_neg().unwrap_or(i32::MAX).max(0), text: self.text() })
    }

    fn text(&self) -> Option<String> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let request_len = match self.flags & NLM_F_CAPPED {
            0 => padded(u32_at(self.payload, 4)? as usize),
            _ => HEADER_LEN,
        };
        let extras = self.payload.get(4usize.checked_add(request_len)?..)?;
        attributes(extras)
            .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
            .map(|(_, text)| string(text))
    }
}

impl Verdict {
    pub fn into_result(self) -> io::Result<()> {
        if self.errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(self.errno)) }
    }
}

/// Appends one attribute, padded.
pub(super) fn push_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(ATTRIBUTE_HEADER_LEN + value.len())
        .expect("attributes are built here from names and addresses of less than 100 octets");
    out.extend_from_slice(&len.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(padded(out.len()), 0);
}

/// Appends an attribute that holds the attributes which `fill` appends.
pub(super) fn push_nested(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    push_attribute(out, kind, &[]);
    fill(out);
    let len = u16::try_from(out.len() - start)
        .expect("a service or a destination has less than 20 such attributes");
    out[start..start + 2].copy_from_slice(&len.to_ne_bytes());
}

/// A string attribute's text, up to its NUL.
pub(super) fn string(value: &[u8]) -> String {
    let end = value.iter().position(|octet| *octet == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Netlink aligns everything to four octets.
pub(super) const fn padded(len: usize) -> usize {
    len.saturating_add(3) & !3
}

#[cfg(test)]
mod tests;
