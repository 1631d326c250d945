//! `server`, `client` and `quickstart`: what runs for long.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::OutputArgs;
use crate::config::{ClientFlags, ServerFlags, parse_duration};

/// `perennial server`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  perennial server --storage /srv/backups
  perennial server --config /etc/perennial/server.toml
  PERENNIAL_SERVER_LISTEN='[::]:55414' perennial server run"
)]
pub struct ServerArgs {
    /// One of its commands; without one, the server runs.
    #[command(subcommand)]
    pub command: Option<ServerCommand>,
    /// Settings.
    #[command(flatten)]
    pub settings: ServerFlags,
}

/// What can be done with a server's own files.
#[derive(Debug, Subcommand)]
pub enum ServerCommand {
    /// Run until SIGTERM or Ctrl-C
    Run {
        /// Settings.
        #[command(flatten)]
        settings: ServerFlags,
    },
    /// Make a lost or damaged catalog anew from the storage alone; the server must not be running
    #[command(after_help = "\
The old catalog, if there is one, is kept beside the new one. The clients' certificates are lost with it: each client \
enrols anew, with a token made for its name.")]
    RebuildCatalog {
        /// Settings.
        #[command(flatten)]
        settings: ServerFlags,
        /// Where to.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Put back a copy of a lost or damaged catalog from the storage; the server must not be running
    RestoreCatalog(RestoreCatalogArgs),
    /// Look at all that the server stands on and say what to do, whether it runs or not
    Doctor(DoctorArgs),
    /// See, add and remove the programs that installers of clients bring
    #[command(subcommand)]
    Builds(BuildsCommand),
    /// Take over a storage of another server, or one that was moved, or begin anew in an empty directory; no server may be running
    #[command(after_help = "\
The storage then belongs to the server with this state directory, and its backups are taken into that server's catalog. \
The server that had it before must never use it again.")]
    AdoptStorage {
        /// Settings.
        #[command(flatten)]
        settings: ServerFlags,
    },
}

/// `perennial server builds`
#[derive(Debug, Subcommand)]
pub enum BuildsCommand {
    /// List them; the server's own program is there once an installer was made
    List(BuildsListArgs),
    /// Keep a program for Linux, such as one for another processor
    #[command(after_help = "\
Only on the server's own machine, and only programs that you trust: every client that is installed later runs it as root.

Example:
  perennial server builds add perennial-aarch64")]
    Add {
        /// The program
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        program: PathBuf,
        /// Settings.
        #[command(flatten)]
        settings: ServerFlags,
    },
    /// Forget a program
    Remove {
        /// Its version
        version: String,
        /// The processor that it is for
        architecture: String,
        /// Settings.
        #[command(flatten)]
        settings: ServerFlags,
    },
}

/// `perennial server builds list`
#[derive(Debug, Args)]
pub struct BuildsListArgs {
    /// Settings.
    #[command(flatten)]
    pub settings: ServerFlags,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `perennial server restore-catalog`
#[derive(Debug, Args)]
#[command(after_help = "\
The server copies its catalog into the storage each night, and when a new version starts. A copy has the clients with their \
certificates, all settings and jobs. Backups made since are taken in from the storage; what else was changed since is lost. The \
old catalog, if there is one, is kept beside the new one.

Examples:
  perennial server restore-catalog --list
  perennial server restore-catalog
  perennial server restore-catalog --from 20261130T030512Z
  perennial server restore-catalog --from /var/lib/perennial/server/catalog.sqlite.before-v3")]
pub struct RestoreCatalogArgs {
    /// Which copy: its name, a file, or "latest", the newest that is whole
    #[arg(long, value_name = "COPY", value_hint = ValueHint::FilePath, conflicts_with = "list")]
    pub from: Option<PathBuf>,
    /// List the copies and change nothing
    #[arg(long)]
    pub list: bool,
    /// Settings.
    #[command(flatten)]
    pub settings: ServerFlags,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `perennial server doctor`
#[derive(Debug, Args)]
#[command(after_help = "\
Each finding is ok, advice, a warning or an error, with what to do about it. Nothing is changed. The exit status is 3 if there \
are warnings or errors.")]
pub struct DoctorArgs {
    /// Settings.
    #[command(flatten)]
    pub settings: ServerFlags,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `perennial client`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  perennial client --source /home --source etc=/etc --exclude '*.tmp'
  perennial client once --source '{ path = \"/srv\", exclude = [\"/cache/\"], optional = true }'"
)]
pub struct ClientArgs {
    /// One of its commands; without one, the client runs.
    #[command(subcommand)]
    pub command: Option<ClientCommand>,
    /// Settings.
    #[command(flatten)]
    pub settings: ClientFlags,
}

/// Ways to run a client.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Stay connected and back up whenever the server asks, until SIGTERM or Ctrl-C
    Run {
        /// Settings.
        #[command(flatten)]
        settings: ClientFlags,
    },
    /// Make one backup now and end
    Once(ClientOnceArgs),
    /// See and answer what the server asks this client to restore
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "\
The client must be running. Its setting \"restores\" says whether it asks at all: ask, allow or refuse.

Examples:
  perennial client restores
  perennial client restores confirm 12
  perennial client restores decline 12"
    )]
    Restores(ClientRestoresArgs),
    /// Make an installer, on the server: one file, or one line, with which a new client is installed, joins and starts
    Installer(InstallerArgs),
    /// Keep a file system frozen until standard input ends; what an image backup starts for itself
    #[command(hide = true)]
    HoldStill(HoldStillArgs),
}

