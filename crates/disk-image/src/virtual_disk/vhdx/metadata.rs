//! The metadata ([MS-VHDX] 2.6): sizes, and what is known of the parent.
//!
//! ```text
//! 0   8   "metadata"             each entry:
//! 10  2   number of entries      0   16  GUID
//! 32      entries of 32 bytes    16  4   where, from the region's start
//!                                20  4   length
//!                                24  4   flags: 4 must be understood
//! ```

use std::collections::BTreeMap;

use uuid::{Uuid, uuid};

use super::{FORMAT, KIB, MIB};
use crate::source::{guid_at, u16_at, u32_at, u64_at};
use crate::virtual_disk::file::Pages;
use crate::virtual_disk::{FileFormat, ParentLink};
use crate::{Error, Result};

const METADATA: &str = "VHDX metadata";
const TABLE_BYTES: usize = 64 << 10;
const MAX_ENTRIES: usize = 2047;
/// The specification's limit for an item.
const MAX_ITEM_BYTES: u32 = 1 << 20;
/// A parent locator has so many texts at most; five are known.
const MAX_PAIRS: usize = 32;
const REQUIRED: u32 = 4;
const HAS_PARENT: u32 = 2;
const LIMIT_BYTES: u64 = 64 << 40;

const PARAMETERS: Uuid = uuid!("caa16737-fa36-4d43-b3b6-33f0aa44e76b");
const DISK_SIZE: Uuid = uuid!("2fa54224-cd1b-4876-b211-5dbed83bf4b8");
const DISK_ID: Uuid = uuid!("beca12ab-b2e6-4523-93ef-c309e000c746");
const LOGICAL_SECTOR: Uuid = uuid!("8141bf1d-a96f-4709-ba47-f233a8faab5f");
const PHYSICAL_SECTOR: Uuid = uuid!("cda348c7-445d-4471-9cc9-e9885251c556");
const PARENT: Uuid = uuid!("a8d35f2d-b30b-454d-abf7-d3d84834ab0c");
const KNOWN: [Uuid; 6] = [
    PARAMETERS,
    DISK_SIZE,
    DISK_ID,
    LOGICAL_SECTOR,
    PHYSICAL_SECTOR,
    PARENT,
];
/// The only type of parent locator.
const LOCATOR_TYPE: Uuid = uuid!("b04aefb7-d19e-4a81-b789-25b8e9445913");

/// What the metadata say of a disk.
pub(super) struct Metadata {
    pub len_bytes: u64,
    pub block_bytes: u64,
    pub sector_bytes: u64,
    pub parent: Option<ParentLink>,
}

/// Where the items are.
struct Items<'a> {
    pages: &'a Pages,
    region_at: u64,
    places: BTreeMap<Uuid, (u64, usize)>,
}

impl Metadata {
    pub fn read(pages: &Pages, region_at: u64) -> Result<Self> {
        let items = Items::read(pages, region_at)?;
        let damaged = |reason: &str| Error::damaged(METADATA, region_at, reason);
        let parameters = items.get(PARAMETERS, 8)?;
        let block_bytes = u64::from(u32_at(&parameters, 0));
        if !block_bytes.is_power_of_two() || !(MIB..=256 * MIB).contains(&block_bytes) {
            return Err(damaged("the size of the blocks is impossible"));
        }
        let sector_bytes = u64::from(u32_at(&items.get(LOGICAL_SECTOR, 4)?, 0));
        if ![512, 4096].contains(&sector_bytes) {
            return Err(damaged("the size of the sectors is impossible"));
        }
        let len_bytes = u64_at(&items.get(DISK_SIZE, 8)?, 0);
        if !len_bytes.is_multiple_of(sector_bytes) {
            return Err(damaged("the disk's size is no whole number of sectors"));
        }
        if len_bytes > LIMIT_BYTES {
            return Err(Error::TooLarge {
                format: FORMAT,
                len_bytes,
                limit_bytes: LIMIT_BYTES,
            });
        }
        let has_parent = u32_at(&parameters, 4) & HAS_PARENT != 0;
        let parent = has_parent.then(|| items.parent()).transpose()?;
        Ok(Self {
            len_bytes,
            block_bytes,
            sector_bytes,
            parent,
        })
    }
}

