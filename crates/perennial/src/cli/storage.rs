//! `perennial storage`: the places where backups lie.

use clap::{Args, Subcommand};

use super::OutputArgs;
use crate::config::parse_duration;

/// `perennial storage`
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// List the storages, what lies in them and how much space there is
    List(OutputArgs),
    /// Add a storage: an empty directory, or one that was a storage of this server before
    Add(AddArgs),
    /// Forget a storage in which no backups lie; the directory stays
    Remove {
        /// Its name
        name: String,
    },
    /// Give a storage another name
    Rename {
        /// Its name
        name: String,
        /// The new one
        new_name: String,
    },
    /// Move clients' backups to another storage while backups go on; what is shared stays shared
    Migrate(MigrateArgs),
    /// Read backups again, compare them with their hashes, and put right what is damaged
    Check(CheckArgs),
    /// List what is known to be damaged
    Damage(DamageArgs),
    /// Tell what clients take of the storages, now or over time
    Usage(UsageArgs),
    /// Find what is out of order in a storage; put it right with --apply
    Repair(RepairArgs),
    /// Make the content index anew from the backups that there are
    RebuildIndex(RebuildIndexArgs),
}

/// `storage add`
#[derive(Debug, Args)]
#[command(after_help = "\
Clients go there by a setting. What they have stays where it is until it is moved:
  perennial storage add cold /mnt/cold
  perennial settings set --client archive-box storage=cold")]
pub struct AddArgs {
    /// What to call it
    pub name: String,
    /// The directory, on the server's machine
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub path: std::path::PathBuf,
    /// btrfs, reflink or hardlink; by default the best that its file system offers
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `storage migrate`
#[derive(Debug, Args)]
#[command(after_help = "\
What several clients have is copied in the order in which it was made. Backups go on meanwhile; a client's new ones go to the new storage when all of its old ones are \
there. A move that is interrupted, by Ctrl-C or a restart of the server, goes on by itself at the server's next start, or when it is \
asked for again; with --give-up it ends, and what was copied is removed.

Examples:
  perennial storage migrate --from main --to fast     all clients
  perennial storage migrate laptop --to fast          one
  perennial storage migrate --give-up                 leave everything where it is")]
pub struct MigrateArgs {
    /// Only these clients
    #[arg(required_unless_present_any = ["from", "give_up"])]
    pub clients: Vec<String>,
    /// All clients that have backups in this storage
    #[arg(long, value_name = "STORAGE", conflicts_with = "clients")]
    pub from: Option<String>,
    /// Where to
    #[arg(long, value_name = "STORAGE", required_unless_present = "give_up")]
    pub to: Option<String>,
    /// Give up moves that are not finished, of the clients named or of all
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub give_up: bool,
    /// Don't wait for the end
    #[arg(long)]
    pub detach: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `storage check`
#[derive(Debug, Args)]
#[command(after_help = "\
The server does this by itself, in check_window, when a backup's last check is check_interval ago. What several backups have in common is \
read once. Damage is put right from an identical file, or by the client's next backup, if it still has the file (setting mend).

Exit status 3 if something is damaged.")]
pub struct CheckArgs {
    /// Only this client's backups
    pub client: Option<String>,
    /// Only those in this storage
    #[arg(long, value_name = "NAME")]
    pub storage: Option<String>,
    /// All backups, and not only those whose check is due
    #[arg(long)]
    pub everything: bool,
    /// Don't wait for the end
    #[arg(long)]
    pub detach: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `storage damage`
#[derive(Debug, Args)]
pub struct DamageArgs {
    /// Only this client's backups
    pub client: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `storage usage`
#[derive(Debug, Args)]
#[command(after_help = "\
FREED IF DELETED is what deleting all backups of the client would free; SHARED is what they have in common with backups of \
other clients. A sample is kept each night, after the cleanup.

Examples:
  perennial storage usage
  perennial storage usage laptop --last 90d --json")]
pub struct UsageArgs {
    /// Only this client
    pub client: Option<String>,
    /// What was sampled in so long a time, rather than what it is now
    #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
    pub last: Option<std::time::Duration>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `storage repair`
#[derive(Debug, Args)]
#[command(after_help = "\
Finds links that broke when the storage was moved or renamed, pooled directories that nothing links to, and remains that \
nothing knows. It shows what it would do; only with --apply does it do it.")]
pub struct RepairArgs {
    /// Which; by default the one that the server was started with
    #[arg(long, value_name = "NAME")]
    pub storage: Option<String>,
    /// Do it
    #[arg(long)]
    pub apply: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `storage rebuild-index`
#[derive(Debug, Args)]
pub struct RebuildIndexArgs {
    /// Which; by default the one that the server was started with
    #[arg(long, value_name = "NAME")]
    pub storage: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}
