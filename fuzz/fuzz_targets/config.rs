//! The whole pipeline: any octets give a plan, findings, a layout and a document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay::config::{Options, convert, format, parse_linted};

fuzz_target!(|octets: &[u8]| {
    let linted = parse_linted("fuzz", octets, &Options::default(), &[]);
    let findings = &linted.loaded.diagnostics;
    let _ = (findings.to_text(true), findings.to_lines(), findings.to_json());
    if let Ok(text) = std::str::from_utf8(octets) {
        let laid_out = format::layout(text);
        assert_eq!(format::layout(&laid_out), laid_out);
        let read = |text: &str| convert::document("t", text.into(), None, &Options::default());
        let (document, findings) = read(text);
        // Where braces do not match, what was meant is guessed from the layout.
        if !findings.has_errors() {
            assert_eq!(document, read(&laid_out).0);
        }
    }
});
