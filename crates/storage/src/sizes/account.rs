//! Keeping the ledger true: taking in new backups, and forgetting those that were deleted.

use std::collections::HashSet;

use super::Measure;
use super::books::Known;
use super::run::BackupId;
use super::survey::{Survey, Tree};
use super::update::Failure;
use crate::error::{Error, Result};
use crate::index::Owner;
use crate::monitor::{Monitor, Step};
use crate::names::{BackupKind, BackupName, ClientName};
use crate::store::{Shared, Store};

/// What a round of accounting did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounted {
    /// Backups that were taken in, in that order.
    pub taken_in: Vec<TakenIn>,
    /// How many files were asked for what they hold.
    pub mapped_files: u64,
}

/// A backup that was taken into the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenIn {
    /// Whose it is.
    pub client: ClientName,
    /// Which.
    pub name: BackupName,
    /// What was stored for it that the storage did not have. Where the ledger was built anew: that no older backup has
    /// which is still there.
    pub stored_new_bytes: u64,
}

/// The backups that there are.
#[derive(Default)]
struct Present {
    /// Oldest first.
    owners: Vec<Owner>,
    /// Those whose manifests can't be read at the moment.
    unreadable: HashSet<(ClientName, BackupName)>,
}

/// How a round went.
enum Round {
    /// All backups are in, but for what a monitor was told of.
    Done,
    /// The ledger had to be begun anew.
    Restarted,
}

impl Store {
    /// Brings up to date what backups take of the storage. To be called after each commit and deletion, in the
    /// background: a new backup costs what it differs from its base, one without a known base a look at all of its
    /// files. A second caller waits for the first. It can be cancelled and called again at any time; backups that were
    /// taken in stay so.
    pub fn account(&self, monitor: &dyn Monitor) -> Result<Accounted> {
        let mut accounted = Accounted::default();
        let Some(measure) = self.shared.ledger.measure else {
            return Ok(accounted);
        };
        let _alone = self.shared.ledger.accounting.lock();
        let mut accountant = Accountant {
            shared: &self.shared,
            measure,
            monitor,
            accounted: &mut accounted,
        };
        loop {
            match accountant.round() {
                Ok(Round::Done) => return Ok(accounted),
                Ok(Round::Restarted) => {}
                Err(error) => {
                    self.shared.ledger.restart_if_damaged(&error)?;
                    return Err(error);
                }
            }
        }
    }

    /// Forgets what all backups take of the storage; the next [`account`](Store::account) finds it out anew.
    pub fn reset_sizes(&self) -> Result<()> {
        let _alone = self.shared.ledger.accounting.lock();
        match self.shared.ledger.measure {
            Some(_) => self.shared.ledger.restart(),
            None => Ok(()),
        }
    }
}

/// Whoever keeps the ledger.
pub(super) struct Accountant<'a> {
    pub shared: &'a Shared,
    pub measure: Measure,
    pub monitor: &'a dyn Monitor,
    pub accounted: &'a mut Accounted,
}

