//! What the benchmark is asked for.

use std::path::PathBuf;

use super::Result;

const USAGE: &str = "usage: cargo xtask bench [--full | --million] [--only TOOL]… [--workload NAME]… [--dir DIR] [--write FILE]
  --full      the workloads at full size (needs linux-source-6.1, 30 GB, half an hour); else a tenth of it
  --million   only the many small files, a million of them, for the peak of memory
  --only      only this tool: cp, cp+sync, rsync, restic, borg, perennial
  --workload  only this workload: W1, W2, W3, images
  --dir       where the sources and the file system's image go; else the temporary directory
  --write     write the table to this file as well";

/// The size of the workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A tenth, without the kernel's source.
    Short,
    /// As the figures are asked for.
    Full,
    /// A million small files and nothing else.
    Million,
}

/// The parsed arguments.
#[derive(Debug)]
pub struct Arguments {
    /// How large.
    pub size: Size,
    /// Only these tools; all if empty.
    pub only: Vec<String>,
    /// Only these workloads; all if empty.
    pub workloads: Vec<String>,
    /// Where to work.
    pub dir: PathBuf,
    /// Where the table goes.
    pub write: Option<PathBuf>,
}

impl Arguments {
    /// Parses the arguments behind the command's name.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut parsed = Self {
            size: Size::Short,
            only: Vec::new(),
            workloads: Vec::new(),
            dir: std::env::temp_dir(),
            write: None,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or(USAGE);
            match word.as_str() {
                "--full" => parsed.size = Size::Full,
                "--million" => parsed.size = Size::Million,
                "--only" => parsed.only.push(value()?),
                "--workload" => parsed.workloads.push(value()?),
                "--dir" => parsed.dir = value()?.into(),
                "--write" => parsed.write = Some(value()?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(parsed)
    }

    /// Whether images are measured too.
    pub fn wants_images(&self) -> bool {
        let is_named = self.workloads.iter().any(|name| name == "images");
        is_named || (self.workloads.is_empty() && self.only.is_empty() && self.size != Size::Million)
    }

    /// Whether a tool takes part.
    pub fn wants(&self, tool: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == tool)
    }
}
