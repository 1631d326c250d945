//! Reads the files of ext2, ext3 or ext4.
#![no_main]

use disk_image::volume::FileSystem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| perennial_fuzz::files(input, FileSystem::Ext4));
