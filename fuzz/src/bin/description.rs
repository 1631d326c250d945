//! Reads the description of a disk.
#![no_main]

use disk_image::description::DiskDescription;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(description) = DiskDescription::parse(input) {
        assert!(DiskDescription::parse(&description.to_json()).is_ok());
    }
});
