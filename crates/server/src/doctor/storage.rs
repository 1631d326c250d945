//! How the storage is: whose it is, what its file system can do, whether it can be written to, and how much is free.

use std::path::Path;

use catalog::Catalog;
use policy::settings::ServerRules;
use storage::{Error, Examination, Space};

use super::finding::{Finding, Level};
use super::words::{chain, size};

const STORAGE: &str = "storage";
const OWNER: &str = "storage-owner";
const BACKEND: &str = "storage-backend";
const WRITABLE: &str = "storage-writable";
const SPACE: &str = "space";
/// With fewer inodes than this a backup of many files fails soon.
const FEW_INODES: u64 = 100_000;

/// What the catalog knows of a storage.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The server that the catalog belongs to; empty where there is no catalog.
    pub server: String,
    /// The storage's identity; empty where it is not known.
    pub identity: String,
    /// How many backups lie there.
    pub backups: u64,
}

impl Known {
    /// What the catalog knows of a storage.
    pub fn of(catalog: &Catalog, storage: Option<&catalog::Storage>) -> Self {
        let totals = storage.and_then(|storage| catalog.storage_totals(storage.id).ok());
        Self {
            server: catalog.server_id().to_string(),
            identity: storage
                .map(|storage| storage.identity.clone())
                .unwrap_or_default(),
            backups: totals.map_or(0, |totals| totals.backups),
        }
    }
}

/// Judges what an examination of the storage at `path` came to.
pub fn judge(
    path: &Path,
    examined: &storage::Result<Examination>,
    known: &Known,
    rules: &ServerRules,
) -> Vec<Finding> {
    let examined = match examined {
        Ok(examined) => examined,
        Err(error) => return vec![judge_absence(path, error, known.backups)],
    };
    let what = format!(
        "{} is a storage on {}",
        path.display(),
        examined.capabilities.file_system
    );
    let mut findings = vec![Finding::ok(STORAGE, what)];
    if !known.server.is_empty() {
        findings.push(judge_owner(examined, known));
    }
    findings.push(judge_backend(examined));
    findings.push(judge_writing(path, examined));
    findings.extend(judge_space(examined.space, rules));
    findings
}

fn judge_absence(path: &Path, error: &Error, backups: u64) -> Finding {
    match error {
        Error::Missing { .. } | Error::NotAStorage { .. } if backups > 0 => Finding::of(
            Level::Error,
            STORAGE,
            format!("{error}, and the catalog knows of {backups} backups"),
            "mount its file system, or name the right directory with --storage",
        ),
        Error::Missing { .. } | Error::NotAStorage { .. } => Finding::of(
            Level::Warning,
            STORAGE,
            error.to_string(),
            "name a directory with --storage; a server that starts with an empty one makes it its storage",
        ),
        error => Finding::of(
            Level::Error,
            STORAGE,
            format!(
                "the storage {} can't be looked at: {}",
                path.display(),
                chain(error)
            ),
            error
                .hint()
                .unwrap_or("look into the system's log for errors of the disk"),
        ),
    }
}

fn judge_owner(examined: &Examination, known: &Known) -> Finding {
    if examined.owner.as_str() != known.server {
        return Finding::of(
            Level::Error,
            OWNER,
            format!(
                "the storage belongs to the server {}, not to this one",
                examined.owner
            ),
            "if this is its server and the catalog was lost, \"perennial server restore-catalog\" puts a copy back; if it is to \
             be taken over for good, \"perennial server adopt-storage\" does that",
        );
    }
    if !known.identity.is_empty() && known.identity != examined.id {
        return Finding::of(
            Level::Error,
            OWNER,
            "the backups of the catalog lie in another storage",
            "mount the right file system, or name the right directory with --storage",
        );
    }
    Finding::ok(OWNER, "the storage belongs to this server")
}

fn judge_backend(examined: &Examination) -> Finding {
    let backend = examined.backend;
    if let Some(reason) = &examined.lacking {
        return Finding::of(
            Level::Error,
            BACKEND,
            format!("the storage was made for {backend}, which its file system does not offer ({reason})"),
            "if it was moved to another file system for good, \"perennial server adopt-storage\" takes what that offers",
        );
    }
    if examined.capabilities.has_untried() {
        return Finding::of(
            Level::Warning,
            BACKEND,
            "the disk is too full to try out what its file system can do",
            "delete backups that are no longer needed, or give the storage more room",
        );
    }
    if examined.best_backend != backend {
        return Finding::of(
            Level::Advice,
            BACKEND,
            format!(
                "the storage has the backend {backend}; its file system offers {}",
                examined.best_backend
            ),
            "a new storage in another directory would share more; this one keeps what it has",
        );
    }
    Finding::ok(BACKEND, format!("the backend {backend} has what it needs"))
}

fn judge_writing(path: &Path, examined: &Examination) -> Finding {
    let error = match &examined.written {
        Ok(_) => {
            return Finding::ok(
                WRITABLE,
                "a file was written to the storage, made durable and read again",
            );
        }
        Err(error) => error,
    };
    let advice = match error {
        Error::ReadOnly { .. } => format!(
            "if the kernel has made the file system read-only, look into its log; if a systemd unit does, add \
             ReadWritePaths={} to it",
            path.display()
        ),
        error => error
            .hint()
            .unwrap_or("run the server as a user who may write there; look into the system's log for errors of the disk")
            .to_owned(),
    };
    let what = format!("the storage can't be written to: {}", chain(error));
    Finding::of(Level::Error, WRITABLE, what, advice)
}

fn judge_space(space: Space, rules: &ServerRules) -> Vec<Finding> {
    let used_bytes = space.total_bytes.saturating_sub(space.free_bytes);
    let what = format!(
        "{} of {} are free",
        size(space.free_bytes),
        size(space.total_bytes)
    );
    let limit = |quota: &policy::quota::Quota| quota.limit_bytes(space.total_bytes);
    let mut findings = Vec::new();
    if limit(&rules.min_free).is_some_and(|least_bytes| space.free_bytes < least_bytes) {
        findings.push(Finding::of(
            Level::Error,
            SPACE,
            format!("{what}: less than min_free ({}), so backups are being given up", rules.min_free),
            "give the storage more room, or have less kept: \"perennial settings explain keep_daily\" tells what decides",
        ));
    } else if limit(&rules.total_quota).is_some_and(|limit_bytes| used_bytes > limit_bytes) {
        findings.push(Finding::of(
            Level::Warning,
            SPACE,
            format!("{what}: more than total_quota ({}) is used", rules.total_quota),
            "the next cleanup gives up backups; give the storage more room, or have less kept",
        ));
    } else {
        findings.push(Finding::ok(SPACE, what));
    }
    if let Some(free_inodes) = space.free_inodes.filter(|free| *free < FEW_INODES) {
        findings.push(Finding::of(
            Level::Warning,
            SPACE,
            format!("only {free_inodes} more files can be made on the storage's file system"),
            "delete backups that are no longer needed, or move the storage to a file system without a fixed number of inodes",
        ));
    }
    findings
}
