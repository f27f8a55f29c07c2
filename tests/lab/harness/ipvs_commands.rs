//! The commands that change the kernel's IPVS table, as the kernel is given them: netlink itself is watched.

use super::Host;
use super::raw::PacketSocket;

const NETLINK_GENERIC: u16 = 16;
/// That of the family that tells of families; all others are above it.
const GENL_ID_CTRL: u16 = 16;
const NLM_F_REQUEST: u16 = 1;
/// struct nlmsghdr, and the place of the command in struct genlmsghdr behind it.
const HEADER: usize = 16;

/// `IPVS_CMD_GET_SERVICE`, `_DEST`, `_DAEMON`, `_CONFIG` and `_INFO` change nothing.
const READING: [u8; 5] = [4, 8, 11, 13, 15];

/// Counts them from when it was made. Nobody else may speak generic netlink on that host meanwhile.
pub struct IpvsCommands(PacketSocket);

impl IpvsCommands {
    pub fn watch(host: &Host) -> Self {
        host.ip("link add nlmon0 type nlmon\nlink set nlmon0 up");
        Self(host.enter(|| PacketSocket::open("nlmon0")))
    }

    /// How many there were since the last time; waits until for a while there is none.
    pub fn take(&self) -> usize {
        let mut buffer = vec![0; 1 << 20];
        let mut count = 0;
        while let Some((length, protocol)) = self.0.receive_of(&mut buffer) {
            if protocol == NETLINK_GENERIC {
                count += changes(&buffer[..length]);
            }
        }
        count
    }
}

/// Among the messages of one datagram.
fn changes(mut messages: &[u8]) -> usize {
    let mut count = 0;
    while let Some(header) = messages.get(..=HEADER) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let (kind, flags) = (pair(header, 4), pair(header, 6));
        let is_request = kind > GENL_ID_CTRL && flags & NLM_F_REQUEST != 0;
        count += usize::from(is_request && !READING.contains(&header[HEADER]));
        messages = messages.get(length.next_multiple_of(4).max(HEADER)..).unwrap_or_default();
    }
    count
}

fn pair(octets: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([octets[at], octets[at + 1]])
}
