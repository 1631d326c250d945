//! The command line's grammar: what can be said, and the help. What it does is in [`crate::commands`].

mod backup;
mod backup_ref;
mod image;
mod manage;
mod mount;
mod notify;
mod restore;
mod retention;
mod run;
mod settings;
mod storage;
mod users;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use policy::quota::Quota;

pub use backup::{
    BackupCommand, BrowseArgs, DiffArgs, FreedArgs, ListArgs, SearchArgs, ShowArgs, StartArgs, VerifyArgs,
    VersionsArgs,
};
pub use backup_ref::{BackupRef, Place};
pub use image::{
    ExistingFiles, ExportArgs, ExtractArgs, ImageBrowseArgs, ImageCommand, ImageInfoArgs, MountArgs,
    PublishArgs, RestoreDiskArgs, ServeArgs, UnpublishArgs,
};
pub use manage::{
    ClientsCommand, ClientsRestoreArgs, ConfigCommand, ConfigShowArgs, EnrollArgs, Half, JobsCommand,
    JobsListArgs, StreamCommand, TokenCommand, UnpackArgs,
};
pub use mount::MountBackupsArgs;
pub use notify::{MailServer, MessageState, NotifyAddArgs, NotifyCommand, NotifyEditArgs, Tell};
pub use restore::{ExistingPolicy, RestoreArgs};
pub use retention::{
    ArchiveArgs, DeleteArgs, HoldArgs, LetGoArgs, RetentionCommand, RetentionPlanArgs, TrashCommand,
};
pub use run::{
    BuildsCommand, BuildsListArgs, ClientArgs, ClientCommand, ClientOnceArgs, ClientRestoresArgs,
    ClientRestoresCommand, DoctorArgs, HoldStillArgs, InstallerArgs, QuickstartArgs, RestoreCatalogArgs,
    ServerArgs, ServerCommand,
};

pub use settings::{
    Assignment, AuditArgs, GroupsCommand, OwnerArgs, ScheduleCommand, SettingsCommand, SettingsExplainArgs,
    SettingsShowArgs,
};

pub use storage::{
    AddArgs, CheckArgs, DamageArgs, MigrateArgs, RebuildIndexArgs, RepairArgs, StorageCommand, UsageArgs,
};

pub use users::{
    ApiTokenCreateArgs, ApiTokenListArgs, ApiTokensCommand, GrantArgs, LoginArgs, PasswordArgs, RolesCommand,
    SessionsArgs, TotpArgs, TotpCommand, UserAddArgs, UsersCommand,
};

use crate::config::Fingerprint;
use crate::output::Shape;

const ABOUT: &str = "Network backup of files and disks: incremental for ever, every backup complete";

const LONG_ABOUT: &str = "\
Network backup of files and disks: incremental for ever, every backup complete.

A server keeps backups, clients send them. Each backup is a plain directory tree on the server; after the first one, \
every later one costs only what changed, and any can be deleted without harm to the others.";

const AFTER_HELP: &str = "\
Try it on this machine, server and client in one process:
  perennial quickstart ~/Documents

Set it up for real:
  server$  perennial server --storage /srv/backups
  server$  perennial client installer laptop
  laptop$  sudo sh perennial-client-laptop.sh

