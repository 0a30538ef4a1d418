//! Forms, in the form of a query and in parts.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_http::fuzzing::form(data));
