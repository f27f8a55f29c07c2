//! BFD Control packets, and sessions that hear them.

#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod targets;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::bfd(octets);
});
