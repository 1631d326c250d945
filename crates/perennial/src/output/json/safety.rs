//! What `server doctor` and `server restore-catalog` print as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;
use wire::v1;

use super::{rfc3339, some};

/// What the doctor found.
#[derive(Debug, Serialize)]
pub struct DoctorView {
    server_runs: bool,
    worst: String,
    findings: Vec<FindingView>,
}

impl DoctorView {
    /// A view of these findings, of a server that runs or doesn't.
    pub fn new(server_runs: bool, findings: Vec<FindingView>) -> Self {
        let is_there = |level: &server::Level| findings.iter().any(|finding| finding.level == level.word());
        let worst = [
            server::Level::Error,
            server::Level::Warning,
            server::Level::Advice,
        ];
        let worst = worst.into_iter().find(is_there).unwrap_or(server::Level::Ok);
        Self {
            server_runs,
            worst: worst.to_string(),
            findings,
        }
    }

    /// All findings.
    pub fn findings(&self) -> &[FindingView] {
        &self.findings
    }

    /// The level of the worst of them.
    pub fn worst(&self) -> &str {
        &self.worst
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        self.server_runs
    }

    /// Whether there are warnings or errors.
    pub fn is_troubled(&self) -> bool {
        !matches!(self.worst.as_str(), "ok" | "advice")
    }
}

/// Something that the doctor looked at.
#[derive(Debug, Serialize)]
pub struct FindingView {
    check: String,
    level: String,
    what: String,
    advice: Option<String>,
}

impl FindingView {
    /// A view of this finding.
    pub fn new(finding: &server::Finding) -> Self {
        Self {
            check: finding.check.to_owned(),
            level: finding.level.to_string(),
            what: finding.what.clone(),
            advice: finding.advice.clone(),
        }
    }

    /// A view of a finding that the server told.
    pub fn of_message(finding: &v1::DoctorFinding) -> Self {
        Self {
            check: finding.check.clone(),
            level: finding.level.clone(),
            what: finding.what.clone(),
            advice: some(&finding.advice),
        }
    }

    /// How bad it is.
    pub fn level(&self) -> &str {
        &self.level
    }

    /// What was found.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

/// A copy of the catalog in the storage.
#[derive(Debug, Serialize)]
pub struct CatalogCopyView {
    name: String,
    made: Option<String>,
    path: String,
    bytes: u64,
    has_keys: bool,
    backups: Option<u64>,
    clients: Option<u64>,
    error: Option<String>,
}

impl CatalogCopyView {
    /// A view of this copy.
    pub fn new(copy: &server::StoredCopy, zone: &TimeZone) -> Self {
        let facts = copy.facts.as_ref();
        Self {
            name: copy.name.clone(),
            made: rfc3339(copy.made_ms, zone),
            path: copy.database.display().to_string(),
            bytes: copy.len_bytes,
            has_keys: copy.has_keys,
            backups: facts.ok().map(|facts| facts.backups),
            clients: facts.ok().map(|facts| facts.clients),
            error: facts.err().map(server::Error::chain),
        }
    }
}

/// A catalog that was put back.
#[derive(Debug, Serialize)]
pub struct RestoredCatalogView {
    copy: String,
    backups: u64,
    clients: u64,
    taken_in: u64,
    forgotten: u64,
    set_aside: Option<String>,
    keys: &'static str,
    passed_over: Vec<String>,
}

impl RestoredCatalogView {
    /// A view of what was put back.
    pub fn new(restored: &server::Restored) -> Self {
        let shown = |path: &std::path::PathBuf| path.display().to_string();
        Self {
            copy: shown(&restored.database),
            backups: restored.backups,
            clients: restored.clients,
            taken_in: restored.taken_in,
            forgotten: restored.forgotten,
            set_aside: restored.set_aside.as_ref().map(shown),
            keys: match restored.keys {
                server::Keys::InPlace => "in place",
                server::Keys::PutBack => "put back",
                server::Keys::Others => "others",
                server::Keys::Missing => "missing",
            },
            passed_over: restored
                .passed_over
                .iter()
                .map(|over| shown(&over.database))
                .collect(),
        }
    }
}
