//! What a proxy requires of a request, and what it says of it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_http::fuzzing::requirement(data));