impl<'a> Items<'a> {
    fn read(pages: &'a Pages, region_at: u64) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(METADATA, region_at, reason);
        let table = pages.structure(METADATA, region_at, TABLE_BYTES)?;
        if table[..8] != *b"metadata" {
            return Err(damaged("it has no signature"));
        }
        let entries = usize::from(u16_at(&table, 10));
        if entries > MAX_ENTRIES {
            return Err(damaged("it has too many entries"));
        }
        let mut places = BTreeMap::new();
        for entry in table[32..].chunks_exact(32).take(entries) {
            let id = guid_at(entry, 0);
            let (offset, len, flags) = (u32_at(entry, 16), u32_at(entry, 20), u32_at(entry, 24));
            if !KNOWN.contains(&id) {
                if flags & REQUIRED != 0 {
                    let feature = format!("the metadata item {id}");
                    return Err(Error::Unsupported {
                        format: FORMAT,
                        feature,
                    });
                }
                continue;
            }
            if u64::from(offset) < 64 * KIB || len > MAX_ITEM_BYTES {
                return Err(damaged("an item is misplaced or too large"));
            }
            let at = region_at + u64::from(offset);
            if places.insert(id, (at, len as usize)).is_some() {
                return Err(damaged("an item is there twice"));
            }
        }
        Ok(Self {
            pages,
            region_at,
            places,
        })
    }

    fn get(&self, id: Uuid, min_bytes: usize) -> Result<Vec<u8>> {
        match self.places.get(&id) {
            Some((at, len)) if *len >= min_bytes => self.pages.structure(METADATA, *at, *len),
            _ => Err(Error::damaged(
                METADATA,
                self.region_at,
                format!("the item {id} is missing or too short"),
            )),
        }
    }

    /// The parent locator (2.6.2.6): pairs of texts.
    fn parent(&self) -> Result<ParentLink> {
        let locator = self.get(PARENT, 20)?;
        let damaged = |reason: &str| Error::damaged("VHDX parent locator", self.region_at, reason);
        if guid_at(&locator, 0) != LOCATOR_TYPE {
            let feature = format!("parent locators of type {}", guid_at(&locator, 0));
            return Err(Error::Unsupported {
                format: FORMAT,
                feature,
            });
        }
        let count = usize::from(u16_at(&locator, 18));
        if count > MAX_PAIRS {
            return Err(damaged("it has too many entries"));
        }
        let mut pairs = BTreeMap::new();
        for entry in locator[20..].chunks_exact(12).take(count) {
            let key = text(&locator, u32_at(entry, 0), u16_at(entry, 8));
            let value = text(&locator, u32_at(entry, 4), u16_at(entry, 10));
            let (Some(key), Some(value)) = (key, value) else {
                return Err(damaged("a text leaves it"));
            };
            pairs.insert(key, value);
        }
        let values = |keys: &[&str]| -> Vec<String> {
            keys.iter().filter_map(|key| pairs.get(*key).cloned()).collect()
        };
        let ids = values(&["parent_linkage", "parent_linkage2"]);
        let ids: Vec<Uuid> = ids.iter().filter_map(|id| Uuid::try_parse(id).ok()).collect();
        if ids.is_empty() {
            return Err(damaged("it does not identify the parent"));
        }
        Ok(ParentLink {
            format: FileFormat::Vhdx,
            names: values(&["relative_path", "absolute_win32_path", "volume_path"]),
            ids,
        })
    }
}

fn text(locator: &[u8], at: u32, len: u16) -> Option<String> {
    let at = at as usize;
    let bytes = locator.get(at..at.checked_add(usize::from(len))?)?;
    let units: Vec<u16> = (0..bytes.len() / 2).map(|unit| u16_at(bytes, unit * 2)).collect();
    Some(String::from_utf16_lossy(&units))
}
