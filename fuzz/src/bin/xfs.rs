//! Reads the map of an XFS.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| perennial_fuzz::volume(input));
