//! Reads a partition table.
#![no_main]

use disk_image::table::PartitionTable;
use libfuzzer_sys::fuzz_target;
use perennial_fuzz::SparseDisk;

fuzz_target!(|input: &[u8]| {
    let _ = PartitionTable::read(&SparseDisk::decode(input));
});
