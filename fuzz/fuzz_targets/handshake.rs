#![no_main]
//! See `druse_fuzz::handshake`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::handshake(data));
