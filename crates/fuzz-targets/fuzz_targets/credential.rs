//! Headers and cookies that carry a credential.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_http::fuzzing::credential(data));
