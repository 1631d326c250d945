//! `settings`, `groups`, `schedule` and `audit`: what holds for whom, and what follows from it.

use clap::{Args, Subcommand};
use policy::settings::Action;

use super::OutputArgs;

/// Whose settings are meant.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub struct OwnerArgs {
    /// Those of one client; by default those of all
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// Those of the clients in a group
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
}

/// `perennial settings`
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// Show every setting and its value
    Show(SettingsShowArgs),
    /// Tell how settings came to their values, and what they would be otherwise
    Explain(SettingsExplainArgs),
    /// Set something; it holds at once
    #[command(after_help = "\
KEY=VALUE takes the place of what the layers before say; KEY+=VALUE adds to their list.

Examples:
  perennial settings set keep_daily=14 quota=200G
  perennial settings set --group laptops full_window='Mon-Fri/19-7;Sat,Sun/0-24'
  perennial settings set --client web incremental_interval='5h;1h@Mon-Fri/8-18'
  perennial settings set --client db archive+='full file every 30d keep 1y'")]
    Set {
        /// Whose.
        #[command(flatten)]
        owner: OwnerArgs,
        /// What is to hold; see "perennial settings show"
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = parse_assignment)]
        assignments: Vec<Assignment>,
    },
    /// Let what the layers before say hold again
    Unset {
        /// Whose.
        #[command(flatten)]
        owner: OwnerArgs,
        /// What was set
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
}

/// `settings show`
#[derive(Debug, Args)]
#[command(after_help = "\
A later layer wins: default, start (the server's file, environment and flags), server, group, client, and what the client's \
own user chose. On a client's machine these are the client's.")]
pub struct SettingsShowArgs {
    /// What holds for this client; by default for all
    #[arg(conflicts_with = "group")]
    pub client: Option<String>,
    /// What holds for the clients in a group
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `settings explain`
#[derive(Debug, Args)]
#[command(after_help = "\
Without KEY, those that somebody set are explained.

Examples:
  perennial settings explain laptop
  perennial settings explain laptop keep_daily full_window")]
pub struct SettingsExplainArgs {
    /// For which client; with --group, the first key
    pub client: Option<String>,
    /// Which settings
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// For the clients in a group
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A setting that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub key: String,
    /// In place of what the layers before say, or besides.
    pub action: Action,
    /// The value.
    pub value: String,
}

fn parse_assignment(text: &str) -> Result<Assignment, String> {
    let (key, value) = text.split_once('=').ok_or("it has no \"=\"")?;
    let (key, action) = match key.strip_suffix('+') {
        Some(key) => (key, Action::Add),
        None => (key, Action::Set),
    };
    Ok(Assignment {
        key: key.trim().to_owned(),
        action,
        value: value.trim().to_owned(),
    })
}

/// `perennial groups`
#[derive(Debug, Subcommand)]
pub enum GroupsCommand {
    /// List the groups
    List(OutputArgs),
    /// Make a group; what is set for it holds for its clients
    Create {
        /// Its name
        name: String,
    },
    /// Give a group another name
    Rename {
        /// Its name
        name: String,
        /// Its new name
        new_name: String,
    },
    /// Delete a group with its settings; its clients are then in none
    Delete {
        /// Its name
        name: String,
    },
    /// Put clients into a group, out of the one that they are in
    Add {
        /// The group's name
        name: String,
        /// The clients
        #[arg(value_name = "CLIENT", required = true)]
        clients: Vec<String>,
    },
    /// Take clients out of their group
    Remove {
        /// The clients
        #[arg(value_name = "CLIENT", required = true)]
        clients: Vec<String>,
    },
}

/// `perennial schedule`
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Tell when the next backups of a client are made, why, and what holds them back
    Explain {
        /// The client; on a client's own machine, that one
        client: Option<String>,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// `perennial audit`
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Only those about this client, group, job or backup
    #[arg(long, value_name = "NAME")]
    pub subject: Option<String>,
    /// Only those that have this in one of their words
    #[arg(long)]
    pub text: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}
