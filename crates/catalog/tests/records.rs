//! What each kind of record promises.

use catalog::{
    Adoption, BackupFigures, BackupFilter, BackupKind, BackupMode, BackupState, Bar, Catalog, Certificate,
    ClientState, Enrolment, Error, Identity, JobEnd, JobFilter, JobKind, JobState, NewBackup, NewJob,
    NewToken, Outcome, PoolChange, PoolLinks, Problem, Redeem, Sighting, TokenHash,
};

fn fresh() -> (tempfile::TempDir, Catalog) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    catalog
        .set_default_storage("a", std::path::Path::new("/a"))
        .expect("notes");
    (dir, catalog)
}

fn certificate(number: u8) -> Certificate {
    Certificate {
        serial: vec![number; 16],
        fingerprint: [number; 32],
    }
}

fn sighting() -> Sighting {
    Sighting {
        operating_system: "Debian 12".into(),
        version: "0.1.0".into(),
    }
}

fn token(secret: &[u8], client: Option<&str>) -> NewToken {
    NewToken {
        hash: TokenHash::of(secret),
        client: client.map(Into::into),
        max_uses: 1,
        sources: Vec::new(),
        created_ms: 0,
        expires_ms: 1_000,
    }
}

fn enrolment(client: &str, number: u8) -> Enrolment {
    Enrolment {
        client: client.into(),
        certificate: certificate(number),
        sighting: sighting(),
    }
}

fn enrol(catalog: &Catalog, client: &str, number: u8) {
    catalog
        .create_token(&token(&[number], Some(client)))
        .expect("token");
    let redeem = catalog
        .enrol(TokenHash::of(&[number]), &enrolment(client, number), 5)
        .expect("enrols");
    assert!(matches!(redeem, Redeem::Accepted(_)), "{redeem:?}");
}

fn backup(client: &str, name: &str, started_ms: i64) -> NewBackup {
    NewBackup {
        client: client.into(),
        storage: catalog::StorageId(1),
        name: name.into(),
        kind: BackupKind::File,
        mode: BackupMode::Incremental,
        base: Some("260101-0000".into()),
        started_ms,
        finished_ms: started_ms + 10,
        outcome: Outcome::WithProblems,
        figures: BackupFigures {
            files: 3,
            directories: 2,
            bytes_logical: 1 << 40,
            bytes_transferred: 7,
            bytes_stored_new: None,
        },
        digest: [9; 32],
        problem_count: 2,
        problems: vec![
            Problem {
                path: b"a/\xff\n".to_vec(),
                kind: "denied".into(),
                message: "permission denied".into(),
            },
            Problem {
                path: b"b".to_vec(),
                kind: "changed".into(),
                message: "changed while read".into(),
            },
        ],
    }
}

#[test]
fn a_token_for_several_is_good_as_often_as_it_says() {
    let (_dir, catalog) = fresh();
    let several = NewToken {
        max_uses: 2,
        sources: vec!["/home".into(), "/srv/my files".into()],
        ..token(b"several", None)
    };
    catalog.create_token(&several).expect("token");
    let redeem = |client, number| {
        catalog
            .enrol(several.hash, &enrolment(client, number), 5)
            .expect("reads")
    };
    assert!(matches!(redeem("a", 1), Redeem::Accepted(_)));
    assert_eq!(redeem("a", 2), Redeem::NameTaken);
    let left = catalog
        .good_token(several.hash, 5)
        .expect("reads")
        .expect("is good");
    assert_eq!((left.uses, left.sources), (1, several.sources.clone()));
    assert!(matches!(redeem("b", 3), Redeem::Accepted(_)));
    assert_eq!(redeem("c", 4), Redeem::AlreadyUsed { by: "b".into() });
    assert_eq!(
        catalog
            .good_token(several.hash, 5)
            .expect("reads")
            .expect_err("is used"),
        Redeem::AlreadyUsed { by: "b".into() }
    );
}

