//! The ledger's books: which backups there are, and which classes of pieces. Small enough for memory; no I/O.
//!
//! All pieces that the same backups refer to are of one **class**. So what a set of backups has for itself is a sum
//! over classes, and deleting a backup changes what classes mean without a look at any piece.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use immutable_chunkmap::map::{MapM, MapS};

use super::run::{BackupId, End, Line, LineId, Run, canonical};
use super::sums::Sums;
use crate::changed::Knowledge;
use crate::index::Owner;
use crate::names::{BackupName, ClientName};

/// So many classes more than there need be do no harm.
const FEW_CLASSES: usize = 1000;

/// The number of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ClassId(pub i64);

/// Pieces that the same backups refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Class {
    /// Sorted.
    pub runs: Vec<Run>,
    pub bytes: u64,
    /// How many entries of the table of pieces.
    pub pieces: u64,
}

/// A backup that has been taken in and not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub owner: Owner,
    pub line: LineId,
    /// What was stored for it that the storage did not have.
    pub stored_new_bytes: u64,
}

/// A map that knows which of its entries are not written yet. A copy shares what neither changes.
#[derive(Debug, Clone)]
pub(super) struct Kept<K: Ord + Clone, V: Clone> {
    entries: MapS<K, V>,
    unwritten: BTreeSet<K>,
}

/// From which backup of a line to which its tip moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub line: LineId,
    /// The tip so far, which pieces that lose their references end with.
    pub from: Option<BackupId>,
    /// What pieces that get references begin with.
    pub to: BackupId,
}

/// A reference is to be taken that the ledger does not have: the storage was changed by something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stray;

/// The books.
#[derive(Debug)]
pub(super) struct Books {
    pub backups: Kept<BackupId, Known>,
    pub lines: Kept<LineId, Line>,
    pub classes: Kept<ClassId, Class>,
    /// Numbers from here on have never been used, for whatever.
    pub next_id: i64,
    /// Whether there are backups that have not been taken in since the ledger was begun.
    pub is_rebuilding: bool,
    by_name: MapS<ClientName, Arc<BTreeMap<BackupName, BackupId>>>,
    by_runs: MapM<Vec<Run>, ClassId>,
    sums: OnceLock<Sums>,
}

impl<K: Ord + Clone, V: Clone> Default for Kept<K, V> {
    fn default() -> Self {
        Self {
            entries: MapS::new(),
            unwritten: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy, V: Clone> Kept<K, V> {
    /// Takes in what has been read.
    pub fn read(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            unwritten: BTreeSet::new(),
        }
    }

    pub fn all(&self) -> &MapS<K, V> {
        &self.entries
    }

    pub fn get(&self, key: K) -> Option<&V> {
        self.entries.get(&key)
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.unwritten.insert(key);
        self.entries.insert_cow(key, value);
    }

    pub fn remove(&mut self, key: K) -> Option<V> {
        self.unwritten.insert(key);
        self.entries.remove_cow(&key)
    }

    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let found = self.entries.get_mut_cow(&key)?;
        self.unwritten.insert(key);
        Some(found)
    }

    /// The keys of what has been changed or removed; from now on it counts as written.
    pub fn take_unwritten(&mut self) -> BTreeSet<K> {
        std::mem::take(&mut self.unwritten)
    }
}

impl Clone for Books {
    /// A copy to be changed, so that sums are not copied; maps share what is not changed.
    fn clone(&self) -> Self {
        Self {
            backups: self.backups.clone(),
            lines: self.lines.clone(),
            classes: self.classes.clone(),
            next_id: self.next_id,
            is_rebuilding: self.is_rebuilding,
            by_name: self.by_name.clone(),
            by_runs: self.by_runs.clone(),
            sums: OnceLock::new(),
        }
    }
}

impl Books {
    /// Puts together what has been read.
    pub fn new(
        backups: Kept<BackupId, Known>,
        mut lines: Kept<LineId, Line>,
        classes: Kept<ClassId, Class>,
        next_id: i64,
        is_rebuilding: bool,
    ) -> Self {
        for (id, known) in backups.all() {
            if let Some(line) = lines.entries.get_mut_cow(&known.line) {
                line.live.push(*id);
            }
        }
        let mut by_name: BTreeMap<ClientName, BTreeMap<BackupName, BackupId>> = BTreeMap::new();
        for (id, Known { owner, .. }) in backups.all() {
            let names = by_name.entry(owner.client.clone()).or_default();
            names.insert(owner.name.clone(), *id);
        }
        let by_name = by_name.into_iter();
        let by_name = by_name.map(|(client, names)| (client, Arc::new(names))).collect();
        let by_runs = classes
            .all()
            .into_iter()
            .map(|(id, class)| (class.runs.clone(), *id))
            .collect();
        Self {
            backups,
            lines,
            classes,
            next_id,
            is_rebuilding,
            by_name,
            by_runs,
            sums: OnceLock::new(),
        }
    }

