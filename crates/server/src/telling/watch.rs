//! What is watched, and how it is found now.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{ChangeFilter, JobFilter, JobKind, JobState};
use policy::alert::{Exhaustion, Finding, Found, SpaceLimits, What, of_copies, of_space};
use policy::{Span, Target};
use tracing::error;

use super::stands;
use crate::core::Core;
use crate::error::Result;
use crate::storages::OpenStorage;
use crate::{safety, schedule};

/// How long after backups were given up the next ones belong to the same event.
const GIVEN_UP_MS: i64 = 24 * 3_600_000;
/// What the audit log calls it when a backup is given up for space.
const GIVE_UP: &str = "backup-give-up";

/// Something that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// One kind of backups of a client.
    Backups {
        /// The client.
        client: String,
        /// Which.
        target: Target,
    },
    /// Whether a client's backups are as they were written.
    Soundness {
        /// The client.
        client: String,
    },
    /// A storage's free space.
    Space {
        /// Which; `None` for the one that the server was started with.
        storage: Option<String>,
    },
    /// Whether a storage is there.
    Presence {
        /// Which.
        storage: String,
    },
    /// That backups are given up.
    GivenUp,
    /// The nightly cleanup.
    Cleanup,
    /// The copies of the catalog.
    CatalogCopies,
}

impl Subject {
    /// The word for it, under which is remembered what was told.
    pub fn word(&self) -> String {
        match self {
            Self::Backups { client, target } => {
                format!("{} {client}", schedule::backup_kind(*target))
            }
            Self::Soundness { client } => format!("soundness {client}"),
            Self::Space { storage: None } => "space".to_owned(),
            Self::Space {
                storage: Some(storage),
            } => format!("space {storage}"),
            Self::Presence { storage } => format!("storage {storage}"),
            Self::GivenUp => "given-up".to_owned(),
            Self::Cleanup => "cleanup".to_owned(),
            Self::CatalogCopies => "catalog-copies".to_owned(),
        }
    }

    /// The client that it is about.
    pub fn client(&self) -> Option<&str> {
        match self {
            Self::Backups { client, .. } | Self::Soundness { client } => Some(client),
            Self::Space { .. }
            | Self::Presence { .. }
            | Self::GivenUp
            | Self::Cleanup
            | Self::CatalogCopies => None,
        }
    }
}

/// Something that is watched, and how it is found.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What.
    pub subject: Subject,
    /// How.
    pub found: Found,
    /// In words, as far as they are at hand.
    pub reason: String,
    /// How long a reminder takes, if there are any.
    pub repeat: Option<Span>,
}

/// Finds everything that is watched. `told` is what was told last of a subject.
pub fn watch(core: &Core, told: impl Fn(&Subject) -> Option<What>) -> Result<Vec<Watched>> {
    let stands = stands::all(core)?;
    let clients = stands.iter().map(|stand| stand.client.clone()).collect();
    let mut watched: Vec<Watched> = stands
        .iter()
        .map(|stand| Watched {
            found: stand.found.clone(),
            reason: stand.reason.to_string(),
            repeat: core.policies.of(&stand.client).alert_repeat,
            subject: Subject::Backups {
                client: stand.client.clone(),
                target: stand.target,
            },
        })
        .collect();
    watched.extend(soundness(core, clients)?);
    for storage in core.storages.all() {
        watched.push(space(core, &storage, &told));
        watched.push(presence(core, storage.name(), None));
    }
    for (_, absent) in core.storages.absent() {
        watched.push(presence(core, absent.name, Some(absent.why)));
    }
    watched.push(given_up(core)?);
    watched.push(cleanup(core)?);
    watched.push(catalog_copies(core));
    Ok(watched)
}

/// What is wrong now.
pub fn troubles(core: &Core) -> Result<Vec<(Watched, What)>> {
    let watched = watch(core, |_| None)?;
    let wrong = watched.into_iter().filter_map(|watched| match &watched.found {
        Found::Wrong(finding) => {
            let what = finding.what;
            Some((watched, what))
        }
        _ => None,
    });
    Ok(wrong.collect())
}

