//! Users, what they are granted, tokens, sessions, and log-ins that failed.

use catalog::{
    Catalog, Error, FailedLogIns, NewApiToken, NewSession, Role, RoleGrant, Scope, SessionId, TokenHash,
    TotpState, UserId, UserState,
};

fn fresh() -> (tempfile::TempDir, Catalog) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    (dir, catalog)
}

/// A catalog with the user `anna` and the group `office`.
fn with_anna() -> (tempfile::TempDir, Catalog, UserId) {
    let (dir, catalog) = fresh();
    let id = catalog.add_user("anna", Some("hash"), 5).expect("adds");
    catalog.create_group("office").expect("creates");
    (dir, catalog, id)
}

fn session(catalog: &Catalog, user: UserId, secret: &[u8], now_ms: i64) -> SessionId {
    let session = NewSession {
        user,
        hash: TokenHash::of(secret),
        address: "203.0.113.9:1".into(),
        program: "test".into(),
    };
    catalog
        .begin_session(&session, "203.0.113.9", now_ms)
        .expect("begins")
}

fn office(role: &str) -> RoleGrant {
    RoleGrant {
        role: role.into(),
        scope: Scope::Group("office".into()),
    }
}

fn token(name: &str, scopes: Option<Vec<Scope>>) -> NewApiToken {
    NewApiToken {
        name: name.into(),
        hash: TokenHash::of(name.as_bytes()),
        rights: Some("see".into()),
        scopes,
        created_ms: 7,
        expires_ms: None,
    }
}

#[test]
fn users_have_names_of_their_own() {
    let (_dir, catalog, id) = with_anna();
    let again = catalog.add_user("anna", None, 6);
    assert!(matches!(again, Err(Error::DuplicateUser { .. })));
    let anna = catalog.user("anna").expect("reads");
    assert_eq!((anna.id, anna.state, anna.created_ms), (id, UserState::Active, 5));
    assert_eq!(anna.password_hash.as_deref(), Some("hash"));
    assert!(matches!(catalog.user("bert"), Err(Error::UnknownUser { .. })));
    assert!(!format!("{anna:?}").contains("hash"), "secrets are not printed");
}

#[test]
fn a_user_goes_with_all_that_is_his() {
    let (_dir, catalog, id) = with_anna();
    catalog.grant("anna", &office("viewer")).expect("grants");
    catalog
        .create_api_token("anna", &token("ci", None))
        .expect("creates");
    session(&catalog, id, b"s", 10);
    catalog.remove_user("anna").expect("removes");
    assert_eq!(catalog.api_tokens(None).expect("lists"), []);
    assert_eq!(catalog.sessions(None).expect("lists"), []);
    // Another one of that name has nothing of the first.
    let other = catalog.add_user("anna", None, 20).expect("adds");
    assert_ne!(other, id);
    assert_eq!(catalog.grants(other).expect("reads"), []);
    assert!(!catalog.knows_address(other, "203.0.113.9").expect("reads"));
}

#[test]
fn another_password_ends_all_other_sessions() {
    let (_dir, catalog, id) = with_anna();
    let bert = catalog.add_user("bert", None, 5).expect("adds");
    session(&catalog, id, b"one", 10);
    let kept = session(&catalog, id, b"two", 11);
    session(&catalog, bert, b"three", 12);
    catalog.set_password("anna", "other", Some(kept)).expect("sets");
    assert!(catalog.session(TokenHash::of(b"one")).expect("reads").is_none());
    assert!(catalog.session(TokenHash::of(b"two")).expect("reads").is_some());
    assert!(catalog.session(TokenHash::of(b"three")).expect("reads").is_some());
    catalog.set_password("anna", "third", None).expect("sets");
    assert_eq!(catalog.sessions(Some("anna")).expect("lists"), []);
}

#[test]
fn a_hash_is_not_replaced_after_the_password_was_changed() {
    let (_dir, catalog, id) = with_anna();
    catalog.rehash_password(id, "stale", "new").expect("does nothing");
    let hash = || catalog.user("anna").expect("reads").password_hash;
    assert_eq!(hash().as_deref(), Some("hash"));
    catalog.rehash_password(id, "hash", "new").expect("replaces");
    assert_eq!(hash().as_deref(), Some("new"));
}