#[test]
fn a_token_is_good_for_one_client_once() {
    let (_dir, catalog) = fresh();
    catalog.create_token(&token(b"secret", None)).expect("token");
    let hash = TokenHash::of(b"secret");
    assert_eq!(
        catalog.preview_enrolment(hash, "anna", 10).expect("previews"),
        None
    );

    let Redeem::Accepted(client) = catalog.enrol(hash, &enrolment("anna", 1), 10).expect("enrols") else {
        panic!("not accepted");
    };
    assert_eq!(
        (client.name.as_str(), client.state),
        ("anna", ClientState::Active)
    );
    assert_eq!(
        (client.certificate, client.enrolled_ms),
        (Some(certificate(1)), Some(10))
    );

    let again = catalog.enrol(hash, &enrolment("bert", 2), 11).expect("answers");
    assert_eq!(again, Redeem::AlreadyUsed { by: "anna".into() });
    assert!(matches!(catalog.client("bert"), Err(Error::UnknownClient { .. })));
}

#[test]
fn refused_tokens_change_nothing() {
    let (_dir, catalog) = fresh();
    catalog
        .create_token(&token(b"bound", Some("anna")))
        .expect("token");
    let enrol = |secret: &[u8], client: &str, now_ms| {
        catalog
            .enrol(TokenHash::of(secret), &enrolment(client, 3), now_ms)
            .expect("answers")
    };
    assert_eq!(enrol(b"other", "anna", 0), Redeem::Unknown);
    assert_eq!(
        enrol(b"bound", "bert", 0),
        Redeem::MeantForAnother {
            client: "anna".into()
        }
    );
    assert_eq!(enrol(b"bound", "anna", 1_000), Redeem::Expired);
    assert!(catalog.clients().expect("lists").is_empty());
    assert!(matches!(enrol(b"bound", "anna", 999), Redeem::Accepted(_)));
    assert!(matches!(
        catalog.create_token(&token(b"bound", None)),
        Err(Error::DuplicateToken)
    ));
}

#[test]
fn only_a_bound_token_takes_over_a_name() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    catalog.create_token(&token(b"free", None)).expect("token");
    let redeem = catalog
        .enrol(TokenHash::of(b"free"), &enrolment("anna", 2), 5)
        .expect("answers");
    assert_eq!(redeem, Redeem::NameTaken);

    enrol(&catalog, "anna", 3);
    assert_eq!(
        catalog.identify(&[1; 32]).expect("identifies"),
        Identity::Revoked {
            client: "anna".into()
        }
    );
    assert!(matches!(
        catalog.identify(&[3; 32]).expect("identifies"),
        Identity::Active(_)
    ));
    assert_eq!(catalog.identify(&[2; 32]).expect("identifies"), Identity::Unknown);
    assert_eq!(catalog.revoked_serials().expect("lists"), vec![vec![1; 16]]);
}

#[test]
fn a_revoked_client_comes_back_by_token_only() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    catalog.revoke_client("anna", 77).expect("revokes");
    catalog.revoke_client("anna", 78).expect("is idempotent");
    let client = catalog.client("anna").expect("is there");
    assert_eq!(
        (client.state, client.revoked_ms),
        (ClientState::Revoked, Some(77))
    );
    assert!(catalog.replace_certificate("anna", &certificate(2), 80).is_err());
    enrol(&catalog, "anna", 3);
    let client = catalog.client("anna").expect("is there");
    assert_eq!((client.state, client.revoked_ms), (ClientState::Active, None));
}

#[test]
fn a_client_may_be_barred_and_let_in_again() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    let barred = |bar| Identity::Barred {
        client: "anna".into(),
        bar,
    };
    let identity = || catalog.identify(&[1; 32]).expect("identifies");
    catalog.disable_client("anna", Some(70)).expect("disables");
    catalog.disable_client("anna", Some(71)).expect("is idempotent");
    assert_eq!(identity(), barred(Bar::Disabled));
    assert_eq!(catalog.client("anna").expect("reads").disabled_ms, Some(70));
    let tracks = catalog.tracks(None, 100).expect("reads");
    assert_eq!(tracks[0].state, ClientState::Disabled);
    catalog.remove_client("anna", Some(80)).expect("removes");
    assert_eq!(identity(), barred(Bar::Removed));
    catalog.remove_client("anna", None).expect("takes back");
    catalog.disable_client("anna", None).expect("enables");
    assert!(matches!(identity(), Identity::Active(_)));
    assert!(catalog.disable_client("bruno", None).is_err());
    // A token for its name lets it in, whatever barred it.
    catalog.remove_client("anna", Some(90)).expect("removes");
    enrol(&catalog, "anna", 2);
    assert_eq!(catalog.client("anna").expect("reads").state, ClientState::Active);
}

