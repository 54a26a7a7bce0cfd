//! libFuzzer's way into one target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| surgewall_fuzz::redaction(data));
