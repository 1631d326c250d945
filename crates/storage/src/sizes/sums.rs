//! What backups, and sets of them, have of the storage: sums over the classes of pieces.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::answers::{Used, UsedByEach};
use super::books::{Books, Class};
use super::run::{BackupId, LineId};
use crate::names::ClientName;

/// What each backup has of the storage.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// What no other backup refers to.
    exclusive_bytes: BTreeMap<BackupId, u64>,
    referenced_bytes: BTreeMap<BackupId, u64>,
}

impl Sums {
    /// Works them out in one go over all classes.
    pub fn of(books: &Books) -> Self {
        let mut sums = Self::default();
        // By line and place in it: what is referred to from there on more than before. Wraps, as it may be less.
        let mut steps: BTreeMap<LineId, Vec<u64>> = BTreeMap::new();
        for (_, class) in books.classes.all() {
            let mut live_count = 0;
            let mut only = None;
            for run in &class.runs {
                let live = books.live_in(run);
                let (Some(first), Some(line)) = (live.first(), books.lines.get(run.line)) else {
                    continue;
                };
                live_count += live.len();
                only = Some(*first);
                let begin = line.live.partition_point(|id| id < first);
                let of_line = steps
                    .entry(run.line)
                    .or_insert_with(|| vec![0; line.live.len() + 1]);
                of_line[begin] = of_line[begin].wrapping_add(class.bytes);
                let end = begin + live.len();
                of_line[end] = of_line[end].wrapping_sub(class.bytes);
            }
            if let (1, Some(only)) = (live_count, only) {
                *sums.exclusive_bytes.entry(only).or_default() += class.bytes;
            }
        }
        for (id, steps) in steps {
            let mut bytes = 0u64;
            let live = books.lines.get(id).map_or(&[][..], |line| &line.live);
            for (backup, step) in live.iter().zip(steps) {
                bytes = bytes.wrapping_add(step);
                sums.referenced_bytes.insert(*backup, bytes);
            }
        }
        sums
    }

    /// What only this backup refers to, and all it refers to.
    pub fn of_backup(&self, backup: BackupId) -> (u64, u64) {
        let of = |bytes: &BTreeMap<BackupId, u64>| bytes.get(&backup).copied().unwrap_or_default();
        (of(&self.exclusive_bytes), of(&self.referenced_bytes))
    }
}

/// What only backups of the set refer to, and all they refer to.
pub(super) fn of_set(books: &Books, set: &BTreeSet<BackupId>) -> (u64, u64) {
    let (mut exclusive_bytes, mut referenced_bytes) = (0, 0);
    for (_, class) in books.classes.all() {
        let share = share_of(books, class, set);
        if share.is_any {
            referenced_bytes += class.bytes;
        }
        if share.is_any && share.is_all {
            exclusive_bytes += class.bytes;
        }
    }
    (exclusive_bytes, referenced_bytes)
}

/// What each client's backups have of the storage.
pub(super) fn of_clients(books: &Books) -> UsedByEach {
    let mut used: BTreeMap<ClientName, Used> = BTreeMap::new();
    let mut all_bytes = 0u64;
    // Every line is of one client.
    let mut owners: HashMap<LineId, ClientName> = HashMap::new();
    for (_, known) in books.backups.all() {
        let client = owners.entry(known.line);
        used.entry(client.or_insert_with(|| known.owner.client.clone()).clone())
            .or_default();
    }
    let mut clients: Vec<&ClientName> = Vec::new();
    for (_, class) in books.classes.all() {
        let live = class.runs.iter().filter(|run| !books.live_in(run).is_empty());
        clients.extend(live.filter_map(|run| owners.get(&run.line)));
        clients.sort_unstable();
        clients.dedup();
        let is_shared = clients.len() > 1;
        if !clients.is_empty() {
            all_bytes += class.bytes;
        }
        for client in clients.drain(..) {
            let used = used.entry(client.clone()).or_default();
            match is_shared {
                true => used.shared_bytes += class.bytes,
                false => used.exclusive_bytes += class.bytes,
            }
        }
    }
    UsedByEach {
        clients: used,
        all_bytes,
    }
}

/// Which of those that refer to a class are of a set.
struct Share {
    is_any: bool,
    is_all: bool,
}

fn share_of(books: &Books, class: &Class, set: &BTreeSet<BackupId>) -> Share {
    let mut share = Share {
        is_any: false,
        is_all: true,
    };
    for run in &class.runs {
        for backup in books.live_in(run) {
            let is_of_set = set.contains(backup);
            share.is_any |= is_of_set;
            share.is_all &= is_of_set;
            if share.is_any && !share.is_all {
                return share;
            }
        }
    }
    share
}