/// Whether clients' backups are as they were written.
fn soundness(core: &Core, clients: BTreeSet<String>) -> Result<Vec<Watched>> {
    let mut damaged: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for backup in core.catalog.damaged_backups()? {
        damaged.entry(backup.client).or_default().insert(backup.name);
    }
    let of_client = |client: String| {
        let names = damaged.remove(&client).unwrap_or_default();
        let listed = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        Watched {
            found: match names.is_empty() {
                true => Found::Well,
                false => Found::Wrong(Finding {
                    what: What::VerificationFailed,
                    about: names,
                }),
            },
            reason: format!("what was read is not what was written: {listed}"),
            repeat: core.policies.of(&client).alert_repeat,
            subject: Subject::Soundness { client },
        }
    };
    Ok(clients.into_iter().map(of_client).collect())
}

/// Whether a storage is there; if not, why.
fn presence(core: &Core, storage: String, absent: Option<String>) -> Watched {
    Watched {
        subject: Subject::Presence { storage },
        found: match absent {
            None => Found::Well,
            Some(_) => Found::Wrong(Finding::of(What::StorageMissing)),
        },
        reason: absent.unwrap_or_default(),
        repeat: core.policies.server().alert_repeat,
    }
}

/// A storage's space. While it can't be asked, what was told of it stands.
fn space(core: &Core, storage: &OpenStorage, told: impl Fn(&Subject) -> Option<What>) -> Watched {
    let rules = core.policies.server();
    let subject = Subject::Space {
        storage: match core.storages.is_default(storage) {
            true => None,
            false => Some(storage.name()),
        },
    };
    let exhaustion = match storage.emergency.is_exhausted() {
        true => Exhaustion::Exhausted,
        false => Exhaustion::NotYet,
    };
    let found = match storage.store.space() {
        Ok(space) => {
            let limits = SpaceLimits {
                free_bytes: space.free_bytes,
                total_bytes: space.total_bytes,
                alert_free: rules.alert_free,
            };
            of_space(&limits, exhaustion, told(&subject))
        }
        Err(failed) => {
            error!(%failed, "the storage's free space could not be found out");
            Found::Resting
        }
    };
    Watched {
        subject,
        found,
        reason: format!("there should be {} free at least", rules.alert_free),
        repeat: rules.alert_repeat,
    }
}

fn given_up(core: &Core) -> Result<Watched> {
    let filter = ChangeFilter {
        action: Some(GIVE_UP.to_owned()),
        since_ms: Some(core.clock.now_ms() - GIVEN_UP_MS),
        limit: Some(10),
        ..ChangeFilter::default()
    };
    let changes = core.catalog.changes(&filter)?;
    let lines: Vec<String> = changes
        .iter()
        .map(|recorded| format!("{}: {}", recorded.change.subject, recorded.change.detail))
        .collect();
    Ok(Watched {
        subject: Subject::GivenUp,
        found: match changes.is_empty() {
            true => Found::Well,
            false => Found::Wrong(Finding::of(What::BackupsGivenUp)),
        },
        reason: lines.join("\n"),
        repeat: None,
    })
}

fn cleanup(core: &Core) -> Result<Watched> {
    let filter = JobFilter {
        kind: Some(JobKind::Cleanup),
        limit: Some(1),
        ..JobFilter::default()
    };
    let last = core.catalog.jobs(&filter)?.pop();
    let found = match last.as_ref().map(|job| job.state) {
        Some(JobState::Failed) => Found::Wrong(Finding::of(What::CleanupFailed)),
        Some(JobState::Done) | None => Found::Well,
        Some(JobState::Queued | JobState::Running | JobState::Cancelled | JobState::Interrupted) => {
            Found::Resting
        }
    };
    Ok(Watched {
        subject: Subject::Cleanup,
        found,
        reason: last.and_then(|job| job.error).unwrap_or_default(),
        repeat: core.policies.server().alert_repeat,
    })
}

/// The copies of the catalog. While the storage can't be asked for them, what was told of them stands.
fn catalog_copies(core: &Core) -> Watched {
    let (found, reason) = match safety::copies_state(core) {
        Ok(state) => (of_copies(&state.copies), state.error),
        Err(failed) => {
            error!(
                error = failed.chain(),
                "the copies of the catalog could not be looked at"
            );
            (Found::Resting, None)
        }
    };
    Watched {
        subject: Subject::CatalogCopies,
        found,
        reason: reason.unwrap_or_else(|| "there has been none for three days".to_owned()),
        repeat: core.policies.server().alert_repeat,
    }
}
