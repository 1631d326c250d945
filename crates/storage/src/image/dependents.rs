//! Images that stand on another one, and taking that out of their chains before it is deleted.
//!
//! Each file that has a deleted image's for a parent is written anew with what both have, standing on what they stood on; its
//! identity stays, so its own children notice nothing. The new file grows in the trash and takes the old one's name when it is
//! durable: at every moment the name leads to a file that is whole with what it stands on. Whoever has the old file open goes on
//! to read that and its parents. All of this is done before the deletion is decided.

use std::collections::BTreeSet;
use std::io;

use disk_image::virtual_disk::write::{NewDisk, Parent, Writer};
use disk_image::virtual_disk::{
    Extent, ExtentKind, ImageFile, ParentLink, ParentResolver as _, ParentWanted, VirtualDisk,
};
use file_tree::Dir;

use super::reader::parent_of;
use super::{VolumeFormat, VolumeOf};
use crate::backend::BackendKind;
use crate::ballast::with_ballast;
use crate::crash;
use crate::durable::{self, find_dir, find_file};
use crate::error::{During as _, Error, Result, shown};
use crate::incomplete::sealed_name;
use crate::monitor::{Monitor, Step};
use crate::names::{BackupKind, BackupName, ClientName};
use crate::store::Shared;
use crate::trash::Item;

/// The name that a new file has in the trash.
const MERGED: &[u8] = b"merged";
/// Whether the work is to end is asked after so much.
const STEP_BYTES: u64 = 16 << 20;

/// A file of an image that stands on another image.
struct Dependent {
    image: BackupName,
    /// The disk's directory in the image.
    in_image: Dir,
    dir: Box<[u8]>,
    /// The name of the volume's raw image.
    name: Box<[u8]>,
    format: VolumeFormat,
}

/// The images that stand on another.
pub(crate) fn dependents(shared: &Shared, client: &ClientName, name: &BackupName) -> Result<Vec<BackupName>> {
    let files = find(shared, client, name)?;
    let images: BTreeSet<BackupName> = files.into_iter().map(|file| file.image).collect();
    Ok(images.into_iter().collect())
}

/// Lets nothing stand on an image any more; whoever calls keeps it from being used, and others from being deleted.
pub(crate) fn free_dependents(
    shared: &Shared,
    client: &ClientName,
    name: &BackupName,
    monitor: &dyn Monitor,
) -> Result<()> {
    if name.kind() != BackupKind::Image || shared.identity.backend != BackendKind::Hardlink {
        return Ok(());
    }
    complete_sealed(shared, client)?;
    for file in find(shared, client, name)? {
        monitor.step(&Step::Merging {
            client: client.clone(),
            backup: file.image.clone(),
        });
        let backups = shared.layout.backups(client)?;
        crate::sizes::forget_replaced(shared, client, &file.image);
        file.absorb_parent(shared, &backups, monitor)?;
        crash::point("delete: an image stands on it no more");
    }
    Ok(())
}

/// An image whose commit is decided and not completed may stand on the one in question, and is not in its place yet.
fn complete_sealed(shared: &Shared, client: &ClientName) -> Result<()> {
    let Some(work) = shared.layout.find_incomplete(client, BackupKind::Image)? else {
        return Ok(());
    };
    match shared.usage.claim(client, BackupKind::Image) {
        Some(_claim) => shared.complete_sealed(client, BackupKind::Image),
        // One that is still open keeps its base from being deleted by itself.
        None if sealed_name(&work)?.is_none() => Ok(()),
        None => Err(Error::Busy {
            client: client.clone(),
            what: "the incomplete image".to_owned(),
        }),
    }
}

