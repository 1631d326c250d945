//! VMDK ("Virtual Disk Format 1.1", VMware): the descriptor of a disk whose content is one flat file.

use super::{Disk, SECTOR_BYTES};

/// Heads and sectors per track of every disk that is not tiny.
const HEADS: u64 = 255;
const SECTORS_PER_TRACK: u64 = 63;

/// The text of the descriptor, which lies in a file of its own beside the flat one.
pub fn descriptor(disk: &Disk, flat_file: &str) -> String {
    let sectors = disk.len_bytes / SECTOR_BYTES;
    let cylinders = sectors / (HEADS * SECTORS_PER_TRACK);
    // Any number but the two that mean "none" will do.
    let content_id = (disk.id.as_u128() as u32).clamp(1, u32::MAX - 1);
    format!(
        "# Disk DescriptorFile\n\
         version=1\n\
         CID={content_id:08x}\n\
         parentCID=ffffffff\n\
         createType=\"monolithicFlat\"\n\
         \n\
         # Extent description\n\
         RW {sectors} FLAT \"{flat_file}\" 0\n\
         \n\
         # The Disk Data Base\n\
         ddb.virtualHWVersion = \"4\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"{HEADS}\"\n\
         ddb.geometry.sectors = \"{SECTORS_PER_TRACK}\"\n\
         ddb.adapterType = \"lsilogic\"\n"
    )
}
