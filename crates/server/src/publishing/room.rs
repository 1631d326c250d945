//! Whether there is room for a disk: what has to be written of it must leave as much free as the settings keep.

use disk_image::DiskSource;
use disk_image::description::{DiskDescription, DiskFiles};
use disk_image::synthetic::{ALIGN_BYTES, Content, Piece, PieceContent, Plan, add_data};
use policy::quota::Quota;
use storage::{BackendKind, Store};

use crate::error::{Error, Result};

/// The room that a storage has.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    store: &'a Store,
    /// What has to stay free.
    reserve: Quota,
}

impl<'a> Room<'a> {
    /// The room of a storage, of which so much has to stay free.
    pub fn of(store: &'a Store, reserve: Quota) -> Self {
        Self { store, reserve }
    }

    /// Fails unless there is room for so much more.
    pub fn check(&self, needed_bytes: u64) -> Result<()> {
        match self.usable_bytes()? {
            Some(usable_bytes) if usable_bytes >= needed_bytes => Ok(()),
            usable_bytes => Err(Error::NoRoom {
                needed_bytes,
                usable_bytes: usable_bytes.unwrap_or(0),
            }),
        }
    }

    /// Whether less is free than has to stay.
    pub fn is_exhausted(&self) -> Result<bool> {
        Ok(self.usable_bytes()?.is_none())
    }

    /// What may be used; `None` where less is free than has to stay.
    fn usable_bytes(&self) -> Result<Option<u64>> {
        let space = self.store.space()?;
        let reserved_bytes = self.reserve.limit_bytes(space.total_bytes).unwrap_or(0);
        Ok(space.free_bytes.checked_sub(reserved_bytes))
    }

    /// How much of a disk would have to be written: all of its content where extents can't be shared, elsewhere what does not lie on
    /// whole pages, and the structures of its format.
    pub fn needed_bytes<S: DiskSource>(
        &self,
        plan: &Plan,
        description: &DiskDescription,
        files: &DiskFiles<S>,
    ) -> Result<u64> {
        let mut needed_bytes: u64 = plan.pieces.iter().map(structure_bytes).sum();
        for part in files.parts(description) {
            let (source, offset_bytes): (&dyn DiskSource, u64) = match &part.content {
                Content::Bytes(bytes) => {
                    needed_bytes += bytes.len() as u64;
                    continue;
                }
                Content::File { file, offset_bytes } => (*file, *offset_bytes),
                Content::Source { source, offset_bytes } => (*source, *offset_bytes),
            };
            // Every plan lays content at the place within a page that it has on the disk.
            let is_aligned = part.range.start % ALIGN_BYTES == offset_bytes % ALIGN_BYTES;
            let is_shared = self.store.backend() != BackendKind::Hardlink
                && is_aligned
                && matches!(part.content, Content::File { .. });
            if !is_shared {
                let mut data = Vec::new();
                add_data(source, offset_bytes, &part.range, ALIGN_BYTES, &mut data).map_err(Error::Disk)?;
                needed_bytes += data.iter().map(|range| range.end - range.start).sum::<u64>();
            }
        }
        Ok(needed_bytes)
    }
}

fn structure_bytes(piece: &Piece) -> u64 {
    match &piece.content {
        PieceContent::Structure(bytes) => bytes.len() as u64,
        PieceContent::Disk(_) | PieceContent::SamePage(_) => 0,
    }
}
