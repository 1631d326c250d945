//! Committing an image.

use std::collections::BTreeSet;

use file_tree::Subvolumes;
use manifest::{Conclusion, ContentHash, DirRecord, Entry, Header, Kind, Metadata, Summary, Writer};

use super::grown::Place;
use super::{ImageIngest, Listed, block_list_name};
use crate::crash;
use crate::durable;
use crate::error::{During as _, Error, Result, shown};
use crate::incomplete::sealed_file;
use crate::ingest::{Committed, Outcome, roll_forward};
use crate::layout::manifest_path;
use crate::names::BackupName;

const PART: &str = "manifest.part";

impl ImageIngest {
    /// Takes away what the base had and this image does not: volumes, whole disks, all that is derived. To be called once all
    /// volumes and files are there.
    pub fn drop_rest(&self) -> Result<()> {
        let content = self.content.lock();
        let dirs: BTreeSet<&[u8]> = content.entries.keys().map(|(dir, _)| &**dir).collect();
        let listing = self.tree.list().during("list", "the incomplete image")?;
        for listed in listing.iter() {
            if !dirs.contains(listed.name) {
                self.tree
                    .remove_tree(listed.name, Subvolumes::Refuse)
                    .during("remove", shown(listed.name))?;
            }
        }
        for dir_name in dirs {
            let mut kept = BTreeSet::new();
            for ((_, name), listed) in content.entries.iter().filter(|((dir, _), _)| **dir == *dir_name) {
                kept.insert(name.to_vec());
                if let Listed::Volume(_) = listed {
                    kept.extend(block_list_name(name));
                }
            }
            let dir = self.tree.child(dir_name).during("open", shown(dir_name))?;
            let listing = dir.list().during("list", shown(dir_name))?;
            for listed in listing.iter().filter(|listed| !kept.contains(listed.name)) {
                dir.remove_tree(listed.name, Subvolumes::Refuse)
                    .during("remove", shown(listed.name))?;
            }
        }
        Ok(())
    }

    /// Commits the image under the name that is in the header. Every volume has been [closed](ImageIngest::close_volume).
    ///
    /// On success it is durable, visible and read-only. On failure it is still incomplete and can be resumed, or,
    /// once its manifest is sealed, is completed by the next [`recover`](crate::Store::recover).
    pub fn commit(self, header: &Header, conclusion: &Conclusion) -> Result<(Committed, Summary)> {
        self.commit_checked(header, conclusion, |_| Ok(()))
    }

    /// The same, unless `check` is against it when the digest is known.
    pub(crate) fn commit_checked(
        self,
        header: &Header,
        conclusion: &Conclusion,
        check: impl FnOnce(ContentHash) -> Result<()>,
    ) -> Result<(Committed, Summary)> {
        let name: BackupName = header.name.parse()?;
        self.shared.check_name_is_free(&self.client, &name)?;
        self.write_virtual_disks(header)?;
        let part_error = |source| Error::manifest(manifest_path(&self.client, &name))(source);
        durable::remove(&self.work, PART.as_bytes())?;
        let file = self
            .work
            .create_file(PART.as_bytes(), 0o600)
            .during("create", PART)?;
        let mut writer = Writer::create(&file, header).map_err(part_error)?;
        for record in self.records(header)? {
            writer.push(&record).map_err(part_error)?;
        }
        let (summary, _) = writer.finish(conclusion).map_err(part_error)?;
        check(summary.digest)?;
        crash::point("image: tree complete");
        // ORDER: all content of the tree is durable before anything says that the backup is complete.
        cow_fs::sync_file_system(&self.tree).during("sync", "the incomplete image")?;
        file.sync_all().during("sync", "the manifest")?;
        crash::point("image: tree durable");
        // ORDER: the sealed name is the decision, as with file backups.
        let sealed = sealed_file(&name);
        self.work
            .rename(PART.as_bytes(), &self.work, sealed.as_bytes())
            .during("seal", &sealed)?;
        durable::sync(&self.work, "the incomplete image")?;
        crash::point("image: sealed");
        roll_forward(&self.shared, &self.client, &self.work)?;
        let committed = Committed {
            client: self.client.clone(),
            name,
            digest: summary.digest,
            totals: summary.totals,
            outcome: Outcome::default(),
            pool_changes: Vec::new(),
        };
        Ok((committed, summary))
    }

    /// Turns what has grown beside the tree into virtual disks in it. What there was stays until the image is committed.
    fn write_virtual_disks(&self, header: &Header) -> Result<()> {
        for ((dir, name), grown) in &self.content.lock().grown {
            let in_tree = self.tree.child(dir).during("open", shown(dir))?;
            grown.write(&Place {
                in_tree: &in_tree,
                dir,
                name,
                format: self.format,
                made_secs: u64::try_from(header.started.secs).unwrap_or_default(),
            })?;
            crash::point("image: a virtual disk written");
        }
        Ok(())
    }

    /// What the manifest lists: the root with the disks' directories, and each of these.
    fn records(&self, header: &Header) -> Result<Vec<DirRecord>> {
        let metadata = |mode| Metadata {
            mode,
            mtime: header.started,
            ctime: header.started,
            ..Metadata::default()
        };
        let content = self.content.lock();
        let mut root = DirRecord {
            path: Box::default(),
            entries: Vec::new(),
        };
        let mut dirs: Vec<DirRecord> = Vec::new();
        for ((dir, name), listed) in &content.entries {
            if dirs.last().is_none_or(|last| last.path != *dir) {
                root.entries.push(Entry {
                    name: dir.clone(),
                    metadata: metadata(0o700),
                    kind: Kind::Directory,
                });
                dirs.push(DirRecord {
                    path: dir.clone(),
                    entries: Vec::new(),
                });
            }
            let kind = match listed {
                Listed::File { size, hash } => Kind::file(*size, *hash, std::sync::Arc::default()),
                Listed::Volume(Some((size, hash))) => Kind::Volume {
                    size: *size,
                    hash: *hash,
                },
                Listed::Volume(None) => {
                    let path = manifest::join_path(dir, name);
                    return Err(Error::invalid_entry(&path, "the volume is not complete"));
                }
            };
            if let Some(last) = dirs.last_mut() {
                last.entries.push(Entry {
                    name: name.clone(),
                    metadata: metadata(0o600),
                    kind,
                });
            }
        }
        Ok(std::iter::once(root).chain(dirs).collect())
    }
}
