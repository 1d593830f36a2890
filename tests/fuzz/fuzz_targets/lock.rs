#![no_main]
//! Any bytes to `fuzzing::target("lock")`, which says what must hold.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xhost::fuzzing::target("lock")(bytes));
