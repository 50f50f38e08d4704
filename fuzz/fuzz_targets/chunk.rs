#![no_main]
//! See `druse_fuzz::chunk`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::chunk(data));
