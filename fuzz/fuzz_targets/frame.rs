#![no_main]
//! See `druse_fuzz::frame`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::frame(data));
