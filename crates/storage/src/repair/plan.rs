//! Looking through a storage.

use std::collections::BTreeSet;

use file_tree::{Dir, FileType};

use super::{Finding, Remedy, RepairPlan, pool_links};
use crate::error::{During as _, Error, Result};
use crate::layout::STATE;
use crate::monitor::{Monitor, Step};
use crate::names::{BackupKind, BackupName, CURRENT, ClientName};
use crate::store::{Shared, Store};

impl Store {
    /// Looks through the storage and says what is wrong and what could be done; changes nothing. Clients that are being backed
    /// up are left out, as far as their pools go. Takes as long as reading all manifests and looking at all
    /// directories that may be links.
    pub fn plan_repair(&self, monitor: &dyn Monitor) -> Result<RepairPlan> {
        let mut survey = Survey {
            shared: &self.shared,
            monitor,
            plan: RepairPlan::default(),
        };
        survey.run()?;
        Ok(survey.plan)
    }
}

struct Survey<'a> {
    shared: &'a Shared,
    monitor: &'a dyn Monitor,
    plan: RepairPlan,
}

/// What is where the backups of a client should be.
struct Trees {
    client: ClientName,
    names: Vec<BackupName>,
    /// Directories in the client's place; empty if there is none.
    found: BTreeSet<String>,
}

impl Survey<'_> {
    fn note(&mut self, finding: Finding, remedy: Remedy) {
        self.plan.steps.push((finding, remedy));
    }

    fn run(&mut self) -> Result<()> {
        let clients = self.shared.layout.clients()?;
        let mut all = Vec::new();
        for client in clients {
            let found = match self.shared.layout.find_backups(&client)? {
                Some(dir) => directories(&dir)?,
                None => BTreeSet::new(),
            };
            all.push(Trees {
                names: self.shared.layout.backup_names(&client)?,
                found,
                client,
            });
        }
        self.unknown_entries(&all)?;
        for trees in &all {
            self.client(trees)?;
        }
        for client in self.shared.layout.pool_clients()? {
            self.pool(&client)?;
        }
        Ok(())
    }

    /// Directories beside those of known clients, which may be theirs under another name.
    fn unknown_entries(&mut self, all: &[Trees]) -> Result<()> {
        let listing = self.shared.layout.root.list().during("list", ".")?;
        for listed in listing
            .iter()
            .filter(|listed| listed.name != STATE.as_bytes() && listed.name != b"lost+found")
        {
            let is_known = all.iter().any(|trees| trees.client.as_bytes() == listed.name);
            if is_known {
                continue;
            }
            let name = String::from_utf8_lossy(listed.name).into_owned();
            let inside = match self.shared.layout.root.child(listed.name) {
                Ok(dir) => directories(&dir)?,
                Err(_) => BTreeSet::new(),
            };
            let is_of = |trees: &&Trees| {
                let names: BTreeSet<String> = trees.names.iter().map(ToString::to_string).collect();
                !inside.is_empty() && trees.found.is_empty() && inside.is_subset(&names)
            };
            match all.iter().find(is_of) {
                Some(trees) => {
                    let client = trees.client.clone();
                    self.note(Finding::RenamedClient { client, found: name }, Remedy::RenameBack);
                }
                None => self.note(Finding::UnknownEntry { name }, Remedy::None),
            }
        }
        Ok(())
    }

    fn client(&mut self, trees: &Trees) -> Result<()> {
        let client = &trees.client;
        let known: BTreeSet<&str> = trees.names.iter().map(BackupName::as_str).collect();
        let missing: Vec<&BackupName> = trees
            .names
            .iter()
            .filter(|name| !trees.found.contains(name.as_str()))
            .collect();
        for name in &missing {
            let finding = Finding::MissingTree {
                client: client.clone(),
                backup: (*name).clone(),
            };
            self.note(finding, Remedy::None);
        }
        for name in trees.found.iter().filter(|name| !known.contains(name.as_str())) {
            // Where a backup is missed, this may be it.
            let is_backup = name.parse::<BackupName>().is_ok();
            let remedy = if is_backup && missing.is_empty() {
                Remedy::Trash
            } else {
                Remedy::None
            };
            self.note(
                Finding::UnknownTree {
                    client: client.clone(),
                    name: name.clone(),
                },
                remedy,
            );
        }
        for name in trees.names.iter().filter(|name| !missing.contains(name)) {
            if self.monitor.is_cancelled() {
                return Err(Error::Cancelled);
            }
            self.monitor.step(&Step::Examining {
                client: client.clone(),
                backup: name.clone(),
            });
            self.backup(client, name)?;
        }
        Ok(())
    }

    fn backup(&mut self, client: &ClientName, name: &BackupName) -> Result<()> {
        let Ok(tree) = self.shared.layout.backups(client)?.child(name.as_bytes()) else {
            return Ok(());
        };
        if !self.shared.backend.is_sealed(&tree) {
            self.note(
                Finding::Writable {
                    client: client.clone(),
                    backup: name.clone(),
                },
                Remedy::Protect,
            );
        }
        let manifest = match self.shared.open_manifest(client, name) {
            Ok(manifest) => manifest,
            Err(error) => {
                let reason = match &error {
                    Error::Manifest { source, .. } => source.to_string(),
                    error => error.to_string(),
                };
                let finding = Finding::DamagedManifest {
                    client: client.clone(),
                    backup: name.clone(),
                    reason,
                };
                self.note(finding, Remedy::None);
                return Ok(());
            }
        };
        let found = pool_links::examine(self.shared, client, name, tree, &manifest)?;
        self.plan.steps.extend(found);
        Ok(())
    }

    /// Pooled directories that no list names. The findings about links come first, so that a corrected list counts when the plan
    /// is applied.
    fn pool(&mut self, client: &ClientName) -> Result<()> {
        let Some(_claim) = self.shared.usage.claim(client, BackupKind::File) else {
            return Ok(());
        };
        if self
            .shared
            .layout
            .find_incomplete(client, BackupKind::File)?
            .is_some()
        {
            return Ok(());
        }
        let Some(pool) = self.shared.layout.find_pool(client)? else {
            return Ok(());
        };
        // A list that can't be read may name any of them.
        let Ok(mut in_use) = self.shared.pooled_in_use(client) else {
            return Ok(());
        };
        for (finding, _) in &self.plan.steps {
            if let Finding::WrongPoolLink {
                client: whose, pool, ..
            }
            | Finding::UnlistedPoolLink {
                client: whose, pool, ..
            } = finding
                && whose == client
            {
                in_use.insert(pool.clone());
            }
        }
        let ids = crate::layout::names_in(&pool, crate::names::PoolId::from_file_name)?;
        for id in ids.into_iter().filter(|id| !in_use.contains(id)) {
            self.note(
                Finding::UnusedPooled {
                    client: client.clone(),
                    pool: id,
                },
                Remedy::Trash,
            );
        }
        Ok(())
    }
}

/// The directories in a directory, but not the link to the newest backup.
fn directories(dir: &Dir) -> Result<BTreeSet<String>> {
    let listing = dir.list().during("list", ".")?;
    let is_directory = |listed: &file_tree::Listed<'_>| match listed.kind {
        FileType::Unknown => dir
            .stat(listed.name)
            .is_ok_and(|stat| stat.kind == FileType::Directory),
        kind => kind == FileType::Directory && listed.name != CURRENT.as_bytes(),
    };
    Ok(listing
        .iter()
        .filter(is_directory)
        .map(|listed| String::from_utf8_lossy(listed.name).into_owned())
        .collect())
}
