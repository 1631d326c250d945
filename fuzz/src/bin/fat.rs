//! Reads the map of a FAT12, FAT16 or FAT32.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| perennial_fuzz::volume(input));
