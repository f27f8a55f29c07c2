//! Bodies of pages in which a pattern is looked for while they come.

#![no_main]

#[path = "../../tests/fuzz/replies.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod replies;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    replies::search(octets);
});
