//! Files that hold a key: the one other place, besides `include`, where a configuration reads files.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

/// More than any file with a key has: `hex:`, 128 digits, a newline.
const LARGEST: u64 = 256;

/// What a key file held.
pub(super) struct KeyFile {
    pub content: String,
    /// Others than its owner can read it.
    pub exposed: bool,
}

/// Reads the file at `path`.
///
/// # Errors
/// Why it cannot be had: it is missing, no plain file, or far too large. Never what is in it.
pub(super) fn read(path: &str) -> Result<KeyFile, String> {
    let complain = |error: std::io::Error| format!("{path}: {error}");
    // Opening a FIFO would wait for somebody to write into it.
    let metadata = std::fs::metadata(path).map_err(complain)?;
    if !metadata.is_file() {
        return Err(format!("{path} is not a plain file"));
    }
    let exposed = metadata.permissions().mode() & 0o077 != 0;
    let mut content = String::new();
    let file = File::open(path).map_err(complain)?;
    let length = file.take(LARGEST + 1).read_to_string(&mut content).map_err(complain)?;
    if length as u64 > LARGEST {
        return Err(format!("{path} has more than {LARGEST} octets"));
    }
    Ok(KeyFile { content, exposed })
}
