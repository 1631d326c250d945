//! Mail servers: aiosmtpd in a process of its own, and one that reads its lines from a script.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use serde_json::Value;

const LIBRARY: &str = "aiosmtpd==1.4.6";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/delivery/smtp_server.py");

/// A running aiosmtpd.
pub struct SmtpServer {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    pub port: u16,
}

impl SmtpServer {
    /// Starts one, or says why not and returns nothing. CI has to have it.
    pub fn start(options: &Value) -> Option<Self> {
        let library = match library() {
            Ok(library) => library,
            Err(reason) => {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "CI must run every test: {reason}"
                );
                eprintln!("skipped: no {LIBRARY}: {reason}");
                return None;
            }
        };
        let mut child = Command::new("python3")
            .arg(SCRIPT)
            .arg(library)
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut server = Self {
            child,
            output,
            port: 0,
        };
        let ready = server.next().expect("a port");
        server.port = ready["port"]
            .as_u64()
            .and_then(|port| port.try_into().ok())
            .expect("a port");
        Some(server)
    }

    /// Ends the server and returns all that it has told.
    pub fn finish(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        std::iter::from_fn(|| self.next()).collect()
    }

    fn next(&mut self) -> Option<Value> {
        let line = self.output.next()?.expect("a line");
        Some(serde_json::from_str(&line).expect("JSON"))
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says the lines of a script: the first one as a greeting, each further one when a line has come in. Returns what came in.
pub fn scripted(lines: &'static [&'static str]) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut input = BufReader::new(socket.try_clone().expect("a socket")).lines();
        let mut heard = Vec::new();
        for line in lines {
            if socket.write_all(line.as_bytes()).is_err() {
                break;
            }
            match input.next() {
                Some(Ok(line)) => heard.push(line),
                _ => break,
            }
        }
        heard
    });
    (port, heard)
}

/// Returns the directory that holds aiosmtpd, which is installed there first if need be.
fn library() -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    // Tests are processes of their own, and one of them has to do it.
    let lock = File::create(directory.join("aiosmtpd.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let (library, partial) = (directory.join(LIBRARY), directory.join("aiosmtpd.partial"));
    if library.exists() {
        return Ok(library);
    }
    let pip = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
        ])
        .arg(&partial)
        .arg(LIBRARY)
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    if !pip.status.success() {
        return Err(String::from_utf8_lossy(&pip.stderr).trim().to_owned());
    }
    fs::rename(&partial, &library).map_err(|error| error.to_string())?;
    Ok(library)
}
