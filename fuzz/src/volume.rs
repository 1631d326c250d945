//! Recognizing a volume and reading its map.

use disk_image::volume::{Choice, LeaveOut, Stillness, identify, used};

use crate::{SparseDisk, checksums};

/// Reads the map of a volume, and checks that it is one.
///
/// # Panics
/// If it is none, which is what the fuzzer looks for.
pub fn volume(input: &[u8]) {
    let mut disk = SparseDisk::decode(input);
    if disk.has_right_checksums {
        checksums::exfat(&mut disk);
    }
    let Ok(volume) = identify(&disk) else { return };
    let leave_out = LeaveOut {
        swap: Choice::Omit,
        hibernation: Choice::Omit,
    };
    let Ok(map) = used(&disk, &volume, leave_out, Stillness::default()) else {
        return;
    };
    let len_bytes = disk.len_bytes();
    let mut end = None;
    for range in map.ranges() {
        assert!(
            range.start < range.end && range.end <= len_bytes,
            "a range lies within the volume"
        );
        assert!(
            end.is_none_or(|end| range.start > end),
            "ranges are in order and don't touch"
        );
        end = Some(range.end);
    }
}
