#![no_main]
//! See `druse_fuzz::locator`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::locator(data));
