//! VRRP over IPv6, with what the socket says of the header.

#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod targets;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::wire6(octets);
});
