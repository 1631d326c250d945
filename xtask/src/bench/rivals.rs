//! The tools that Perennial is measured beside.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;
use super::measure::{Cost, quiet, timed};

/// A tool that makes backups.
pub trait Tool {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Prepares an empty place; `own` is for its caches and state.
    fn begin(&mut self, place: &Path, own: &Path) -> Result<()>;
    /// Makes a backup.
    fn back_up(&mut self, source: &Path) -> Result<Cost>;
    /// Restores the newest backup.
    fn restore(&mut self, to: &Path) -> Result<Cost>;
    /// Deletes one of several backups.
    fn delete_middle(&mut self) -> Result<Option<Cost>> {
        Ok(None)
    }
    /// Ends what runs.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// All of them.
pub fn all() -> Vec<Box<dyn Tool>> {
    vec![
        Box::new(Copy::new("cp", "cp -a --reflink=never \"$1\" \"$2\"")),
        Box::new(Copy::new(
            "cp+sync",
            "cp -a --reflink=never \"$1\" \"$2\" && sync -f \"$2\"",
        )),
        Box::new(Rsync::default()),
        Box::new(Restic::default()),
        Box::new(Borg::default()),
    ]
}

/// `cp -a` into a new directory each time; alone, or until all of it is on the disk, as a commit is.
struct Copy {
    name: &'static str,
    script: &'static str,
    place: PathBuf,
    count: usize,
}

impl Copy {
    fn new(name: &'static str, script: &'static str) -> Self {
        Self {
            name,
            script,
            place: PathBuf::new(),
            count: 0,
        }
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<Cost> {
        let mut command = Command::new("sh");
        command.args(["-c", self.script, "sh"]).arg(from).arg(to);
        timed(&mut command, &[0], None)
    }
}

impl Tool for Copy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn begin(&mut self, place: &Path, _own: &Path) -> Result<()> {
        self.place = place.to_owned();
        Ok(())
    }

    fn back_up(&mut self, source: &Path) -> Result<Cost> {
        self.count += 1;
        self.copy(source, &self.place.join(self.count.to_string()))
    }

    fn restore(&mut self, to: &Path) -> Result<Cost> {
        self.copy(&self.place.join(self.count.to_string()), to)
    }
}

/// rsync into a subvolume, then into snapshots of it.
#[derive(Default)]
struct Rsync {
    place: PathBuf,
    count: usize,
}

impl Rsync {
    fn sync(from: &Path, to: &Path) -> Result<Cost> {
        let mut source = from.as_os_str().to_owned();
        source.push("/");
        let options = ["-aHAX", "--numeric-ids", "--delete", "--inplace"];
        timed(
            Command::new("rsync").args(options).arg(source).arg(to),
            &[0],
            None,
        )
    }
}

impl Tool for Rsync {
    fn name(&self) -> &'static str {
        "rsync"
    }

    fn begin(&mut self, place: &Path, _own: &Path) -> Result<()> {
        self.place = place.to_owned();
        Ok(())
    }

    fn back_up(&mut self, source: &Path) -> Result<Cost> {
        let before = self.place.join(self.count.to_string());
        self.count += 1;
        let target = self.place.join(self.count.to_string());
        if self.count == 1 {
            quiet(Command::new("btrfs").args(["subvolume", "create"]).arg(&target))?;
        } else {
            quiet(
                Command::new("btrfs")
                    .args(["subvolume", "snapshot"])
                    .arg(&before)
                    .arg(&target),
            )?;
        }
        Self::sync(source, &target)
    }

    fn restore(&mut self, to: &Path) -> Result<Cost> {
        std::fs::create_dir(to)?;
        Self::sync(&self.place.join(self.count.to_string()), to)
    }

    fn delete_middle(&mut self) -> Result<Option<Cost>> {
        timed(
            Command::new("btrfs")
                .args(["subvolume", "delete"])
                .arg(self.place.join("2")),
            &[0],
            None,
        )
        .map(Some)
    }
}

/// restic with a local repository.
#[derive(Default)]
struct Restic {
    repository: PathBuf,
    cache: PathBuf,
}

impl Restic {
    fn command(&self) -> Command {
        let mut command = Command::new("restic");
        command
            .env("RESTIC_PASSWORD", "benchmark")
            .env("RESTIC_REPOSITORY", &self.repository);
        command.arg("--cache-dir").arg(&self.cache);
        command
    }
}

impl Tool for Restic {
    fn name(&self) -> &'static str {
        "restic"
    }

    fn begin(&mut self, place: &Path, own: &Path) -> Result<()> {
        (self.repository, self.cache) = (place.join("repository"), own.join("cache"));
        quiet(self.command().arg("init"))?;
        Ok(())
    }

    fn back_up(&mut self, source: &Path) -> Result<Cost> {
        timed(self.command().arg("backup").arg(source), &[0], None)
    }

    fn restore(&mut self, to: &Path) -> Result<Cost> {
        timed(
            self.command().args(["restore", "latest", "--target"]).arg(to),
            &[0],
            None,
        )
    }
}

/// borg with a local repository, not encrypted.
#[derive(Default)]
struct Borg {
    repository: PathBuf,
    own: PathBuf,
    count: usize,
}

impl Borg {
    fn command(&self) -> Command {
        let mut command = Command::new("borg");
        command
            .env("BORG_BASE_DIR", &self.own)
            .env("BORG_REPO", &self.repository);
        command.env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
        command
    }
}

impl Tool for Borg {
    fn name(&self) -> &'static str {
        "borg"
    }

    fn begin(&mut self, place: &Path, own: &Path) -> Result<()> {
        (self.repository, self.own) = (place.join("repository"), own.to_owned());
        quiet(self.command().args(["init", "-e", "none"]))?;
        Ok(())
    }

    fn back_up(&mut self, source: &Path) -> Result<Cost> {
        self.count += 1;
        timed(
            self.command()
                .arg("create")
                .arg(format!("::{}", self.count))
                .arg(source),
            &[0],
            None,
        )
    }

    fn restore(&mut self, to: &Path) -> Result<Cost> {
        std::fs::create_dir(to)?;
        timed(
            self.command()
                .current_dir(to)
                .arg("extract")
                .arg(format!("::{}", self.count)),
            &[0],
            None,
        )
    }

    fn delete_middle(&mut self) -> Result<Option<Cost>> {
        timed(self.command().args(["delete", "::2"]), &[0], None).map(Some)
    }
}
