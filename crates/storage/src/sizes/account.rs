//! Keeping the ledger true: taking in new backups, and forgetting those that were deleted.

use std::time::{Duration, Instant};

use super::Measure;
use super::books::Books;
use super::run::BackupId;
use super::survey::{Survey, Tree};
use super::update::{Failure, Update};
use crate::changed::{Key, Look};
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

/// How many backups are taken in together, and for how long others are added: each change of the ledger waits for the disk.
const MOST_TOGETHER: usize = 500;
const TOGETHER_FOR: Duration = Duration::from_secs(1);

/// What there is to do.
#[derive(Default)]
struct Found {
    /// Backups that are not in the ledger, oldest first.
    new: Vec<Owner>,
    /// Those of the ledger that are gone.
    gone: Vec<Gone>,
}

/// A backup of the ledger that is gone.
struct Gone {
    key: Key,
    id: BackupId,
    /// Another one has its name, which is among the new ones.
    is_replaced: bool,
}

/// What taking a backup in has shown.
struct Surveyed {
    stored_new_bytes: u64,
    mapped_files: u64,
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
        let ledger = &self.shared.ledger;
        let mut look = ledger.changed.look(&self.shared.layout, &*ledger.books())?;
        // ORDER: it is known what is there before anything is forgotten. A new backup may lie where a deleted one lay, and that
        // one has been noted before.
        let found = self.find(&mut look);
        self.forget(&found.gone, &mut look)?;
        let mut new = found.new.as_slice();
        while !new.is_empty() {
            if self.monitor.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let outcomes = self.take_in_together(new)?;
            let (tried, left) = new.split_at(outcomes.len());
            new = left;
            for (owner, outcome) in tried.iter().zip(outcomes) {
                match outcome {
                    Ok(surveyed) => {
                        look.done(&key_of(owner));
                        self.note(owner, &surveyed);
                    }
                    Err(Failure::Vanished) => {}
                    // Met while all is found out anew, it is of this backup alone.
                    Err(Failure::Stray) if ledger.books().is_rebuilding => {}
                    Err(Failure::Stray) => {
                        tracing::info!(client = %owner.client, backup = %owner.name,
                            "the storage is not as the ledger of sizes has it, which is built anew");
                        ledger.restart()?;
                        return Ok(Round::Restarted);
                    }
                    Err(Failure::Failed(Error::Cancelled)) => return Err(Error::Cancelled),
                    Err(Failure::Failed(error)) => self.monitor.problem(&error),
                }
            }
        }
        self.conclude(look.left().is_empty(), !found.gone.is_empty())
    }

    /// Finds what there is to do of what is to be looked at.
    fn find(&self, look: &mut Look<'_>) -> Found {
        let books = self.shared.ledger.books();
        let mut found = Found::default();
        for key in look.left() {
            let (client, name) = &key;
            let known = books.find(client, name);
            let digest = match self.shared.open_manifest(client, name) {
                Ok(manifest) => Some(manifest.digest()),
                Err(Error::UnknownBackup { .. }) => None,
                Err(error) => {
                    // Nobody knows whether it is the one that is known.
                    self.monitor.problem(&error);
                    continue;
                }
            };
            let is_known = known.is_some_and(|(_, known)| Some(known.owner.digest) == digest);
            if let Some(digest) = digest
                && !is_known
            {
                found.new.push(Owner {
                    client: client.clone(),
                    name: name.clone(),
                    digest,
                });
            }
            match known {
                Some((id, _)) if !is_known => found.gone.push(Gone {
                    key,
                    id,
                    is_replaced: digest.is_some(),
                }),
                None if digest.is_some() => {}
                _ => look.done(&key),
            }
        }
        let by_age = |a: &Owner, b: &Owner| (&a.name, &a.client).cmp(&(&b.name, &b.client));
        found.new.sort_by(by_age);
        found
    }

    fn forget(&self, gone: &[Gone], look: &mut Look<'_>) -> Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        self.shared.ledger.update::<_, Error>(|update| {
            gone.iter().for_each(|gone| update.books.forget(gone.id));
            Ok(())
        })?;
        for gone in gone.iter().filter(|gone| !gone.is_replaced) {
            look.done(&gone.key);
        }
        Ok(())
    }

    /// Takes in the first of these, and more as long as that is quick. Returns what has become of each of those.
    fn take_in_together(&self, new: &[Owner]) -> Result<Vec<Result<Surveyed, Failure>>> {
        let begun = Instant::now();
        let mut outcomes = Vec::new();
        self.shared.ledger.update(|update| {
            for owner in new.iter().take(MOST_TOGETHER) {
                let outcome = match self.take_in_new(update, owner) {
                    Err(Failure::Failed(error @ Error::Ledger(_))) => return Err(error),
                    outcome => outcome,
                };
                let is_last = match outcome {
                    Err(Failure::Stray) => !update.books.is_rebuilding,
                    Err(Failure::Failed(Error::Cancelled)) => true,
                    _ => begun.elapsed() > TOGETHER_FOR,
                };
                outcomes.push(outcome);
                if is_last {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(outcomes)
    }

    fn take_in_new(&self, update: &mut Update<'_>, owner: &Owner) -> Result<Surveyed, Failure> {
        let base = self.base_of(update.books, owner)?;
        match update.attempt(|update| self.survey(update, owner, base)) {
            Err(Failure::Stray) if base.is_some() && update.books.is_rebuilding => {
                update.attempt(|update| self.survey(update, owner, None))
            }
            taken_in => taken_in,
        }
    }

    /// The backup that the ledger can build on. On hardlink storage images stand on each other and are written anew
    /// when one goes, so each is a line by itself.
    fn base_of(&self, books: &Books, owner: &Owner) -> Result<Option<BackupId>, Failure> {
        if self.measure == Measure::Inodes && owner.name.kind() == BackupKind::Image {
            return Ok(None);
        }
        let manifest = match self.shared.open_manifest(&owner.client, &owner.name) {
            Err(Error::UnknownBackup { .. }) => return Err(Failure::Vanished),
            opened => opened?,
        };
        let base = manifest.header().base.as_ref().and_then(|base| base.parse().ok());
        let base = base.filter(|base: &BackupName| base.kind() == owner.name.kind());
        Ok(base.and_then(|base| Some(books.find(&owner.client, &base)?.0)))
    }

    /// Takes one backup in, by itself.
    pub fn take_in(&mut self, owner: &Owner, base: Option<BackupId>) -> Result<(), Failure> {
        let ledger = &self.shared.ledger;
        let surveyed = ledger.update::<_, Failure>(|update| self.survey(update, owner, base))?;
        self.note(owner, &surveyed);
        Ok(())
    }

    fn survey(
        &self,
        update: &mut Update<'_>,
        owner: &Owner,
        base: Option<BackupId>,
    ) -> Result<Surveyed, Failure> {
        self.monitor.step(&Step::Accounting {
            client: owner.client.clone(),
            backup: owner.name.clone(),
        });
        let after = Tree::open(self.shared, owner)?;
        let step = update.books.admit(owner.clone(), base);
        let known = step.from.and_then(|from| update.books.backups.get(from));
        let base = known.map(|known| known.owner.clone());
        let before = base.as_ref().map(|base| Tree::open(self.shared, base));
        let before = before.transpose()?;
        let mut survey = Survey {
            measure: self.measure,
            references: update.step(step),
            monitor: self.monitor,
            mapped_files: 0,
        };
        let compared = survey.grown(before.as_ref(), &after);
        // What has been deleted meanwhile may have looked any way.
        for owner in base.iter().chain([owner]) {
            Tree::open(self.shared, owner)?;
        }
        compared?;
        let mapped_files = survey.mapped_files;
        let stored_new_bytes = survey.references.finish()?;
        if let Some(known) = update.books.backups.get_mut(step.to) {
            known.stored_new_bytes = stored_new_bytes;
        }
        Ok(Surveyed {
            stored_new_bytes,
            mapped_files,
        })
    }

    fn note(&mut self, owner: &Owner, surveyed: &Surveyed) {
        self.accounted.mapped_files += surveyed.mapped_files;
        self.accounted.taken_in.push(TakenIn {
            client: owner.client.clone(),
            name: owner.name.clone(),
            stored_new_bytes: surveyed.stored_new_bytes,
        });
    }

    fn conclude(&self, is_complete: bool, has_forgotten: bool) -> Result<Round> {
        let ledger = &self.shared.ledger;
        if ledger.books().is_rebuilding && is_complete {
            ledger.update::<_, Error>(|update| {
                update.books.is_rebuilding = false;
                Ok(())
            })?;
        }
        // What can go has been left by what was forgotten.
        if has_forgotten && ledger.books().is_worth_compacting() {
            ledger.update(|update| update.compact().map_err(Error::Ledger))?;
        }
        Ok(Round::Done)
    }
}

fn key_of(owner: &Owner) -> Key {
    (owner.client.clone(), owner.name.clone())
}