    /// The sums of all backups, worked out once.
    pub fn sums(&self) -> &Sums {
        self.sums.get_or_init(|| Sums::of(self))
    }

    /// Finds a backup by its name.
    pub fn find(&self, client: &ClientName, name: &BackupName) -> Option<(BackupId, &Known)> {
        let id = *self.by_name.get(client)?.get(name)?;
        Some((id, self.backups.get(id)?))
    }

    /// Adds a backup that has grown from `base`, or from nothing that the ledger could build on. Of a base that is not
    /// its line's newest any more it is not known how often it refers to what: then that is nothing to build on either.
    pub fn admit(&mut self, owner: Owner, base: Option<BackupId>) -> Step {
        let base = base.and_then(|base| {
            let line = self.backups.get(base)?.line;
            (self.lines.get(line)?.tip == Some(base)).then_some((line, base))
        });
        let to = BackupId(self.new_id());
        let (line, from) = match base {
            Some((line, base)) => (line, Some(base)),
            None => {
                let line = LineId(self.new_id());
                self.lines.insert(line, Line::default());
                (line, None)
            }
        };
        let names = self.by_name.get_or_default_cow(owner.client.clone());
        Arc::make_mut(names).insert(owner.name.clone(), to);
        self.backups.insert(
            to,
            Known {
                owner,
                line,
                stored_new_bytes: 0,
            },
        );
        if let Some(line) = self.lines.get_mut(line) {
            line.live.push(to);
            line.tip = Some(to);
        }
        Step { line, from, to }
    }

    /// Leads the tip of a line back to the backup before it, if there is one; the tip itself is still to be
    /// [forgotten](Self::forget).
    pub fn retract(&mut self, tip: BackupId) -> Option<Step> {
        let line = self.backups.get(tip)?.line;
        let of_line = self.lines.get(line)?;
        let [.., before, last] = of_line.live[..] else {
            return None;
        };
        if last != tip || of_line.tip != Some(tip) {
            return None;
        }
        self.lines.get_mut(line)?.tip = Some(before);
        Some(Step {
            line,
            from: Some(tip),
            to: before,
        })
    }

    /// Takes a backup out. What it alone referred to is nobody's from now on.
    pub fn forget(&mut self, id: BackupId) {
        let Some(known) = self.backups.remove(id) else {
            return;
        };
        if let Some(names) = self.by_name.get_mut_cow(&known.owner.client) {
            Arc::make_mut(names).remove(&known.owner.name);
            if names.is_empty() {
                self.by_name.remove_cow(&known.owner.client);
            }
        }
        let Some(line) = self.lines.get_mut(known.line) else {
            return;
        };
        line.live.retain(|live| *live != id);
        if line.live.is_empty() {
            self.lines.remove(known.line);
        }
    }

    /// Whether any backup refers to pieces of the class.
    pub fn is_live(&self, class: ClassId) -> bool {
        let runs = self.classes.get(class).map_or(&[][..], |class| &class.runs);
        runs.iter().any(|run| !self.live_in(run).is_empty())
    }

    /// The backups of a run that are not deleted.
    pub fn live_in(&self, run: &Run) -> &[BackupId] {
        self.lines.get(run.line).map_or(&[], |line| line.live_in(run))
    }

