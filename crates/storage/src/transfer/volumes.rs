//! Image backups: their volumes, block by block, and the descriptions beside them.

use std::collections::BTreeSet;

use disk_image::DiskSource as _;
use manifest::content::block_count;
use manifest::volume::{GROUP_BLOCKS, ZEROS, blocks_of_group, hash_volume_block};
use manifest::{BLOCK_BYTES, BlockHash, ContentHash, Entry, Kind, join_path};

use super::salvage::{self, Found};
use super::{Done, Route, TransferOptions};
use crate::crash;
use crate::error::{During as _, Error, Result, shown};
use crate::image::{BlockList, ImageIngest, VolumeReader, VolumeSink, right_list, split};

/// The longest that a file beside the volumes may be.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Copies an image.
pub(super) fn copy(route: &Route<'_>, options: &TransferOptions<'_>) -> Result<Done> {
    let base = route.base()?;
    let shared = &route.to.shared;
    let format = options.volume_format;
    let ingest = ImageIngest::begin_transfer(shared, route.client(), base.as_ref(), format, route.origin)?;
    let base = ingest.base_name().cloned();
    let mut images = Images {
        route,
        ingest: &ingest,
        read_bytes: 0,
    };
    let manifest = route.source.manifest();
    for record in manifest.records() {
        let record = record.map_err(route.manifest_error())?;
        for entry in &record.entries {
            images.entry(&record.path, entry)?;
        }
    }
    let read_bytes = images.read_bytes;
    ingest.drop_rest()?;
    if let Some(derive) = options.derive {
        derive(&ingest, route.source);
    }
    let check = |digest| route.check_digest(digest);
    let (committed, _) = ingest.commit_checked(manifest.header(), manifest.conclusion(), check)?;
    Ok((committed, base, read_bytes))
}

struct Images<'a> {
    route: &'a Route<'a>,
    ingest: &'a ImageIngest,
    read_bytes: u64,
}

/// A volume that is being copied.
struct Volume<'a> {
    path: &'a [u8],
    size: u64,
    /// `None` where it can't be read at all.
    source: Option<VolumeReader>,
    sink: VolumeSink,
}

/// What blocks should be, and those that are not.
#[derive(Default)]
struct Damage {
    is_any: bool,
    should_be: Vec<(u64, BlockHash)>,
}

