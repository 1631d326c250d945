//! `restore`

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::backup_ref::PlaceParser;
use super::{OutputArgs, Place};

/// `perennial restore`
#[derive(Debug, Args)]
#[command(after_help = "\
Restores files with owner, mode, times, extended attributes, ACLs, holes and hard links. What is there already with the \
same content is not sent again, so an interrupted restore goes on where it ended when it is given once more.

Examples:
  perennial restore latest --to /tmp/restored
  perennial restore 261129-0650:home/me/letters --to ~/letters
  perennial restore latest:etc --to /etc --existing overwrite")]
pub struct RestoreArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, and a path inside it
    #[arg(value_name = "BACKUP[:PATH]", value_parser = PlaceParser)]
    pub place: Place,
    /// The directory that gets what is in BACKUP:PATH; created if need be
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to: PathBuf,
    /// What to do with a file that is in the way and differs
    #[arg(long, value_enum, value_name = "HOW", default_value_t = ExistingPolicy::Keep)]
    pub existing: ExistingPolicy,
    /// Also remove from DIR what the backup does not have
    #[arg(long)]
    pub delete_extra: bool,
    /// Read files that are there already instead of trusting their size and time
    #[arg(long)]
    pub compare_content: bool,
    /// Give files the same numbers as owner instead of the users and groups of the same name
    #[arg(long)]
    pub numeric_owner: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to do with a file that is in the way and differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExistingPolicy {
    /// Leave it, report it, go on.
    Keep,
    /// Keep it beside the restored one, as NAME.kept.
    Both,
    /// Replace it; a directory makes way for something else only with --delete-extra.
    Overwrite,
    /// Stop.
    Fail,
}
