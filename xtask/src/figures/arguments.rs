//! What the measurements are asked for.

use std::path::PathBuf;

use super::Result;

const USAGE: &str =
    "usage: cargo xtask figures [--debug] [--binary FILE] [--clients N] [--backups N] [--dir DIR]
  --debug    measure a debug build; else a release build, which is made first
  --binary   measure this program, which must be of that build, instead of making one
  --clients  so many clients; else 1000
  --backups  so many backups of each; else 200
  --dir      where the storage and the catalog go (2 GB, 400,000 files); else the temporary directory";

/// How the programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As they ship.
    Release,
    /// As they are developed: for trying the measurements.
    Debug,
}

impl Profile {
    /// The word for it, which is that of its directory.
    pub fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
        }
    }

    /// What cargo has to be told.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Release => &["--release"],
            Self::Debug => &[],
        }
    }
}

/// The parsed arguments.
#[derive(Debug)]
pub struct Arguments {
    /// How the programs are built.
    pub profile: Profile,
    /// The program, if it is there already.
    pub binary: Option<PathBuf>,
    /// How many clients there are.
    pub clients: u64,
    /// How many backups each has.
    pub backups: u64,
    /// Where to work.
    pub dir: PathBuf,
}

impl Arguments {
    /// Parses the arguments behind the command's name.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut parsed = Self {
            profile: Profile::Release,
            binary: None,
            clients: 1000,
            backups: 200,
            dir: std::env::temp_dir(),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or(USAGE);
            match word.as_str() {
                "--debug" => parsed.profile = Profile::Debug,
                "--binary" => parsed.binary = Some(value()?.into()),
                "--clients" => parsed.clients = value()?.parse()?,
                "--backups" => parsed.backups = value()?.parse()?,
                "--dir" => parsed.dir = value()?.into(),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(parsed)
    }
}
