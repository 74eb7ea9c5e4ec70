#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stagegate::hostile::report(data));
