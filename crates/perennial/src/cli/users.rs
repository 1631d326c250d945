//! `login`, `logout`, `whoami`, `users`, `roles` and `api-tokens`: who may call the server from elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueHint};

use super::OutputArgs;
use crate::config::parse_duration;

/// `perennial login`
#[derive(Debug, Args)]
#[command(after_help = "\
The first time, the fingerprint of the server's certificate authority is shown, to be compared with what \"perennial status\" \
shows on the server; it is remembered with the log-in in ~/.config/perennial/login.toml. From then on commands act as \
this user where no server is on this machine, until \"perennial logout\".

Examples:
  perennial login backup.example
  perennial login backup.example:55414 --user anna --fingerprint 3f9a… --password-file - < password")]
pub struct LoginArgs {
    /// The server's address
    #[arg(value_name = "HOST:PORT")]
    pub address: String,
    /// The user's name; by default that of the user here
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A file with the password; - for stdin. Without, it is asked for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// A code of the second factor, or a recovery code; without, it is asked for where it is needed
    #[arg(long)]
    pub code: Option<String>,
}

/// `perennial users`
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// List users and what they may do
    List(OutputArgs),
    /// Add a user
    Add(UserAddArgs),
    /// Remove a user with all tokens and sessions
    Remove {
        /// His name
        name: String,
    },
    /// Let a user in no more; what he was granted stays
    Disable {
        /// His name
        name: String,
    },
    /// Let a user in again
    Enable {
        /// His name
        name: String,
    },
    /// Forget failed log-ins of a user, so that he can try again at once
    Unlock {
        /// His name
        name: String,
    },
    /// Set another password; all other sessions end
    Password(PasswordArgs),
    /// Give a user a role
    Grant(GrantArgs),
    /// Take a role from a user
    Revoke(GrantArgs),
    /// Set up a second factor: codes of an app that change each 30 seconds
    #[command(subcommand)]
    Totp(TotpCommand),
    /// List log-ins that hold
    Sessions(SessionsArgs),
    /// End a log-in
    EndSession {
        /// Its number, from "perennial users sessions"
        id: u64,
    },
}

/// `users add`
#[derive(Debug, Args)]
#[command(after_help = "\
A user may do nothing until he is granted a role.

Examples:
  perennial users add anna
  perennial users grant anna administrator --everything
  perennial users add backup-check --no-password")]
pub struct UserAddArgs {
    /// His name: small letters, digits, -, _, . and @
    pub name: String,
    /// A file with the password; - for stdin. Without, it is asked for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// Only API tokens get in: for scripts
    #[arg(long, conflicts_with = "password_file")]
    pub no_password: bool,
}

/// `users password`
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// His name; by default the user who has logged in here
    pub name: Option<String>,
    /// A file with the new password; - for stdin. Without, it is asked for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// A file with the password that holds so far, for one's own; - for stdin. Without, it is asked for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub current_password_file: Option<PathBuf>,
}

/// `users grant` and `users revoke`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("scope").required(true))]
#[command(after_help = "\
\"perennial roles list\" shows the roles. Rights that are about the server as a whole, such as managing users, count only in a \
role that is granted for everything.

Examples:
  perennial users grant anna administrator --everything
  perennial users grant bert operator --group office
  perennial users revoke bert operator --group office")]
pub struct GrantArgs {
    /// The user's name
    pub user: String,
    /// The role
    pub role: String,
    /// For all clients, those to come too, and the server
    #[arg(long, group = "scope")]
    pub everything: bool,
    /// For the clients of this group, as they are at the time
    #[arg(long, value_name = "NAME", group = "scope")]
    pub group: Option<String>,
    /// For this client
    #[arg(long, value_name = "NAME", group = "scope")]
    pub client: Option<String>,
}

/// `users totp`
#[derive(Debug, Subcommand)]
pub enum TotpCommand {
    /// Show a new secret for an app; it is not asked for before it is confirmed
    Begin {
        /// Whose.
        #[command(flatten)]
        account: TotpArgs,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Ask for codes from now on; shows recovery codes
    Confirm {
        /// His name; by default the user who has logged in here
        name: Option<String>,
        /// A code that the app shows; without, it is asked for
        #[arg(long)]
        code: Option<String>,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Ask for codes no more
    Remove(TotpArgs),
}

/// `users totp begin` and `remove`
#[derive(Debug, Args)]
pub struct TotpArgs {
    /// His name; by default the user who has logged in here
    pub name: Option<String>,
    /// A file with the password, for one's own; - for stdin. Without, it is asked for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
}

/// `users sessions`
#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// Only those of this user; by default of the user who has logged in here
    pub name: Option<String>,
    /// Those of all users
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `perennial roles`
#[derive(Debug, Subcommand)]
pub enum RolesCommand {
    /// List the roles
    List(OutputArgs),
    /// Show what a role may do
    Show {
        /// Its name
        name: String,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Make a role
    #[command(after_help = "\
\"perennial roles show administrator\" shows all rights.

Example:
  perennial roles create helpdesk --right see --right logs --right browse --right restore")]
    Create {
        /// Its name
        name: String,
        /// What it may do; may be given several times
        #[arg(long = "right", value_name = "RIGHT", required = true)]
        rights: Vec<String>,
    },
    /// Delete a role that nobody has
    Delete {
        /// Its name
        name: String,
    },
}

/// `perennial api-tokens`
#[derive(Debug, Subcommand)]
pub enum ApiTokensCommand {
    /// Make a token for a script
    Create(ApiTokenCreateArgs),
    /// List tokens
    List(ApiTokenListArgs),
    /// Take a token back
    Revoke {
        /// Its name
        name: String,
        /// Whose it is; by default the user who has logged in here
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

/// `api-tokens create`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("end").required(true))]
#[command(after_help = "\
A token never may more than its user at the time of the call. It is printed on stdout and is shown this once.

Examples:
  perennial api-tokens create ci --valid 90d --right see --right start-incremental-file --group servers
  PERENNIAL_TOKEN=perennial_api_… perennial --server backup.example --fingerprint 3f9a… backup start web")]
pub struct ApiTokenCreateArgs {
    /// Its name
    pub name: String,
    /// Whose it is; by default the user who has logged in here
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The only right that counts; may be given several times. Without, all that the user has
    #[arg(long = "right", value_name = "RIGHT")]
    pub rights: Vec<String>,
    /// Only for this client; may be given several times
    #[arg(long = "client", value_name = "NAME")]
    pub clients: Vec<String>,
    /// Only for the clients of this group; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// For how long it holds
    #[arg(long, value_name = "SPAN", value_parser = parse_duration, group = "end")]
    pub valid: Option<Duration>,
    /// It holds until it is revoked
    #[arg(long, group = "end")]
    pub no_expiry: bool,
    /// A file with the password, for one's own; - for stdin. Without, it is asked for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `api-tokens list`
#[derive(Debug, Args)]
pub struct ApiTokenListArgs {
    /// Only those of this user; by default of the user who has logged in here
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Those of all users
    #[arg(long, conflicts_with = "user")]
    pub all: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}
