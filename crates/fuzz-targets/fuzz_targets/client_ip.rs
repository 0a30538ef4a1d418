//! `X-Forwarded-For`, from trusted proxies and from others.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_http::fuzzing::client_ip(data));
