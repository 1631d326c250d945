//! The doctor looks at servers that are in trouble, one trouble at a time.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use catalog::{
    BackupFigures, BackupKind, BackupMode, Catalog, Certificate, Enrolment, NewBackup, NewToken, Outcome,
    Sighting, TokenHash,
};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use policy::settings::{Action, Said};
use server::{Clock, Level, Scheduling, Server, Settings, doctor};

const START: &str = "2026-11-30T12:00:00Z";

fn clock_after(hours: i64) -> Clock {
    let start: Timestamp = START.parse().unwrap();
    let now = start.checked_add(hours.hours()).unwrap();
    Clock::of(TimeZone::UTC, move || now)
}

/// A server that has run once and was ended, with a client.
struct Stage {
    settings: Settings,
    dir: tempfile::TempDir,
}

impl Stage {
    fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (state, storage) = (dir.path().join("state"), dir.path().join("storage"));
        let mut settings = Settings::new(state, storage, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        settings.scheduling = Scheduling::Off;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let running = Server::start(settings.clone(), clock_after(0)).await.unwrap();
            running.shut_down().await;
        });
        let stage = Self { settings, dir };
        enrol(&stage.catalog());
        stage
    }

    fn catalog(&self) -> Catalog {
        Catalog::open(&self.settings.state_dir).unwrap()
    }

    fn state(&self, name: &str) -> PathBuf {
        self.settings.state_dir.join(name)
    }

    /// What is said of one thing so many hours later; the worst, if there are several.
    fn level(&self, check: &str, hours: i64) -> Option<Level> {
        let findings = doctor(&self.settings, &clock_after(hours));
        for finding in &findings {
            assert_eq!(
                finding.advice.is_none(),
                finding.level == Level::Ok,
                "{finding:?}"
            );
        }
        let said = findings.iter().filter(|finding| finding.check == check);
        said.map(|finding| finding.level).max()
    }
}

fn enrol(catalog: &Catalog) {
    let start_ms = clock_after(0).now_ms();
    let hash = TokenHash::of(b"a secret that is long enough");
    let token = NewToken {
        hash,
        client: None,
        max_uses: 1,
        sources: Vec::new(),
        created_ms: start_ms,
        expires_ms: start_ms + 1,
    };
    catalog.create_token(&token).unwrap();
    let enrolment = Enrolment {
        client: "laptop".into(),
        certificate: Certificate {
            serial: vec![1],
            fingerprint: [1; 32],
        },
        sighting: Sighting {
            operating_system: "linux".into(),
            version: "0.1.0".into(),
        },
    };
    catalog.enrol(hash, &enrolment, start_ms).unwrap();
}

