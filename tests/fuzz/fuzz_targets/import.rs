#![no_main]
//! Any bytes to `fuzzing::target("import")`, which says what must hold.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xhost::fuzzing::target("import")(bytes));
