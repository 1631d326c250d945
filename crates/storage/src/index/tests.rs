//! Tests of the module above.

use super::*;

fn owner(name: &str) -> Owner {
    Owner {
        client: "laptop".parse().unwrap(),
        name: name.parse().unwrap(),
        digest: ContentHash::of(name.as_bytes()),
    }
}

fn content(seed: u8) -> Content {
    Content {
        hash: ContentHash([seed; 32]),
        size: 20_000 + u64::from(seed),
        path: format!("s/{seed}").into_bytes().into(),
    }
}

fn add(index: &ContentIndex, owner: &Owner, contents: Vec<Content>, batches: Batches) {
    let owner = owner.clone();
    let added = index.add(&mut [Addition {
        owner,
        contents,
        batches,
    }]);
    assert!(added);
}

fn scratch() -> (tempfile::TempDir, ContentIndex) {
    let temp = tempfile::tempdir().unwrap();
    let index = ContentIndex::open(temp.path().join("content.sqlite")).unwrap();
    (temp, index)
}

fn backup_of(index: &ContentIndex, content: &Content) -> Option<String> {
    index
        .lookup(content.hash, content.size)
        .map(|location| location.backup.to_string())
}

#[test]
fn the_oldest_backup_keeps_a_location() {
    let (_temp, index) = scratch();
    let (old, new) = (owner("260101-0000"), owner("260102-0000"));
    add(&index, &old, vec![content(1)], Batches::Last);
    add(&index, &new, vec![content(1), content(2)], Batches::More);
    assert_eq!(backup_of(&index, &content(1)).as_deref(), Some("260101-0000"));
    assert_eq!(backup_of(&index, &content(2)).as_deref(), Some("260102-0000"));
    assert_eq!(backup_of(&index, &content(3)), None);
    assert!(index.has_size(20_001) && !index.has_size(20_003) && !index.has_size(u64::MAX));
    assert!(index.is_indexed(&old) && !index.is_indexed(&new));
}

#[test]
fn locations_pass_to_the_next_backup_or_go() {
    let (_temp, index) = scratch();
    let (old, new) = (owner("260101-0000"), owner("260102-0000"));
    add(
        &index,
        &old,
        vec![content(1), content(2), content(3)],
        Batches::Last,
    );
    index.pass_on(&old, Some(&new), vec![content(1)]);
    index.pass_on(&old, None, vec![content(2)]);
    index.remove_backup(&old);
    assert_eq!(backup_of(&index, &content(1)).as_deref(), Some("260102-0000"));
    assert_eq!(backup_of(&index, &content(2)), None);
    assert_eq!(
        backup_of(&index, &content(3)),
        None,
        "what was left leads nowhere"
    );
}

#[test]
fn a_damaged_file_is_begun_anew() {
    let (temp, index) = scratch();
    add(&index, &owner("260101-0000"), vec![content(1)], Batches::Last);
    drop(index);
    let path = temp.path().join("content.sqlite");
    std::fs::write(&path, b"this is no database. ".repeat(10)).unwrap();
    let index = ContentIndex::open(path).unwrap();
    assert_eq!(backup_of(&index, &content(1)), None);
    add(&index, &owner("260101-0000"), vec![content(1)], Batches::Last);
    assert!(backup_of(&index, &content(1)).is_some());
}

#[test]
fn damage_met_later_shows_at_the_next_opening() {
    let (temp, index) = scratch();
    let many: Vec<Content> = (0..200).map(content).collect();
    add(&index, &owner("260101-0000"), many, Batches::Last);
    index
        .writer
        .lock()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(index);
    let path = temp.path().join("content.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    let len = bytes.len();
    bytes[4096..len].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let index = ContentIndex::open(path.clone()).unwrap();
    assert_eq!(
        backup_of(&index, &content(1)),
        None,
        "a failing index answers nothing"
    );
    drop(index);
    let index = ContentIndex::open(path).unwrap();
    assert!(!index.is_indexed(&owner("260101-0000")));
    add(&index, &owner("260101-0000"), vec![content(1)], Batches::Last);
    assert!(backup_of(&index, &content(1)).is_some());
}

#[test]
fn backups_taken_in_together_are_known_before_they_are_written() {
    let (_temp, index) = scratch();
    let owners = ["260101-0000", "260102-0000", "260103-0000"].map(owner);
    let mut intake = intake::Intake::new(&index);
    intake.add(&owners[0], vec![content(1)], Batches::Last);
    assert!(!intake.is_full() && intake.is_indexed(&owners[0]) && !index.is_indexed(&owners[0]));
    intake.add(&owners[1], vec![content(1), content(2)], Batches::Last);
    assert!(intake.is_full() && intake.write() && !intake.is_full());
    intake.add(&owners[2], Vec::new(), Batches::More);
    assert!(!intake.is_indexed(&owners[2]) && intake.write());
    assert_eq!(backup_of(&index, &content(1)).as_deref(), Some("260101-0000"));
    let (client, first) = (&owners[0].client, &owners[0].name);
    let all: Vec<_> = index.backups(client).into_iter().collect();
    assert_eq!(all, [first.clone(), owners[1].name.clone()]);
    assert!(index.clients().iter().eq([client]));
    index.forget_backup(client, first);
    assert!(!index.is_indexed(&owners[0]) && index.backups(client).len() == 1);
    assert_eq!(backup_of(&index, &content(1)).as_deref(), None);
}

#[test]
fn what_could_not_be_written_on_the_way_is_told_in_the_end() {
    let (_temp, index) = scratch();
    let rename = |from: &str, to: &str| {
        let statement = format!("ALTER TABLE {from} RENAME TO {to}");
        index.writer.lock().execute_batch(&statement).unwrap();
    };
    let mut intake = intake::Intake::new(&index);
    intake.add(&owner("260101-0000"), vec![content(1)], Batches::Last);
    rename("content", "aside");
    intake.make_room();
    rename("aside", "content");
    assert!(!intake.write(), "nothing of it is there");
    intake.add(&owner("260101-0000"), vec![content(1)], Batches::Last);
    assert!(intake.write() && index.is_indexed(&owner("260101-0000")));
}
