//! What an image that comes from another storage needs beyond what one from a client does: the manifest stands, also where content is
//! damaged.

use manifest::{BlockHash, ContentHash};

use super::{ImageIngest, Listed, VolumeFormat, VolumeSink, split};
use crate::damage;
use crate::error::Result;

impl ImageIngest {
    /// Writes a small file of which the manifest says something else.
    pub(crate) fn put_damaged_file(
        &self,
        path: &[u8],
        content: &[u8],
        (size, hash): (u64, ContentHash),
    ) -> Result<()> {
        self.put_file(path, content)?;
        self.relist(path, Listed::File { size, hash })?;
        damage::append(&self.work, path, hash)
    }

    /// Ends a volume of which some blocks are not what the manifest says.
    ///
    /// Where the volume is raw, what the blocks should be is kept in its block list, so that they are found again. The content of
    /// others has to be as their list says.
    pub(crate) fn close_damaged_volume(
        &self,
        volume: &VolumeSink,
        hash: ContentHash,
        should_be: &[(u64, BlockHash)],
    ) -> Result<()> {
        self.close_volume(volume)?;
        if self.format == VolumeFormat::Raw {
            for (index, hash) in should_be {
                volume.set_hash(*index, *hash)?;
            }
        }
        let listed = Listed::Volume(Some((volume.size_bytes(), hash)));
        self.relist(volume.path(), listed)?;
        damage::append(&self.work, volume.path(), hash)
    }

    /// A file for a block list that needs no name.
    pub(crate) fn unnamed_list(&self, size_bytes: u64) -> Result<super::BlockList> {
        super::base::unnamed_list(&self.work, size_bytes)
    }

    fn relist(&self, path: &[u8], listed: Listed) -> Result<()> {
        let (dir, name) = split(path)?;
        let key = (dir.into(), name.into());
        self.content.lock().entries.insert(key, listed);
        Ok(())
    }
}
