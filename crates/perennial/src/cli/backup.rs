//! `backup …`

use std::ffi::OsString;

use clap::{Args, Subcommand};

use super::backup_ref::PlaceParser;
use super::{ArchiveArgs, BackupRef, DeleteArgs, HoldArgs, LetGoArgs, OutputArgs, Place};

/// What can be done with backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// List backups, newest last
    List(ListArgs),
    /// Tell everything about one backup
    Show(ShowArgs),
    /// Tell what deleting some backups together would free
    Freed(FreedArgs),
    /// List what is in a backup, as "ls -l" would
    #[command(visible_alias = "ls")]
    Browse(BrowseArgs),
    /// Find files by name in all backups of a client
    Search(SearchArgs),
    /// List the versions of a file over all backups of a client
    Versions(VersionsArgs),
    /// Have a client make a backup now, and follow it
    Start(StartArgs),
    /// Read a backup again and compare it with its hashes
    Verify(VerifyArgs),
    /// Show what changed between two backups
    Diff(DiffArgs),
    /// Delete backups; all others stay whole
    #[command(visible_alias = "rm")]
    Delete(DeleteArgs),
    /// Let retention leave a backup alone, for some time or for ever
    Archive(ArchiveArgs),
    /// Let retention have an archived backup again
    Unarchive(LetGoArgs),
    /// Let nobody delete a backup until it is released
    Hold(HoldArgs),
    /// Let go of a backup that is held
    Release(LetGoArgs),
}

/// `backup list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this client
    pub client: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest
    pub backup: BackupRef,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup freed`
#[derive(Debug, Args)]
#[command(after_help = "\
What several backups have in common and nobody else has is freed only if all of them go: so this is more than the sum of \
what \"backup show\" tells of each.

Example:
  perennial backup freed laptop/261129-0650 laptop/261130-0650")]
pub struct FreedArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest
    #[arg(required = true)]
    pub backups: Vec<BackupRef>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup browse`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  perennial backup browse laptop/latest
  perennial backup browse laptop/261129-0650:home/me --recursive")]
pub struct BrowseArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, and a path inside it
    #[arg(value_name = "BACKUP[:PATH]", value_parser = PlaceParser)]
    pub place: Place,
    /// And everything beneath
    #[arg(long, short)]
    pub recursive: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup search`
#[derive(Debug, Args)]
#[command(after_help = "\
Each file is listed once, as the newest backup that has it has it. Capitals don't matter.

Examples:
  perennial backup search laptop report
  perennial backup search laptop '*.odt' --beneath home/me")]
pub struct SearchArgs {
    /// Whose backups
    pub client: String,
    /// Part of the name; with * or ? in it a pattern for all of the name
    pub text: String,
    /// Only what lies in this directory or beneath
    #[arg(long, value_name = "PATH")]
    pub beneath: Option<OsString>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup versions`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  perennial backup versions laptop home/me/report.odt")]
pub struct VersionsArgs {
    /// Whose backups
    pub client: String,
    /// The file's path, as backups have it
    pub path: OsString,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup start`
#[derive(Debug, Args)]
#[command(after_help = "\
A volume is a disk (sda), a device (/dev/sda2), a mount point (/home), a label, a file that stands for a disk, or \"all\".

Examples:
  perennial backup start laptop
  perennial backup start laptop --image all
  perennial backup start laptop --image sda1 /home")]
pub struct StartArgs {
    /// Which client; on a client's machine it may be left out
    pub client: Option<String>,
    /// Read everything again instead of trusting size, times and inode of the last backup
    #[arg(long)]
    pub full: bool,
    /// Back up volumes as images instead of files: these, or those of the client's settings (else all fixed disks)
    #[arg(long, value_name = "VOLUME", num_args = 0..)]
    pub image: Option<Vec<String>>,
    /// Return once it is queued
    #[arg(long)]
    pub detach: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup verify`
#[derive(Debug, Args)]
#[command(after_help = "\
Without --source, the server reads every file of the backup again and compares it with the hashes in its manifest. \
With --source, the client picks a random share of its files, hashes them as they are now, and the server compares: a \
check from end to end. Files that changed since the backup are left out.

Examples:
  perennial backup verify laptop/latest
  perennial backup verify laptop/latest --source 5%")]
pub struct VerifyArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest
    pub backup: BackupRef,
    /// Compare this share of the client's own files with the backup, in percent
    #[arg(long, value_name = "N%", value_parser = parse_percent)]
    pub source: Option<f64>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup diff`
#[derive(Debug, Args)]
#[command(after_help = "\
Each line begins with what happened: + added, - removed, c content changed, m only metadata changed, k became another \
kind of thing.

Example:
  perennial backup diff laptop/261128-0650 laptop/latest")]
pub struct DiffArgs {
    /// The older: NAME, CLIENT/NAME or CLIENT/latest
    pub from: BackupRef,
    /// The newer
    pub to: BackupRef,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let percent: f64 = number
        .trim()
        .parse()
        .map_err(|_| "write it as a percentage such as 5%".to_owned())?;
    if percent > 0.0 && percent <= 100.0 {
        Ok(percent)
    } else {
        Err("it is more than 0% and at most 100%".into())
    }
}