#[test]
fn a_disabled_user_has_no_sessions() {
    let (_dir, catalog, id) = with_anna();
    session(&catalog, id, b"one", 10);
    catalog
        .set_user_state("anna", UserState::Disabled)
        .expect("disables");
    assert_eq!(catalog.sessions(None).expect("lists"), []);
    assert_eq!(catalog.user("anna").expect("reads").state, UserState::Disabled);
}

#[test]
fn a_code_is_taken_once() {
    let (_dir, catalog, id) = with_anna();
    catalog.begin_totp("anna", b"secret").expect("begins");
    let totp = || catalog.user("anna").expect("reads").totp.expect("has one");
    assert_eq!(totp().state, TotpState::Pending);
    let codes = [TokenHash::of(b"a"), TokenHash::of(b"b")];
    catalog.activate_totp(id, 100, &codes).expect("activates");
    assert_eq!((totp().state, totp().last_step), (TotpState::Active, Some(100)));
    for (step, is_taken) in [(100, false), (99, false), (101, true), (101, false)] {
        assert_eq!(
            catalog.spend_totp_step(id, step).expect("spends"),
            is_taken,
            "{step}"
        );
    }
    for (code, is_taken) in [(b"a", true), (b"a", false), (b"c", false)] {
        let spent = catalog.spend_recovery_code(id, TokenHash::of(code));
        assert_eq!(spent.expect("spends"), is_taken);
    }
    assert_eq!(catalog.user("anna").expect("reads").recovery_codes, 1);
    catalog.remove_totp("anna").expect("removes");
    let anna = catalog.user("anna").expect("reads");
    assert_eq!((anna.totp, anna.recovery_codes), (None, 0));
}

#[test]
fn roles_are_granted_and_revoked() {
    let (_dir, catalog, id) = with_anna();
    let role = Role {
        name: "helpdesk".into(),
        rights: "see,logs".into(),
    };
    catalog.create_role(&role).expect("creates");
    let again = catalog.create_role(&role);
    assert!(matches!(again, Err(Error::DuplicateRole { .. })));
    assert!(catalog.grant("anna", &office("helpdesk")).expect("grants"));
    assert!(!catalog.grant("anna", &office("helpdesk")).expect("is there"));
    let nobody = RoleGrant {
        role: "helpdesk".into(),
        scope: Scope::Client("nobody".into()),
    };
    assert!(matches!(
        catalog.grant("anna", &nobody),
        Err(Error::UnknownClient { .. })
    ));
    assert_eq!(catalog.grants(id).expect("reads"), [office("helpdesk")]);
    assert!(matches!(
        catalog.delete_role("helpdesk"),
        Err(Error::RoleInUse { user, .. }) if user == "anna"
    ));
    assert!(
        catalog
            .revoke_grant("anna", &office("helpdesk"))
            .expect("revokes")
    );
    assert!(
        !catalog
            .revoke_grant("anna", &office("helpdesk"))
            .expect("is gone")
    );
    catalog.delete_role("helpdesk").expect("deletes");
    assert!(matches!(
        catalog.delete_role("helpdesk"),
        Err(Error::UnknownRole { .. })
    ));
}

#[test]
fn what_was_granted_for_a_group_goes_with_it() {
    let (_dir, catalog, id) = with_anna();
    catalog.grant("anna", &office("viewer")).expect("grants");
    let scopes = Some(vec![Scope::Group("office".into())]);
    catalog
        .create_api_token("anna", &token("ci", scopes))
        .expect("creates");
    catalog.rename_group("office", "home").expect("renames");
    let renamed = Scope::Group("home".into());
    assert_eq!(catalog.grants(id).expect("reads")[0].scope, renamed);
    catalog.delete_group("home").expect("deletes");
    assert_eq!(catalog.grants(id).expect("reads"), []);
    // The token is good for nothing now, and not for everything.
    let tokens = catalog.api_tokens(Some("anna")).expect("lists");
    assert_eq!(tokens[0].scopes, Some(Vec::new()));
    // Nor does a new group get what the old one had.
    catalog.create_group("home").expect("creates");
    assert_eq!(catalog.grants(id).expect("reads"), []);
}

