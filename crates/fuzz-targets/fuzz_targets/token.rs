//! Tokens of every kind, as strangers may spell them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_auth::fuzzing::token(data));
