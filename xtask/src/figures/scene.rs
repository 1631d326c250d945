//! A storage and a catalog of many clients and backups, as a server would find them. Removed at the end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use catalog::{
    BackupMode, Catalog, Certificate, Enrolment, JobEnd, JobKind, NewJob, NewToken, Sighting, TokenHash,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use manifest::{BackupKind, Conclusion, DirRecord, Entry, Header, Kind, Metadata, Source, Writer};

use super::Result;
use super::arguments::Arguments;
use super::server::Server;
use crate::bench::measure::quiet;

/// From one backup to the next.
const INTERVAL_S: i64 = 5 * 3600;
/// How long a backup takes.
const DURATION_S: i64 = 90;
/// Of so many backups one is full.
const FULL_EVERY: u64 = 100;

/// Where the catalog is filled, if it is there: each of its million transactions would wait for a disk.
const MEMORY: &str = "/dev/shm";

/// A server's state and storage.
pub struct Scene {
    root: PathBuf,
    /// Where the state is being made, until that is done.
    making: Option<PathBuf>,
}

impl Scene {
    /// Makes them: a server begins them, they are filled, and the server takes the backups into its catalog.
    pub fn create(arguments: &Arguments, binary: &Path) -> Result<Self> {
        let name = format!("perennial-figures-{}", std::process::id());
        let mut scene = Self {
            making: Path::new(MEMORY).is_dir().then(|| Path::new(MEMORY).join(&name)),
            root: arguments.dir.join(name),
        };
        fs::create_dir(&scene.root)?;
        Server::start(&scene, binary)?.end()?;
        let begun = Instant::now();
        scene.fill(arguments)?;
        eprintln!("made in {} s", begun.elapsed().as_secs());
        eprintln!("the server takes the backups into its catalog, and their content into its index");
        let server = Server::start(&scene, binary)?;
        server.wait_until_idle()?;
        server.end()?;
        scene.settle()?;
        Ok(scene)
    }

    /// Puts the state where it stays.
    fn settle(&mut self) -> Result<()> {
        if let Some(made) = self.making.take() {
            quiet(Command::new("cp").arg("-a").arg(&made).arg(self.state()))?;
            fs::remove_dir_all(&made)?;
        }
        quiet(&mut Command::new("sync"))?;
        Ok(())
    }

    /// The server's state directory.
    pub fn state(&self) -> PathBuf {
        let made = self.making.clone();
        made.unwrap_or_else(|| self.root.join("state"))
    }

    /// The storage.
    pub fn storage(&self) -> PathBuf {
        self.root.join("storage")
    }

    /// The socket on which the server says that it is ready.
    pub fn notify(&self) -> PathBuf {
        self.root.join("notify")
    }

    fn fill(&self, arguments: &Arguments) -> Result<()> {
        let catalog = Catalog::open(&self.state())?;
        let now_s = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
        let server_id = catalog.server_id().to_string();
        for number in 0..arguments.clients {
            let client = format!("client-{number:04}");
            enrol(&catalog, &client, number, now_s * 1000)?;
            let manifests = self.storage().join(".perennial/manifests").join(&client);
            let trees = self.storage().join(&client);
            fs::create_dir_all(&manifests)?;
            fs::create_dir_all(&trees)?;
            let mut base = None;
            for index in 0..arguments.backups {
                let age_s = i64::try_from(arguments.backups - index)? * INTERVAL_S;
                let started_s = now_s - age_s - i64::try_from(number)?;
                let header = header(&client, index, started_s, base.take(), &server_id)?;
                fs::create_dir(trees.join(&header.name))?;
                fs::create_dir(trees.join(&header.name).join("data"))?;
                write_manifest(&manifests, &header)?;
                note_job(&catalog, &header)?;
                base = Some(header.name);
            }
        }
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for dir in self.making.iter().chain([&self.root]) {
            if let Err(error) = fs::remove_dir_all(dir) {
                eprintln!("{} can't be removed: {error}", dir.display());
            }
        }
    }
}

fn enrol(catalog: &Catalog, client: &str, number: u64, now_ms: i64) -> Result<()> {
    let hash = TokenHash::of(client.as_bytes());
    catalog.create_token(&NewToken {
        hash,
        client: Some(client.to_owned()),
        max_uses: 1,
        sources: Vec::new(),
        created_ms: now_ms,
        expires_ms: now_ms + 1000,
    })?;
    let mut fingerprint = [0; 32];
    fingerprint[..8].copy_from_slice(&number.to_be_bytes());
    let enrolment = Enrolment {
        client: client.to_owned(),
        certificate: Certificate {
            serial: number.to_be_bytes().to_vec(),
            fingerprint,
        },
        sighting: Sighting {
            operating_system: "Debian 12".to_owned(),
            version: "0.1.0".to_owned(),
        },
    };
    catalog.enrol(hash, &enrolment, now_ms)?;
    Ok(())
}

fn header(client: &str, index: u64, started_s: i64, base: Option<String>, server_id: &str) -> Result<Header> {
    let name = Timestamp::from_second(started_s)?
        .to_zoned(TimeZone::UTC)
        .strftime("%y%m%d-%H%M")
        .to_string();
    Ok(Header {
        client: client.to_owned(),
        name,
        kind: match index % FULL_EVERY {
            0 => BackupKind::Full,
            _ => BackupKind::Incremental,
        },
        started: at(started_s),
        base,
        sources: vec![Source {
            name: (*b"data").into(),
            path: (*b"/data").into(),
            consistency: "none".to_owned(),
        }],
        server_id: server_id.to_owned(),
    })
}

fn at(secs: i64) -> manifest::Timestamp {
    manifest::Timestamp { secs, nanos: 0 }
}

/// Writes the manifest of a backup with one directory, in which there is a link.
fn write_manifest(manifests: &Path, header: &Header) -> Result<()> {
    let file = File::create(manifests.join(format!("{}.manifest", header.name)))?;
    let mut writer = Writer::create(file, header)?;
    let data = Entry {
        name: (*b"data").into(),
        kind: Kind::Directory,
        metadata: Metadata {
            mode: 0o755,
            ..Metadata::default()
        },
    };
    writer.push(&DirRecord {
        path: [].into(),
        entries: vec![data],
    })?;
    writer.push(&DirRecord {
        path: (*b"data").into(),
        entries: vec![Entry {
            name: (*b"link").into(),
            kind: Kind::Symlink {
                target: (*b"elsewhere").into(),
            },
            metadata: Metadata {
                mode: 0o777,
                ..Metadata::default()
            },
        }],
    })?;
    writer.finish(&Conclusion {
        finished: at(header.started.secs + DURATION_S),
        ..Conclusion::default()
    })?;
    Ok(())
}

/// Notes the job that has made a backup.
fn note_job(catalog: &Catalog, header: &Header) -> Result<()> {
    let started_ms = header.started.secs * 1000;
    let id = catalog.queue_job(&NewJob {
        kind: JobKind::FileBackup,
        client: Some(header.client.clone()),
        subject: None,
        mode: Some(match header.kind {
            BackupKind::Full => BackupMode::Full,
            BackupKind::Incremental => BackupMode::Incremental,
        }),
        reason: Some("the interval is over".to_owned()),
        queued_ms: started_ms,
    })?;
    catalog.start_job(id, started_ms)?;
    let figures = format!("{{\"backup\":\"{}\"}}", header.name);
    catalog.finish_job(id, &JobEnd::Done, Some(&figures), started_ms + DURATION_S * 1000)?;
    Ok(())
}
