//! The catalog: the small relational database that says which clients, users, tokens, backups and jobs there are.
//!
//! It owns one directory with `catalog.sqlite` (SQLite in WAL mode) and `catalog.lock`, and hands out typed
//! records; no SQL and no connection leaves the crate. Every call is one transaction that is durable when it
//! returns. The tables are described in `docs/formats/catalog.md`.
//!
//! It must not touch the storage or the network, and it has no clock: times are handed in, in milliseconds
//! since the Unix epoch. It can be lost: [`Catalog::rebuild`] starts anew and [`Catalog::adopt_backup`] takes
//! in what the storage's manifests tell.
//!
//! Lock order: the writer's connection, then the pool of readers; no call holds both.

mod api_tokens;
mod backups;
mod ballast;
mod changes;
mod channels;
mod clients;
mod columns;
mod conditions;
mod connections;
mod copy;
mod damage;
mod error;
mod groups;
mod job_log;
mod jobs;
mod lock;
mod log_ins;
mod moves;
mod open;
mod outbox;
mod pools;
mod protection;
mod restore;
mod roles;
mod schedule;
mod schema;
mod settings;
mod storages;
mod summaries;
mod telling;
mod tokens;
mod usage;
mod users;

pub use api_tokens::{ApiToken, ApiTokenId, NewApiToken, TokenReach};
pub use backups::{
    Adoption, Backup, BackupFigures, BackupFilter, BackupId, BackupKind, BackupMode, BackupPlace,
    BackupState, Digest, NewBackup, Outcome, Problem,
};
pub use changes::{Change, ChangeFilter, RecordedChange};
pub use channels::{Channel, ChannelId};
pub use clients::{Bar, Certificate, Client, ClientOverview, ClientState, Fingerprint, Identity, Sighting};
pub use copy::CopyFacts;
pub use damage::Damage;
pub use error::Error;
pub use groups::Group;
pub use job_log::{JobLine, LogLevel};
pub use jobs::{Job, JobEnd, JobFilter, JobId, JobKind, JobState, NewJob};
pub use log_ins::{FailedLogIns, LogInSession, NewSession, SessionId};
pub use moves::{Move, Moved};
pub use open::{Catalog, Rebuilt, Totals};
pub use outbox::{DeliveryEnd, MessageId, MessageState, OutboxMessage};
pub use pools::{PoolChange, PoolLinks};
pub use protection::{Archived, ArchivedUntil, Verification, Verified};
pub use roles::{Role, RoleGrant, Scope};
pub use schedule::{ClientTracks, Track, Wait};
pub use schema::SCHEMA_VERSION;
pub use settings::{OwnedSetting, SettingAction, SettingChange, SettingsLayer, SettingsOwner, StoredSetting};
pub use storages::{Storage, StorageId, StorageTotals};
pub use summaries::BackupCount;
pub use telling::{NewMessage, Precedence, Telling, ToldRecord};
pub use tokens::{Enrolment, NewToken, Redeem, Token, TokenHash};
pub use usage::{LogicalSize, SpaceSample, UsageFilter, UsageSample};
pub use users::{Totp, TotpState, User, UserId, UserState};
pub use uuid::Uuid;
