#![no_main]
//! See `druse_fuzz::key`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::key(data));
