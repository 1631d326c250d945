//! Reads the files of a FAT12, FAT16 or FAT32.
#![no_main]

use disk_image::volume::FileSystem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| perennial_fuzz::files(input, FileSystem::Fat32));
