//! Places in lists and in the feed, ids, and one-time forms.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thunderhead_auth::fuzzing::cursor(data));
