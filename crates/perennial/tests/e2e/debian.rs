//! A clean Debian that runs in namespaces of its own, with systemd, and is gone at the end.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::text;
use crate::network::Network;

/// systemd takes a few seconds, on a busy machine many.
const BOOT_TIMEOUT: Duration = Duration::from_secs(120);
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// A Debian: a copy that costs what is changed of it.
pub struct Debian {
    name: String,
    running: Option<Child>,
    /// The first process of what runs.
    leader: Option<String>,
    is_mounted: bool,
    dir: TempDir,
}

impl Debian {
    /// A fresh one of this host name. `None`, with the reason printed, where that can't be had.
    pub fn create(name: &str) -> Option<Self> {
        let base = base();
        if !base.with_file_name("made").exists() {
            assert!(
                std::env::var_os("CI").is_none(),
                "{} is missing: ./x test makes it",
                base.display()
            );
            eprintln!("skipped: ./x test makes a Debian for this, as root");
            return None;
        }
        let mut debian = Self {
            name: format!("perennial-{}-{name}", std::process::id()),
            running: None,
            leader: None,
            is_mounted: false,
            // By this name ./x finds what a test has left that was killed.
            dir: tempfile::Builder::new()
                .prefix(&format!("perennial-scratch-{}-", std::process::id()))
                .tempdir()
                .unwrap(),
        };
        for part in ["upper", "work", "root"] {
            fs::create_dir(debian.dir.path().join(part)).unwrap();
        }
        let dir = debian.dir.path().display();
        let options = format!(
            "lowerdir={},upperdir={dir}/upper,workdir={dir}/work",
            base.display()
        );
        let mounted = Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(debian.root())
            .output()
            .unwrap();
        assert!(mounted.status.success(), "{}", text(&mounted.stderr));
        debian.is_mounted = true;
        fs::write(debian.root().join("etc/hostname"), format!("{name}\n")).unwrap();
        Some(debian)
    }

    /// Its root directory.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Puts a file into its root's home.
    pub fn put(&self, file: &Path) {
        let to = self.root().join("root").join(file.file_name().unwrap());
        fs::copy(file, to).unwrap();
    }

    /// Whether it has such a file.
    pub fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.root().join(path.trim_start_matches('/'))).is_ok()
    }

    /// Starts it at the client's end of a network, and waits until systemd has brought it up.
    pub fn boot(&mut self, network: &Network) {
        let child = Command::new("systemd-nspawn")
            .arg("--directory")
            .arg(self.root())
            .args([
                "--boot",
                "--register=no",
                "--keep-unit",
                "--console=pipe",
                "--quiet",
            ])
            .args(["--machine", &self.name, "--kill-signal=SIGRTMIN+3"])
            .arg(format!(
                "--network-namespace-path=/run/netns/{}",
                network.client_namespace()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = self.running.insert(child).id().to_string();
        let begun = Instant::now();
        loop {
            if self.leader.is_none() {
                let found = Command::new("pgrep")
                    .args(["-P", &pid, "-x", "systemd"])
                    .output()
                    .unwrap();
                self.leader = text(&found.stdout).lines().next().map(str::to_owned);
            }
            let is_up = self.leader.is_some()
                && text(&self.output(["systemctl", "is-system-running"]).stdout).trim() == "running";
            if is_up {
                return;
            }
            assert!(begun.elapsed() < BOOT_TIMEOUT, "Debian does not come up");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Runs a command in it: among its processes where it was booted, else as if it were the whole system.
    pub fn output<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Output {
        let mut command = match &self.leader {
            Some(leader) => {
                let mut command = Command::new("nsenter");
                command.args(["--target", leader, "--all", "--"]);
                command
            }
            None => {
                let mut command = Command::new("chroot");
                command.arg(self.root());
                command
            }
        };
        command.args([
            "/usr/bin/env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]);
        command.args(["HOME=/root", "DEBIAN_FRONTEND=noninteractive"]);
        command.args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// The same, expected to succeed; returns what it printed.
    pub fn ok<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> String {
        let output = self.output(arguments);
        assert!(
            output.status.success(),
            "{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// The same, expected to fail; returns what it complained about.
    pub fn refused<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> String {
        let output = self.output(arguments);
        assert!(!output.status.success(), "{}", text(&output.stdout));
        text(&output.stderr)
    }

    fn end(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let pid = rustix::process::Pid::from_child(&running);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let begun = Instant::now();
        while running.try_wait().is_ok_and(|ended| ended.is_none()) && begun.elapsed() < END_TIMEOUT {
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = running.kill();
        let _ = running.wait();
        // What it leaves behind where nobody manages machines. Control groups stay as long as another one runs.
        let _ = fs::remove_dir(Path::new("/run/systemd/nspawn/propagate").join(&self.name));
        for dir in control_groups() {
            for part in ["payload", "supervisor"] {
                let _ = fs::remove_dir(dir.join(part));
            }
        }
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        self.end();
        if self.is_mounted {
            let _ = Command::new("umount").arg("--lazy").arg(self.root()).status();
        }
    }
}

/// The control groups of this process, in all hierarchies that there are.
fn control_groups() -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten();
    let hierarchies = hierarchies.map(|hierarchy| hierarchy.path().join(own));
    hierarchies.chain([root.join(own)]).collect()
}

/// What all of them are copies of.
fn base() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("debian-root").join("root")
}
