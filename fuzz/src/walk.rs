//! Everything that is done with a virtual disk, within bounds.

use std::cell::Cell;
use std::ops::Range;

use disk_image::virtual_disk::{ExtentKind, FileFormat, ImageFile, ParentWanted, VirtualDisk};

use crate::SparseDisk;

/// So much of either end of a disk is looked at.
const WINDOW_BYTES: u64 = 64 << 20;
const EXTENTS: usize = 32;
/// A qcow2 that names a parent gets itself, so often.
const PARENTS: u32 = 3;
/// Parents of the formats whose files have an identity.
const VHD: &[u8] = include_bytes!("../corpus/vhd/seed-parent");
const VHDX: &[u8] = include_bytes!("../corpus/vhdx/seed-parent");

/// Opens a disk and reads of it what there is.
pub fn virtual_disk(disk: &SparseDisk, format: FileFormat) {
    let file = || ImageFile {
        path: "input".into(),
        source: Box::new(disk.clone()),
    };
    let given = Cell::new(0);
    let parents = |wanted: &ParentWanted<'_>| {
        given.set(given.get() + 1);
        let fixed = |input: &[u8]| ImageFile {
            path: "parent".into(),
            source: Box::new(SparseDisk::decode(input)),
        };
        Ok(match wanted.link.format {
            FileFormat::Vhd => Some(fixed(VHD)),
            FileFormat::Vhdx => Some(fixed(VHDX)),
            FileFormat::Raw | FileFormat::Qcow2 => (given.get() <= PARENTS).then(file),
        })
    };
    let Ok(disk) = VirtualDisk::open(file(), format, &parents) else {
        return;
    };
    let len_bytes = disk.len_bytes();
    walk(&disk, 0..len_bytes.min(WINDOW_BYTES));
    walk(&disk, len_bytes.saturating_sub(WINDOW_BYTES)..len_bytes);
}

fn walk(disk: &VirtualDisk, range: Range<u64>) {
    let mut end = range.start;
    for extent in disk.extents(range.clone()).take(EXTENTS) {
        let Ok(extent) = extent else { return };
        assert_eq!(extent.range.start, end, "extents have gaps");
        assert!(extent.range.start < extent.range.end && extent.range.end <= range.end);
        end = extent.range.end;
    }
    let mut buffer = vec![0; 64 << 10];
    for extent in disk.content(range).take(EXTENTS) {
        let Ok(extent) = extent else { return };
        let len = (extent.range.end - extent.range.start).min(buffer.len() as u64) as usize;
        let part = &mut buffer[..len];
        let read = disk.read_at(part, extent.range.start);
        if extent.kind == ExtentKind::Zeros {
            read.expect("zeros can always be read");
            assert!(part.iter().all(|byte| *byte == 0), "zeros are none");
        }
    }
}