fn find(shared: &Shared, client: &ClientName, parent: &BackupName) -> Result<Vec<Dependent>> {
    let mut found = Vec::new();
    if shared.identity.backend != BackendKind::Hardlink || parent.kind() != BackupKind::Image {
        return Ok(found);
    }
    let Some(backups) = shared.layout.find_backups(client)? else {
        return Ok(found);
    };
    let names = shared.layout.backup_names(client)?;
    for image in names
        .into_iter()
        .filter(|name| name.kind() == BackupKind::Image && name != parent)
    {
        let Some(tree) = find_dir(&backups, image.as_bytes())? else {
            continue;
        };
        for listed in tree.list().during("list", image.as_str())?.iter() {
            if let Ok(disk) = tree.child(listed.name) {
                find_in(&image, &disk, listed.name, parent, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn find_in(
    image: &BackupName,
    disk: &Dir,
    dir: &[u8],
    parent: &BackupName,
    found: &mut Vec<Dependent>,
) -> Result<()> {
    for listed in disk.list().during("list", image.as_str())?.iter() {
        let Some(format) = VolumeFormat::of_chained(listed.name) else {
            continue;
        };
        let Some(file) = find_file(disk, listed.name)? else {
            continue;
        };
        let path = std::path::Path::new(image.as_str())
            .join(shown(dir))
            .join(shown(listed.name));
        if parent_of(file, format, &path)?.as_ref() == Some(parent) {
            let stem = listed.name.strip_suffix(format.suffix()).unwrap_or(listed.name);
            found.push(Dependent {
                image: image.clone(),
                in_image: disk.open_beneath(b"").during("open", shown(dir))?,
                dir: dir.into(),
                name: VolumeFormat::Raw.file_name(stem).into(),
                format,
            });
        }
    }
    Ok(())
}

impl Dependent {
    fn absorb_parent(&self, shared: &Shared, backups: &Dir, monitor: &dyn Monitor) -> Result<()> {
        let volume = VolumeOf {
            backups,
            dir: &self.dir,
            name: &self.name,
        };
        let path = volume.path(self.image.as_str());
        let failed = |error| Error::disk("merge", &path, error);
        let file_name = self.format.file_name(&self.name);
        let Some(file) = find_file(&self.in_image, &file_name)? else {
            return Ok(());
        };
        let chain = Chain::open(volume, ImageFile::new(&path, file), self.format).map_err(failed)?;
        let item = with_ballast(&shared.layout.state, || Item::create(&shared.layout))?;
        let written = item
            .dir
            .create_file(MERGED, 0o600)
            .during("create", shown(&file_name))
            .and_then(|file| chain.write(file, self.format, monitor).map_err(failed));
        let replaced = written.and_then(|()| {
            crash::point("delete: a merged file written");
            // ORDER: the file is durable by now. The parent goes only when the name that leads to it is so too.
            item.dir
                .rename(MERGED, &self.in_image, &file_name)
                .during("replace", &path)?;
            durable::sync(&self.in_image, "an image")
        });
        item.remove(&shared.layout)?;
        replaced
    }
}

/// A file, its parent, and what that stands on.
struct Chain {
    child: VirtualDisk,
    parent: VirtualDisk,
    grandparent: Option<(VirtualDisk, ParentLink)>,
}

impl Chain {
    fn open(volume: VolumeOf<'_>, file: ImageFile, format: VolumeFormat) -> disk_image::Result<Self> {
        let resolver = |wanted: &ParentWanted<'_>| volume.resolve(wanted);
        let open_parent = |disk: &VirtualDisk| -> disk_image::Result<Option<(VirtualDisk, ParentLink)>> {
            let (Some(link), Some(path)) = (disk.parent(), disk.paths().next()) else {
                return Ok(None);
            };
            let wanted = ParentWanted { child: path, link };
            let missing = || io::Error::from(io::ErrorKind::NotFound);
            let found = resolver
                .resolve(&wanted)
                .and_then(|found| found.ok_or_else(missing));
            let file = found.map_err(|source| disk_image::Error::Parent {
                child: path.to_owned(),
                source,
            })?;
            let parent = VirtualDisk::open(file, link.format, &resolver)?;
            Ok(Some((parent, link.clone())))
        };
        let child = VirtualDisk::open(file, format.to_read(), &resolver)?;
        let Some((parent, _)) = open_parent(&child)? else {
            return Err(disk_image::Error::ParentMissing {
                child: volume.path(""),
                names: Vec::new(),
            });
        };
        let grandparent = open_parent(&parent)?;
        Ok(Self {
            child,
            parent,
            grandparent,
        })
    }

    /// Writes what child and parent have, as a disk that takes the child's place.
    fn write(
        self,
        file: std::fs::File,
        format: VolumeFormat,
        monitor: &dyn Monitor,
    ) -> disk_image::Result<()> {
        let Some(format) = format.to_write() else {
            return Ok(());
        };
        let stands_alone = self.grandparent.is_none();
        let new = NewDisk {
            format,
            len_bytes: self.child.len_bytes(),
            id: self.child.id().unwrap_or_default(),
            made_secs: self.child.made_secs().unwrap_or_default(),
            parent: self.grandparent.map(|(disk, link)| Parent { disk, link }),
        };
        let mut writer = Writer::create(file, new)?;
        let mut take = |extent: Extent| -> disk_image::Result<()> {
            match extent.kind {
                ExtentKind::Data => copy(&mut writer, &self.child, extent.range, monitor),
                ExtentKind::Zeros if !stands_alone => writer.write_zeros(extent.range),
                ExtentKind::Zeros | ExtentKind::Parent => Ok(()),
            }
        };
        for extent in self.child.extents(0..self.child.len_bytes()) {
            let extent = extent?;
            if extent.kind != ExtentKind::Parent {
                take(extent)?;
                continue;
            }
            let end = extent.range.end;
            let in_parent = extent.range.start..end.min(self.parent.len_bytes());
            let beyond = in_parent.end.max(extent.range.start)..end;
            for extent in self.parent.extents(in_parent) {
                take(extent?)?;
            }
            if !beyond.is_empty() {
                // A shorter parent hides what it stands on.
                take(Extent {
                    range: beyond,
                    kind: ExtentKind::Zeros,
                })?;
            }
        }
        writer.finish()
    }
}

fn copy(
    writer: &mut Writer,
    from: &VirtualDisk,
    range: std::ops::Range<u64>,
    monitor: &dyn Monitor,
) -> disk_image::Result<()> {
    let mut at = range.start;
    while at < range.end {
        if monitor.is_cancelled() {
            return Err(disk_image::Error::Cancelled);
        }
        // Ends where clusters do.
        let end = (at + 1).next_multiple_of(STEP_BYTES).min(range.end);
        writer.copy_from(from, at..end)?;
        at = end;
    }
    Ok(())
}
