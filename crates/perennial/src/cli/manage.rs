//! `enroll`, `token`, `clients`, `jobs` and `config`: running a server and joining it.

use clap::{Args, Subcommand, ValueEnum};

use super::{BackupRef, OutputArgs};
use crate::config::parse_duration;

/// `perennial enroll`
#[derive(Debug, Args)]
#[command(after_help = "\
The token comes from \"perennial token create\" on the server. It says where the server is and proves that it is the \
right one; it works once. The private key is made here and never leaves this machine.

Examples:
  perennial enroll perennial1-…
  perennial enroll --name laptop - < token.txt")]
pub struct EnrollArgs {
    /// The token, or - to read it from stdin
    pub token: String,
    /// The client's name; by default the one the token is bound to, or this machine's
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub name: Option<String>,
    /// Give up the identity that this machine has and enrol anew
    #[arg(long)]
    pub replace: bool,
}

/// `perennial token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token with which new clients can enrol
    Create(TokenCreateArgs),
}

/// `token create`
#[derive(Debug, Args)]
#[command(after_help = "\
The token is printed on stdout and is shown this once.

Example:
  perennial token create --client laptop --valid 1d --address backup.example:55414")]
pub struct TokenCreateArgs {
    /// The only client name that it is good for; by default any new one
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// How many clients may enrol with it, each under its machine's own name or another that is free
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "client")]
    pub uses: u32,
    /// How long it is good for
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = parse_duration)]
    pub valid: std::time::Duration,
    /// The address that the client is to dial; by default what the server advertises
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `perennial clients`
#[derive(Debug, Subcommand)]
pub enum ClientsCommand {
    /// List the clients that are or were enrolled
    List(OutputArgs),
    /// Let a client in no more; its backups stay
    Revoke {
        /// Its name
        name: String,
    },
    /// Let a client in no more until it is enabled; its backups stay, and none is made
    Disable {
        /// Its name
        name: String,
    },
    /// Let a client in again that was disabled
    Enable {
        /// Its name
        name: String,
    },
    /// Remove a client with all its backups; for some time ("removed_keep") it can be taken back
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name
        name: String,
    },
    /// Take back a client that was removed
    TakeBack {
        /// Its name
        name: String,
    },
    /// Say what people call a client; its name stays as it is in commands and in the storage
    Rename {
        /// Its name
        name: String,
        /// What it is shown as; without it, its name
        #[arg(value_name = "SHOWN-AS")]
        display_name: Option<String>,
    },
    /// Have a client restore files of one of its backups; unless its settings say otherwise, somebody there confirms it first
    #[command(after_help = "\
The client does it as soon as it is connected and somebody has confirmed it on its machine, with \"perennial client restores confirm\". \
Until then the job waits, for a week at most.

Examples:
  perennial clients restore laptop/latest home/anna/letters
  perennial clients restore laptop/261129-0650 home/anna etc/hosts --to /tmp/restored --existing overwrite")]
    Restore(ClientsRestoreArgs),
    /// Let a client's backups rest for a while
    Pause {
        /// Its name; on a client's own machine, that one
        name: Option<String>,
        /// For how long
        #[arg(long = "for", value_name = "SPAN", default_value = "1h", value_parser = parse_duration)]
        span: std::time::Duration,
    },
    /// Let a client's backups go on
    Resume {
        /// Its name; on a client's own machine, that one
        name: Option<String>,
    },
}

/// `perennial clients restore`
#[derive(Debug, Args)]
pub struct ClientsRestoreArgs {
    /// Which of its file backups
    #[arg(value_name = "CLIENT/BACKUP")]
    pub backup: BackupRef,
    /// Files and directories in it; without any, all of it
    #[arg(value_name = "PATH")]
    pub paths: Vec<std::ffi::OsString>,
    /// A directory of the client that they go to, each under its name; without it, they go to where they came from
    #[arg(long, value_name = "DIR")]
    pub to: Option<String>,
    /// What to do with a file that is in the way and differs
    #[arg(long, value_enum, value_name = "HOW", default_value_t = ExistingChoice::Keep)]
    pub existing: ExistingChoice,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to do with a file that is in the way and differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExistingChoice {
    /// Leave it, go on.
    Keep,
    /// Keep it beside the restored one, as NAME.kept.
    Both,
    /// Replace it.
    Overwrite,
}

impl ExistingChoice {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Both => "both",
            Self::Overwrite => "overwrite",
        }
    }
}

/// `perennial jobs`
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List jobs, the newest first
    List(JobsListArgs),
    /// Watch what jobs do, as it happens, until Ctrl-C
    Watch {
        /// Only those of this client
        client: Option<String>,
        /// For whom; JSON is one object per line
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show a job with its log
    Log {
        /// Its number, from "perennial jobs list"
        id: u64,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Cancel a job
    Cancel {
        /// Its number, from "perennial jobs list"
        id: u64,
    },
    /// Begin anew what a job was about that failed, was cancelled or cut short
    #[command(after_help = "\
A backup is made of the same client, of the same kind and mode; a backup is verified again; a virtual disk is made again; a cleanup is done again. It is a job of \
its own, whose number is printed.")]
    Retry {
        /// Its number, from "perennial jobs list"
        id: u64,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Let a backup that runs wait
    Pause {
        /// Its number, from "perennial jobs list"
        id: u64,
    },
    /// Let a backup that was paused go on
    Resume {
        /// Its number, from "perennial jobs list"
        id: u64,
    },
}

/// `jobs list`
#[derive(Debug, Args)]
pub struct JobsListArgs {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Only those of this client
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// Only those in this state: queued, running, done, failed, cancelled or interrupted
    #[arg(long)]
    pub state: Option<String>,
    /// Only those that do this: "file backup", "image backup", restore, verify, check, cleanup, …
    #[arg(long)]
    pub kind: Option<String>,
    /// Only those with a smaller number, which are older
    #[arg(long, value_name = "ID")]
    pub before: Option<u64>,
    /// Only those that have this in their client's name, their kind or what they are about
    #[arg(long)]
    pub text: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `perennial stream`
#[derive(Debug, Subcommand)]
pub enum StreamCommand {
    /// Write the stream that an aligned file holds; no server is needed
    Unpack(UnpackArgs),
}

/// `stream unpack`
#[derive(Debug, Args)]
#[command(after_help = "\
Streams that are configured with align = true lie in a backup as NAME.aligned. A restore gives them back by itself; this is \
for files that were copied out of the storage.

Example:
  perennial stream unpack /srv/backups/web/current/postgres/all.sql.aligned | psql")]
pub struct UnpackArgs {
    /// The file, or - for stdin, which must be a file too
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: std::path::PathBuf,
    /// Write to this new file instead of stdout
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub to: Option<std::path::PathBuf>,
}

/// `perennial config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting, its value and where that comes from
    Show(ConfigShowArgs),
}

/// `config show`
#[derive(Debug, Args)]
#[command(after_help = "\
A later layer wins: default, configuration file, environment variable, flag. Flags belong to the command that they are \
given to, so of them only --server-state and --client-state show up here.")]
pub struct ConfigShowArgs {
    /// Which half; by default both
    pub half: Option<Half>,
    /// Configuration file to look at instead of the usual one; needs HALF
    #[arg(long, value_name = "FILE", requires = "half")]
    pub config: Option<std::path::PathBuf>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Server or client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Half {
    /// The server's settings
    Server,
    /// The client's settings
    Client,
}
