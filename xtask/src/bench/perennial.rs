//! Perennial as it is used: a server and a client as processes of their own, TLS on loopback.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Result;
use super::measure::{Cost, quiet, timed};
use super::rivals::Tool;

/// The tool.
pub fn tool() -> Box<dyn Tool> {
    Box::new(Perennial::default())
}

/// Perennial, once it has begun.
#[derive(Default)]
pub struct Perennial {
    storage: PathBuf,
    binary: PathBuf,
    own: PathBuf,
    server: Option<Child>,
    backups: Vec<String>,
}

impl Perennial {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env("PERENNIAL_LOG", "warn");
        command
    }

    fn server_id(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Makes an image of a volume.
    pub fn image(&mut self, volume: &Path) -> Result<Cost> {
        let mut command = self.command();
        command
            .args(["client", "once", "--state"])
            .arg(self.own.join("client"));
        command.arg("--image").arg(volume);
        timed(&mut command, &[0], self.server_id())
    }

    /// Where the newest image lies.
    pub fn newest_image(&self) -> Result<PathBuf> {
        let names = self.names()?;
        let newest = names.last().ok_or("there is no image")?;
        Ok(self.storage.join("bench").join(newest))
    }

    /// What was sent of content for the newest image.
    pub fn sent_bytes(&self) -> Result<u64> {
        let mut command = self.command();
        command
            .args(["backup", "show", "bench/latest_image", "--json", "--server-state"])
            .arg(self.own.join("server"));
        let shown: serde_json::Value = serde_json::from_str(&quiet(&mut command)?)?;
        let sent = shown["bytes_transferred"].as_u64();
        sent.ok_or_else(|| "what was sent is not told".into())
    }

    /// Makes a virtual disk of an image.
    pub fn export(&self, image: &str, to: &Path) -> Result<Duration> {
        let mut command = self.command();
        command
            .args(["image", "export"])
            .arg(format!("bench/{image}"))
            .arg("--to")
            .arg(to)
            .arg("--server-state")
            .arg(self.own.join("server"));
        timed(&mut command, &[0], None).map(|cost| cost.wall)
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut command = self.command();
        command
            .args(["backup", "list", "--json", "--server-state"])
            .arg(self.own.join("server"));
        let list: serde_json::Value = serde_json::from_str(&quiet(&mut command)?)?;
        let names = list.as_array().into_iter().flatten();
        Ok(names
            .filter_map(|backup| backup["name"].as_str().map(str::to_owned))
            .collect())
    }
}

impl Tool for Perennial {
    fn name(&self) -> &'static str {
        "perennial"
    }

    fn begin(&mut self, place: &Path, own: &Path) -> Result<()> {
        quiet(Command::new("cargo").args(["build", "--release", "-p", "perennial"]))?;
        self.binary = target_dir()?.join("release/perennial");
        self.own = own.to_owned();
        self.storage = place.join("storage");
        let notify = own.join("notify");
        let notified = UnixDatagram::bind(&notify)?;
        notified.set_read_timeout(Some(Duration::from_secs(30)))?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // Should the benchmark be killed, the server ends too.
        let mut command = Command::new("setpriv");
        let server = command
            .args(["--pdeathsig", "TERM", "--"])
            .arg(&self.binary)
            .env("PERENNIAL_LOG", "warn")
            .args([
                "server",
                "run",
                "--incremental-interval",
                "off",
                "--full-interval",
                "off",
                "--listen",
            ])
            .arg(port.to_string())
            .arg("--state")
            .arg(own.join("server"))
            .arg("--storage")
            .arg(place.join("storage"))
            .env("NOTIFY_SOCKET", &notify)
            .stdin(Stdio::null())
            .spawn()?;
        self.server = Some(server);
        let mut message = [0; 128];
        notified.recv(&mut message)?;
        let mut create = self.command();
        create
            .args(["token", "create", "--server-state"])
            .arg(own.join("server"));
        let token = quiet(&mut create)?;
        let mut enroll = self.command();
        enroll
            .args(["enroll", "--name", "bench", token.trim(), "--client-state"])
            .arg(own.join("client"));
        quiet(&mut enroll)?;
        Ok(())
    }

    fn back_up(&mut self, source: &Path) -> Result<Cost> {
        let mut command = self.command();
        command
            .args(["client", "once", "--snapshots", "false", "--state"])
            .arg(self.own.join("client"));
        command.arg("--source").arg(format!("data={}", source.display()));
        let cost = timed(&mut command, &[0], self.server_id())?;
        self.backups = self.names()?;
        Ok(cost)
    }

    fn restore(&mut self, to: &Path) -> Result<Cost> {
        let mut command = self.command();
        command
            .args(["restore", "latest", "--to"])
            .arg(to)
            .arg("--client-state")
            .arg(self.own.join("client"));
        timed(&mut command, &[0], self.server_id())
    }

    fn delete_middle(&mut self) -> Result<Option<Cost>> {
        let Some(name) = self.backups.get(1) else {
            return Ok(None);
        };
        let mut command = self.command();
        command.args(["backup", "delete"]).arg(format!("bench/{name}"));
        command.arg("--server-state").arg(self.own.join("server"));
        timed(&mut command, &[0], self.server_id()).map(Some)
    }

    fn end(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            quiet(Command::new("kill").arg(server.id().to_string()))?;
            server.wait()?;
        }
        Ok(())
    }
}

impl Drop for Perennial {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Ended as well as can be: the benchmark has failed already.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Where cargo builds to.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = quiet(Command::new("cargo").args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    Ok(metadata["target_directory"].as_str().unwrap_or("target").into())
}
