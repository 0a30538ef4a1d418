//! User agents, and what sessions are called after them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_auth::fuzzing::user_agent(data));
