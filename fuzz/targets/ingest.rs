#![no_main]

// One format with FORMAT=name in the environment, all of them without.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nanotdb_fuzz::ingest(bytes, std::env::var("FORMAT").ok().as_deref()));
