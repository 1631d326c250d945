//! The ledger against a naive model: what each backup refers to, byte by byte.

use std::collections::{BTreeMap, BTreeSet};

use manifest::ContentHash;
use proptest::prelude::*;
use rusqlite::Connection;

use super::books::{Books, Step};
use super::piece::{Change, Piece, net};
use super::run::BackupId;
use super::schema::{DESIGN, Origin, read_books, write_books};
use super::sums::of_set;
use super::update::{Failure, Update};
use crate::index::Owner;

/// How large the storage is.
const SPACE_BYTES: u64 = 64;

/// How many references to each byte.
type Bytes = BTreeMap<u64, i64>;

/// A ledger in memory, and what it should say.
struct Pair {
    connection: Connection,
    books: Books,
    model: BTreeMap<BackupId, Vec<Piece>>,
    made: usize,
}

#[derive(Debug, Clone)]
enum Action {
    /// A backup from one of those there are, or from nothing, with these pieces more and so many of the first less. Of
    /// what stays the last ones are asked for all the same.
    BackUp {
        base: Option<prop::sample::Index>,
        added: Vec<Piece>,
        taken: usize,
        asked: usize,
    },
    /// A backup is deleted, whichever it is; if it is its line's newest, that may have been led back.
    Delete {
        which: prop::sample::Index,
        lead_back: bool,
    },
    Compact,
    Reopen,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = (0..SPACE_BYTES - 12, 1..12u64).prop_map(|(start, len)| Piece::extent(start, len));
    prop::collection::vec(piece, 0..5)
}

fn action() -> impl Strategy<Value = Action> {
    let back_up = (
        prop::option::weighted(0.9, any::<prop::sample::Index>()),
        pieces(),
        0..3usize,
        0..3usize,
    );
    prop_oneof![
        6 => back_up.prop_map(|(base, added, taken, asked)| Action::BackUp { base, added, taken, asked }),
        4 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(which, lead_back)| Action::Delete { which, lead_back }),
        1 => Just(Action::Compact),
        1 => Just(Action::Reopen),
    ]
}

fn owner(number: usize) -> Owner {
    Owner {
        client: "laptop".parse().unwrap(),
        name: format!("2601{:02}-{:04}", 1 + number / 1000, number % 1000)
            .parse()
            .unwrap(),
        digest: ContentHash([0; 32]),
    }
}

fn bytes(pieces: &[Piece]) -> Bytes {
    let mut bytes = Bytes::new();
    for byte in pieces.iter().flat_map(|piece| piece.start..piece.end()) {
        *bytes.entry(byte).or_default() += 1;
    }
    bytes
}