    /// The class that pieces of a class come to be of by a step that changes the number of their references.
    pub fn moved(
        &mut self,
        class: Option<ClassId>,
        step: &Step,
        change: i64,
    ) -> Result<Option<ClassId>, Stray> {
        let class = class.and_then(|class| self.classes.get(class));
        let runs = class.map(|class| class.runs.clone()).unwrap_or_default();
        let mut runs = canonical(runs, self.lines.all());
        let is_open = |run: &Run| run.line == step.line && matches!(run.end, End::Open { .. });
        let open = runs.iter().position(is_open).map(|at| runs.swap_remove(at));
        let (first, before) = match open {
            Some(Run {
                first,
                end: End::Open { references },
                ..
            }) => (first, references),
            _ => (step.to, 0),
        };
        let references = before.checked_add(change).ok_or(Stray)?;
        let end = match references {
            1.. => End::Open { references },
            0 => End::Closed(step.from.filter(|from| first <= *from).ok_or(Stray)?),
            _ => return Err(Stray),
        };
        runs.push(Run {
            line: step.line,
            first,
            end,
        });
        let runs = canonical(runs, self.lines.all());
        Ok((!runs.is_empty()).then(|| self.class_of(runs)))
    }

    fn class_of(&mut self, runs: Vec<Run>) -> ClassId {
        if let Some(class) = self.by_runs.get(&runs) {
            return *class;
        }
        let class = ClassId(self.new_id());
        self.by_runs.insert_cow(runs.clone(), class);
        let runs = Class {
            runs,
            ..Class::default()
        };
        self.classes.insert(class, runs);
        class
    }

    /// Whether so much of the table of pieces, or so many of the classes, could go that it is worth a pass over all of
    /// them.
    pub fn is_worth_compacting(&self) -> bool {
        let (mut pieces, mut dead_pieces, mut superfluous) = (0, 0, 0);
        for (_, class) in self.classes.all() {
            let canonical = canonical(class.runs.clone(), self.lines.all());
            pieces += class.pieces;
            dead_pieces += if canonical.is_empty() { class.pieces } else { 0 };
            superfluous += usize::from(canonical != class.runs);
        }
        dead_pieces > pieces / 4 || superfluous > FEW_CLASSES && superfluous > self.classes.all().len() / 2
    }

    /// Which class each one that need not be there is to become; `None` for those that nobody refers to any more.
    pub fn superfluous(&mut self) -> Vec<(ClassId, Option<ClassId>)> {
        let classes: Vec<(ClassId, Vec<Run>)> = self
            .classes
            .all()
            .into_iter()
            .map(|(id, class)| (*id, class.runs.clone()))
            .collect();
        let mut superfluous = Vec::new();
        for (id, runs) in classes {
            let canonical = canonical(runs.clone(), self.lines.all());
            if canonical.is_empty() {
                superfluous.push((id, None));
            } else if canonical != runs {
                superfluous.push((id, Some(self.class_of(canonical))));
            }
        }
        superfluous
    }

    /// Counts all entries of a class over to another.
    pub fn merge(&mut self, class: ClassId, into: Option<ClassId>) {
        let Some(Class { runs, bytes, pieces }) = self.classes.remove(class) else {
            return;
        };
        self.by_runs.remove_cow(&runs);
        if let Some(into) = into.and_then(|into| self.classes.get_mut(into)) {
            into.bytes = into.bytes.saturating_add(bytes);
            into.pieces = into.pieces.saturating_add(pieces);
        }
    }

    /// Removes classes that have lost their last piece.
    pub fn drop_empty_classes(&mut self) {
        for id in self.classes.unwritten.clone() {
            if let Some(class) = self.classes.get(id)
                && class.pieces == 0
            {
                self.by_runs.remove_cow(&class.runs);
                self.classes.remove(id);
            }
        }
    }

    fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Counts an entry of the table of pieces in.
    pub fn count_in(&mut self, class: ClassId, bytes: u64) {
        if let Some(class) = self.classes.get_mut(class) {
            class.bytes = class.bytes.saturating_add(bytes);
            class.pieces = class.pieces.saturating_add(1);
        }
    }

    /// Counts an entry of the table of pieces out.
    pub fn count_out(&mut self, class: ClassId, bytes: u64) {
        if let Some(class) = self.classes.get_mut(class) {
            class.bytes = class.bytes.saturating_sub(bytes);
            class.pieces = class.pieces.saturating_sub(1);
        }
    }
}

impl Knowledge for Books {
    fn clients(&self) -> BTreeSet<ClientName> {
        self.by_name
            .into_iter()
            .map(|(client, _)| client.clone())
            .collect()
    }

    fn backups(&self, client: &ClientName) -> BTreeSet<BackupName> {
        let names = self.by_name.get(client).map(|names| names.keys().cloned());
        names.into_iter().flatten().collect()
    }
}
