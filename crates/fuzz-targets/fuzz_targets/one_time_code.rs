//! Codes of authenticator apps, and backup codes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_auth::fuzzing::one_time_code(data));
