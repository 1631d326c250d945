//! Random histories: change the source, back up, be interrupted, delete, pool, reap, open again; all backups stay true.

use std::collections::BTreeMap;

use manifest::DirRecord;
use storage::{BackupName, Basis, Unwatched};

use crate::check::{Strictness, check_all};
use crate::driver::{Until, back_up, header, scan, take_in};
use crate::lab::{Lab, client, nth};

const STEPS: usize = 40;

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// The naive model: what each backup was made from.
type Model = BTreeMap<BackupName, Vec<DirRecord>>;

fn source(lab: &Lab) -> Vec<DirRecord> {
    scan(lab.source()).into_iter().map(|dir| dir.record).collect()
}

pub fn random_history(mut lab: Lab) {
    let given = std::env::var("STORAGE_HISTORY_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| std::process::id().into());
    println!("seed {seed}");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let laptop = client("laptop");
    lab.fill(seed);
    let mut model = Model::new();
    let mut round = 0;
    for step in 0..STEPS {
        match dice.below(12) {
            0..4 => {
                lab.mutate(seed as usize % 1000 + step, 1 + step % 7);
                round += 1;
                let basis = model.keys().last().cloned().map_or(Basis::Fresh, Basis::Backup);
                back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
                model.insert(nth(round), source(&lab));
            }
            4..6 => {
                // Interrupted, changed meanwhile, resumed.
                round += 1;
                let base = model.keys().last().cloned();
                let header = header(&laptop, &nth(round), base.as_ref());
                let basis = base.map_or(Basis::Fresh, Basis::Backup);
                let ingest = lab.store().begin(&laptop, &basis).unwrap();
                take_in(
                    lab.store(),
                    &ingest,
                    &header,
                    lab.source(),
                    Until::Directories(dice.below(20)),
                )
                .unwrap();
                drop(ingest);
                lab.mutate(seed as usize % 1000 + step, 1 + step % 7);
                lab.reopen();
                let ingest = lab.store().begin(&laptop, &Basis::Resume).unwrap();
                take_in(lab.store(), &ingest, &header, lab.source(), Until::End).unwrap();
                ingest.commit(&nth(round)).unwrap();
                model.insert(nth(round), source(&lab));
            }
            6..8 if model.len() > 1 => {
                let at = dice.below(model.len());
                let name = model.keys().nth(at).cloned().unwrap();
                lab.store().delete(&laptop, &name).unwrap();
                model.remove(&name);
            }
            8..10 => {
                if let Some(newest) = model.keys().last() {
                    lab.store().pool_backup(&laptop, newest).unwrap();
                }
            }
            10 => {
                lab.store().reap(&Unwatched).unwrap();
            }
            _ => {
                lab.reopen();
            }
        }
        if step % 5 == 4 {
            check(&lab, &model);
        }
    }
    check(&lab, &model);
    lab.store().reap(&Unwatched).unwrap();
    let plan = lab.store().plan_repair(&Unwatched).unwrap();
    assert!(plan.steps.is_empty(), "{plan:?}");
}

fn check(lab: &Lab, model: &Model) {
    let laptop = client("laptop");
    assert!(lab.store().backups(&laptop).unwrap().iter().eq(model.keys()));
    for (name, records) in model {
        let manifest = lab.store().open_manifest(&laptop, name).unwrap();
        let found: Vec<DirRecord> = manifest.records().map(|record| record.unwrap()).collect();
        assert!(found == *records, "{name} has another manifest");
    }
    // Reused content has the metadata of its first owner where inodes are shared.
    let shares_inodes = matches!(lab.kind, crate::lab::Kind::Ext4 | crate::lab::Kind::Plain);
    check_all(
        lab.store(),
        if shares_inodes {
            Strictness::Content
        } else {
            Strictness::Exact
        },
    );
}
