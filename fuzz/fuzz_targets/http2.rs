//! What a server of HTTP/2 sends: frames, headers, a reply of grpc.health.v1.

#![no_main]

#[path = "../../tests/fuzz/replies.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod replies;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    replies::http2(octets);
});
