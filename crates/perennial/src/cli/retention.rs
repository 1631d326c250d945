//! `retention`, `trash`, and what protects a backup.

use clap::{Args, Subcommand};

use super::{BackupRef, OutputArgs, parse_bytes};
use crate::config::parse_duration;

/// `perennial retention`
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Show what the rules would remove, when and why; nothing is removed
    Plan(RetentionPlanArgs),
    /// Show what would go if so much more space were wanted; nothing is removed
    #[command(after_help = "\
The order is that of an emergency: the trash first, then what the rules remove anyway, then the oldest of what they keep.

Example:
  perennial retention free 200GiB")]
    Free {
        /// How much, such as 200GiB or 1T
        #[arg(value_parser = parse_bytes)]
        size: u64,
        /// In this storage, else the one that the server was started with
        #[arg(long, value_name = "NAME")]
        storage: Option<String>,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Do the nightly cleanup now
    Cleanup {
        /// Don't wait for its end
        #[arg(long)]
        detach: bool,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// `retention plan`
#[derive(Debug, Args)]
#[command(after_help = "\
Without --days it tells what a cleanup would remove now, and with --kept why the others stay.

Examples:
  perennial retention plan laptop --kept
  perennial retention plan --days 90 --expected")]
pub struct RetentionPlanArgs {
    /// Only of this client
    pub client: Option<String>,
    /// Look so many days ahead
    #[arg(long, value_name = "N", conflicts_with = "kept")]
    pub days: Option<u32>,
    /// As if backups went on being made on time, which then go too
    #[arg(long, requires = "days")]
    pub expected: bool,
    /// Show what stays, too
    #[arg(long)]
    pub kept: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `perennial trash`
#[derive(Debug, Subcommand)]
pub enum TrashCommand {
    /// List the deleted backups that can still be had back
    List {
        /// Only of this client
        client: Option<String>,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Take backups out of the trash
    Restore {
        /// CLIENT/NAME
        #[arg(required = true, value_name = "BACKUP")]
        backups: Vec<BackupRef>,
    },
    /// Delete backups in the trash for good
    Delete {
        /// CLIENT/NAME
        #[arg(required = true, value_name = "BACKUP")]
        backups: Vec<BackupRef>,
    },
}

/// `backup delete`
#[derive(Debug, Args)]
#[command(after_help = "\
A deleted backup goes into the trash, where it stays as long as the setting trash_keep says and there is space; \"perennial \
trash restore\" takes it out again. With --now it is gone at once, and its space free.")]
pub struct DeleteArgs {
    /// NAME or CLIENT/NAME
    #[arg(required = true, value_name = "BACKUP")]
    pub backups: Vec<BackupRef>,
    /// For good, past the trash
    #[arg(long)]
    pub now: bool,
}

/// `backup archive`
#[derive(Debug, Args)]
#[command(after_help = "\
Retention leaves an archived backup alone, and nobody can delete it before that ends.

Examples:
  perennial backup archive laptop/261130-0300
  perennial backup archive laptop/261130-0300 --for 365d")]
pub struct ArchiveArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest
    pub backup: BackupRef,
    /// For how long, from now on; by default for ever
    #[arg(long = "for", value_name = "SPAN", value_parser = parse_duration)]
    pub span: Option<std::time::Duration>,
}

/// `backup hold`
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest
    pub backup: BackupRef,
    /// Why; it is shown to whoever tries to delete it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `backup unarchive`, `backup release`
#[derive(Debug, Args)]
pub struct LetGoArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest
    pub backup: BackupRef,
}
