//! `rd`: where a sign-in leads on to.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_http::fuzzing::redirect(data));
