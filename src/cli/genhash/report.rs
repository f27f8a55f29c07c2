//! What genhash prints: the digest, and with `--verbose` everything on the way to it.

use std::io::{self, Write};
use std::time::Duration;

use crate::probe::fetch::Piece;
use crate::probe::http::hex;

/// Bytes in a row of a dump.
const ROW: usize = 16;

/// Writes keepalived's report as the page comes in.
pub(super) struct Report<'a, W> {
    out: &'a mut W,
    verbose: bool,
    body_begun: bool,
    /// The first error of a write made while fetching.
    failed: io::Result<()>,
}

impl<'a, W: Write> Report<'a, W> {
    pub fn new(out: &'a mut W, verbose: bool) -> Self {
        Self { out, verbose, body_begun: false, failed: Ok(()) }
    }

    /// Shows a piece of the page.
    pub fn piece(&mut self, piece: Piece<'_>) {
        if self.verbose && self.failed.is_ok() {
            self.failed = self.show(piece);
        }
    }

    fn show(&mut self, piece: Piece<'_>) -> io::Result<()> {
        match piece {
            Piece::Header(header) => {
                self.title("HTTP Header Buffer", 26)?;
                self.dump(header)?;
                self.title("HTTP Header Ascii Buffer", 26)?;
                self.out.write_all(header)?;
                writeln!(self.out)
            }
            Piece::Body(body) => {
                if !std::mem::replace(&mut self.body_begun, true) {
                    self.title("HTML Buffer", 27)?;
                }
                self.dump(body)
            }
        }
    }

    /// The digest; `None`: there was no page, of which keepalived shows the digest of nothing.
    ///
    /// # Errors
    /// When something could not be written, now or before.
    pub fn digest(&mut self, md5: Option<&[u8; 16]>) -> io::Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        if self.verbose {
            writeln!(self.out)?;
            self.title("HTML hash resulting", 27)?;
            self.dump(md5.unwrap_or(&MD5_OF_NOTHING))?;
            self.title("HTML hash final resulting", 27)?;
        }
        md5.map_or(Ok(()), |md5| writeln!(self.out, "{}", hex(md5)))
    }

    /// A line of its own.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// How long it all took.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn time(&mut self, url: &str, taken: Duration) -> io::Result<()> {
        if !self.verbose {
            return Ok(());
        }
        let micros = taken.as_micros();
        writeln!(self.out, "\nGlobal response time for [{url}] = {micros} usecs")
    }

    /// `text` centred in `width`, the odd space on the left.
    fn title(&mut self, text: &str, width: usize) -> io::Result<()> {
        let (dashes, spare) = ("-".repeat(23), width.saturating_sub(text.len()));
        let (left, right) = (" ".repeat(spare.div_ceil(2)), " ".repeat(spare / 2));
        writeln!(self.out, "{dashes}[{left}{text}{right}]{dashes}")
    }

    /// Rows of 16: decimal offset, hexadecimal bytes, characters.
    fn dump(&mut self, bytes: &[u8]) -> io::Result<()> {
        for (row, bytes) in bytes.chunks(ROW).enumerate() {
            write!(self.out, "{:04}  ", row * ROW)?;
            for at in 0..ROW {
                if at == ROW / 2 {
                    write!(self.out, "- ")?;
                }
                match bytes.get(at) {
                    Some(byte) => write!(self.out, "{byte:02x} ")?,
                    None => write!(self.out, "   ")?,
                }
            }
            let characters: String = (0..ROW).map(|at| printable(bytes.get(at))).collect();
            writeln!(self.out, "  {characters}")?;
        }
        Ok(())
    }
}

/// Beyond the end: a space, which fills the row.
fn printable(byte: Option<&u8>) -> char {
    match byte {
        Some(byte @ 0x20..=0x7e) => char::from(*byte),
        Some(_) => '.',
        None => ' ',
    }
}

const MD5_OF_NOTHING: [u8; 16] = [
    0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e,
];