#[test]
fn a_client_is_forgotten_when_it_is_removed_and_has_nothing_left() {
    let (_dir, catalog) = fresh();
    for (name, number) in [("anna", 1), ("bruno", 2)] {
        enrol(&catalog, name, number);
    }
    let id = catalog.commit_backup(&backup("anna", "a", 10)).expect("commits");
    assert!(
        !catalog.forget_client("anna").expect("answers"),
        "it is not removed"
    );
    catalog.remove_client("anna", Some(20)).expect("removes");
    assert!(
        !catalog.forget_client("anna").expect("answers"),
        "it has a backup"
    );
    catalog.begin_delete("anna", "a").expect("begins");
    assert!(
        !catalog.forget_client("anna").expect("answers"),
        "it is there still"
    );
    catalog.forget_backup(id).expect("ends");
    assert!(catalog.forget_client("anna").expect("answers"));
    assert!(matches!(catalog.client("anna"), Err(Error::UnknownClient { .. })));
    assert_eq!(catalog.identify(&[1; 32]).expect("identifies"), Identity::Unknown);
    catalog.check().expect("is whole");
    enrol(&catalog, "anna", 3);
    assert_eq!(catalog.clients().expect("lists").len(), 2);
}

#[test]
fn a_certificate_belongs_to_one_client_for_ever() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    enrol(&catalog, "bert", 2);
    let stolen = catalog.replace_certificate("bert", &certificate(1), 6);
    assert!(matches!(stolen, Err(Error::DuplicateCertificate)), "{stolen:?}");
    catalog
        .replace_certificate("anna", &certificate(4), 6)
        .expect("renews");
    let revived = catalog.replace_certificate("bert", &certificate(1), 6);
    assert!(matches!(revived, Err(Error::DuplicateCertificate)), "{revived:?}");
    assert_eq!(
        catalog.client("bert").expect("is there").certificate,
        Some(certificate(2))
    );
}

#[test]
fn sightings_and_tokens_are_listed_and_pruned() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    catalog
        .client_seen(
            "anna",
            &Sighting {
                operating_system: "Debian 13".into(),
                version: "0.2".into(),
            },
            99,
        )
        .expect("notes");
    let client = catalog.client("anna").expect("is there");
    assert_eq!(
        (client.operating_system.as_str(), client.last_seen_ms),
        ("Debian 13", Some(99))
    );
    assert!(catalog.client_seen("bert", &sighting(), 99).is_err());

    let tokens = catalog.tokens().expect("lists");
    assert_eq!(
        (tokens[0].used_by.as_deref(), tokens[0].used_ms),
        (Some("anna"), Some(5))
    );
    assert_eq!(catalog.prune_tokens(1_000).expect("prunes"), 0);
    assert_eq!(catalog.prune_tokens(1_001).expect("prunes"), 1);
}

