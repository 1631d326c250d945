//! A client of Perennial: what is backed up, how it is read and sent, and how it comes back.
//!
//! - [`Identity`], [`enrol`]: who this client is, and how it becomes one
//! - [`Connection`]: to the server, for control and for content
//! - [`source`]: what delivers the content of a backup; [`aligned`]: how the output of commands is kept
//! - [`image`]: makes an image backup
//! - [`backup`]: makes a file backup; [`restore`]: brings one back; [`sample`]: proves one; [`mount`]: shows them all as a file system
//! - [`agent`]: stays connected and does what the server asks for
//!
//! The library touches no terminal, no environment variable and no home directory. Settings are handed in,
//! and what happens is told to a [`Monitor`].

pub mod agent;
pub mod aligned;
pub mod backup;
pub mod image;
pub mod mount;
pub mod restore;
pub mod sample;
pub mod source;

mod abort;
mod cache;
mod cancel;
mod compression;
mod condition;
mod connection;
mod error;
mod hooks;
mod identity;
mod leftover;
mod line;
mod monitor;
mod settings;

pub use cache::Cache;
pub use cancel::Cancel;
pub use connection::{
    Breaker, Connection, DataConnection, DataDialler, Proxy, Reach, open_pinned, shown_fingerprint,
};
pub use error::{Error, Result, explain};
pub use hooks::{HookEvent, HookKind};
pub use identity::{Before, ClientInfo, Identity, Wish, enrol};
pub use monitor::{Level, Monitor, Phase, Problem, ProblemKind, Progress, Unmonitored};
pub use settings::{
    Alignment, CompressionSetting, FreezeSetting, HookCommands, HookSettings, ImageSettings, Settings,
    SnapshotSetting, SourceSettings, StreamSettings, StreamSourceSettings,
};
pub use shell::CommandEnd;
