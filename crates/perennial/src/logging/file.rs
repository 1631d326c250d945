//! A log file: appended to, and opened anew when somebody has moved it away.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::fmt::MakeWriter;

/// The mode of a log file: its group may read it.
const MODE: u32 = 0o640;

/// A file that is logged to; clones are the same file.
#[derive(Debug, Clone)]
pub struct LogFile {
    path: Arc<PathBuf>,
    file: Arc<Mutex<File>>,
}

impl LogFile {
    /// Opens a log file, or makes it.
    pub fn open(path: &Path) -> Result<Self> {
        let file = append(path).with_context(|| format!("can't log to {}", path.display()))?;
        Ok(Self {
            path: Arc::new(path.to_owned()),
            file: Arc::new(Mutex::new(file)),
        })
    }

    /// Opens it anew on each SIGHUP, which no longer ends the process. Must be called within a runtime.
    pub fn reopen_on_hangup(self) -> io::Result<()> {
        let mut hangups = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                self.reopen();
            }
        });
        Ok(())
    }

    fn reopen(&self) {
        match append(&self.path) {
            Ok(file) => {
                *self.file.lock() = file;
                tracing::info!("the log file was opened anew");
            }
            // What was open is still there to be written to.
            Err(error) => {
                tracing::error!(path = %self.path.display(), %error, "the log file can't be opened anew");
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    match options.clone().create_new(true).mode(MODE).open(path) {
        Ok(file) => {
            // Whatever the umask is.
            file.set_permissions(Permissions::from_mode(MODE))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// One line on its way into the file.
pub struct Line(Arc<Mutex<File>>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().flush()
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self.file.clone())
    }
}