impl Images<'_> {
    fn entry(&mut self, dir: &[u8], entry: &Entry) -> Result<()> {
        self.route.check_cancelled()?;
        let path = join_path(dir, &entry.name);
        match entry.kind {
            Kind::Directory => Ok(()),
            Kind::File { size, hash, .. } => self.file(&path, size, hash),
            Kind::Volume { size, hash } => self.volume(&path, size, hash),
            _ => Err(Error::invalid_entry(&path, "an image has files and volumes only")),
        }
    }

    fn file(&mut self, path: &[u8], size: u64, hash: ContentHash) -> Result<()> {
        if size > MAX_FILE_BYTES {
            return Err(Error::invalid_entry(
                path,
                "it is too long for a file beside volumes",
            ));
        }
        let mut content = vec![0; size as usize];
        let found = match self.route.source.open_file(path) {
            Err(Error::NotInBackup { .. }) => Found::Salvaged,
            opened => salvage::read(&opened?, &mut content, 0).during("read", shown(path))?,
        };
        self.count(path, size);
        if found == Found::Whole && ContentHash::of(&content) == hash {
            return self.ingest.put_file(path, &content);
        }
        self.route.report(path);
        self.ingest.put_damaged_file(path, &content, (size, hash))
    }

    fn volume(&mut self, path: &[u8], size: u64, hash: ContentHash) -> Result<()> {
        let source = match self.route.source.open_volume(path) {
            Err(Error::NotInBackup { .. } | Error::Volume { .. }) => None,
            opened => Some(opened?),
        };
        let volume = Volume {
            path,
            size,
            source,
            sink: self.ingest.open_volume(path, size)?,
        };
        let (dir, name) = split(path)?;
        let tree = self.route.source.open_directory(b"")?;
        let damage = match right_list(&tree, dir, name, size, hash)? {
            Some(list) => self.blocks(&volume, &list)?,
            None => {
                let list = self.list(&volume)?;
                let is_wrong = list.hash()? != hash;
                let damage = self.blocks(&volume, &list)?;
                Damage {
                    is_any: is_wrong || damage.is_any,
                    should_be: Vec::new(),
                }
            }
        };
        crash::point("transfer: volume copied");
        if damage.is_any {
            self.route.report(path);
            return self
                .ingest
                .close_damaged_volume(&volume.sink, hash, &damage.should_be);
        }
        self.ingest.close_volume(&volume.sink)?;
        Ok(())
    }

    /// Makes the target's blocks what a list says, from the source; of those that are not as it says, what there is.
    fn blocks(&mut self, volume: &Volume<'_>, list: &BlockList) -> Result<Damage> {
        let groups: BTreeSet<u64> = list
            .groups()?
            .into_iter()
            .chain(volume.sink.groups()?)
            .flatten()
            .collect();
        let mut damage = Damage::default();
        for group in groups {
            let (wanted, there) = (list.group(group)?, volume.sink.group(group)?);
            if wanted == there {
                continue;
            }
            let first = group * GROUP_BLOCKS;
            for index in blocks_of_group(volume.size, group) {
                let hash = |hashes: &Option<Vec<BlockHash>>| {
                    let hashes = hashes.as_ref();
                    hashes.map_or(ZEROS, |hashes| hashes[(index - first) as usize])
                };
                let (wanted, there) = (hash(&wanted), hash(&there));
                if wanted != there && self.block(volume, index, wanted)? == Found::Salvaged {
                    damage.is_any = true;
                    damage.should_be.push((index, wanted));
                }
            }
        }
        Ok(damage)
    }

    /// Copies a block. Returns whether it is what it should be.
    fn block(&mut self, volume: &Volume<'_>, index: u64, wanted: BlockHash) -> Result<Found> {
        let at = index * BLOCK_BYTES;
        let len_bytes = BLOCK_BYTES.min(volume.size - at);
        if wanted == ZEROS {
            return volume.sink.clear(at, len_bytes).map(|()| Found::Whole);
        }
        let mut block = vec![0; len_bytes as usize];
        self.read(volume, &mut block, at)?;
        let hash = hash_volume_block(index, &block);
        match hash == ZEROS {
            true => volume.sink.clear(at, len_bytes)?,
            false => volume.sink.write(at, &block)?,
        }
        crash::point("transfer: block copied");
        Ok(if hash == wanted {
            Found::Whole
        } else {
            Found::Salvaged
        })
    }

    /// The hashes of a volume's blocks as they are.
    fn list(&mut self, volume: &Volume<'_>) -> Result<BlockList> {
        let list = self.ingest.unnamed_list(volume.size)?;
        let Some(source) = &volume.source else {
            return Ok(list);
        };
        let mut block = vec![0; BLOCK_BYTES as usize];
        let mut next = 0;
        while next < block_count(volume.size) {
            let rest = next * BLOCK_BYTES..volume.size;
            let data = match source.next_data(rest.clone()) {
                // Where nobody can tell what is data, all is read.
                Err(error) if salvage::is_damage(&error) => Some(rest),
                found => found.during("read", shown(volume.path))?,
            };
            let Some(data) = data else { break };
            next = next.max(data.start / BLOCK_BYTES);
            while next < block_count(volume.size) && next * BLOCK_BYTES < data.end {
                let at = next * BLOCK_BYTES;
                let block = &mut block[..BLOCK_BYTES.min(volume.size - at) as usize];
                self.read(volume, block, at)?;
                list.set(next, &[hash_volume_block(next, block)])?;
                next += 1;
            }
        }
        Ok(list)
    }

    fn read(&mut self, volume: &Volume<'_>, block: &mut [u8], at: u64) -> Result<()> {
        self.route.check_cancelled()?;
        match &volume.source {
            Some(source) => drop(salvage::read(source, block, at).during("read", shown(volume.path))?),
            None => block.fill(0),
        }
        self.count(volume.path, block.len() as u64);
        Ok(())
    }

    fn count(&mut self, path: &[u8], len_bytes: u64) {
        self.read_bytes += len_bytes;
        self.route.monitor.copied(path, len_bytes);
    }
}
