#![no_main]
//! See `druse_fuzz::feed`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::feed(data));
