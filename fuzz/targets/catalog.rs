#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nanotdb_fuzz::catalog(bytes));
