#![no_main]
//! See `druse_fuzz::requests`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::requests(data));