/// `perennial client installer`
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds a token: whoever has it can join. The script is run as root with sh and shows with --help what it can do; the client of \
a package joins by itself once it is installed. What is needed is what the server can be reached by (--address) and, for other \
processors than the server's own, a program (see \"perennial server builds\").

Examples:
  perennial client installer laptop
  perennial client installer laptop --form deb --source /home --source /srv
  perennial client installer --uses 50 --valid 7d --one-line")]
pub struct InstallerArgs {
    /// The client's name; without it, clients join under their machines' own names
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// What it is to be
    #[arg(long, value_name = "FORM", default_value = "sh", conflicts_with = "one_line")]
    pub form: InstallerForm,
    /// For which processor, as uname -m says it; by default for all that the server has programs for, and a package for the server's own
    #[arg(long, value_name = "PROCESSOR", conflicts_with = "one_line")]
    pub architecture: Option<String>,
    /// Print a command that downloads and runs the installer, instead of making a file
    #[arg(long)]
    pub one_line: bool,
    /// Directory to back up; given several times for several, /etc, /home, /root, /srv and /usr/local if none is named
    #[arg(long = "source", value_name = "PATH")]
    pub sources: Vec<String>,
    /// How many clients may join with it
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "name")]
    pub uses: u32,
    /// How long they may
    #[arg(long, value_name = "SPAN", default_value = "1d", value_parser = parse_duration)]
    pub valid: std::time::Duration,
    /// The address that the client is to dial; by default what the server advertises
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// Where to write it, - for stdout; by default into a file here that is named by the client
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "one_line")]
    pub output: Option<PathBuf>,
    /// For whom.
    #[command(flatten)]
    pub shape: OutputArgs,
}

/// What an installer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InstallerForm {
    /// A shell script
    Sh,
    /// A package for Debian and what comes from it
    Deb,
    /// A package for Fedora, openSUSE and the like
    Rpm,
}

impl InstallerForm {
    /// As the server calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        }
    }
}

/// `perennial client restores`
#[derive(Debug, Args)]
pub struct ClientRestoresArgs {
    /// What to do; without it, they are listed.
    #[command(subcommand)]
    pub command: Option<ClientRestoresCommand>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What can be answered.
#[derive(Debug, Subcommand)]
pub enum ClientRestoresCommand {
    /// Let a restore begin
    Confirm {
        /// Its number
        id: u64,
    },
    /// Refuse a restore
    Decline {
        /// Its number
        id: u64,
    },
}

/// `perennial client hold-still`
#[derive(Debug, Args)]
pub struct HoldStillArgs {
    /// For how long at most
    #[arg(value_name = "SECONDS")]
    pub limit_s: u64,
    /// A path on the file system
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
}

/// `perennial client once`
#[derive(Debug, Args)]
pub struct ClientOnceArgs {
    /// Read everything again instead of trusting size, times and inode of the last backup
    #[arg(long)]
    pub full: bool,
    /// Back up volumes as images instead of files: these, or those of the settings (else all fixed disks)
    #[arg(long, value_name = "VOLUME", num_args = 0..)]
    pub image: Option<Vec<String>>,
    /// Settings.
    #[command(flatten)]
    pub settings: ClientFlags,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `perennial quickstart`
#[derive(Debug, Args)]
#[command(after_help = "\
Without --once it stays up and keeps backing up until Ctrl-C. A second run goes on with what the first left: only what \
changed since is stored.

Examples:
  perennial quickstart ~/Documents
  perennial quickstart --once --storage /mnt/usb/backups ~/Documents ~/Pictures")]
pub struct QuickstartArgs {
    /// What to back up
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// End after the backup
    #[arg(long)]
    pub once: bool,
    /// Where the backups go; by default a directory of your own, which is printed
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub storage: Option<PathBuf>,
    /// Where keys and catalog go; by default where "perennial server" and "perennial client" look for them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Pattern in gitignore syntax of what is left out; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Time from one backup to the next
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = crate::config::parse_duration)]
    pub interval: std::time::Duration,
    /// For whom the report is
    #[command(flatten)]
    pub output: OutputArgs,
}
