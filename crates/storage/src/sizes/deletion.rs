//! What the ledger has to see before a backup goes, as long as its tree is there.
//!
//! All of this saves work later, and none of it is needed: what has lost its base is looked at as a whole.

use super::account::{Accountant, Accounted};
use super::survey::{Survey, Tree};
use super::update::Failure;
use crate::error::Result;
use crate::index::Owner;
use crate::monitor::Unwatched;
use crate::names::{BackupName, ClientName};
use crate::store::Shared;

/// Lets the ledger see what it will ask for in vain when the backup is deleted: what has grown from it, and if it is
/// the newest, in what it differs from the one before, which the next will grow from. Does nothing while somebody else
/// is at work.
pub(crate) fn look_before_deletion(shared: &Shared, client: &ClientName, name: &BackupName) {
    let ledger = &shared.ledger;
    let (Some(measure), Some(_alone)) = (ledger.measure, ledger.accounting.try_lock()) else {
        return;
    };
    let mut accountant = Accountant {
        shared,
        measure,
        monitor: &Unwatched,
        accounted: &mut Accounted::default(),
    };
    let seen = accountant
        .take_in_grown_from(client, name)
        .and_then(|()| accountant.lead_back(client, name));
    if let Err(error) = seen {
        tracing::debug!(?error, %client, backup = %name, "the ledger of sizes can't prepare for a deletion");
    }
}

/// Lets the ledger know that files of a backup are being replaced, or a backup of that name made anew: it is taken in again.
pub(crate) fn forget_replaced(shared: &Shared, client: &ClientName, name: &BackupName) {
    let Some((id, _)) = shared.ledger.books().find(client, name) else {
        return;
    };
    let forgotten: Result<()> = shared.ledger.update(|update| {
        update.books.forget(id);
        Ok(())
    });
    shared.ledger.changed.note(client, name);
    if let Err(error) = forgotten {
        tracing::warn!(?error, %client, backup = %name, "the ledger of sizes can't be told of a change and is rebuilt");
        shared.ledger.distrust();
    }
}

impl Accountant<'_> {
    fn take_in_grown_from(&mut self, client: &ClientName, base: &BackupName) -> Result<(), Failure> {
        for name in self.shared.layout.backup_names(client)? {
            let books = self.shared.ledger.books();
            let Some((id, known)) = books.find(client, base) else {
                return Ok(());
            };
            if books
                .lines
                .get(known.line)
                .is_none_or(|line| line.tip != Some(id))
            {
                return Ok(());
            }
            if name <= *base || name.kind() != base.kind() || books.find(client, &name).is_some() {
                continue;
            }
            let manifest = self.shared.open_manifest(client, &name)?;
            if manifest.header().base.as_deref() == Some(base.as_str()) {
                let owner = Owner {
                    client: client.clone(),
                    name,
                    digest: manifest.digest(),
                };
                self.take_in(&owner, Some(id))?;
            }
        }
        Ok(())
    }

    /// Lets the line end with the backup before this one.
    fn lead_back(&mut self, client: &ClientName, name: &BackupName) -> Result<(), Failure> {
        let (shared, measure, monitor) = (self.shared, self.measure, self.monitor);
        let books = shared.ledger.books();
        let Some((id, known)) = books.find(client, name) else {
            return Ok(());
        };
        let line = books.lines.get(known.line);
        if line.is_none_or(|line| line.tip != Some(id) || line.live.len() < 2) {
            return Ok(());
        }
        // In what it differs from another than its base can't be seen.
        let base = shared.open_manifest(client, name)?.header().base.clone();
        // Should it not be deleted after all, it is taken in again.
        shared.ledger.changed.note(client, name);
        shared.ledger.update(|update| {
            let Some(step) = update.books.retract(id) else {
                return Ok(());
            };
            let before = Tree::open(shared, &known.owner)?;
            let left = update.books.backups.get(step.to).ok_or(Failure::Vanished)?;
            if base.as_deref() != Some(left.owner.name.as_str()) {
                return Err(Failure::Vanished);
            }
            let after = Tree::open(shared, &left.owner)?;
            let mut survey = Survey {
                measure,
                references: update.step(step),
                monitor,
                mapped_files: 0,
            };
            survey.ungrown(&before, &after)?;
            survey.references.finish()?;
            update.books.forget(id);
            Ok(())
        })
    }
}
