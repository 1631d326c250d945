//! The server that is measured, as a process of its own.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Result;
use super::arguments::Profile;
use super::scene::Scene;
use crate::bench::measure::{cpu_of, memory_of, quiet};
use crate::bench::perennial::target_dir;

/// For how long the server is looked at to see whether it rests, how often at most, and with which share of a processor it does.
const LOOK: Duration = Duration::from_secs(10);
const MOST_LOOKS: u32 = 360;
const IDLE_SHARE: f64 = 0.02;

/// The longest that it may take to be ready: the first time it takes in all backups.
const READY_TIMEOUT: Duration = Duration::from_secs(1800);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Builds the program and says where it is.
pub fn build(profile: Profile) -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    build
        .args(["build", "--quiet", "-p", "perennial"])
        .args(profile.flags());
    quiet(&mut build)?;
    Ok(target_dir()?.join(profile.name()).join("perennial"))
}

/// What a command of the administrator prints.
pub fn administer(scene: &Scene, binary: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(binary);
    command
        .args(arguments)
        .arg("--server-state")
        .arg(scene.state())
        .env("PERENNIAL_LOG", "error");
    quiet(&mut command)
}

/// A server that runs.
pub struct Server {
    child: Child,
    took: Duration,
}

impl Server {
    /// Starts it and waits until it answers.
    pub fn start(scene: &Scene, binary: &Path) -> Result<Self> {
        let notify = scene.notify();
        if notify.exists() {
            fs::remove_file(&notify)?;
        }
        let notified = UnixDatagram::bind(&notify)?;
        notified.set_read_timeout(Some(LOOK_AGAIN))?;
        let begun = Instant::now();
        // Should the measurement be killed, the server ends too.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(binary)
            .args(["server", "run", "--listen", "127.0.0.1:0", "--state"])
            .arg(scene.state())
            .arg("--storage")
            .arg(scene.storage())
            .env("PERENNIAL_LOG", "error")
            .env("NOTIFY_SOCKET", &notify)
            .stdin(Stdio::null())
            .spawn()?;
        let mut server = Self {
            child,
            took: Duration::ZERO,
        };
        let mut message = [0; 128];
        while begun.elapsed() < READY_TIMEOUT {
            match notified.recv(&mut message) {
                Ok(len) if message[..len].starts_with(b"READY=1") => {
                    server.took = begun.elapsed();
                    return Ok(server);
                }
                Ok(_) | Err(_) => {}
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended with {status}").into());
            }
        }
        Err("the server is not ready in time".into())
    }

    /// How long it took until it answered.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// What is resident of its memory now.
    pub fn resident_bytes(&self) -> Result<u64> {
        memory_of(self.child.id(), "VmRSS:")
    }

    /// The most that was ever resident of its memory.
    pub fn peak_bytes(&self) -> Result<u64> {
        memory_of(self.child.id(), "VmHWM:")
    }

    /// Waits until it has done what it does by itself after its start.
    pub fn wait_until_idle(&self) -> Result<()> {
        for _ in 0..MOST_LOOKS {
            if self.cpu_within(LOOK)?.as_secs_f64() < LOOK.as_secs_f64() * IDLE_SHARE {
                return Ok(());
            }
        }
        Err("the server does not come to rest".into())
    }

    /// The CPU time that it uses while nobody asks for anything.
    pub fn cpu_within(&self, span: Duration) -> Result<Duration> {
        let before = cpu_of(self.child.id())?;
        std::thread::sleep(span);
        Ok(cpu_of(self.child.id())?.saturating_sub(before))
    }

    /// How long a command of its administrator takes as a whole.
    pub fn ask(&self, scene: &Scene, binary: &Path, arguments: &[&str]) -> Result<Duration> {
        let begun = Instant::now();
        administer(scene, binary, arguments)?;
        Ok(begun.elapsed())
    }

    /// Ends it.
    pub fn end(mut self) -> Result<()> {
        quiet(Command::new("kill").arg(self.child.id().to_string()))?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended, or the measurement has failed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
