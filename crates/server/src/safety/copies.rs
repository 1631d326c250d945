//! Making copies of the catalog: each night, and when a new version has started.

use jiff::{SignedDuration, Timestamp};
use policy::catalog_copies::superseded;
use storage::{CatalogCopies, CopyName, NewCatalogCopy};
use tracing::{info, warn};

use super::{made_at, name_at};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::trust;

/// Copies that may be made within as many seconds.
const TRIES: i64 = 60;

/// Whether the catalog is read as a whole before it is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It is: a damaged one is not copied, and no older copy goes for it.
    Whole,
    /// It is not; copying finds some damage, but not all.
    None,
}

/// Copies the catalog into the storage, as far as the settings say so, and removes copies that are superseded. Returns the
/// copy's name.
///
/// If it fails, all earlier copies are still there, and nothing of the new one.
pub fn copy_catalog(core: &Core, check: Check) -> Result<Option<CopyName>> {
    let _alone = core.copying.lock();
    if check == Check::Whole {
        core.catalog.check()?;
    }
    let what = core.policies.server().catalog_backup;
    if what == "off" {
        return Ok(None);
    }
    let storage = core.storages.default();
    let copies = storage.store.catalog_copies()?;
    let (name, copy) = begin(&copies, core.clock.now())?;
    core.catalog.back_up_to(&copy.database())?;
    if what == "catalog-and-keys" {
        add_keys(core, &copy)?;
    }
    copy.finish()?;
    prune(&copies);
    Ok(Some(name))
}

/// Copies the catalog if another version of the program has used it last. A failure is only said: it is tried again at the
/// next start.
pub fn copy_for_new_version(core: &Core) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let before = core.catalog.program()?;
    if before.as_deref() == Some(version) {
        return Ok(());
    }
    let totals = core.catalog.totals()?;
    if totals.clients > 0 || totals.backups > 0 {
        match copy_catalog(core, Check::None) {
            Ok(Some(name)) => {
                info!(%name, "the catalog was copied into the storage, as another version used it before")
            }
            Ok(None) => {}
            Err(error) => {
                warn!(
                    error = error.chain(),
                    "the catalog could not be copied into the storage"
                );
                return Ok(());
            }
        }
    }
    Ok(core.catalog.set_program(version)?)
}

/// Begins a copy under the first name that is free.
fn begin(copies: &CatalogCopies, now: Timestamp) -> Result<(CopyName, NewCatalogCopy<'_>)> {
    for later_s in 0..TRIES {
        let at = now.checked_add(SignedDuration::from_secs(later_s)).unwrap_or(now);
        let name = name_at(at)?;
        match copies.begin(&name) {
            Err(storage::Error::CopyExists { .. }) => {}
            begun => return Ok((name, begun?)),
        }
    }
    Err(Error::Busy {
        what: "the storage's directory of catalog copies".into(),
        why: "all names of this minute are taken".into(),
    })
}

fn add_keys(core: &Core, copy: &NewCatalogCopy<'_>) -> Result<()> {
    let dir = trust::dir(&core.settings.state_dir);
    for name in trust::FILES {
        let path = dir.join(name);
        let content = std::fs::read(&path).map_err(|source| Error::io("read", &path, source))?;
        copy.add_key(name, &content)?;
    }
    Ok(())
}

/// Removes what is superseded. What can't be removed is superseded the next time as well.
fn prune(copies: &CatalogCopies) {
    let pruned = copies.list().and_then(|listed| {
        let made = listed.into_iter().map(|copy| {
            let at = made_at(&copy.name);
            (copy.name, at)
        });
        superseded(made).iter().try_for_each(|name| copies.remove(name))
    });
    if let Err(error) = pruned {
        warn!(
            error = Error::from(error).chain(),
            "an old copy of the catalog can't be removed"
        );
    }
}
