//! The doctor: looks at everything that a server stands on, and says what to do. It changes nothing and needs no lock but that of
//! the catalog, which it does without where another has it.
//!
//! What is looked at is found out first and judged by functions of that alone.

mod catalog;
mod catalog_place;
mod clients;
mod clock;
mod finding;
mod identity;
mod place;
mod storage;
mod surroundings;
mod web_certificate;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::catalog::{Catalog, ClientState};
use ::storage::examine;
use policy::settings::ServerRules;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::core::Core;
use crate::policies::Policies;
use crate::reconcile::start_rules;
use crate::settings::Settings;

pub use finding::{Finding, Level};
use place::Machine;
pub use words::size;

const RUN: &str = "/run";

/// What is looked at.
pub(crate) struct Subject<'a> {
    /// As the server is started, or would be.
    pub settings: &'a Settings,
    /// The rules of the server, as far as they can be had.
    pub rules: &'a ServerRules,
    /// The catalog, if it can be opened.
    pub catalog: Option<&'a Catalog>,
    /// The server itself, if it runs.
    pub core: Option<&'a Core>,
    /// The time.
    pub clock: &'a Clock,
}

impl Subject<'_> {
    /// Whether clients have certificates of this server.
    fn knows_clients(&self) -> bool {
        let clients = self.catalog.and_then(|catalog| catalog.clients().ok());
        let mut clients = clients.into_iter().flatten();
        clients.any(|overview| overview.client.state == ClientState::Active)
    }
}

/// Looks at a server that does not run.
pub fn doctor(settings: &Settings, clock: &Clock) -> Vec<Finding> {
    let opened = Catalog::open_unchanged(&settings.state_dir).map(Arc::new);
    let (catalog, absence) = match opened {
        Ok(catalog) => (Some(catalog), None),
        Err(error) => (None, Some(catalog::judge_absence(&settings.state_dir, &error))),
    };
    let loaded = catalog
        .clone()
        .and_then(|catalog| Policies::load(catalog, settings.policy.clone()).ok());
    let rules = loaded.map_or_else(|| start_rules(settings).into(), |policies| policies.server());
    let subject = Subject {
        settings,
        rules: &rules,
        catalog: catalog.as_deref(),
        core: None,
        clock,
    };
    let mut findings: Vec<Finding> = absence.into_iter().collect();
    findings.extend(examine_all(&subject));
    let unit_dirs = surroundings::UNIT_DIRS.map(PathBuf::from);
    let storages = subject.catalog.and_then(|catalog| catalog.storages().ok());
    let storages = storages.unwrap_or_default();
    let mut needed = vec![settings.state_dir.as_path(), settings.storage_dir.as_path()];
    let others = storages.iter().map(|storage| storage.path.as_path());
    needed.extend(others.filter(|path| *path != settings.storage_dir && !path.as_os_str().is_empty()));
    findings.extend(surroundings::judge_unit(&unit_dirs, &needed));
    findings
}

/// Looks at the server that runs, from within.
pub fn doctor_within(core: &Core) -> Vec<Finding> {
    let rules = core.policies.server();
    let mut findings = examine_all(&Subject {
        settings: &core.settings,
        rules: &rules,
        catalog: Some(&core.catalog),
        core: Some(core),
        clock: &core.clock,
    });
    findings.push(surroundings::judge_open_files());
    findings
}

/// Says in the log where the catalog lies in no good place.
pub fn tell_places(core: &Core) {
    for finding in examine_place(&core.settings) {
        let advice = finding.advice.as_deref().unwrap_or_default();
        match finding.level {
            Level::Ok => {}
            Level::Advice => info!(advice, "{}", finding.what),
            Level::Warning | Level::Error => warn!(advice, "{}", finding.what),
        }
    }
}

fn examine_all(subject: &Subject<'_>) -> Vec<Finding> {
    let settings = subject.settings;
    let mut findings = Vec::new();
    findings.extend(subject.catalog.map(catalog::judge_wholeness));
    findings.extend(examine_place(settings));
    findings.push(catalog::judge_copies(subject));
    findings.extend(catalog::judge_key_copy(subject));
    findings.extend(
        subject
            .catalog
            .and_then(|catalog| catalog::judge_cleanup(subject, catalog)),
    );
    findings.extend(identity::examine(subject));
    findings.extend(web_certificate::judge(subject));
    let examined = examine(&settings.storage_dir);
    let clock_ms = subject.clock.now_ms();
    let default = subject
        .catalog
        .and_then(|catalog| catalog.default_storage().ok()?);
    let known = subject
        .catalog
        .map(|catalog| storage::Known::of(catalog, default.as_ref()));
    findings.extend(storage::judge(
        &settings.storage_dir,
        &examined,
        &known.unwrap_or_default(),
        subject.rules,
    ));
    findings.extend(examine_others(subject, default.as_ref()));
    if let Ok(written) = examined.and_then(|examined| examined.written) {
        findings.push(clock::judge_file_system(written.at_ms, clock_ms));
    }
    findings.extend(
        subject
            .catalog
            .and_then(|catalog| clock::judge_backups(subject, catalog)),
    );
    findings.push(clock::judge_synchronisation(Path::new(RUN)));
    findings.extend(
        subject
            .catalog
            .and_then(|catalog| clients::judge(subject, catalog)),
    );
    findings
}

/// How the other storages are that the catalog knows.
fn examine_others(subject: &Subject<'_>, default: Option<&::catalog::Storage>) -> Vec<Finding> {
    let Some(catalog) = subject.catalog else {
        return Vec::new();
    };
    let default = default.map(|storage| storage.id);
    let storages = catalog.storages().unwrap_or_default().into_iter();
    let others = storages.filter(|storage| Some(storage.id) != default);
    others
        .flat_map(|storage| {
            let known = storage::Known::of(catalog, Some(&storage));
            let findings = storage::judge(&storage.path, &examine(&storage.path), &known, subject.rules);
            findings.into_iter().map(move |finding| Finding {
                what: format!("storage {}: {}", storage.name, finding.what),
                ..finding
            })
        })
        .collect()
}

/// Where the catalog lies, as far as both directories are there.
fn examine_place(settings: &Settings) -> Vec<Finding> {
    let located = Machine::here().and_then(|machine| {
        let (state, storage) = (
            machine.locate(&settings.state_dir)?,
            machine.locate(&settings.storage_dir)?,
        );
        Ok((state, storage))
    });
    // That one is not there is told elsewhere.
    let Ok((state, storage)) = located else {
        return Vec::new();
    };
    let database = settings.state_dir.join("catalog.sqlite");
    let len_bytes = std::fs::metadata(database).map_or(0, |found| found.len());
    catalog_place::judge(&state, &storage, len_bytes)
}
