//! Channels, what was told, and messages on their way.

use catalog::{
    BackupFigures, BackupKind, BackupMode, BackupState, Catalog, ChannelId, DeliveryEnd, Error, MessageState,
    NewBackup, NewMessage, OutboxMessage, Outcome, Precedence, Telling, ToldRecord, Verification, Verified,
};

const MINUTE_MS: i64 = 60_000;
const DELIVERED: DeliveryEnd = DeliveryEnd::Delivered { remark: None };

fn fresh() -> (tempfile::TempDir, Catalog) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    catalog
        .set_default_storage("a", std::path::Path::new("/a"))
        .expect("notes");
    (dir, catalog)
}

fn message(channel: ChannelId, content: &str) -> NewMessage {
    NewMessage {
        channel,
        content: content.into(),
        precedence: Precedence::After,
    }
}

fn send(catalog: &Catalog, messages: Vec<NewMessage>, now_ms: i64) {
    let telling = Telling {
        messages,
        ..Telling::default()
    };
    catalog.tell(&telling, now_ms).expect("queues");
}

fn due(catalog: &Catalog, now_ms: i64) -> Vec<OutboxMessage> {
    catalog.due_messages(now_ms, 100).expect("lists")
}

fn contents(messages: &[OutboxMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.content.as_str()).collect()
}

fn retry(next_try_ms: i64, recipients: Option<&str>) -> DeliveryEnd {
    DeliveryEnd::Retry {
        next_try_ms,
        error: "no answer".into(),
        recipients: recipients.map(str::to_owned),
    }
}

#[test]
fn channels_have_names_of_their_own() {
    let (_dir, catalog) = fresh();
    let id = catalog.create_channel("admins", "{}", 5).expect("creates");
    assert!(matches!(
        catalog.create_channel("admins", "{}", 6),
        Err(Error::DuplicateChannel { .. })
    ));
    let listed = catalog.channels().expect("lists");
    assert_eq!(
        (listed[0].id, listed[0].created_ms, listed[0].reported_ms),
        (id, 5, 5)
    );
    catalog.delete_channel("admins").expect("deletes");
    assert!(matches!(
        catalog.delete_channel("admins"),
        Err(Error::UnknownChannel { .. })
    ));
    let next = catalog.create_channel("admins", "{}", 7).expect("creates");
    assert_ne!(next, id, "a number is never given twice");
}

