//! Putting a copy of the database in its place.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::connections::open_writer;
use crate::copy::check_whole;
use crate::error::{Error, classify};
use crate::open::{
    COMPANIONS, DATABASE, LOG, Older, UNFINISHED, check_kind, exists, io, lock_created, read_server_id,
    remove, set_aside, sync, with_suffix,
};
use crate::{Catalog, Rebuilt};

impl Catalog {
    /// Puts a copy in the place of the database that is there, which is set aside, readable or not.
    ///
    /// The copy is read as a whole before anything is changed, and stays; one of an older schema is migrated. Fails as
    /// [`Catalog::open`] does, of the copy, and with [`Error::Busy`] while the catalog is open.
    pub fn restore(dir: &Path, copy: &Path) -> Result<Rebuilt, Error> {
        let lock = lock_created(dir)?;
        let (path, unfinished) = (dir.join(DATABASE), dir.join(UNFINISHED));
        remove_with_companions(&unfinished)?;
        if let Err(error) = bring(copy, &unfinished) {
            remove_with_companions(&unfinished)?;
            return Err(error);
        }
        let set_aside = if exists(dir)? { Some(set_aside(dir)?) } else { None };
        // ORDER: the old log is gone before the new database has the name, or it would be replayed into that.
        for companion in COMPANIONS {
            remove(&with_suffix(&path, companion))?;
        }
        std::fs::rename(&unfinished, &path).map_err(|source| io("renaming", &unfinished, source))?;
        sync(dir)?;
        let catalog = Self::open_locked(dir, lock, Older::Migrate)?;
        Ok(Rebuilt { catalog, set_aside })
    }
}

/// Makes `unfinished` a database like any other with what the copy has, durably.
fn bring(copy: &Path, unfinished: &Path) -> Result<(), Error> {
    // A database that was set aside after a crash still has its log.
    for part in ["", LOG] {
        let (from, to) = (with_suffix(copy, part), with_suffix(unfinished, part));
        match std::fs::copy(&from, &to) {
            Err(source) if part == LOG && source.kind() == std::io::ErrorKind::NotFound => continue,
            copied => copied.map_err(|source| io("copying", &from, source))?,
        };
        std::fs::set_permissions(&to, Permissions::from_mode(0o600))
            .map_err(|source| io("setting the permissions of", &to, source))?;
    }
    let writer = open_writer(unfinished).map_err(|error| match error {
        Error::Corrupt { reason, source, .. } => Error::Corrupt {
            path: copy.to_owned(),
            reason,
            source,
        },
        other => other,
    })?;
    check_kind(copy, &writer)?;
    check_whole(copy, &writer)?;
    read_server_id(copy, &writer)?;
    // Takes in what the log has, and removes that.
    writer.close().map_err(|(_, source)| classify(copy, source))?;
    sync(unfinished)
}

fn remove_with_companions(database: &Path) -> Result<(), Error> {
    for part in [""].iter().chain(&COMPANIONS) {
        remove(&with_suffix(database, part))?;
    }
    Ok(())
}
