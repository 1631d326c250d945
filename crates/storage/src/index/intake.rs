//! Taking backups in, small ones together: each transaction waits for the disk.

use super::{Addition, BATCH_ROWS, Batches, Content, ContentIndex, Owner};

/// How many backups are taken in at once.
const MOST_BACKUPS: usize = if cfg!(test) { 2 } else { 500 };

/// What is to be written to the index.
#[derive(Debug)]
pub(crate) struct Intake<'a> {
    index: &'a ContentIndex,
    gathered: Vec<Addition>,
    rows: usize,
    /// Whether something could not be written since it was last asked.
    has_failed: bool,
}

impl<'a> Intake<'a> {
    pub fn new(index: &'a ContentIndex) -> Self {
        Self {
            index,
            gathered: Vec::new(),
            rows: 0,
            has_failed: false,
        }
    }

    /// Whether all content of the backup has been taken in, or is about to be.
    pub fn is_indexed(&self, owner: &Owner) -> bool {
        let is_gathered = |addition: &Addition| addition.batches == Batches::Last && addition.owner == *owner;
        self.gathered.iter().any(is_gathered) || self.index.is_indexed(owner)
    }

    /// Takes in content of a backup.
    pub fn add(&mut self, owner: &Owner, contents: Vec<Content>, batches: Batches) {
        self.rows += contents.len();
        self.gathered.push(Addition {
            owner: owner.clone(),
            contents,
            batches,
        });
    }

    /// Whether it is time to [write](Self::write).
    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.gathered.len() >= MOST_BACKUPS
    }

    /// Makes room by writing what has been gathered.
    pub fn make_room(&mut self) {
        self.rows = 0;
        let mut gathered = std::mem::take(&mut self.gathered);
        self.has_failed |= !gathered.is_empty() && !self.index.add(&mut gathered);
    }

    /// Writes what has been gathered. Returns whether all could be written since this was last called.
    pub fn write(&mut self) -> bool {
        self.make_room();
        !std::mem::take(&mut self.has_failed)
    }
}
