//! The storage: the directory that holds the backups of all clients as complete, browsable trees.
//!
//! A [`Store`] is opened by one process at a time. A backup is taken in by an [`Ingest`], which grows a tree that nobody
//! sees until it is committed, and read through a [`BackupTree`]; an image backup by an [`ImageIngest`], which grows volumes. How trees share what they have in common is a
//! matter of the [backend](BackendKind), which is chosen by probing. What lies where is written in
//! `docs/formats/storage.md`.
//!
//! This crate knows neither catalog nor network. It decides nothing about retention: backups are deleted when the caller
//! says so, [copied](transfer()) to another storage and [mended](Store::mend). What was committed is never changed, but for directories that
//! move into a client's pool, where they look the same, and damaged content that is replaced by the right one.

mod attributes;
mod backend;
mod ballast;
mod catalog_copies;
mod changed;
pub mod crash;
mod damage;
mod database;
mod durable;
mod error;
mod examination;
mod identity;
mod image;
mod incomplete;
mod index;
mod ingest;
mod layout;
mod lock;
mod mend;
mod monitor;
mod names;
mod pool;
mod published;
mod repair;
mod retold;
mod sizes;
mod store;
mod transfer;
mod trash;
mod tree;
mod unfinished;
mod usage;
mod watermark;

pub use backend::{BackendKind, UnknownBackend};
pub use catalog_copies::{CatalogCopies, CatalogCopy, CopyName, NewCatalogCopy};
pub use cow_fs::Capabilities;
pub use cow_fs::btrfs::Compression;
pub use error::{Cause, Error, Result};
pub use examination::{Examination, Written, examine};
pub use image::{
    BLOCK_LIST_SUFFIX, ImageIngest, RAW_SUFFIX, UnknownVolumeFormat, VolumeFormat, VolumeReader, VolumeSink,
    open_volume_at,
};
pub use index::{ContentIndex, Location};
pub use ingest::{Basis, Committed, DirSlot, FileSink, FileStart, Ingest, Outcome, Reuse};
pub use mend::{MendedVolume, Replacement};
pub use monitor::{Monitor, Step, Unwatched};
pub use names::{
    BackupKind, BackupName, ClientName, IMAGE_SUFFIX, InvalidName, MAX_CLIENT_NAME_BYTES, NameKind, PoolId,
    PublishedId, ServerId,
};
pub use pool::{PoolChange, PoolChangeKind, PoolLink};
pub use published::{NewPublished, Published, PublishedDisk};
pub use repair::{Finding, Remedy, RepairPlan, Repaired};
pub use sizes::{Accounted, Sizes, TakenIn, Used, UsedByEach};
pub use store::{CreateOptions, IncompleteBackup, OpenOptions, Pooling, Reaped, Recovery, Space, Store};
pub use transfer::{Copied, Derive, TransferOptions, Transferred, transfer};
pub use tree::BackupTree;

/// Files up to this size are sent without asking whether their content is known, and are not in the content index.
pub const SMALL_FILE_BYTES: u64 = 16 * 1024;
