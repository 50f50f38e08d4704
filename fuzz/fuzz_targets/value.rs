#![no_main]
//! See `druse_fuzz::value`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::value(data));
