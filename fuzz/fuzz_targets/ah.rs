//! The authentication header of `auth_type AH`, read and made.

#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod targets;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::authentication_header(octets);
});
