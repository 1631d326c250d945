//! `mount`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::parse_bytes;

/// Below it, not even a few blocks would fit.
const LEAST_CACHE_BYTES: u64 = 4 << 20;

/// `perennial mount`
#[derive(Debug, Args)]
#[command(after_help = "\
Each file backup is a folder by its name, and \"latest\" leads to the newest; new ones appear by themselves. What is read comes from the \
server while it is read. The command stays until Ctrl-C, or until DIR is unmounted (umount DIR, or fusermount3 -u DIR).

Examples:
  perennial mount /mnt/backups
  perennial mount /mnt/backups --allow-other --cache 256MiB")]
pub struct MountBackupsArgs {
    /// Where to; a directory that is there and empty
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Let other users look into it too; what they can read, the modes of the files say
    #[arg(long)]
    pub allow_other: bool,
    /// What content may take in memory, 4MiB at least
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_cache)]
    pub cache: u64,
}

fn parse_cache(text: &str) -> Result<u64, String> {
    match parse_bytes(text)? {
        bytes if bytes < LEAST_CACHE_BYTES => Err("4MiB is the least".to_owned()),
        bytes => Ok(bytes),
    }
}
