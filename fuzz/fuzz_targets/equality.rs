#![no_main]
//! See `druse_fuzz::equality`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::equality(data));
