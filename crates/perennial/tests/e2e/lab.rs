//! A server with clients in a directory of its own, torn down at the end whatever happens.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use scratch_fs::{FileSystem, Scratch};
use tempfile::TempDir;

use crate::network::Network;

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(90);
const GIB: u64 = 1 << 30;
/// A user and group that own nothing.
const NOBODY: u32 = 65534;

/// A server, its storage and its clients.
pub struct Lab {
    server: Option<Child>,
    address: String,
    storage: PathBuf,
    /// The programs that run the server's and the clients' commands, with their arguments.
    server_wrapper: Vec<String>,
    client_wrapper: Vec<String>,
    /// What the server is always started with.
    settings: Vec<String>,
    state: PathBuf,
    // Unmounted after the server has ended, removed after that.
    _scratch: Option<Scratch>,
    root: TempDir,
}

/// Runs a test on each kind of storage that can be had here; says which could not.
pub fn on_each_storage(test: impl Fn(&mut Lab)) {
    for kind in [FileSystem::Btrfs, FileSystem::Xfs, FileSystem::Ext4] {
        let Some(mut lab) = Lab::on(kind) else { continue };
        eprintln!("--- on {}", kind.name());
        lab.start();
        test(&mut lab);
    }
}

/// Asks until the answer is as wanted.
pub fn wait_for<T>(lab: &Lab, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} does not come\n{}", lab.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a command says that has to fail.
pub fn refused(lab: &Lab, arguments: &[&str]) -> String {
    let output = lab.admin(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

impl Lab {
    /// A lab whose storage lies on a fresh file system; `None`, with the reason printed, where that can't be had.
    pub fn on(kind: FileSystem) -> Option<Self> {
        Self::sized(kind, GIB)
    }

    /// The same with a file system of this size.
    pub fn sized(kind: FileSystem, size_bytes: u64) -> Option<Self> {
        if let Err(why) = kind.available() {
            eprintln!("skipped on {}: {why}", kind.name());
            return None;
        }
        let scratch = match kind {
            FileSystem::Btrfs => Scratch::btrfs(size_bytes),
            FileSystem::Xfs => Scratch::xfs(size_bytes),
            _ => Scratch::ext4(size_bytes),
        };
        let scratch = scratch.expect("a scratch file system");
        let storage = scratch.path().join("storage");
        Some(Self::with(storage, Some(scratch)))
    }

    /// Lets the server's state lie on the file system of the storage. Before the first start.
    pub fn with_state_beside_the_storage(mut self) -> Self {
        self.state = self.storage.with_file_name("state");
        self
    }

    /// Has the server started with these arguments, always.
    pub fn with_settings(mut self, arguments: &[&str]) -> Self {
        self.settings = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    /// A lab whose storage lies in the temporary directory, whatever file system that is.
    pub fn plain() -> Self {
        let mut lab = Self::with(PathBuf::new(), None);
        lab.storage = lab.root.path().join("storage");
        lab
    }

    fn with(storage: PathBuf, scratch: Option<Scratch>) -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            server: None,
            address: free_address(),
            storage,
            server_wrapper: Vec::new(),
            client_wrapper: Vec::new(),
            settings: Vec::new(),
            state: root.path().join("server"),
            _scratch: scratch,
            root,
        }
    }

    /// Starts the server and waits until it is ready.
    pub fn start(&mut self) {
        self.start_with(&[], &[]);
    }

    /// Starts the server with further arguments and environment.
    pub fn start_with(&mut self, arguments: &[&str], environment: &[(&str, &str)]) {
        assert!(
            self.spawn(arguments, environment).is_some(),
            "the server did not become ready\n{}",
            self.log()
        );
    }

    /// From now on the server runs as a user without rights, whose its directories are.
    pub fn give_up_root(&mut self) {
        let nobody = Some(NOBODY);
        std::fs::set_permissions(self.root(), Permissions::from_mode(0o755)).unwrap();
        for dir in [self.server_state(), self.storage.clone()] {
            std::fs::create_dir_all(&dir).unwrap();
            std::os::unix::fs::chown(&dir, nobody, nobody).unwrap();
        }
        self.server_wrapper = vec![
            "setpriv".into(),
            format!("--reuid={NOBODY}"),
            format!("--regid={NOBODY}"),
            "--clear-groups".into(),
            "--".into(),
        ];
    }

    /// From now on server and clients are on the two ends of a network.
    pub fn move_to(&mut self, network: &Network) {
        self.server_wrapper = network.server_wrapper();
        self.client_wrapper = network.client_wrapper();
        self.address = network.server_address().to_owned();
    }

    /// Starts the server and waits until it is ready or has ended.
    fn spawn(&mut self, arguments: &[&str], environment: &[(&str, &str)]) -> Option<()> {
        let socket = self.root.path().join("notify");
        let _ = std::fs::remove_file(&socket);
        let notified = UnixDatagram::bind(&socket).unwrap();
        notified
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        std::fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
        let child = self
            .wrapped(&self.server_wrapper, ["server", "run"])
            .args(["--listen", &self.address, "--incremental-interval", "off"])
            .args(["--full-interval", "off"])
            .arg("--state")
            .arg(self.server_state())
            .arg("--storage")
            .arg(&self.storage)
            .args(&self.settings)
            .args(arguments)
            .env("NOTIFY_SOCKET", &socket)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(
                std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(self.server_log())
                    .unwrap(),
            )
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let server = self.server.insert(child);
        let mut message = [0; 256];
        while begun.elapsed() < READY_TIMEOUT {
            match notified.recv(&mut message) {
                Ok(len) if message[..len].starts_with(b"READY=1") => return Some(()),
                Ok(_) | Err(_) => {}
            }
            if server.try_wait().unwrap().is_some() {
                return None;
            }
        }
        None
    }

    /// Starts the server with further environment; `false` where it dies before it is ready.
    pub fn start_unless_it_dies(&mut self, environment: &[(&str, &str)]) -> bool {
        self.spawn(&[], environment).is_some()
    }

    /// Runs a command until it ends, or the server dies. Returns whether it succeeded.
    pub fn run_while_it_lives(&mut self, mut command: Command) -> bool {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.success();
            }
            if self.has_died() {
                // It would try again for minutes.
                child.kill().unwrap();
                child.wait().unwrap();
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether the server has ended by itself.
    pub fn has_died(&mut self) -> bool {
        match &mut self.server {
            Some(server) => server.try_wait().unwrap().is_some_and(|status| !status.success()),
            None => false,
        }
    }

    /// Ends the server as systemd would; it may die on the way.
    pub fn stop_or_die(&mut self) {
        if let Some(server) = &mut self.server {
            signal(server, rustix::process::Signal::TERM);
            server.wait().unwrap();
        }
    }

    /// Starts a server that is expected to refuse; returns what it printed.
    pub fn refused(&self, arguments: &[&str]) -> Output {
        self.command(["server", "run", "--listen", &self.address])
            .arg("--state")
            .arg(self.server_state())
            .arg("--storage")
            .arg(&self.storage)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Ends the server as systemd would.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal(&server, rustix::process::Signal::TERM);
            let status = server.wait().unwrap();
            assert!(status.success(), "the server ended with {status}\n{}", self.log());
        }
    }

    /// Kills the server in the middle of whatever it does.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Enrols a client.
    pub fn enroll(&self, client: &str) {
        let token = self.token(&["--client", client]);
        let output = self.enroll_with(client, &token);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Enrols a client anew in the place of the identity that it had.
    pub fn enroll_again(&self, client: &str) {
        let token = self.token(&["--client", client]);
        let output = self
            .command(["enroll", "--replace", "--name", client, &token])
            .arg("--client-state")
            .arg(self.client_state(client))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Gives installers the program without what debuggers need, since it is packed again and again.
    pub fn keep_small_program(&self) {
        let program = self.root().join("perennial");
        let output = Command::new("strip")
            .arg("-o")
            .arg(&program)
            .arg(env!("CARGO_BIN_EXE_perennial"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        self.ok(["server", "builds", "add", program.to_str().unwrap()]);
        std::fs::remove_file(program).unwrap();
    }

    /// Makes a token.
    pub fn token(&self, arguments: &[&str]) -> String {
        let mut all = vec!["token", "create"];
        all.extend(arguments);
        self.ok(all).trim().to_owned()
    }

    /// Enrols a client with a token, which may be refused.
    pub fn enroll_with(&self, client: &str, token: &str) -> Output {
        self.command(["enroll", "--name", client, token])
            .arg("--client-state")
            .arg(self.client_state(client))
            .output()
            .unwrap()
    }

    /// The command that makes one backup of `source` under the name `data`.
    pub fn once_command(&self, client: &str, source: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command(["client", "once", "--json", "--snapshots", "false"]);
        command.arg("--state").arg(self.client_state(client));
        command
            .arg("--source")
            .arg(format!("data={}", source.display()))
            .args(arguments);
        command
    }

    /// Makes one backup and returns its name.
    pub fn back_up(&self, client: &str, source: &Path) -> String {
        self.back_up_with(client, source, &[])
    }

    /// Makes one backup with further arguments and returns its name.
    pub fn back_up_with(&self, client: &str, source: &Path, arguments: &[&str]) -> String {
        let output = self.once_command(client, source, arguments).output().unwrap();
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | 3)),
            "backup ended with {code:?}: {}\nserver: {}",
            text(&output.stderr),
            self.log()
        );
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["backup"]["name"]
            .as_str()
            .unwrap_or_else(|| panic!("no name in {report}"))
            .to_owned()
    }

    /// Restores `place` as the client and returns the output.
    pub fn restore(&self, client: &str, place: &str, to: &Path, arguments: &[&str]) -> Output {
        self.command(["restore", place, "--to"])
            .arg(to)
            .arg("--client-state")
            .arg(self.client_state(client))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Restores all of a backup into a fresh directory and returns the path of its only source.
    pub fn restored(&self, client: &str, backup: &str) -> PathBuf {
        let to = tempfile::tempdir_in(self.root.path()).unwrap().keep();
        let output = self.restore(client, backup, &to, &[]);
        assert!(
            output.status.success(),
            "{}\n{}",
            text(&output.stderr),
            self.log()
        );
        to.join("data")
    }

    /// A command that talks to the server as its administrator.
    pub fn admin_command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = self.command(arguments);
        command.arg("--server-state").arg(self.server_state());
        command
    }

    /// Runs such a command.
    pub fn admin<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Output {
        self.admin_command(arguments).output().unwrap()
    }

    /// The same, expected to succeed; returns its stdout.
    pub fn ok<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> String {
        let output = self.admin(arguments);
        assert!(
            output.status.success(),
            "{}\n{}",
            text(&output.stderr),
            self.log()
        );
        text(&output.stdout)
    }

    /// The same, expected to print JSON.
    pub fn json<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> serde_json::Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// Fails unless the backup verifies.
    pub fn verify(&self, client: &str, backup: &str) {
        self.ok(["backup", "verify", &format!("{client}/{backup}")]);
    }

    /// Bytes that were sent for a backup.
    pub fn sent_bytes(&self, client: &str, backup: &str) -> u64 {
        let shown = self.json(["backup", "show", &format!("{client}/{backup}"), "--json"]);
        shown["bytes_transferred"]
            .as_u64()
            .unwrap_or_else(|| panic!("no figure in {shown}"))
    }

    /// Starts a client that stays, with `source` under the name `data`; the test has to end it.
    pub fn start_agent(&self, client: &str, source: &Path) -> Child {
        self.command(["client", "run", "--snapshots", "false", "--state"])
            .arg(self.client_state(client))
            .arg("--source")
            .arg(format!("data={}", source.display()))
            .spawn()
            .unwrap()
    }

    /// Waits until the only client is connected.
    pub fn wait_until_connected(&self) {
        let begun = Instant::now();
        while self.json(["clients", "list", "--json"])[0]["connected"] != true {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the agent does not come\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The names of a client's backups, oldest first.
    pub fn backups(&self, client: &str) -> Vec<String> {
        let list = self.json(["backup", "list", client, "--json"]);
        let names = list.as_array().unwrap().iter();
        names
            .map(|backup| backup["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Path and kind of each problem of a client's newest backup.
    pub fn problems(&self, client: &str) -> Vec<(String, String)> {
        let shown = self.json(["backup", "show", &format!("{client}/latest"), "--json"]);
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let list = shown["problem_list"].as_array().unwrap();
        list.iter()
            .map(|problem| (word(&problem["path"]), word(&problem["kind"])))
            .collect()
    }

    /// A command of the binary with a clean environment.
    pub fn command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        self.wrapped(&self.client_wrapper, arguments)
    }

    /// The same, run by another program.
    fn wrapped<I: IntoIterator<Item: AsRef<OsStr>>>(&self, wrapper: &[String], arguments: I) -> Command {
        let binary = env!("CARGO_BIN_EXE_perennial").to_owned();
        let words: Vec<String> = wrapper.iter().cloned().chain([binary]).collect();
        self.command_of(&words, arguments)
    }

    /// The same of another program.
    pub fn command_of<I: IntoIterator<Item: AsRef<OsStr>>>(&self, words: &[String], arguments: I) -> Command {
        let mut words = words.iter();
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path())
            .env("PERENNIAL_LOG", "info")
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    /// Where the backups lie.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// The directory for whatever a test needs.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The address of the server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The server's state directory.
    pub fn server_state(&self) -> PathBuf {
        self.state.clone()
    }

    /// A client's state directory.
    pub fn client_state(&self, client: &str) -> PathBuf {
        self.root.path().join("clients").join(client)
    }

    /// The process number of the server, which must be running.
    pub fn server_id(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.server_log()).unwrap_or_default()
    }

    fn server_log(&self) -> PathBuf {
        self.root.path().join("server.log")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's log:\n{}", self.log());
        }
    }
}

/// Sends a signal to a process that this test started.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

/// What a command printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An address on loopback where nobody listens. It is none of those that the system gives to connections on their own, or one of another
/// test could have it before a server does.
pub fn free_address() -> String {
    const PORTS: std::ops::Range<u64> = 10_000..32_000;
    loop {
        let random = RandomState::new().hash_one(0);
        let port = PORTS.start + random % (PORTS.end - PORTS.start);
        let address = format!("127.0.0.1:{port}");
        if std::net::TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// A source directory with a varied tree in it.
pub fn source(lab: &Lab, seed: u64) -> PathBuf {
    let dir = lab.root().join(format!("source-{seed}"));
    std::fs::create_dir_all(&dir).unwrap();
    scratch_fs::tree::random_tree(seed, &dir).unwrap();
    dir
}

/// Fails unless two trees are the same in everything that a backup keeps.
pub fn assert_same(expected: &Path, found: &Path) {
    let differences = scratch_fs::tree::compare_trees(expected, found);
    assert!(
        differences.is_empty(),
        "{} differences: {:#?}",
        differences.len(),
        &differences[..differences.len().min(20)]
    );
}
