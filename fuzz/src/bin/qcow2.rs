//! Reads a qcow2.
#![no_main]

use disk_image::virtual_disk::FileFormat;
use libfuzzer_sys::fuzz_target;
use perennial_fuzz::SparseDisk;

fuzz_target!(|input: &[u8]| {
    let disk = SparseDisk::decode(input);
    perennial_fuzz::virtual_disk(&disk, FileFormat::Qcow2);
});
