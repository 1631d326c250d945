//! Reads a partition table whose checksums are right.
#![no_main]

use disk_image::table::PartitionTable;
use libfuzzer_sys::fuzz_target;
use perennial_fuzz::{SparseDisk, checksums};

fuzz_target!(|input: &[u8]| {
    let mut disk = SparseDisk::decode(input);
    if disk.has_right_checksums {
        checksums::gpt(&mut disk);
    }
    let _ = PartitionTable::read(&disk);
});
