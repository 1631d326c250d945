//! Reads a VHD.
#![no_main]

use disk_image::virtual_disk::FileFormat;
use libfuzzer_sys::fuzz_target;
use perennial_fuzz::SparseDisk;

fuzz_target!(|input: &[u8]| {
    let mut disk = SparseDisk::decode(input);
    if disk.has_right_checksums {
        perennial_fuzz::checksums::vhd(&mut disk);
    }
    perennial_fuzz::virtual_disk(&disk, FileFormat::Vhd);
});