#[test]
fn tokens_are_found_by_their_hash_and_revoked() {
    let (_dir, catalog, _) = with_anna();
    catalog
        .create_api_token("anna", &token("ci", None))
        .expect("creates");
    let again = catalog.create_api_token("anna", &token("ci", None));
    assert!(matches!(again, Err(Error::DuplicateApiToken { .. })));
    let find = || catalog.api_token(TokenHash::of(b"ci")).expect("reads");
    let (found, user) = find().expect("is there");
    assert_eq!(
        (found.name.as_str(), found.scopes, user.name.as_str()),
        ("ci", None, "anna")
    );
    assert_eq!((found.created_ms, found.last_used_ms), (7, None));
    catalog.note_api_token_use(found.id, 9).expect("notes");
    assert_eq!(find().expect("is there").0.last_used_ms, Some(9));
    catalog.revoke_api_token("anna", "ci").expect("revokes");
    assert!(find().is_none());
    assert!(matches!(
        catalog.revoke_api_token("anna", "ci"),
        Err(Error::UnknownApiToken { .. })
    ));
}

#[test]
fn sessions_are_listed_ended_and_pruned() {
    let (_dir, catalog, id) = with_anna();
    let old = session(&catalog, id, b"old", 10);
    let idle = session(&catalog, id, b"idle", 50);
    let new = session(&catalog, id, b"new", 60);
    catalog.note_session_use(old, 70).expect("notes");
    let (found, user) = catalog
        .session(TokenHash::of(b"old"))
        .expect("reads")
        .expect("is there");
    assert_eq!((found.created_ms, found.last_used_ms), (10, 70));
    assert_eq!(user.last_log_in_ms, Some(60));
    catalog.prune_sessions(20, 55, 0).expect("prunes");
    let ids: Vec<_> = catalog
        .sessions(None)
        .expect("lists")
        .iter()
        .map(|session| session.id)
        .collect();
    assert_eq!(ids, [new], "{old:?} is too old, {idle:?} was not used");
    assert!(catalog.knows_address(id, "203.0.113.9").expect("reads"));
    catalog.prune_sessions(0, 0, 61).expect("prunes");
    assert!(!catalog.knows_address(id, "203.0.113.9").expect("reads"));
    assert_eq!(catalog.end_session(new).expect("ends").as_deref(), Some("anna"));
    assert_eq!(catalog.end_session(new).expect("is gone"), None);
    session(&catalog, id, b"another", 80);
    assert_eq!(catalog.end_sessions("anna").expect("ends"), 1);
}

#[test]
fn failures_are_kept_over_a_restart_and_forgotten() {
    let (dir, catalog) = fresh();
    let failed = |user_name: &str, address: &str, failures| FailedLogIns {
        user_name: user_name.into(),
        address: address.into(),
        failures,
        last_ms: 100,
        locked_until_ms: 200,
    };
    let all = [
        failed("", "a", 3),
        failed("", "b", 1),
        failed("anna", "", 3),
        failed("anna", "a", 2),
        failed("bert", "a", 1),
        failed("bert", "b", 1),
    ];
    catalog.note_failed_log_ins(&all, 0).expect("notes");
    drop(catalog);
    let catalog = Catalog::open(dir.path()).expect("opens");
    assert_eq!(catalog.all_failed_log_ins().expect("lists"), all);
    let more = failed("anna", "a", 4);
    catalog
        .note_failed_log_ins(std::slice::from_ref(&more), 200)
        .expect("notes");
    assert_eq!(
        catalog.failed_log_ins("anna", "a").expect("reads"),
        Some(more.clone())
    );
    assert_eq!(catalog.unlock_log_ins("anna").expect("unlocks"), 3);
    let left = catalog.all_failed_log_ins().expect("lists");
    assert_eq!(left, [all[1].clone(), all[4].clone(), all[5].clone()]);
    catalog.forget_failed_log_ins("bert", "a").expect("forgets");
    assert_eq!(catalog.failed_log_ins("bert", "a").expect("reads"), None);
    catalog.note_failed_log_ins(&[], 201).expect("prunes");
    assert_eq!(catalog.all_failed_log_ins().expect("lists"), []);
}
