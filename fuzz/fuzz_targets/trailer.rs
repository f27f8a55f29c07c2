//! The trailer of `auth_hmac`, read and made.

#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod targets;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::hmac_trailer(octets);
});
