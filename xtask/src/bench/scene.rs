//! Where the benchmark happens: a loop-mounted btrfs for what the tools write, and the sources beside it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;
use super::arguments::{Arguments, Size};
use super::measure::quiet;
use super::workloads::Workload;

/// Set in the process that has its mounts to itself.
const OWN_MOUNTS: &str = "PERENNIAL_BENCH_OWN_MOUNTS";
const PREFIX: &str = "perennial-bench-";

/// Goes on in a mount namespace of its own, so that nothing stays mounted however the benchmark ends.
pub fn with_own_mounts(arguments: &[String]) -> Result<()> {
    if std::env::var_os(OWN_MOUNTS).is_some() {
        return Ok(());
    }
    let error = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe()?)
        .arg("bench")
        .args(arguments)
        .env(OWN_MOUNTS, "1")
        .exec();
    Err(format!("unshare can't be run: {error}").into())
}

/// Removes what runs left that were killed.
fn sweep(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The directory of a run; unmounted and removed at the end.
pub struct Scene {
    root: PathBuf,
    mounted: bool,
    /// How large the run is.
    pub size: Size,
}

impl Scene {
    /// Makes the file system.
    pub fn create(arguments: &Arguments) -> Result<Self> {
        sweep(&arguments.dir)?;
        let root = arguments.dir.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(root.join("sources"))?;
        let mut scene = Self {
            root,
            mounted: false,
            size: arguments.size,
        };
        let image = scene.root.join("btrfs.img");
        let len = if arguments.size == Size::Short {
            8u64 << 30
        } else {
            40 << 30
        };
        fs::File::create(&image)?.set_len(len)?;
        quiet(Command::new("mkfs.btrfs").arg("-q").arg(&image))?;
        fs::create_dir(scene.target())?;
        quiet(
            Command::new("mount")
                .args(["-o", "loop,noatime"])
                .arg(&image)
                .arg(scene.target()),
        )?;
        scene.mounted = true;
        Ok(scene)
    }

    /// The mounted file system.
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// A place beside the file system, for whatever is needed.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A directory for what belongs to the tools themselves: states, caches.
    pub fn own(&self, name: &str) -> PathBuf {
        self.root.join(format!("own-{name}"))
    }

    /// Makes the source of a workload.
    pub fn source(&self, workload: &Workload) -> Result<PathBuf> {
        let source = self.root.join("sources").join(workload.name());
        fs::create_dir_all(&source)?;
        workload.make(&source)?;
        Ok(source)
    }

    /// An empty directory on the file system, with everything written so far on disk.
    pub fn fresh_place(&self, tool: &str) -> Result<PathBuf> {
        let place = self.target().join(tool);
        fs::create_dir_all(&place)?;
        fs::create_dir_all(self.own(tool))?;
        self.settle()?;
        Ok(place)
    }

    /// Waits until nothing is left to be written.
    pub fn settle(&self) -> Result<()> {
        quiet(&mut Command::new("sync"))?;
        Ok(())
    }

    /// Bytes in use on the file system, with everything written and every deleted subvolume cleaned.
    pub fn used_bytes(&self) -> Result<u64> {
        quiet(
            Command::new("btrfs")
                .args(["subvolume", "sync"])
                .arg(self.target()),
        )?;
        quiet(
            Command::new("btrfs")
                .args(["filesystem", "sync"])
                .arg(self.target()),
        )?;
        let text = quiet(
            Command::new("df")
                .args(["-B1", "--output=used"])
                .arg(self.target()),
        )?;
        Ok(text.lines().nth(1).unwrap_or_default().trim().parse()?)
    }

    /// Removes a directory and the subvolumes in it.
    pub fn remove_place(&self, place: &Path) -> Result<()> {
        remove_tree(place)?;
        let tool = place
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        remove_tree(&self.own(tool))?;
        Ok(())
    }

    /// Removes a workload's source.
    pub fn remove_source(&self, source: &Path) -> Result<()> {
        remove_tree(source)
    }

    /// One line about the machine.
    pub fn machine(&self) -> Result<String> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name\t: "))
            .unwrap_or("unknown")
            .to_owned();
        let cores = std::thread::available_parallelism()?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(format!("{cores} cores ({model}), Linux {}", kernel.trim()))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.mounted {
            // What can't be cleaned up at the end is only told: the result counts.
            if let Err(error) = quiet(Command::new("umount").arg("-l").arg(self.target())) {
                eprintln!("warning: {error}");
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("warning: {} stays: {error}", self.root.display());
        }
    }
}

fn remove_tree(dir: &Path) -> Result<()> {
    if dir.exists() {
        // A read-only subvolume is deleted as such, the rest as usual.
        let script = r#"
            btrfs subvolume list -o "$1" >/dev/null 2>&1
            find "$1" -xdev -inum 256 -depth 2>/dev/null | while read -r sub; do
                [ "$sub" = "$1" ] || btrfs subvolume delete "$sub" >/dev/null 2>&1
            done
            rm -rf "$1""#;
        quiet(Command::new("sh").args(["-c", script, "sh"]).arg(dir))?;
    }
    Ok(())
}