impl Accountant<'_> {
    fn round(&mut self) -> Result<Round> {
        // ORDER: the list is made before anything is forgotten. A new backup may lie where a deleted one lay, and that
        // one is not on the list if the new one is.
        let present = self.present()?;
        self.forget_absent(&present)?;
        let mut is_complete = present.unreadable.is_empty();
        for owner in present.owners {
            if self.is_known(&owner) {
                continue;
            }
            if self.monitor.is_cancelled() {
                return Err(Error::Cancelled);
            }
            match self.take_in(&owner, self.base_of(&owner)?) {
                Ok(()) => {}
                Err(Failure::Vanished) => is_complete = false,
                // Met while all is found out anew, it is of this line alone.
                Err(Failure::Stray) if self.shared.ledger.books().is_rebuilding => {
                    is_complete &= self.take_in_by_itself(&owner)?;
                }
                Err(Failure::Stray) => {
                    tracing::info!(client = %owner.client, backup = %owner.name,
                        "the storage is not as the ledger of sizes has it, which is built anew");
                    self.shared.ledger.restart()?;
                    return Ok(Round::Restarted);
                }
                Err(Failure::Failed(Error::Cancelled)) => return Err(Error::Cancelled),
                Err(Failure::Failed(error @ Error::Ledger(_))) => return Err(error),
                Err(Failure::Failed(error)) => {
                    is_complete = false;
                    self.monitor.problem(&error);
                }
            }
        }
        self.conclude(is_complete)
    }

    /// Lists all backups there are.
    fn present(&self) -> Result<Present> {
        let mut present = Present::default();
        for client in self.shared.layout.clients()? {
            for name in self.shared.layout.backup_names(&client)? {
                match self.shared.open_manifest(&client, &name) {
                    Err(Error::UnknownBackup { .. }) => {}
                    Err(error) => {
                        self.monitor.problem(&error);
                        present.unreadable.insert((client.clone(), name));
                    }
                    Ok(manifest) => present.owners.push(Owner {
                        client: client.clone(),
                        name,
                        digest: manifest.digest(),
                    }),
                }
            }
        }
        present
            .owners
            .sort_by(|a, b| (&a.name, &a.client).cmp(&(&b.name, &b.client)));
        Ok(present)
    }

    fn forget_absent(&self, present: &Present) -> Result<()> {
        let books = self.shared.ledger.books();
        let owners: HashSet<_> = present.owners.iter().map(key_of).collect();
        let is_unreadable = |owner: &Owner| {
            let key = (owner.client.clone(), owner.name.clone());
            present.unreadable.contains(&key)
        };
        let absent = books.backups.all().iter();
        let absent: Vec<BackupId> = absent
            .filter(|(_, Known { owner, .. })| !owners.contains(&key_of(owner)) && !is_unreadable(owner))
            .map(|(id, _)| *id)
            .collect();
        if absent.is_empty() {
            return Ok(());
        }
        self.shared.ledger.update(|update| {
            absent.iter().for_each(|id| update.books.forget(*id));
            Ok(())
        })
    }

    fn is_known(&self, owner: &Owner) -> bool {
        self.shared
            .ledger
            .books()
            .find(&owner.client, &owner.name)
            .is_some()
    }

    /// The backup that the ledger can build on. On hardlink storage images stand on each other and are written anew
    /// when one goes, so each is a line by itself.
    fn base_of(&self, owner: &Owner) -> Result<Option<BackupId>> {
        if self.measure == Measure::Inodes && owner.name.kind() == BackupKind::Image {
            return Ok(None);
        }
        let manifest = match self.shared.open_manifest(&owner.client, &owner.name) {
            Err(Error::UnknownBackup { .. }) => return Ok(None),
            opened => opened?,
        };
        let base = manifest.header().base.as_ref().and_then(|base| base.parse().ok());
        let books = self.shared.ledger.books();
        let base = base.filter(|base: &BackupName| base.kind() == owner.name.kind());
        Ok(base.and_then(|base| Some(books.find(&owner.client, &base)?.0)))
    }

    /// Returns whether that was done.
    fn take_in_by_itself(&mut self, owner: &Owner) -> Result<bool> {
        match self.take_in(owner, None) {
            Ok(()) => Ok(true),
            Err(Failure::Failed(Error::Cancelled)) => Err(Error::Cancelled),
            Err(Failure::Failed(error)) => {
                self.monitor.problem(&error);
                Ok(false)
            }
            Err(Failure::Vanished | Failure::Stray) => Ok(false),
        }
    }

    /// Takes one backup in.
    pub fn take_in(&mut self, owner: &Owner, base: Option<BackupId>) -> Result<(), Failure> {
        self.monitor.step(&Step::Accounting {
            client: owner.client.clone(),
            backup: owner.name.clone(),
        });
        let (shared, measure, monitor) = (self.shared, self.measure, self.monitor);
        let done = shared.ledger.update::<_, Failure>(|update| {
            let after = Tree::open(shared, owner)?;
            let step = update.books.admit(owner.clone(), base);
            let known = step.from.and_then(|from| update.books.backups.get(from));
            let base = known.map(|known| known.owner.clone());
            let before = base.as_ref().map(|base| Tree::open(shared, base)).transpose()?;
            let mut survey = Survey {
                measure,
                references: update.step(step),
                monitor,
                mapped_files: 0,
            };
            let compared = survey.grown(before.as_ref(), &after);
            // What has been deleted meanwhile may have looked any way.
            for owner in base.iter().chain([owner]) {
                Tree::open(shared, owner)?;
            }
            compared?;
            let mapped_files = survey.mapped_files;
            let stored_new_bytes = survey.references.finish()?;
            if let Some(known) = update.books.backups.get_mut(step.to) {
                known.stored_new_bytes = stored_new_bytes;
            }
            Ok((stored_new_bytes, mapped_files))
        });
        let (stored_new_bytes, mapped_files) = done?;
        self.accounted.mapped_files += mapped_files;
        self.accounted.taken_in.push(TakenIn {
            client: owner.client.clone(),
            name: owner.name.clone(),
            stored_new_bytes,
        });
        Ok(())
    }

    fn conclude(&self, is_complete: bool) -> Result<Round> {
        let ledger = &self.shared.ledger;
        let books = ledger.books();
        if books.is_rebuilding && is_complete {
            ledger.update::<_, Error>(|update| {
                update.books.is_rebuilding = false;
                Ok(())
            })?;
        }
        if books.is_worth_compacting() {
            ledger.update(|update| update.compact().map_err(Error::Ledger))?;
        }
        Ok(Round::Done)
    }
}

fn key_of(owner: &Owner) -> (&ClientName, &BackupName, [u8; 32]) {
    (&owner.client, &owner.name, owner.digest.0)
}
