//! The server: listeners, trust, jobs, and the order between storage and catalog.
//!
//! It alone owns that order: what is committed in the storage comes first, then the catalog's record, then the
//! `current` link; a deletion begins in the catalog. Blocking work (files, SQLite, data connections) runs on
//! threads of its own; the asynchronous side only moves messages. It prints nothing and reads no environment.

mod accounts;
mod audit;
mod caller;
mod checking;
mod clock;
mod concluded;
mod core;
mod doctor;
mod error;
mod hooks;
mod housekeeping;
mod image;
mod ingest;
mod installing;
mod jobs;
mod listen;
mod live_log;
mod metrics;
mod moving;
mod pace;
mod policies;
mod problems;
mod publishing;
mod reconcile;
mod removal;
mod repair;
mod restore;
mod retention;
mod run;
mod safety;
mod schedule;
mod services;
mod sessions;
mod settings;
mod storages;
mod telling;
mod tokens;
mod trust;
mod verify;
mod web_certificate;

pub use accounts::PasswordCost;
pub use clock::Clock;
pub use doctor::{Finding, Level, doctor};
pub use error::{Error, Result};
pub use hooks::{HookCommands, HookEvent, HookKind, HookSettings};
pub use installer::{Architecture, Version};
pub use installing::{Builds, KeptBuild};
pub use live_log::{LiveLog, LogRecord, Severity};
pub use reconcile::{Rebuilt, adopt_storage, rebuild_catalog};
pub use run::{Running, Server};
pub use safety::{CopyChoice, Keys, PassedOver, Restored, StoredCopy, catalog_copies, restore_catalog};
pub use services::entry_on_volume;
pub use settings::{Scheduling, Settings, WebCertificateSource, admin_socket};
pub use tokens::TokenRequest;
pub use web_certificate::{AcmeFault, AcmeSettings, CertificateFault, WebCertificate};
