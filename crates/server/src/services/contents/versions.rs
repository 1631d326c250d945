//! The versions of one file over all backups.

use catalog::Backup;
use manifest::Kind;
use wire::v1::{EntryView, FileVersion};

use super::newest_first;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::services::views;

/// What a client's backups have at a path, the newest first; backups in a row that have the same are one version.
pub fn of(core: &Core, client: &str, path: &[u8]) -> Result<Vec<FileVersion>> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let mut versions: Vec<FileVersion> = Vec::new();
    // Whether the backup that was looked at last, the next newer one, has it.
    let mut goes_on = false;
    for backup in newest_first(core, client)? {
        let Some(entry) = entry_in(core, &backup, path)? else {
            goes_on = false;
            continue;
        };
        match versions.last_mut().filter(|_| goes_on) {
            Some(version) if version.entry.as_ref().is_some_and(|newer| is_same(newer, &entry)) => {
                version.oldest = backup.name;
                version.oldest_ms = backup.started_ms;
                version.backups += 1;
            }
            _ => versions.push(FileVersion {
                entry: Some(entry),
                newest: backup.name.clone(),
                newest_ms: backup.started_ms,
                oldest: backup.name,
                oldest_ms: backup.started_ms,
                backups: 1,
            }),
        }
        goes_on = true;
    }
    match versions.is_empty() {
        true => Err(Error::NotFound {
            what: "such path in any backup:",
            name: String::from_utf8_lossy(path).into_owned(),
        }),
        false => Ok(versions),
    }
}

/// What a backup has there. A further name of a file has the size and the hash of the file.
fn entry_in(core: &Core, backup: &Backup, path: &[u8]) -> Result<Option<EntryView>> {
    let tree = core.open_backup(backup)?;
    let Some(entry) = tree.manifest().lookup(path)? else {
        return Ok(None);
    };
    let directory = manifest::split_path(path).map_or(&b""[..], |(directory, _)| directory);
    let mut view = views::entry(directory, &entry);
    if let Kind::HardLink { target } = &entry.kind
        && let Some(first) = tree.manifest().lookup(target)?
    {
        view.size = first.size();
        view.hash = first.hash().map(|hash| hash.0.to_vec()).unwrap_or_default();
    }
    Ok(Some(view))
}

/// Whether two backups have the same there: the same content and the same metadata.
fn is_same(one: &EntryView, other: &EntryView) -> bool {
    one == other
}