impl Pair {
    fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(DESIGN.schema).unwrap();
        let origin = Origin {
            measure: "ranges",
            inode: 1,
            born_ns: 1,
        };
        origin.write(&connection).unwrap();
        let books = read_books(&connection).unwrap();
        Self {
            connection,
            books,
            model: BTreeMap::new(),
            made: 0,
        }
    }

    fn update<T>(
        &mut self,
        change: impl FnOnce(&mut Update<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let changes = self.connection.transaction().unwrap();
        let mut books = self.books.clone();
        let done = change(&mut Update {
            changes: &changes,
            books: &mut books,
        })?;
        write_books(&changes, &mut books).unwrap();
        changes.commit().unwrap();
        self.books = books;
        Ok(done)
    }

    fn rereference(
        &mut self,
        step: impl FnOnce(&mut Books) -> Step,
        taken: &[Piece],
        added: &[Piece],
    ) -> (BackupId, u64) {
        let done = self.update(|update| {
            let step = step(update.books);
            let mut references = update.step(step);
            for at in 0..taken.len().max(added.len()) {
                taken.get(at).map_or(Ok(()), |piece| references.take(*piece))?;
                added.get(at).map_or(Ok(()), |piece| references.add(*piece))?;
            }
            Ok((step.to, references.finish()?))
        });
        done.unwrap()
    }

    fn back_up(&mut self, base: Option<BackupId>, added: Vec<Piece>, taken: usize, asked: usize) {
        // Of a backup that is not its line's newest nothing can be taken over.
        let line = |id| {
            self.books
                .lines
                .get(self.books.backups.get(id).unwrap().line)
                .unwrap()
        };
        let base = base.filter(|base| line(*base).tip == Some(*base));
        let mut kept = base.map(|base| self.model[&base].clone()).unwrap_or_default();
        let mut taken: Vec<Piece> = kept.drain(..taken.min(kept.len())).collect();
        let asked = &kept[kept.len() - asked.min(kept.len())..];
        taken.extend(asked);
        let anew: Vec<Piece> = asked.iter().chain(&added).copied().collect();
        self.made += 1;
        let owner = owner(self.made);
        let live: BTreeSet<u64> = self
            .model
            .values()
            .flat_map(|pieces| bytes(pieces).into_keys())
            .collect();
        let (id, stored_new_bytes) = self.rereference(|books| books.admit(owner, base), &taken, &anew);
        kept.extend(added);
        let new = bytes(&kept)
            .into_keys()
            .filter(|byte| !live.contains(byte))
            .count();
        assert_eq!(stored_new_bytes, new as u64);
        self.model.insert(id, kept);
    }

    fn delete(&mut self, id: BackupId, lead_back: bool) {
        let step = self.books.clone().retract(id).filter(|_| lead_back);
        if let Some(step) = step {
            let (taken, added) = (self.model[&id].clone(), self.model[&step.to].clone());
            self.rereference(|books| books.retract(id).unwrap(), &taken, &added);
        }
        self.update(|update| {
            update.books.forget(id);
            Ok(())
        })
        .unwrap();
        self.model.remove(&id);
    }

    /// What only backups of the set have, and all that they have.
    fn model_of_set(&self, set: &BTreeSet<BackupId>) -> (u64, u64) {
        let of = |is_in: bool| -> BTreeSet<u64> {
            let backups = self.model.iter().filter(|(id, _)| set.contains(id) == is_in);
            backups
                .flat_map(|(_, pieces)| bytes(pieces).into_keys())
                .collect()
        };
        let (inside, outside) = (of(true), of(false));
        (inside.difference(&outside).count() as u64, inside.len() as u64)
    }

    fn check(&self) {
        let all: Vec<BackupId> = self.model.keys().copied().collect();
        assert!(self.books.backups.all().into_iter().map(|(id, _)| id).eq(&all));
        for id in &all {
            let expected = self.model_of_set(&BTreeSet::from([*id]));
            assert_eq!(self.books.sums().of_backup(*id), expected, "{id:?}");
        }
        for (at, id) in all.iter().enumerate() {
            for step in 1..4 {
                let set: BTreeSet<BackupId> = all[at..].iter().step_by(step).copied().collect();
                assert_eq!(
                    of_set(&self.books, &set),
                    self.model_of_set(&set),
                    "from {id:?} by {step}"
                );
            }
        }
        self.check_table();
    }

    /// Classes count what the table has, and that has each byte once.
    fn check_table(&self) {
        let mut counted = BTreeMap::new();
        let mut end = 0;
        let mut table = self
            .connection
            .prepare("SELECT start, len, class FROM pieces ORDER BY start")
            .unwrap();
        let mut rows = table.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (start, len, class): (i64, i64, i64) =
                (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
            assert!(start >= end && len > 0);
            end = start + len;
            let of_class = counted.entry(class).or_insert((0, 0));
            *of_class = (of_class.0 + len as u64, of_class.1 + 1);
        }
        let classes = self.books.classes.all().into_iter();
        assert!(
            classes
                .map(|(id, class)| (id.0, (class.bytes, class.pieces)))
                .eq(counted)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn backups_have_what_the_naive_model_says(actions in prop::collection::vec(action(), 1..40)) {
        let mut pair = Pair::new();
        for action in actions {
            let all: Vec<BackupId> = pair.model.keys().copied().collect();
            match action {
                Action::BackUp { base, added, taken, asked } => {
                    let base = base.filter(|_| !all.is_empty()).map(|base| *base.get(&all));
                    pair.back_up(base, added, taken, asked);
                }
                Action::Delete { which, lead_back } if !all.is_empty() => {
                    pair.delete(*which.get(&all), lead_back);
                }
                Action::Delete { .. } => {}
                Action::Compact => pair.update(|update| Ok(update.compact()?)).unwrap(),
                Action::Reopen => pair.books = read_books(&pair.connection).unwrap(),
            }
            pair.check();
        }
    }

    #[test]
    fn changes_come_to_the_same_together_as_one_by_one(
        changes in prop::collection::vec((pieces(), -2..3i64), 0..6),
    ) {
        let changes: Vec<Change> = changes
            .into_iter()
            .flat_map(|(pieces, references)| pieces.into_iter().map(move |piece| Change { piece, references }))
            .collect();
        let by_byte = |changes: &[Change]| {
            let mut bytes = Bytes::new();
            for Change { piece, references } in changes {
                (piece.start..piece.end()).for_each(|byte| *bytes.entry(byte).or_default() += references);
            }
            bytes.retain(|_, references| *references != 0);
            bytes
        };
        let net = net(&changes);
        prop_assert_eq!(by_byte(&net), by_byte(&changes));
        prop_assert!(net.windows(2).all(|pair| pair[0].piece.end() <= pair[1].piece.start));
        prop_assert!(net.iter().all(|change| change.references != 0));
    }
}

#[test]
fn inodes_count_with_what_they_have_allocated() {
    let mut pair = Pair::new();
    let inode = |number, allocated_bytes| Piece::inode(number, allocated_bytes);
    let (a, new_of_a) = pair.rereference(
        |books| books.admit(owner(1), None),
        &[],
        &[inode(7, 4096), inode(8, 8192), inode(9, 0)],
    );
    let (b, new_of_b) = pair.rereference(
        |books| books.admit(owner(2), Some(a)),
        &[inode(8, 8192)],
        &[inode(10, 512)],
    );
    assert_eq!((new_of_a, new_of_b), (12288, 512));
    assert_eq!(pair.books.sums().of_backup(a), (8192, 12288));
    assert_eq!(pair.books.sums().of_backup(b), (512, 4096 + 512));
    // The number is used again, by another file.
    pair.update(|update| {
        update.books.forget(a);
        Ok(())
    })
    .unwrap();
    let (c, _) = pair.rereference(|books| books.admit(owner(3), Some(b)), &[], &[inode(8, 1024)]);
    assert_eq!(pair.books.sums().of_backup(c), (1024, 4096 + 512 + 1024));
}

#[test]
fn giving_up_what_was_never_held_is_noticed_and_changes_nothing() {
    let mut pair = Pair::new();
    let piece = Piece::extent(0, 4096);
    let (a, _) = pair.rereference(|books| books.admit(owner(1), None), &[], &[piece]);
    let given_up = pair.update(|update| {
        let step = update.books.admit(owner(2), Some(a));
        let mut references = update.step(step);
        references.take(Piece::extent(4096, 10))?;
        references.finish()
    });
    assert!(matches!(given_up, Err(Failure::Stray)));
    assert_eq!(pair.books.sums().of_backup(a), (4096, 4096));
    assert_eq!(pair.books.backups.all().len(), 1);
}

#[test]
fn deleting_writes_no_piece_anew() {
    let mut pair = Pair::new();
    let mut last = None;
    for number in 0..20 {
        let added = Piece::extent(number * 10, 10);
        last = Some(
            pair.rereference(|books| books.admit(owner(number as usize), last), &[], &[added])
                .0,
        );
    }
    let all: Vec<BackupId> = pair.books.backups.all().into_iter().map(|(id, _)| *id).collect();
    let before = pair.connection.total_changes();
    pair.update(|update| {
        all[..19].iter().for_each(|id| update.books.forget(*id));
        Ok(())
    })
    .unwrap();
    // The backups, and the row with the numbers.
    assert!(pair.connection.total_changes() - before <= 21);
    assert_eq!(pair.books.sums().of_backup(all[19]), (200, 200));
}
