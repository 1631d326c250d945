//! Search by name in all backups of a client.

use std::collections::HashSet;

use catalog::Backup;
use tonic::Status;
use wire::v1::{FoundEntry, SearchReply, SearchRequest};

use super::name_pattern::NamePattern;
use super::newest_first;
use crate::core::Core;
use crate::error::Result;
use crate::services::reply::{Sender, send};
use crate::services::views;

/// More is no answer but another heap to search.
const MOST: usize = 1000;
/// What was found is told when there is so much of it, and after each backup.
const BATCH: usize = 100;
/// Longer than any name.
const LONGEST_TEXT_BYTES: usize = 1024;

/// A search that is about to begin.
pub struct Search {
    client: String,
    pattern: NamePattern,
    beneath: Vec<u8>,
    most: usize,
}

impl Search {
    /// What a request asks for.
    pub fn new(request: SearchRequest) -> Result<Self, Status> {
        if request.text.is_empty() {
            return Err(Status::invalid_argument("say what to search for"));
        }
        if request.text.len() > LONGEST_TEXT_BYTES {
            let why = format!("no name is longer than {LONGEST_TEXT_BYTES} bytes");
            return Err(Status::invalid_argument(why));
        }
        Ok(Self {
            client: request.client,
            pattern: NamePattern::new(&request.text),
            beneath: request
                .beneath
                .strip_suffix(b"/")
                .unwrap_or(&request.beneath)
                .to_vec(),
            most: match request.most as usize {
                0 => MOST,
                most => most.min(MOST),
            },
        })
    }

    /// Goes through the backups and tells what is found.
    pub fn run(&self, core: &Core, sender: &Sender<SearchReply>) -> Result<()> {
        let backups = newest_first(core, &self.client)?;
        let mut found = Found {
            paths: HashSet::new(),
            untold: Vec::new(),
            progress: SearchReply {
                backups: u32::try_from(backups.len()).unwrap_or(u32::MAX),
                ..SearchReply::default()
            },
            sender,
        };
        found.tell()?;
        for backup in &backups {
            self.look_through(core, backup, &mut found)?;
            found.progress.searched += 1;
            found.tell()?;
            if found.paths.len() >= self.most {
                break;
            }
        }
        Ok(())
    }

    fn look_through(&self, core: &Core, backup: &Backup, found: &mut Found<'_>) -> Result<()> {
        let tree = core.open_backup(backup)?;
        let mut folded = String::new();
        for record in tree.manifest().raw_records_from(&self.beneath)? {
            let record = record?;
            let directory = record.path();
            if !self.beneath.is_empty()
                && directory != self.beneath
                && !manifest::is_beneath(directory, &self.beneath)
            {
                break;
            }
            found.is_wanted()?;
            let mut entries = record.entries()?;
            while let Some(entry) = entries.next() {
                let entry = entry?;
                if !self.pattern.fits(entry.name, &mut folded) {
                    continue;
                }
                let entry = entries.own(&entry);
                found.entry(views::entry(directory, &entry), backup)?;
                if found.paths.len() >= self.most {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// What was found so far.
struct Found<'a> {
    paths: HashSet<Vec<u8>>,
    untold: Vec<FoundEntry>,
    progress: SearchReply,
    sender: &'a Sender<SearchReply>,
}

impl Found<'_> {
    /// Fails when nobody waits any more.
    fn is_wanted(&self) -> Result<()> {
        match self.sender.is_closed() {
            true => Err(crate::error::Error::Disconnected),
            false => Ok(()),
        }
    }

    fn entry(&mut self, entry: wire::v1::EntryView, backup: &Backup) -> Result<()> {
        if !self.paths.insert(entry.path.clone()) {
            return Ok(());
        }
        self.untold.push(FoundEntry {
            entry: Some(entry),
            backup: backup.name.clone(),
            backup_ms: backup.started_ms,
        });
        if self.untold.len() >= BATCH {
            self.tell()
        } else {
            Ok(())
        }
    }

    fn tell(&mut self) -> Result<()> {
        send(
            self.sender,
            SearchReply {
                found: std::mem::take(&mut self.untold),
                ..self.progress.clone()
            },
        )
    }
}