fn backup(started_ms: i64) -> NewBackup {
    NewBackup {
        storage: catalog::StorageId(1),
        client: "laptop".into(),
        name: "261130-1200".into(),
        kind: BackupKind::File,
        mode: BackupMode::Full,
        base: None,
        started_ms,
        finished_ms: started_ms,
        outcome: Outcome::Finished,
        figures: BackupFigures::default(),
        digest: [0; 32],
        problem_count: 0,
        problems: Vec::new(),
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_server_without_trouble_has_none() {
    let stage = Stage::set();
    let checks = [
        "catalog",
        "catalog-space",
        "state-directory",
        "keys",
        "authority",
        "client-certificates",
        "storage",
        "storage-owner",
        "storage-backend",
        "storage-writable",
        "space",
        "clients",
    ];
    for check in checks {
        assert_eq!(stage.level(check, 1), Some(Level::Ok), "{check}");
    }
    // There are no backups that could be lost with it.
    assert_eq!(stage.level("catalog-copies", 1), Some(Level::Advice));
    assert_eq!(stage.level("cleanup", 1), Some(Level::Advice));
}

#[test]
fn a_catalog_in_trouble_is_told() {
    let stage = Stage::set();
    let held = stage.catalog();
    assert_eq!(stage.level("catalog", 0), Some(Level::Error));
    drop(held);
    let database = stage.state("catalog.sqlite");
    let bytes = fs::read(&database).unwrap();
    fs::write(&database, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(stage.level("catalog", 0), Some(Level::Error));
    fs::remove_file(&database).unwrap();
    assert_eq!(stage.level("catalog", 0), Some(Level::Warning));
    assert!(!database.exists());
}

#[test]
fn keys_in_trouble_are_told() {
    let stage = Stage::set();
    let key = stage.state("trust/authority.key.pem");
    set_mode(&key, 0o640);
    assert_eq!(stage.level("keys", 0), Some(Level::Error));
    set_mode(&key, 0o600);
    set_mode(&stage.settings.state_dir, 0o750);
    assert_eq!(stage.level("state-directory", 0), Some(Level::Warning));
    set_mode(&stage.settings.state_dir, 0o700);
    fs::write(&key, "damaged").unwrap();
    assert_eq!(stage.level("authority", 0), Some(Level::Error));
    fs::rename(stage.state("trust"), stage.dir.path().join("away")).unwrap();
    assert_eq!(stage.level("keys", 0), Some(Level::Error));
}

#[test]
fn time_that_goes_on_is_told() {
    let stage = Stage::set();
    let days = |days: i64| days * 24;
    assert_eq!(stage.level("clients", days(13)), Some(Level::Ok));
    assert_eq!(stage.level("clients", days(14)), Some(Level::Advice));
    assert_eq!(stage.level("clients", days(45)), Some(Level::Warning));
    let expiry = days(365 * 10 - 1);
    for (hours, level) in [
        (expiry - days(181), Level::Ok),
        (expiry - days(179), Level::Warning),
        (expiry, Level::Error),
    ] {
        assert_eq!(stage.level("client-certificates", hours), Some(level));
    }
}

#[test]
fn a_clock_that_went_back_is_told() {
    let stage = Stage::set();
    stage
        .catalog()
        .commit_backup(&backup(clock_after(5).now_ms()))
        .unwrap();
    assert_eq!(stage.level("clock-backups", 5), Some(Level::Ok));
    assert_eq!(stage.level("clock-backups", 4), Some(Level::Error));
    // The real file system is not in the year that the test plays in.
    assert_eq!(
        stage.level("clock-file-system", 24 * 365 * 50),
        Some(Level::Warning)
    );
}

#[test]
fn a_storage_in_trouble_is_told() {
    let stage = Stage::set();
    stage
        .catalog()
        .commit_backup(&backup(clock_after(0).now_ms()))
        .unwrap();
    assert_eq!(stage.level("catalog-copies", 0), Some(Level::Warning));
    let identity = stage.settings.storage_dir.join(".perennial/storage.toml");
    let text = fs::read_to_string(&identity).unwrap();
    let change = |from: &str, to: &str| {
        let line = text.lines().find(|line| line.starts_with(from)).unwrap();
        fs::write(&identity, text.replace(line, &format!("{from} = \"{to}\""))).unwrap();
    };
    change("owner", "somebody-else");
    assert_eq!(stage.level("storage-owner", 0), Some(Level::Error));
    change("storage", "another");
    assert_eq!(stage.level("storage-owner", 0), Some(Level::Error));
    fs::remove_file(&identity).unwrap();
    assert_eq!(stage.level("storage", 0), Some(Level::Error));
    fs::rename(&stage.settings.storage_dir, stage.dir.path().join("unmounted")).unwrap();
    assert_eq!(stage.level("storage", 0), Some(Level::Error));
    assert_eq!(stage.level("storage-owner", 0), None);
}

#[test]
fn a_copy_that_is_old_or_damaged_is_told() {
    let stage = Stage::set();
    let copy = stage
        .settings
        .storage_dir
        .join(".perennial/catalog/20261130T110000Z");
    fs::create_dir_all(&copy).unwrap();
    stage.catalog().back_up_to(&copy.join("catalog.sqlite")).unwrap();
    assert_eq!(stage.level("catalog-copies", 24), Some(Level::Ok));
    assert_eq!(stage.level("catalog-copies", 4 * 24), Some(Level::Warning));
    fs::write(copy.join("catalog.sqlite"), "damaged").unwrap();
    assert_eq!(stage.level("catalog-copies", 0), Some(Level::Error));
}

#[test]
fn quotas_that_are_exceeded_are_told() {
    let mut stage = Stage::set();
    for (key, text, level) in [
        ("total_quota", "1K", Level::Warning),
        ("min_free", "100%", Level::Error),
    ] {
        let said = Said {
            action: Action::Set,
            text: text.into(),
            origin: "a test".into(),
        };
        stage.settings.policy.insert(key.into(), said);
        assert_eq!(stage.level("space", 0), Some(level), "{key}");
    }
}
