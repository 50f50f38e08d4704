#![no_main]
//! See `druse_fuzz::oql`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| druse_fuzz::oql(data));
