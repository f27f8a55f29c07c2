//! The time as mail headers write it.

use std::ffi::CStr;

/// `Wed, 25 Nov 2026 18:02:50 +0000` (RFC 5322 §3.3), in the local time zone.
pub fn mail_date() -> String {
    // SAFETY: `time` takes null; the structures are plain, valid for the calls, and all zeroes is a
    // value of them; `strftime` ends what it writes with NUL or says 0. We never set a locale, so the
    // names are English.
    unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&raw const now, &raw mut parts).is_null() {
            return String::new();
        }
        let mut text = [0; 64];
        let format = c"%a, %d %b %Y %H:%M:%S %z";
        let length =
            libc::strftime(text.as_mut_ptr(), text.len(), format.as_ptr(), &raw const parts);
        if length == 0 {
            return String::new();
        }
        CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    }
}
