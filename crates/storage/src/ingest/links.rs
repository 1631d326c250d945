//! What can only be made right when all of a tree is there: hard links, and the list of links into the pool.

use file_tree::{Dir, FileType};
use manifest::{KindRef, RawRecord, Reader, join_path, split_path};

use super::Growing;
use crate::attributes::set_mtime;
use crate::backend::Growth;
use crate::error::{During as _, Error, Result, shown, tree_errno};
use crate::pool::{PoolLink, PoolList};

use std::sync::atomic::Ordering;

/// A directory in which hard links are being made; its time of modification is kept.
struct LinkedDir {
    dir: Dir,
    mtime: Option<manifest::Timestamp>,
}

impl Growing {
    /// Makes all hard links of the manifest that are not right already, and lists the links into the pool.
    ///
    /// Usually only directories in which links are new or changed are looked at; all of them if an inode with several
    /// names was replaced, or an earlier session has worked on the tree.
    pub(super) fn complete(&self, manifest: &Reader) -> Result<PoolList> {
        let failed = || Error::manifest("of the incomplete backup");
        let may_link_to_pool = self.may_link_to_pool();
        let has_links = manifest.totals().hard_links > 0;
        let looks_at_all = may_link_to_pool
            || has_links && (self.is_resumed || self.has_split_links.load(Ordering::Relaxed));
        let mut pool_links = Vec::new();
        if looks_at_all {
            for record in manifest.raw_records() {
                let record = record.map_err(failed())?;
                self.complete_dir(&record, may_link_to_pool.then_some(&mut pool_links))?;
            }
        } else if has_links {
            let dirs = std::mem::take(&mut self.structure.lock().link_dirs);
            for path in dirs {
                let record = manifest.raw_directory(&path).map_err(failed())?;
                record.map_or(Ok(()), |record| self.complete_dir(&record, None))?;
            }
        }
        Ok(PoolList::new(pool_links))
    }

    fn may_link_to_pool(&self) -> bool {
        let base_has_links = self.base.as_ref().is_some_and(|base| base.has_pool_links);
        self.growth == Growth::PerEntry && self.tree.pool.is_some() && (base_has_links || self.is_resumed)
    }

    fn complete_dir(&self, record: &RawRecord, mut pool_links: Option<&mut Vec<PoolLink>>) -> Result<()> {
        let path = record.path();
        let mut linked = None;
        for entry in record
            .entries()
            .map_err(Error::manifest("of the incomplete backup"))?
        {
            let entry = entry.map_err(Error::manifest("of the incomplete backup"))?;
            let is_wanted = match entry.kind {
                KindRef::HardLink { .. } => true,
                KindRef::Directory => pool_links.is_some(),
                _ => false,
            };
            if !is_wanted {
                continue;
            }
            if linked.is_none() {
                linked = match self.tree.dir.open_beneath(path) {
                    Ok(dir) => Some(LinkedDir { dir, mtime: None }),
                    // Beneath a link into the pool everything is as it was.
                    Err(file_tree::Error::SymbolicLink { .. } | file_tree::Error::NotDirectory { .. }) => {
                        return Ok(());
                    }
                    Err(error) => return Err(error).during("open", shown(path)),
                };
            }
            let Some(linked) = linked.as_mut() else { continue };
            match (entry.kind, &mut pool_links) {
                (KindRef::HardLink { target }, _) => self.link(linked, path, entry.name, target)?,
                (_, Some(links)) => {
                    let path = join_path(path, entry.name);
                    if let Some(pool) = self.tree.pool_at(&linked.dir, entry.name, &path) {
                        links.push(PoolLink { path, pool });
                    }
                }
                _ => {}
            }
        }
        match linked {
            Some(LinkedDir {
                dir,
                mtime: Some(mtime),
            }) => set_mtime(&dir, mtime).during("set the time of", shown(path)),
            _ => Ok(()),
        }
    }

    /// Makes `name` another name of the file at `target`, if it isn't.
    fn link(&self, linked: &mut LinkedDir, path: &[u8], name: &[u8], target: &[u8]) -> Result<()> {
        let lost = || {
            self.tally.lost(join_path(path, name));
            Ok(())
        };
        let Some((target_parent, target_name)) = split_path(target) else {
            return lost();
        };
        let target_dir = match self.tree.open_dir(target_parent, |_| Ok(true)) {
            Ok(dir) => dir,
            Err(Error::NotInBackup { .. }) => return lost(),
            Err(error) => return Err(error),
        };
        let target_stat = match target_dir.stat(target_name) {
            Ok(stat) if stat.kind != FileType::Directory => stat,
            Ok(_) => return lost(),
            Err(error) if error.is_not_found() => return lost(),
            Err(error) => return Err(error).during("look at", shown(target)),
        };
        if linked
            .dir
            .stat(name)
            .is_ok_and(|stat| stat.identity() == target_stat.identity())
        {
            return Ok(());
        }
        if linked.mtime.is_none() && !path.is_empty() {
            linked.mtime = Some(linked.dir.stat_self().during("look at", shown(path))?.mtime);
        }
        linked
            .dir
            .remove_tree(name, file_tree::Subvolumes::Refuse)
            .during_entry("remove", path, name)?;
        match linked.dir.create_hard_link(name, &target_dir, target_name) {
            Err(error) if has_no_more_links(&error) => {
                self.copy_instead(linked, path, name, &target_dir, target_name)
            }
            linked => linked.during_entry("link", path, name),
        }
    }

    /// Where the inode can't have another name, the file becomes one of its own with the same content.
    fn copy_instead(
        &self,
        linked: &LinkedDir,
        path: &[u8],
        name: &[u8],
        target_dir: &Dir,
        target_name: &[u8],
    ) -> Result<()> {
        let source = crate::tree::open_regular(target_dir, target_name)?;
        let file = linked
            .dir
            .create_file(name, 0o600)
            .during_entry("create", path, name)?;
        self.shared
            .backend
            .copy_content(&source, &file)
            .during_entry("copy", path, name)?;
        let stat = target_dir.stat(target_name).during_entry("look at", path, name)?;
        let names = file_tree::Names::fixed(&[], &[]);
        let metadata = file_tree::metadata::read(&source, &stat, &names).during_entry(
            "read the metadata of",
            path,
            name,
        )?;
        self.apply_new(&file, &metadata, path, name)
    }
}

fn has_no_more_links(error: &file_tree::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        tree_errno(error),
        Some(Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS)
    )
}
