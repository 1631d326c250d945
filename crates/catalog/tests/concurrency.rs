//! Many threads at one catalog: a token is accepted once, readers see whole transactions.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use catalog::{
    BackupFigures, BackupFilter, BackupKind, BackupMode, Catalog, Certificate, Enrolment, NewBackup,
    NewToken, Outcome, Problem, Redeem, Sighting, TokenHash,
};

#[test]
fn one_of_many_gets_the_token() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    catalog
        .set_default_storage("a", std::path::Path::new("/a"))
        .expect("notes");
    let hash = TokenHash::of(b"secret");
    catalog
        .create_token(&NewToken {
            hash,
            client: None,
            max_uses: 1,
            sources: Vec::new(),
            created_ms: 0,
            expires_ms: 10,
        })
        .expect("token");
    let start = Barrier::new(8);
    let accepted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let (catalog, start, accepted) = (&catalog, &start, &accepted);
            scope.spawn(move || {
                let enrolment = Enrolment {
                    client: format!("client-{number}"),
                    certificate: Certificate {
                        serial: vec![number],
                        fingerprint: [number; 32],
                    },
                    sighting: Sighting {
                        operating_system: String::new(),
                        version: String::new(),
                    },
                };
                start.wait();
                match catalog.enrol(hash, &enrolment, 1).expect("answers") {
                    Redeem::Accepted(_) => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                    other => assert!(matches!(other, Redeem::AlreadyUsed { .. }), "{other:?}"),
                }
            });
        }
    });
    assert_eq!(accepted.into_inner(), 1);
    assert_eq!(catalog.clients().expect("lists").len(), 1);
}

#[test]
fn readers_see_a_backup_with_all_its_problems_or_not_at_all() {
    const PROBLEMS: usize = 50;
    const BACKUPS: usize = 30;
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    catalog
        .set_default_storage("a", std::path::Path::new("/a"))
        .expect("notes");
    thread::scope(|scope| {
        for writer in 0..2 {
            let catalog = &catalog;
            scope.spawn(move || {
                for number in 0..BACKUPS {
                    catalog
                        .adopt_backup(&backup(writer, number, PROBLEMS))
                        .expect("adopts");
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < 2 * BACKUPS {
                    let backups = catalog.backups(&BackupFilter::default()).expect("lists");
                    assert!(backups.len() >= seen);
                    seen = backups.len();
                    if let Some(last) = backups.last() {
                        assert_eq!(catalog.problems(last.id).expect("lists").len(), PROBLEMS);
                    }
                }
            });
        }
    });
    catalog.check().expect("is whole");
}

fn backup(writer: usize, number: usize, problems: usize) -> NewBackup {
    NewBackup {
        client: format!("client-{writer}"),
        storage: catalog::StorageId(1),
        name: format!("backup-{number}"),
        kind: BackupKind::File,
        mode: BackupMode::Full,
        base: None,
        started_ms: 0,
        finished_ms: 0,
        outcome: Outcome::WithProblems,
        figures: BackupFigures::default(),
        digest: [0; 32],
        problem_count: problems as u64,
        problems: (0..problems)
            .map(|path| Problem {
                path: path.to_string().into_bytes(),
                kind: "denied".into(),
                message: "permission denied".into(),
            })
            .collect(),
    }
}