Exit status: 0 done, 1 failed, 2 wrong usage, 3 finished with problems, 130 cancelled.
Files: /etc/perennial/server.toml and client.toml (see \"perennial config show\").";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "perennial", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
#[command(max_term_width = 110, infer_subcommands = false)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// Log on stderr as text or json; the variable PERENNIAL_LOG sets how much: error, warn, info, debug
    #[arg(
        long,
        global = true,
        value_name = "SHAPE",
        default_value = "text",
        env = "PERENNIAL_LOG_FORMAT"
    )]
    #[arg(
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    pub log_format: LogFormat,
    /// State directory of the server on this machine, for commands that talk to it
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Global options")]
    pub server_state: Option<PathBuf>,
    /// State directory of the client on this machine, for commands that act as it
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Global options")]
    pub client_state: Option<PathBuf>,
    /// Act as a user of the server there: as who has logged in, or with an API token
    #[arg(long, global = true, value_name = "HOST:PORT", conflicts_with_all = ["server_state", "client_state"])]
    #[arg(help_heading = "Global options")]
    pub server: Option<String>,
    /// Fingerprint of that server's certificate authority, where nobody has logged in from here; else $PERENNIAL_FINGERPRINT
    #[arg(long, global = true, value_name = "HEX", help_heading = "Global options")]
    pub fingerprint: Option<Fingerprint>,
    /// File with an API token for that server, - for stdin; else $PERENNIAL_TOKEN
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Global options")]
    pub token_file: Option<PathBuf>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[cfg(feature = "server")]
    /// Run server and client in one process and back up PATH…: the first backup is one command away
    Quickstart(QuickstartArgs),
    #[cfg(feature = "server")]
    /// Run the server, which keeps the backups
    Server(ServerArgs),
    /// Run the client, which makes backups when the server asks for them
    Client(ClientArgs),
    /// Join this machine to a server as a client
    Enroll(EnrollArgs),
    /// Make the one-time tokens that new clients enrol with
    #[command(subcommand)]
    Token(TokenCommand),
    /// See, pause and revoke the server's clients
    #[command(subcommand)]
    Clients(ClientsCommand),
    /// Log in to a server elsewhere as a user
    Login(LoginArgs),
    /// End the log-in
    Logout,
    /// Tell as whom commands act, and what that user may do
    Whoami(OutputArgs),
    /// Manage users: who may log in, and what they may do
    #[command(subcommand)]
    Users(UsersCommand),
    /// See and make roles, which put rights together
    #[command(subcommand)]
    Roles(RolesCommand),
    /// Make and revoke the tokens with which scripts log in
    #[command(subcommand)]
    ApiTokens(ApiTokensCommand),
    /// Put clients into groups that share settings
    #[command(subcommand)]
    Groups(GroupsCommand),
    /// Show, explain and change what holds for whom: schedule, retention, limits, rights
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Choose whom the server tells what happens: mail, webhooks, pings, reports
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Tell when backups will be made
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Show which backups will go, and why; clean up
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// See deleted backups, take them back
    #[command(subcommand)]
    Trash(TrashCommand),
    /// List, look into, start, check, compare, protect and delete backups
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Bring files back from a backup
    Restore(RestoreArgs),
    /// Show this client's file backups as folders, read-only, until it is unmounted
    Mount(MountBackupsArgs),
    /// Look into image backups, export and mount them
    #[command(subcommand)]
    Image(ImageCommand),
    /// Write a disk, or a volume, from an image backup onto a device or into a file
    RestoreDisk(RestoreDiskArgs),
    /// See, add, check, repair and move the places where backups lie
    #[command(subcommand)]
    Storage(StorageCommand),
    /// See, pause and cancel the server's jobs, read their logs
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Show who changed what, when and from where
    Audit(AuditArgs),
    /// Tell how the server is doing
    Status(OutputArgs),
    /// Give back what a stream's file holds
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Show what server and client are started with, and where each value comes from
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  perennial completions bash > /etc/bash_completion.d/perennial")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, one for each command, into a directory
    #[command(after_help = "Example:\n  perennial man-pages /usr/local/share/man/man1")]
    ManPages {
        /// The directory, which must be there
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
}

/// For whom the result is.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

impl OutputArgs {
    /// The shape that was asked for.
    pub fn shape(self) -> Shape {
        if self.json { Shape::Json } else { Shape::Human }
    }
}

/// An amount of bytes, as quotas are written.
fn parse_bytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(Quota::Bytes(bytes)) => Ok(bytes),
        Ok(_) => Err("write it as bytes, such as 200GiB".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
