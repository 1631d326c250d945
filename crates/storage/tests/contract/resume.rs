//! Going on with a backup that was interrupted.

use std::fs;

use storage::{BackupName, Basis, Committed, Error};

use crate::check::{Strictness::Exact, check_all};
use crate::driver::{Until, back_up, header, take_in};
use crate::lab::{Lab, client, nth};

/// Takes in some directories and leaves it at that.
fn begin(
    lab: &Lab,
    basis: Basis,
    name: &BackupName,
    base: Option<&BackupName>,
    directories: usize,
) -> storage::Ingest {
    let laptop = client("laptop");
    let ingest = lab.store().begin(&laptop, &basis).unwrap();
    let until = Until::Directories(directories);
    assert!(
        take_in(
            lab.store(),
            &ingest,
            &header(&laptop, name, base),
            lab.source(),
            until
        )
        .unwrap()
        .is_none()
    );
    ingest
}

fn finish(lab: &Lab, name: &BackupName, base: Option<&BackupName>) -> Committed {
    let laptop = client("laptop");
    let ingest = lab.store().begin(&laptop, &Basis::Resume).unwrap();
    take_in(
        lab.store(),
        &ingest,
        &header(&laptop, name, base),
        lab.source(),
        Until::End,
    )
    .unwrap()
    .unwrap();
    let committed = ingest.commit(name).unwrap();
    check_all(lab.store(), Exact);
    assert!(lab.store().incomplete(&laptop).unwrap().is_none());
    assert!(matches!(
        lab.store().begin(&laptop, &Basis::Resume),
        Err(Error::NothingToResume { .. })
    ));
    committed
}

fn fill(lab: &Lab) {
    lab.fill(7);
    for dir in 0..20 {
        for file in 0..5 {
            lab.write(
                &format!("many-{dir:02}/{file}"),
                format!("{dir} {file}").repeat(5000).as_bytes(),
            );
        }
    }
}

pub fn after_suspend(lab: Lab) {
    fill(&lab);
    begin(&lab, Basis::Fresh, &nth(1), None, 15).suspend().unwrap();
    let incomplete = lab.store().incomplete(&client("laptop")).unwrap().unwrap();
    assert_eq!(incomplete.header.unwrap().name, nth(1).as_str());
    let committed = finish(&lab, &nth(1), None);
    assert!(
        committed.outcome.written_files + 20 < committed.totals.files,
        "all was written again: {committed:?}"
    );
    lab.mutate(1, 20);
    begin(&lab, Basis::Backup(nth(1)), &nth(2), Some(&nth(1)), 15)
        .suspend()
        .unwrap();
    lab.mutate(2, 5);
    finish(&lab, &nth(2), Some(&nth(1)));
}

pub fn after_drop(mut lab: Lab) {
    fill(&lab);
    drop(begin(&lab, Basis::Fresh, &nth(1), None, 12));
    lab.reopen();
    assert_eq!(lab.store().recovered().resumable, [client("laptop")]);
    finish(&lab, &nth(1), None);
    lab.mutate(1, 20);
    drop(begin(&lab, Basis::Backup(nth(1)), &nth(2), Some(&nth(1)), 9));
    lab.reopen();
    finish(&lab, &nth(2), Some(&nth(1)));
    // A fresh begin discards what there is.
    drop(begin(&lab, Basis::Backup(nth(2)), &nth(3), Some(&nth(2)), 9));
    back_up(
        lab.store(),
        &client("laptop"),
        &nth(3),
        Basis::Backup(nth(2)),
        lab.source(),
    );
    check_all(lab.store(), Exact);
}

pub fn twice_after_drops(mut lab: Lab) {
    fill(&lab);
    back_up(
        lab.store(),
        &client("laptop"),
        &nth(1),
        Basis::Fresh,
        lab.source(),
    );
    for (round, first, second) in [(2, 25, 10), (3, 10, 25), (4, 3, 3)] {
        let (name, base) = (nth(round), nth(round - 1));
        lab.mutate(round, 20);
        drop(begin(
            &lab,
            Basis::Backup(base.clone()),
            &name,
            Some(&base),
            first,
        ));
        lab.mutate(round + 100, 5);
        lab.reopen();
        drop(begin(&lab, Basis::Resume, &name, Some(&base), second));
        lab.mutate(round + 200, 5);
        drop(begin(&lab, Basis::Resume, &name, Some(&base), 1));
        finish(&lab, &name, Some(&base));
    }
}

pub fn after_the_base_was_deleted(mut lab: Lab) {
    fill(&lab);
    back_up(
        lab.store(),
        &client("laptop"),
        &nth(1),
        Basis::Fresh,
        lab.source(),
    );
    lab.mutate(1, 20);
    let ingest = begin(&lab, Basis::Backup(nth(1)), &nth(2), Some(&nth(1)), 12);
    // A snapshot does not need its base any more.
    let early = lab.store().delete(&client("laptop"), &nth(1));
    assert_eq!(early.is_ok(), lab.kind == crate::lab::Kind::Btrfs, "{early:?}");
    drop(ingest);
    if let Err(busy) = early {
        assert!(matches!(busy, Error::Busy { .. }));
        lab.store().delete(&client("laptop"), &nth(1)).unwrap();
    }
    lab.store().reap(&storage::Unwatched).unwrap();
    lab.reopen();
    finish(&lab, &nth(2), Some(&nth(1)));
}

pub fn after_a_power_loss(mut lab: Lab) {
    fill(&lab);
    let laptop = client("laptop");
    let state = lab.storage().join(".perennial/incomplete/laptop/state.toml");
    let lose_power = |lab: &mut Lab| {
        lab.store = None;
        let text = fs::read_to_string(&state).unwrap();
        let text = text.lines().map(|line| {
            if line.starts_with("boot") {
                "boot = \"another\""
            } else {
                line
            }
        });
        fs::write(&state, text.collect::<Vec<_>>().join("\n")).unwrap();
        lab.reopen();
    };
    // Without a checkpoint nothing is trusted.
    drop(begin(&lab, Basis::Fresh, &nth(1), None, 12));
    lose_power(&mut lab);
    assert_eq!(lab.store().recovered().discarded, std::slice::from_ref(&laptop));
    // With one, what it covers.
    let ingest = lab.store().begin(&laptop, &Basis::Fresh).unwrap();
    take_in(
        lab.store(),
        &ingest,
        &header(&laptop, &nth(1), None),
        lab.source(),
        Until::Directories(12),
    )
    .unwrap();
    ingest.checkpoint().unwrap();
    drop(ingest);
    lose_power(&mut lab);
    assert_eq!(lab.store().recovered().resumable, std::slice::from_ref(&laptop));
    finish(&lab, &nth(1), None);
    // What has a base begins again from that.
    lab.mutate(1, 20);
    begin(&lab, Basis::Backup(nth(1)), &nth(2), Some(&nth(1)), 12)
        .suspend()
        .unwrap();
    lose_power(&mut lab);
    assert_eq!(lab.store().recovered().discarded, std::slice::from_ref(&laptop));
    back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    check_all(lab.store(), Exact);
}
