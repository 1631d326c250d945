//! Which backup's content the index leads to: taking a new backup in, and passing on what a deleted one had.

use manifest::{ContentHash, KindRef, RawRecord, Reader, compare_paths, join_path};

use super::intake::Intake;
use super::{BATCH_ROWS, Batches, Content, ContentIndex, Owner};
use crate::SMALL_FILE_BYTES;
use crate::damage::Damaged;
use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// A backup's manifest, and what of the backup is known to be damaged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held<'a> {
    pub manifest: &'a Reader,
    pub damaged: &'a Damaged,
}

/// Takes in all content of a backup that its base, whose content is known already, does not have. Nothing may lead to what is damaged.
pub(crate) fn take_in(
    intake: &mut Intake<'_>,
    owner: &Owner,
    held: Held<'_>,
    base: Option<Held<'_>>,
    monitor: &dyn Monitor,
) -> Result<()> {
    let mut batch = Vec::new();
    compare(
        held.manifest,
        base.map(|base| base.manifest),
        monitor,
        |content, in_base| {
            let is_known = in_base && base.is_some_and(|base| !base.damaged.contains(&content.path));
            if !is_known && !held.damaged.contains(&content.path) {
                batch.push(content);
            }
            if batch.len() == BATCH_ROWS {
                intake.add(owner, std::mem::take(&mut batch), Batches::More);
                intake.make_room();
            }
        },
    )?;
    intake.add(owner, batch, Batches::Last);
    Ok(())
}

/// Passes what a deleted backup has in the index on to the next one, as far as that has the same file; the rest is forgotten.
pub(crate) fn pass_on(
    index: &ContentIndex,
    deleted: &Owner,
    manifest: &Reader,
    next: Option<(&Owner, Held<'_>)>,
    monitor: &dyn Monitor,
) -> Result<()> {
    let (next_owner, next) = next.unzip();
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    compare(
        manifest,
        next.map(|next| next.manifest),
        monitor,
        |content, in_next| {
            let is_sound = next.is_some_and(|next| !next.damaged.contains(&content.path));
            let (batch, to) = if in_next && is_sound {
                (&mut kept, next_owner)
            } else {
                (&mut gone, None)
            };
            batch.push(content);
            if batch.len() == BATCH_ROWS {
                index.pass_on(deleted, to, std::mem::take(batch));
            }
        },
    )?;
    index.pass_on(deleted, next_owner, kept);
    index.pass_on(deleted, None, gone);
    index.remove_backup(deleted);
    Ok(())
}

/// Goes through all indexed content of a manifest and tells whether another one has it at the same path.
fn compare(
    manifest: &Reader,
    other: Option<&Reader>,
    monitor: &dyn Monitor,
    mut each: impl FnMut(Content, bool),
) -> Result<()> {
    let failed = || Error::manifest(&manifest.header().name);
    let mut others = other
        .map(|other| other.raw_records())
        .into_iter()
        .flatten()
        .peekable();
    for record in manifest.raw_records() {
        if monitor.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let record = record.map_err(failed())?;
        let mut counterpart = None;
        while let Some(found) = others.next_if(|found| match found {
            Ok(found) => compare_paths(found.path(), record.path()).is_le(),
            Err(_) => true,
        }) {
            let found = found.map_err(failed())?;
            counterpart = (found.path() == record.path()).then_some(found);
        }
        compare_records(&record, counterpart.as_ref(), &mut each).map_err(failed())?;
    }
    Ok(())
}

fn compare_records(
    record: &RawRecord,
    other: Option<&RawRecord>,
    each: &mut impl FnMut(Content, bool),
) -> manifest::Result<()> {
    let is_same = other.is_some_and(|other| other.bytes() == record.bytes());
    let mut others = other
        .filter(|_| !is_same)
        .map(RawRecord::entries)
        .transpose()?
        .into_iter()
        .flatten()
        .peekable();
    for entry in record.entries()? {
        let entry = entry?;
        let Some((hash, size)) = indexed(&entry.kind) else {
            continue;
        };
        let mut in_other = is_same;
        while let Some(found) = others.next_if(|found| match found {
            Ok(found) => found.name <= entry.name,
            Err(_) => true,
        }) {
            let found = found?;
            in_other = found.name == entry.name && indexed(&found.kind) == Some((hash, size));
        }
        each(
            Content {
                hash,
                size,
                path: join_path(record.path(), entry.name),
            },
            in_other,
        );
    }
    Ok(())
}

/// What the index keeps of an entry: files that are larger than what is sent unasked.
fn indexed(kind: &KindRef<'_>) -> Option<(ContentHash, u64)> {
    match kind {
        KindRef::File { size, hash, .. } if *size > SMALL_FILE_BYTES => Some((*hash, *size)),
        _ => None,
    }
}
