//! Three texts in a row, parted by `%`: what a reload comes to is what a start with the same text comes to.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mainstay::config::{Options, parse_again, parse_with};

fuzz_target!(|octets: &[u8]| {
    let options = Options::default();
    let mut running = Arc::default();
    for text in octets.splitn(3, |octet| *octet == b'%') {
        let again = parse_again("fuzz", text, &options, running);
        let fresh = parse_with("fuzz", text, &options);
        assert_eq!(again.plan, fresh.plan);
        assert_eq!(again.diagnostics.to_lines(), fresh.diagnostics.to_lines());
        running = Arc::new(again.plan);
    }
});