#[test]
fn what_a_channel_is_set_to_is_not_printed() {
    let (_dir, catalog) = fresh();
    catalog
        .create_channel("admins", r#"{"password":"hunter2"}"#, 5)
        .expect("creates");
    let printed = format!("{:?}", catalog.channels().expect("lists"));
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_telling_is_remembered_as_a_whole() {
    let (_dir, catalog) = fresh();
    let channel = catalog.create_channel("admins", "{}", 0).expect("creates");
    let told = |what: &str| ToldRecord {
        subject: "file anna".into(),
        what: what.into(),
        about: "[]".into(),
        since_ms: 1,
        told_ms: 2,
    };
    let telling = Telling {
        told: vec![told("client-late")],
        messages: vec![message(channel, "late")],
        reported: vec![(channel, 9)],
        ..Telling::default()
    };
    catalog.tell(&telling, 3).expect("tells");
    assert_eq!(catalog.told().expect("lists"), [told("client-late")]);
    assert_eq!(contents(&due(&catalog, 3)), ["late"]);
    assert_eq!(catalog.channels().expect("lists")[0].reported_ms, 9);
    let change = |told, forgotten| Telling {
        told,
        forgotten,
        ..Telling::default()
    };
    catalog
        .tell(&change(vec![told("backup-failed")], vec![]), 4)
        .expect("tells");
    assert_eq!(catalog.told().expect("lists"), [told("backup-failed")]);
    catalog
        .tell(&change(vec![], vec!["file anna".into()]), 5)
        .expect("tells");
    assert_eq!(catalog.told().expect("lists"), []);
}

#[test]
fn messages_of_a_channel_go_one_after_the_other() {
    let (_dir, catalog) = fresh();
    let mail = catalog.create_channel("mail", "{}", 0).expect("creates");
    let chat = catalog.create_channel("chat", "{}", 0).expect("creates");
    send(
        &catalog,
        vec![message(mail, "1"), message(mail, "2"), message(chat, "3")],
        0,
    );
    assert_eq!(contents(&due(&catalog, 0)), ["1", "3"]);
    let first = due(&catalog, 0)[0].id;
    catalog
        .end_delivery(first, &retry(MINUTE_MS, None), 0)
        .expect("records");
    assert_eq!(
        contents(&due(&catalog, 0)),
        ["3"],
        "the second waits for the first"
    );
    assert_eq!(catalog.next_delivery_ms().expect("reads"), Some(0));
    let again = due(&catalog, MINUTE_MS);
    assert_eq!(contents(&again), ["3", "1"]);
    assert_eq!(
        (again[1].failures, again[1].error.as_deref()),
        (1, Some("no answer"))
    );
    catalog
        .end_delivery(first, &DELIVERED, MINUTE_MS)
        .expect("records");
    assert_eq!(contents(&due(&catalog, MINUTE_MS)), ["2", "3"]);
    let delivered = catalog.last_message(mail).expect("reads").expect("is there");
    assert_eq!(
        (delivered.state, delivered.error),
        (MessageState::Delivered, None)
    );
    let error = "refused".to_owned();
    let second = due(&catalog, MINUTE_MS)[0].id;
    catalog
        .end_delivery(second, &DeliveryEnd::GivenUp { error }, MINUTE_MS)
        .expect("records");
    assert_eq!(catalog.count_messages(MessageState::GivenUp).expect("counts"), 1);
}

#[test]
fn what_some_recipients_are_still_to_get_holds_up_nobody_else() {
    let (_dir, catalog) = fresh();
    let mail = catalog.create_channel("mail", "{}", 0).expect("creates");
    send(&catalog, vec![message(mail, "1"), message(mail, "2")], 0);
    let first = due(&catalog, 0)[0].id;
    let refused = retry(MINUTE_MS, Some(r#"["b@example.org"]"#));
    catalog.end_delivery(first, &refused, 0).expect("records");
    assert_eq!(contents(&due(&catalog, 0)), ["2"]);
    let both = due(&catalog, MINUTE_MS);
    assert_eq!(contents(&both), ["2", "1"]);
    assert_eq!(both[1].recipients.as_deref(), Some(r#"["b@example.org"]"#));
    catalog
        .end_delivery(first, &retry(2 * MINUTE_MS, None), 0)
        .expect("records");
    let kept = due(&catalog, 2 * MINUTE_MS);
    assert!(kept[1].recipients.is_some(), "they stay the same");
}

#[test]
fn a_sign_of_life_takes_the_place_of_those_that_failed() {
    let (_dir, catalog) = fresh();
    let check = catalog.create_channel("check", "{}", 0).expect("creates");
    let sign = |content: &str| NewMessage {
        precedence: Precedence::Replaces,
        ..message(check, content)
    };
    send(&catalog, vec![sign("start"), sign("success")], 0);
    assert_eq!(
        contents(&catalog.messages(None, 10).expect("lists")),
        ["success", "start"]
    );
    let start = due(&catalog, 0)[0].id;
    catalog
        .end_delivery(start, &retry(MINUTE_MS, None), 0)
        .expect("records");
    send(&catalog, vec![sign("fail")], 1);
    assert_eq!(
        contents(&catalog.messages(None, 10).expect("lists")),
        ["fail", "success"]
    );
}

#[test]
fn messages_go_with_their_channel_and_are_pruned_by_age() {
    let (_dir, catalog) = fresh();
    let mail = catalog.create_channel("mail", "{}", 0).expect("creates");
    let chat = catalog.create_channel("chat", "{}", 0).expect("creates");
    send(
        &catalog,
        vec![message(mail, "1"), message(chat, "2"), message(chat, "3")],
        0,
    );
    catalog.delete_channel("mail").expect("deletes");
    send(&catalog, vec![message(mail, "too late")], 0);
    assert_eq!(contents(&catalog.messages(None, 10).expect("lists")), ["3", "2"]);
    let second = due(&catalog, 0)[0].id;
    catalog.end_delivery(second, &DELIVERED, 50).expect("records");
    assert_eq!(catalog.prune_messages(50).expect("prunes"), 0);
    assert_eq!(catalog.prune_messages(51).expect("prunes"), 1);
    assert_eq!(contents(&catalog.messages(None, 10).expect("lists")), ["3"]);
}

#[test]
fn a_channel_that_is_gone_for_long_does_not_fill_the_catalog() {
    let (_dir, catalog) = fresh();
    let mail = catalog.create_channel("mail", "{}", 0).expect("creates");
    let many = (0..1_100)
        .map(|number| message(mail, &number.to_string()))
        .collect();
    send(&catalog, many, 0);
    assert_eq!(
        catalog.count_messages(MessageState::Waiting).expect("counts"),
        1_000
    );
    assert_eq!(contents(&due(&catalog, 0)), ["100"], "the oldest were given up");
}

fn back_up(catalog: &Catalog, client: &str, name: &str, mode: BackupMode, started_ms: i64) {
    let backup = NewBackup {
        client: client.into(),
        storage: catalog::StorageId(1),
        name: name.into(),
        kind: BackupKind::File,
        mode,
        base: None,
        started_ms,
        finished_ms: started_ms + 1,
        outcome: Outcome::Finished,
        figures: BackupFigures::default(),
        digest: [0; 32],
        problem_count: 0,
        problems: Vec::new(),
    };
    catalog.adopt_backup(&backup).expect("records");
}

#[test]
fn the_newest_the_damaged_and_the_number_of_backups_are_known() {
    let (_dir, catalog) = fresh();
    back_up(&catalog, "anna", "1", BackupMode::Full, 10);
    back_up(&catalog, "anna", "2", BackupMode::Incremental, 20);
    back_up(&catalog, "anna", "3", BackupMode::Full, 15);
    back_up(&catalog, "bert", "1", BackupMode::Full, 5);
    let names = |backups: Vec<catalog::Backup>| -> Vec<String> {
        let named = |backup: catalog::Backup| format!("{}/{}", backup.client, backup.name);
        backups.into_iter().map(named).collect()
    };
    assert_eq!(
        names(catalog.newest_backups(None).expect("lists")),
        ["anna/2", "bert/1"]
    );
    let second = catalog.backup("anna", "2").expect("reads");
    let verification = |found| Verification { at_ms: 30, found };
    catalog
        .set_verified(second.id, verification(Verified::Failed), &[])
        .expect("sets");
    assert_eq!(names(catalog.damaged_backups().expect("lists")), ["anna/2"]);
    catalog.trash(&second, 40).expect("trashes");
    assert_eq!(names(catalog.damaged_backups().expect("lists")), [""; 0]);
    assert_eq!(
        names(catalog.newest_backups(None).expect("lists")),
        ["anna/3", "bert/1"]
    );
    let counts = catalog.backup_counts().expect("counts");
    let counts: Vec<_> = counts
        .iter()
        .map(|of| (of.client.as_str(), of.state, of.count))
        .collect();
    assert_eq!(
        counts,
        [
            ("anna", BackupState::Committed, 2),
            ("anna", BackupState::Deleting, 1),
            ("bert", BackupState::Committed, 1)
        ]
    );
}
