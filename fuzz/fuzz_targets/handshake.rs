//! Messages of a TLS handshake.

#![no_main]

#[path = "../../tests/fuzz/replies.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod replies;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    replies::handshake(octets);
});
