//! What may be wrong with a conversation over HTTP/2.

use super::conversation::{MAX_FRAME, MAX_HEADER};
use super::hpack::BadBlock;

/// Why no more is to be expected. Worded for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("what the server sends is none")]
    Foreign,
    #[error("frame of {0} bytes, expected at most {MAX_FRAME}")]
    LongFrame(usize),
    #[error("malformed {} frame", kind(*.0))]
    BadFrame(u8),
    #[error("unexpected {} frame", kind(*.0))]
    Unexpected(u8),
    #[error("more data than the window allows")]
    Flow,
    #[error("the header is longer than {MAX_HEADER} bytes")]
    LongHeader,
    #[error("the header has {0}")]
    Header(BadBlock),
    #[error("the header has malformed fields")]
    Field,
    #[error("the body has {0} bytes, and not as many as content-length says")]
    Length(u64),
    #[error("the server has given up the request: {}", name(*.0))]
    Reset(u32),
    #[error("the server has ended the connection: {}", name(*.0))]
    GoAway(u32),
}

impl From<BadBlock> for Fault {
    fn from(bad: BadBlock) -> Self {
        match bad {
            BadBlock::TooLong => Self::LongHeader,
            other => Self::Header(other),
        }
    }
}

/// What a kind of frames is called (RFC 9113 §6).
fn kind(kind: u8) -> &'static str {
    const KINDS: [&str; 10] = [
        "DATA",
        "HEADERS",
        "PRIORITY",
        "RST_STREAM",
        "SETTINGS",
        "PUSH_PROMISE",
        "PING",
        "GOAWAY",
        "WINDOW_UPDATE",
        "CONTINUATION",
    ];
    KINDS.get(usize::from(kind)).unwrap_or(&"unknown")
}

/// What an error code is called (RFC 9113 §7).
fn name(code: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    NAMES.get(code as usize).unwrap_or(&"an unknown error")
}
