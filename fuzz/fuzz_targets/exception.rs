#![no_main]
//! See `druse_fuzz::exception`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::exception(data));