#[test]
fn a_backup_comes_back_as_it_was_recorded() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    let new = backup("anna", "260102-0000", 100);
    let id = catalog.commit_backup(&new).expect("commits");
    let known = catalog.backup("anna", "260102-0000").expect("is there");
    assert_eq!(
        (known.id, known.state, known.figures),
        (id, BackupState::Committed, new.figures)
    );
    assert_eq!(
        (known.base.as_deref(), known.digest),
        (Some("260101-0000"), [9; 32])
    );
    assert_eq!(catalog.problems(id).expect("lists"), new.problems);
    catalog.set_stored_new(id, 5).expect("notes");
    let known = catalog.backup("anna", "260102-0000").expect("is there");
    assert_eq!(known.figures.bytes_stored_new, Some(5));

    assert!(matches!(
        catalog.commit_backup(&new),
        Err(Error::DuplicateBackup { .. })
    ));
    assert!(matches!(
        catalog.commit_backup(&backup("bert", "x", 0)),
        Err(Error::UnknownClient { .. })
    ));
    let mut huge = backup("anna", "260103-0000", 0);
    huge.figures.files = u64::MAX;
    assert!(matches!(
        catalog.commit_backup(&huge),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn deletion_is_two_steps_and_numbers_are_not_given_again() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    let first = catalog.commit_backup(&backup("anna", "a", 1)).expect("commits");
    let second = catalog.commit_backup(&backup("anna", "b", 2)).expect("commits");
    catalog.begin_delete("anna", "b").expect("marks");
    assert_eq!(
        catalog.begin_delete("anna", "b").expect("marks again").state,
        BackupState::Deleting
    );
    let newest = catalog
        .newest_backup(&BackupFilter::committed_of("anna"))
        .expect("looks");
    assert_eq!(newest.map(|backup| backup.id), Some(first));
    let overview = catalog.clients().expect("lists");
    assert_eq!(
        (overview[0].backups, overview[0].newest.as_deref()),
        (1, Some("a"))
    );

    catalog.forget_backup(second).expect("forgets");
    catalog.forget_backup(second).expect("is idempotent");
    assert!(catalog.problems(second).expect("lists").is_empty());
    assert!(matches!(
        catalog.begin_delete("anna", "b"),
        Err(Error::UnknownBackup { .. })
    ));
    let third = catalog.commit_backup(&backup("anna", "b", 3)).expect("commits");
    assert!(third > second);
}

#[test]
fn adoption_makes_clients_and_is_repeatable() {
    let (_dir, catalog) = fresh();
    let new = backup("anna", "a", 1);
    let Adoption::Inserted(id) = catalog.adopt_backup(&new).expect("adopts") else {
        panic!("known")
    };
    assert_eq!(catalog.adopt_backup(&new).expect("adopts"), Adoption::Known(id));
    assert_eq!(
        catalog.client("anna").expect("is there").state,
        ClientState::Adopted
    );

    catalog.create_token(&token(b"free", None)).expect("token");
    let redeem = catalog
        .enrol(TokenHash::of(b"free"), &enrolment("anna", 2), 5)
        .expect("answers");
    assert_eq!(redeem, Redeem::NameTaken);
    catalog
        .replace_certificate("anna", &certificate(3), 5)
        .expect("comes back");
    assert_eq!(
        catalog.client("anna").expect("is there").state,
        ClientState::Active
    );
}

#[test]
fn jobs_go_forward_only() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    let new = NewJob {
        kind: JobKind::FileBackup,
        client: Some("anna".into()),
        subject: Some("260102-0000".into()),
        mode: Some(BackupMode::Full),
        reason: Some("there is no backup yet".into()),
        queued_ms: 1,
    };
    let id = catalog.queue_job(&new).expect("queues");
    let early = catalog.finish_job(id, &JobEnd::Done, None, 2);
    assert!(
        matches!(
            early,
            Err(Error::JobState {
                state: JobState::Queued,
                ..
            })
        ),
        "{early:?}"
    );
    catalog.start_job(id, 3).expect("starts");
    assert!(catalog.start_job(id, 4).is_err());
    assert_eq!(catalog.totals().expect("counts").jobs_running, 1);
    catalog
        .finish_job(
            id,
            &JobEnd::Failed { error: "gone".into() },
            Some(r#"{"files":1}"#),
            5,
        )
        .expect("ends");
    assert!(catalog.finish_job(id, &JobEnd::Done, None, 6).is_err());

    let job = catalog.job(id).expect("is there");
    assert_eq!(
        (job.state, job.error.as_deref()),
        (JobState::Failed, Some("gone"))
    );
    assert_eq!((job.started_ms, job.finished_ms), (Some(3), Some(5)));
    assert_eq!(job.figures.as_deref(), Some(r#"{"files":1}"#));
    let missing = catalog.queue_job(&NewJob {
        client: Some("bert".into()),
        ..new
    });
    assert!(matches!(missing, Err(Error::UnknownClient { .. })));
}

#[test]
fn a_restart_interrupts_what_had_not_ended() {
    let (_dir, catalog) = fresh();
    let new = NewJob {
        kind: JobKind::Cleanup,
        client: None,
        subject: None,
        mode: None,
        reason: None,
        queued_ms: 1,
    };
    let ids: Vec<_> = (0..3).map(|_| catalog.queue_job(&new).expect("queues")).collect();
    catalog.start_job(ids[1], 2).expect("starts");
    catalog
        .finish_job(ids[2], &JobEnd::Cancelled, None, 2)
        .expect("is cancelled");
    assert_eq!(catalog.interrupt_jobs(9).expect("marks"), 2);
    let interrupted = JobFilter {
        state: Some(JobState::Interrupted),
        ..JobFilter::default()
    };
    let newest = JobFilter {
        limit: Some(1),
        ..interrupted.clone()
    };
    assert_eq!(catalog.jobs(&interrupted).expect("lists").len(), 2);
    assert_eq!(catalog.jobs(&newest).expect("lists")[0].id, ids[1]);
    let kinds = [(JobKind::Cleanup, 3), (JobKind::Check, 0)];
    for (kind, count) in kinds {
        let of_kind = JobFilter {
            kind: Some(kind),
            before: None,
            ..JobFilter::default()
        };
        assert_eq!(catalog.jobs(&of_kind).expect("lists").len(), count, "{kind}");
    }
    let having = |text: &str| {
        let filter = JobFilter {
            text: Some(text.to_owned()),
            ..JobFilter::default()
        };
        catalog.jobs(&filter).expect("lists").len()
    };
    assert_eq!((having("EAN"), having("e_n"), having("")), (3, 0, 3));
    let before = JobFilter {
        before: Some(ids[1]),
        ended_since_ms: Some(9),
        ..JobFilter::default()
    };
    assert_eq!(catalog.jobs(&before).expect("lists").len(), 1);
    assert_eq!(catalog.prune_jobs(9).expect("prunes"), 1);
}

#[test]
fn what_was_read_is_known_to_hold_until_something_changes() {
    let (_dir, catalog) = fresh();
    let before = catalog.commits();
    catalog.clients().expect("lists");
    assert_eq!(catalog.commits(), before);
    enrol(&catalog, "anna", 1);
    let after = catalog.commits();
    assert_ne!(after, before);
    catalog.client("berta").expect_err("is not known");
    assert_eq!(catalog.commits(), after);
}

#[test]
fn pool_counts_stay_until_the_directory_is_gone() {
    let (_dir, catalog) = fresh();
    enrol(&catalog, "anna", 1);
    let links = |links| PoolLinks {
        pool: "p".into(),
        links,
    };
    let change = |change| catalog.change_pool_links(catalog::StorageId(1), "anna", &[change]);
    assert!(change(PoolChange::Added(links(2))).expect("adds").is_empty());
    assert_eq!(change(PoolChange::Taken(links(2))).expect("takes"), ["p"]);
    assert_eq!(
        catalog.pool_links(catalog::StorageId(1), "anna").expect("lists"),
        [links(0)]
    );
    assert!(matches!(
        change(PoolChange::Taken(links(1))),
        Err(Error::PoolUnderflow { .. })
    ));
    catalog
        .forget_pools(catalog::StorageId(1), "anna", &["p".into()])
        .expect("forgets");
    assert!(
        catalog
            .pool_links(catalog::StorageId(1), "anna")
            .expect("lists")
            .is_empty()
    );
    catalog
        .replace_pool_links(catalog::StorageId(1), "anna", &[links(7)])
        .expect("replaces");
    assert_eq!(
        catalog.pool_links(catalog::StorageId(1), "anna").expect("lists"),
        [links(7)]
    );
}
