//! Headers and claims of signed tokens.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_auth::fuzzing::claims(data));
