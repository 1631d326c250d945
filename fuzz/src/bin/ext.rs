//! Reads the map of ext2, ext3 or ext4.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| perennial_fuzz::volume(input));
