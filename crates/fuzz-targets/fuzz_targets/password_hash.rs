//! Password hashes and secrets of apps that come from other programs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_auth::fuzzing::password_hash(data));
