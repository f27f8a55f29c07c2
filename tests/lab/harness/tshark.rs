//! What tshark makes of captured packets: a judge of VRRP checksums that shares no line with us.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// For each source address, how many packets tshark said what of: `good`, or what is wrong.
pub type Verdicts = BTreeMap<String, BTreeMap<String, usize>>;

/// A frame and when it arrived.
pub type Frame = (SystemTime, Vec<u8>);

const FIELDS: [&str; 4] = ["ip.src", "ipv6.src", "vrrp.checksum.status", "_ws.malformed"];

/// Lets tshark judge Ethernet frames that hold VRRP.
pub fn judge(frames: &[Frame]) -> Verdicts {
    let file = pcap(frames);
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", "-", "-T", "fields", "-E", "separator=,", "-E", "occurrence=l"]);
    command.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tshark = command.spawn().expect("start tshark");
    let mut stdin = tshark.stdin.take().expect("a pipe");
    let writer = thread::spawn(move || stdin.write_all(&file));
    let output = tshark.wait_with_output().expect("wait for tshark");
    writer.join().expect("the writer").expect("give tshark its packets");
    let (text, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "tshark: {}\n{errors}", output.status);

    let mut verdicts = Verdicts::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let [v4, v6, status, malformed] = fields[..] else { panic!("tshark says {line:?}") };
        let source = if v6.is_empty() { v4 } else { v6 };
        let verdict = match (status, malformed) {
            // The number up to version 4.0, then the word.
            ("1" | "Good", "") => "good",
            ("0" | "Bad", _) => "bad checksum",
            (_, "") => "no verdict",
            (_, _) => "malformed",
        };
        *verdicts.entry(source.into()).or_default().entry(verdict.into()).or_default() += 1;
    }
    assert_eq!(text.lines().count(), frames.len(), "tshark has a line for each packet");
    verdicts
}

/// The classic file format of libpcap: microseconds, Ethernet.
fn pcap(frames: &[Frame]) -> Vec<u8> {
    let words = |words: [u32; 4]| words.map(u32::to_ne_bytes).concat();
    let mut file = words([0xa1b2_c3d4, 2 | 4 << 16, 0, 0]);
    file.extend([65_535u32, 1].map(u32::to_ne_bytes).concat());
    for (at, frame) in frames {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let length = frame.len() as u32;
        file.extend(words([at.as_secs() as u32, at.subsec_micros(), length, length]));
        file.extend(frame);
    }
    file
}
