//! Files that operations have announced and whose content has not begun to arrive.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use manifest::Entry;
use parking_lot::{Condvar, Mutex};
use storage::DirSlot;

use crate::error::{Error, Result};

/// How long content may come before the operation that announces its file, and that operation before the content of others.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A file whose content is to come.
pub struct Announced {
    /// The directory that it lies in, open.
    pub slot: Arc<DirSlot>,
    /// As the client announced it.
    pub entry: Entry,
    /// The base's regular file of the same name.
    pub base: Option<Entry>,
}

impl Announced {
    /// The file's path as text, for errors and logs.
    pub fn path(&self) -> String {
        String::from_utf8_lossy(&manifest::join_path(self.slot.path(), &self.entry.name)).into_owned()
    }
}

#[derive(Default)]
struct Table {
    files: HashMap<u64, Announced>,
    highest: u64,
    closed: bool,
}

/// The table of announced files, shared by the operations and the data connections.
#[derive(Default)]
pub struct AnnouncedFiles {
    table: Mutex<Table>,
    /// Told when there are more of them, or never will be.
    changed: Condvar,
    /// Told when there are fewer.
    room: Condvar,
}

impl AnnouncedFiles {
    /// Adds files; their numbers must rise. Waits, blocking, while more than `window` are there: for the client a file is complete once it is
    /// sent, and very many small ones may be on their way. Fails once none of them has begun to arrive for long.
    pub fn announce(&self, files: Vec<(u64, Announced)>, window: usize) -> Result<()> {
        let mut table = self.table.lock();
        let mut waited = Duration::ZERO;
        // Looked at before adding: the files of one directory come together, however many they are.
        while table.files.len() > window {
            if table.closed || waited >= PATIENCE {
                return Err(Error::protocol(format!(
                    "more than {window} files are announced and not sent"
                )));
            }
            let before = table.files.len();
            self.room.wait_for(&mut table, LOOK_AGAIN);
            waited = match table.files.len() < before {
                true => Duration::ZERO,
                false => waited + LOOK_AGAIN,
            };
        }
        for (file_id, announced) in files {
            if file_id <= table.highest {
                return Err(Error::protocol(format!("file number {file_id} is given again")));
            }
            table.highest = file_id;
            table.files.insert(file_id, announced);
        }
        self.changed.notify_all();
        Ok(())
    }

    /// Takes a file out to receive it. Waits where its announcement is still under way.
    pub fn take(&self, file_id: u64) -> Result<Announced> {
        let mut table = self.table.lock();
        let mut waited = Duration::ZERO;
        loop {
            if let Some(announced) = table.files.remove(&file_id) {
                self.room.notify_all();
                return Ok(announced);
            }
            if file_id <= table.highest {
                return Err(Error::protocol(format!(
                    "content for file number {file_id} comes twice"
                )));
            }
            if table.closed || waited >= PATIENCE {
                return Err(Error::protocol(format!(
                    "content for file number {file_id}, which nobody announced"
                )));
            }
            self.changed.wait_for(&mut table, LOOK_AGAIN);
            waited += LOOK_AGAIN;
        }
    }

    /// Takes a file out if it is there: for an offer, which comes on the same stream as announcements.
    pub fn take_now(&self, file_id: u64) -> Option<Announced> {
        let taken = self.table.lock().files.remove(&file_id);
        self.room.notify_all();
        taken
    }

    /// Puts a file back whose offer could not be used.
    pub fn put_back(&self, file_id: u64, announced: Announced) {
        self.table.lock().files.insert(file_id, announced);
        self.changed.notify_all();
    }

    /// Takes out all that wait.
    pub fn take_all(&self) -> HashMap<u64, Announced> {
        std::mem::take(&mut self.table.lock().files)
    }

    /// No announcement will come any more.
    pub fn close(&self) {
        self.table.lock().closed = true;
        self.changed.notify_all();
        self.room.notify_all();
    }
}
